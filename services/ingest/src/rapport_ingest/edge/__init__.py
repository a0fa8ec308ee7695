"""How connections come to a process of ingest, and how fast they are answered there."""

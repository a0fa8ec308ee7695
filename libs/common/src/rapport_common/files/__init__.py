"""Files of rows, read with the place behind each, in memory that does not grow with the file."""

"""The contract between the services: the records they exchange and the topics they travel on."""

"""Every SQL statement of the service, by what it is for."""

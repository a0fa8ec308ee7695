"""Every SQL statement of campaign. Callers own the transaction; nothing here commits."""

"""Files of rows, made while they are sent: CSV, JSON Lines and Parquet."""

"""What the five services share: events, Kafka, database, HTTP, auth and the process runtime."""

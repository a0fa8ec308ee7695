"""The use cases: what arrives by Kafka, what operators ask, what recipients do, what is sent."""

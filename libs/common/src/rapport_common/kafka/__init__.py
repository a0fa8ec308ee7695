"""Kafka as Rapport uses it: a producer, the consumer loop and topic administration."""

"""Kafka and only Kafka: the consumer loop, the idempotent producer, topics."""

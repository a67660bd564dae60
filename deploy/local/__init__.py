"""A private, real stack on this machine: Kafka, PostgreSQL and the five services."""

"""What feedback decides, as pure functions over values: no Kafka, no SQL, no HTTP, no clock."""

"""The ways into a service: Kafka records, internal events, deadlines, redrives."""

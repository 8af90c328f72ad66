"""The four services. They never import one another; they talk in words over Kafka."""

"""A Kafka and a PostgreSQL of the journeys' own: the hub's runner does not start them again, whatever happens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy import embedded_kafka, embedded_postgres


class Servers:
    """Both run from now on, until `stop()`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kafka = embedded_kafka.start(folder)
        self.postgres = embedded_postgres.start(folder)

    def environment(self) -> Mapping[str, str]:
        """Points a hub here."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "DATABASE_URL": self.postgres.dsn()}

    @contextmanager
    def without_kafka(self) -> Iterator[None]:
        """Until the block ends."""
        self.kafka.stop()
        try:
            yield
        finally:
            self.kafka = embedded_kafka.start(self._folder, int(self.kafka.bootstrap.rpartition(":")[2]))

    @contextmanager
    def without_postgres(self) -> Iterator[None]:
        """Until the block ends."""
        self.postgres.stop()
        try:
            yield
        finally:
            self.postgres = embedded_postgres.start(self._folder, self.postgres.port)

    def stop(self) -> None:
        self.kafka.stop()
        self.postgres.stop()

"""Whether the cluster lets us do what the service is there for: what it does not is named, and waited for."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from shared.platform import kafka_rights, log
from shared.platform.kafka import Cluster
from shared.platform.settings import ConfigurationError

AGAIN_SECONDS = 2.0
LOOK_SECONDS = 60.0
"""A right may be taken from a service that runs."""
TROUBLE = (KafkaError, OSError, TimeoutError, ConfigurationError)


class RightsWatch:
    """`wrong` names what is missing, as of the last answer."""

    def __init__(self, kafka: Cluster, topic: str, group: str, writes: Sequence[str]) -> None:
        self._kafka = kafka
        self._topic = topic
        self._group = group
        self._writes = writes
        self._to_consume: list[str] = []
        self._to_produce: list[str] = []

    async def granted(self) -> None:
        """Return once we may consume."""
        while not await self._may_consume():
            await self._ask_to_produce()
            if self._to_consume:
                log.seldom("waiting for a right in Kafka", place=", ".join(self._to_consume))
            await asyncio.sleep(AGAIN_SECONDS)

    async def run(self) -> None:
        """Ask again and again: often while something is missing."""
        while True:
            await self._may_consume()
            await self._ask_to_produce()
            await asyncio.sleep(AGAIN_SECONDS if self.wrong() else LOOK_SECONDS)

    async def _may_consume(self) -> bool:
        """False where it is not known."""
        try:
            self._to_consume = await kafka_rights.missing_to_consume(self._kafka, self._topic, self._group)
        except TROUBLE as error:
            log.seldom("rights to read are not known", error=type(error).__name__)
            return False
        return not self._to_consume

    async def _ask_to_produce(self) -> None:
        try:
            self._to_produce = await kafka_rights.missing_to_produce(self._kafka, self._writes)
        except TROUBLE as error:
            log.seldom("rights to write are not known", error=type(error).__name__)

    def wrong(self) -> str | None:
        """What is missing, or None."""
        missing = self._to_consume + self._to_produce
        if not missing:
            return None
        user = self._kafka.security.username or self._kafka.security.client_id or "our user"
        return f"Kafka gives {user} no right: {', '.join(missing)}."

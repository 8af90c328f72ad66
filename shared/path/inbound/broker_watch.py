"""How current what was consumed is: when the broker last answered, and since when records wait unread.

A poll that comes back empty is no answer: the client gives it without asking anybody.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError

from shared.platform import kafka_trouble, log, metrics
from shared.platform.agreement import CLOCK_SECONDS_MOST
from shared.platform.clock import machine_now, ticks
from shared.platform.kafka import Cluster

ASK_SECONDS = 10.0
REACH_AGAIN_SECONDS = 2.0


@dataclass(frozen=True)
class AgeLimits:
    """Up to which age (s) each thing that readiness looks at is current."""

    answer_seconds: float = 30.0
    lag_seconds: float = 300.0
    unsent_seconds: float = 120.0
    ledger_seconds: float = 120.0
    """Of machine time; six times the age at which the gate shuts: a heartbeat may come late."""
    clock_seconds: float = CLOCK_SECONDS_MOST
    """By so much the database's clock may be ahead or behind."""


AGE_LIMITS = AgeLimits()


@dataclass(frozen=True)
class GroupTimes:
    """A replica that stays away for `session_ms` loses its partitions to the others, who learn of it within
    `heartbeat_ms`. Before that it comes back to those it had: no broker takes less than 6 s unless told to."""

    session_ms: int = 6_000
    heartbeat_ms: int = 500


GROUP_TIMES = GroupTimes()


class BrokerWatch:
    """Looks at the client once a second; asks nobody."""

    def __init__(self, service: str, limits: AgeLimits = AGE_LIMITS) -> None:
        self._service = service
        self._limits = limits
        self._joined_at: float | None = None
        self._answered_at: float | None = None
        self._ends: deque[tuple[float, Mapping[int, int]]] = deque()
        self._counted: set[int] = set()
        self._unreached: str | None = None

    async def reached(self, kafka: Cluster) -> None:
        """Return once Kafka answers: it may be away while a service starts, and is waited for as PostgreSQL is."""
        while (wrong := await kafka_trouble.trouble(kafka)) is not None:
            self._unreached = wrong
            log.seldom("waiting for Kafka: the consumer can't start", place=wrong)
            await asyncio.sleep(REACH_AGAIN_SECONDS)
        self._unreached = None

    def assigned(self, partitions: Mapping[int, int]) -> None:
        """The coordinator has answered: these are ours from now on, perhaps none."""
        self._joined_at = ticks()
        self._answered_at = None
        self._ends.clear()
        for number in self._counted - partitions.keys():
            metrics.CONSUMER_LAG.remove(self._service, number)
        self._counted &= partitions.keys()

    def look(self, client: Any, offsets: Mapping[int, int]) -> None:
        """At what the client knows of its partitions, and how far they are stored (partition -> offset)."""
        assigned = client.assignment() if client is not None else ()
        fetching = [each for each in assigned if each not in client.paused()]
        stamps = [client.last_poll_timestamp(each) for each in fetching]
        if stamps and None not in stamps:
            age = machine_now().timestamp() - min(stamps) / 1000
            self._answered_at = ticks() - age
        ends = {each.partition: client.highwater(each) for each in fetching}
        self._count(ends, offsets)
        self._mark({number: end for number, end in ends.items() if end is not None}, offsets)

    def _count(self, ends: Mapping[int, int | None], offsets: Mapping[int, int]) -> None:
        for number, end in ends.items():
            if end is not None:
                waiting = max(0, end - offsets.get(number, end))
                metrics.CONSUMER_LAG.labels(self._service, number).set(waiting)
                self._counted.add(number)

    async def ask(self, client: Any, partition: Any) -> None:
        """A replica that has no partitions is sent nothing: every ten seconds it asks the coordinator."""
        answered = self.answer_seconds
        if client is None or answered is None or answered < ASK_SECONDS or client.assignment():
            return
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                await client.committed(partition)
            self._answered_at = ticks()

    def _mark(self, ends: Mapping[int, int], offsets: Mapping[int, int]) -> None:
        self._ends.append((ticks(), ends))
        while self._ends and all(offsets.get(number, end) >= end for number, end in self._ends[0][1].items()):
            self._ends.popleft()

    @property
    def answer_seconds(self) -> float | None:
        """Since the broker's last answer; None before this process joined its group."""
        if self._joined_at is None:
            return None
        return ticks() - (self._answered_at if self._answered_at is not None else self._joined_at)

    @property
    def lag_seconds(self) -> float:
        """For how long records have been waiting unread."""
        return ticks() - self._ends[0][0] if self._ends else 0.0

    def unanswered(self) -> str | None:
        """What is wrong with the broker's answers, or None."""
        answered = self.answer_seconds
        if answered is None:
            return self._unreached or "Kafka consumer has not joined its group."
        if answered > self._limits.answer_seconds:
            return f"Kafka has not answered for {answered:.0f} s."
        return None

    def unread(self) -> str | None:
        """What is wrong with what waits to be read, or None."""
        if self.lag_seconds > self._limits.lag_seconds:
            return f"Records have been waiting unread for {self.lag_seconds:.0f} s."
        return None

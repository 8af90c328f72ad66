"""Whether a service is ready, and what is wrong: what everybody who asks is told, load balancers and people.

A partner's lane is never looked at: a partner that is away is a metric and an alert, and no fault of this service.
"""

import asyncio
from datetime import datetime, timedelta

import msgspec

from shared.path.inbound.broker_watch import AGE_LIMITS, AgeLimits
from shared.path.inbound.consumer import Consumer
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.transaction import consent_ledger
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.inbox import Inbox
from shared.platform import db
from shared.platform.clock import machine_now

ANSWER_SECONDS_MOST = 2.0


class NotReady(msgspec.Struct, frozen=True):
    """What is wrong. `by_itself`: it may pass without a person."""

    sentence: str
    by_itself: bool = True


class Readiness:
    def __init__(self, inbox: Inbox, consumer: Consumer, limits: AgeLimits = AGE_LIMITS) -> None:
        self._inbox = inbox
        self._consumer = consumer
        self._limits = limits
        self._started_at = machine_now()

    async def wrong(self) -> NotReady | None:
        """The first thing that is wrong, or None."""
        if self._consumer.stopped:
            return NotReady("The consumer has stopped; `iop consumer show` says where.", by_itself=False)
        if self._consumer.polled.troubled:
            return NotReady("Kafka consumer is retrying after a database error.")
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MOST):
                sentence = await self._unsent() or await self._ledger()
        except Exception as error:
            if not db.is_trouble(error):
                raise
            return NotReady("The database can't be reached.")
        sentence = self._consumer.broker.wrong() or sentence
        return NotReady(sentence) if sentence else None

    async def _unsent(self) -> str | None:
        for lane, age in (await oldest_unsent_seconds(self._inbox.pool)).items():
            if age > self._limits.unsent_seconds and (lane == INTERNAL_LANE or lane.startswith("topic:")):
                return f"Lane {lane} is not draining."
        return None

    async def _ledger(self) -> str | None:
        """Counted from the start of this process at the earliest: it has not been able to know more for long."""
        known = await consent_ledger.oldest(self._inbox.pool)
        if known is None or _age(max(known, self._started_at)) <= self._limits.ledger_seconds:
            return None
        return "The consent ledger is not current: nothing is disclosed."


def _age(moment: datetime) -> float:
    return (machine_now() - moment) / timedelta(seconds=1)

"""Whether a service is ready, and what is wrong: what everybody who asks is told, load balancers and people.

A partner's lane is never looked at: a partner that is away is a metric and an alert, and no fault of this service.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from shared.path.inbound.broker_watch import AGE_LIMITS, AgeLimits
from shared.path.inbound.consumer import Consumer
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.transaction import consent_ledger
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.inbox import Inbox
from shared.platform import agreement, db
from shared.platform.agreement import Agreement
from shared.platform.clock import machine_now

ANSWER_SECONDS_MOST = 2.0
REMEDIES: Mapping[str, str] = {
    "consumer": "`iop consumer show` says where; mend it, then `iop consumer resume`",
    "storing": "is PostgreSQL slow, full or restarting? It goes on by itself, or starts again after a minute",
    "database": "bring PostgreSQL back; the service goes on by itself, or starts again after a minute",
    "rights": "`iop topics acl` prints what services need, `iop topics apply --acl` grants it; it goes on by itself",
    "broker": "is Kafka up, and reached under this address? It goes on by itself once Kafka answers",
    "unread": "the service's log and `iop consumer show`; a second process (`--replicas`) where it is only slow",
    "lanes": "is Kafka up? then the service's log; `iop parked list`",
    "ledger": "are intake and Kafka up? `iop ledger show`; after lost records `iop ledger reopen --dry-run`",
    "schema": "older: start the service again, it brings the schema up to date; newer: run the release that made it",
    "clock": "have the clocks of both machines set by NTP",
}
"""By the name of each check, in the order in which they are named."""
OF_DATABASE = ("lanes", "ledger", "schema", "clock")
"""What only the database knows."""
LOST = "Records with consents were never read, a no perhaps among them: nothing is disclosed until a person acts."
FOR_A_PERSON = frozenset({"consumer", "rights", "schema", "clock"})
"""What waiting does not mend."""


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is looked at. `wrong` names what is, `since` when this process saw it first; `unknown`: only the
    database could say, and it does not answer; `asks`: the service is ready, and a person has to do something."""

    name: str
    status: Literal["ok", "wrong", "unknown", "asks"]
    wrong: str = ""
    since: datetime | None = None
    remedy: str = ""

    @property
    def by_itself(self) -> bool:
        """Whether what is wrong may pass without a person."""
        return self.name not in FOR_A_PERSON


@dataclass(frozen=True)
class Stored:
    """What the database said: how old (s) the oldest row of each lane is, and the consent ledger where it counts; and
    whether the gate is shut until a person acts."""

    unsent_seconds: Mapping[str, float]
    ledger_seconds: float | None
    agreement: Agreement
    lost: bool = False


class Readiness:
    def __init__(self, inbox: Inbox, consumer: Consumer, limits: AgeLimits = AGE_LIMITS) -> None:
        self._inbox = inbox
        self._consumer = consumer
        self._limits = limits
        self._started_at = machine_now()
        self._since: dict[str, datetime] = {}

    async def checks(self) -> Sequence[Check]:
        """Every check, in one order."""
        stored = await self._stored()
        wrong = self._of_process() | of_database(stored, self._limits)
        now = machine_now()
        self._since = {name: self._since.get(name, now) for name in wrong}
        found = [self._check(name, wrong.get(name), stored is None and name in OF_DATABASE) for name in REMEDIES]
        lost = self._lost(stored)
        return [self._of_lost(each) if lost and each.name == "ledger" else each for each in found]

    def _check(self, name: str, wrong: str | None, unknown: bool) -> Check:
        if wrong is None:
            return Check(name=name, status="unknown" if unknown else "ok")
        return Check(name=name, status="wrong", wrong=wrong, since=self._since[name], remedy=REMEDIES[name])

    def _of_lost(self, ledger: Check) -> Check:
        """Waiting opens no gate that is shut for records lost: the line that does. Whoever waits for an answer of this
        service is not made to wait for that."""
        status: Literal["wrong", "asks"] = "wrong" if ledger.status == "wrong" else "asks"
        remedy = f"`iop ledger reopen --service {self._inbox.service.name} --dry-run`, then without --dry-run"
        return Check(name=ledger.name, status=status, wrong=LOST, since=ledger.since, remedy=remedy)

    def _lost(self, stored: Stored | None) -> bool:
        """Where something is disclosed."""
        discloses = any(each.gate is not None for each in self._inbox.routes.destinations)
        return stored is not None and stored.lost and discloses

    def _of_process(self) -> dict[str, str]:
        found = {
            "consumer": "The consumer has stopped; `iop consumer show` says where." if self._consumer.stopped else None,
            "storing": "Kafka consumer is retrying after a database error." if self._consumer.polled.troubled else None,
            "rights": self._consumer.rights.wrong(),
            "broker": self._consumer.broker.unanswered(),
            "unread": self._consumer.broker.unread(),
        }
        return {name: sentence for name, sentence in found.items() if sentence}

    async def _stored(self) -> Stored | None:
        """None where the database does not answer in time."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MOST):
                unsent = await oldest_unsent_seconds(self._inbox.pool)
                lost = await consent_ledger.is_lost(self._inbox.pool)
                return Stored(unsent, await self._ledger(), await agreement.ask(self._inbox.pool), lost)
        except Exception as error:
            if not db.is_trouble(error):
                raise
            return None

    async def _ledger(self) -> float | None:
        """Counted from the start of this process at the earliest: it has not been able to know more for long."""
        if self._inbox.service.ready_without_consents:
            return None
        known = await consent_ledger.oldest(self._inbox.pool)
        return None if known is None else (machine_now() - max(known, self._started_at)) / timedelta(seconds=1)


def of_database(stored: Stored | None, limits: AgeLimits) -> dict[str, str]:
    """What is wrong by the database, by the name of the check."""
    if stored is None:
        return {"database": "The database can't be reached."}
    late = sorted(
        lane for lane, age in stored.unsent_seconds.items() if _must_drain(lane) and age > limits.unsent_seconds
    )
    is_old = stored.ledger_seconds is not None and stored.ledger_seconds > limits.ledger_seconds
    found = {
        "lanes": f"Lane {late[0]} is not draining." if late else "",
        "ledger": "The consent ledger is not current: nothing is disclosed." if is_old else "",
        "schema": agreement.schema_wrong(stored.agreement),
        "clock": agreement.clock_wrong(stored.agreement, limits.clock_seconds),
    }
    return {name: sentence for name, sentence in found.items() if sentence}


def _must_drain(lane: str) -> bool:
    return lane == INTERNAL_LANE or lane.startswith(("topic:", "lookup:"))


def wrong(checks: Sequence[Check]) -> list[Check]:
    """Those for which the service is not ready."""
    return [each for each in checks if each.status == "wrong"]

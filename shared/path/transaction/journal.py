"""The journal: every decision with everything it was given, so that it can be made again.

It is no event sourcing: decisions load the state, never these rows.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from shared.path.transaction.delivery import Commanded, Consumed, Delivery, Internal
from shared.platform import db

# Each set of settings that a decision used, once.
_SETTINGS = """INSERT INTO settings (program, digest, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT DO NOTHING"""
_encode = msgspec.json.Encoder(order="deterministic").encode
DECIDED, HELD = "decided", "held"
"""Outcomes of a decision of the service's, and (`held`, `held: CODE` where refused) of one about the hub-hold
escalation. Any other is the code of a refusal."""


class JournalRow(msgspec.Struct, frozen=True):
    """One decision about a key of its batch's kind. `delivery` is consumed, commanded or internal; `content` its event
    or commands as JSON."""

    key: str
    program: str
    cause: UUID
    producer: str
    delivery: str
    event: str
    content: str
    outcome: str
    settings: str
    emitted: tuple[UUID, ...]


def delivery_kind(delivery: Delivery) -> str:
    match delivery:
        case Consumed():
            return "consumed"
        case Commanded():
            return "commanded"
        case _:
            return "internal"


def content_of(delivery: Delivery) -> str:
    """What was decided, as JSON: the event, or the commands in their order."""
    match delivery:
        case Commanded(commands=commands):
            return _encode(commands).decode()
        case Consumed(event=event) | Internal(event=event):
            return _encode(event).decode()
        case _:
            raise AssertionError("what can't be read is never decided")


def digest(settings: object) -> str:
    """A short fingerprint of what a decision was given."""
    return hashlib.sha256(_encode(settings)).hexdigest()[:16]


class Journal:
    """Makes ready what the journal's rows need: the partition of the month (clinic time) and the settings they name."""

    def __init__(self, dsn: str, settings: Mapping[str, object]) -> None:
        self._dsn = dsn
        self._settings = settings
        self.digests = {program: digest(each) for program, each in settings.items()}
        self._months: set[tuple[int, int]] = set()

    async def ensure(self, now: datetime) -> None:
        """Before the first decision of a month: its partition, and the settings this process decides with."""
        month = (now.year, now.month)
        if month in self._months:
            return
        start = datetime(now.year, now.month, 1, tzinfo=now.tzinfo)
        end = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=now.tzinfo)
        async with db.alone(self._dsn) as connection:
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS journal_{now:%Y_%m} PARTITION OF journal "
                f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
            bodies = [_encode(each).decode() for each in self._settings.values()]
            await connection.execute(_SETTINGS, list(self._settings), list(self.digests.values()), bodies)
        self._months.add(month)

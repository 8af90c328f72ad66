"""The journal: every decision with everything it was given, so that it can be made again.

It is no event sourcing: decisions load the state, never these rows.
"""

import hashlib
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec

from shared.path.transaction.delivery import Commanded, Consumed, Delivery, Internal
from shared.platform import db, months
from shared.platform.build import build

# Each set of settings that a decision used, once.
_SETTINGS = """INSERT INTO settings (program, digest, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT DO NOTHING"""
_encode = msgspec.json.Encoder(order="deterministic").encode
# As program.toml has them: which stage of a stay is the first is said by their order.
_in_order = msgspec.json.Encoder().encode
DECIDED, HELD = "decided", "held"
"""Outcomes of a decision of the service's, and (`held`, `held: CODE` where refused) of one about the hub-hold
escalation. Any other is the code of a refusal."""


class JournalRow(msgspec.Struct, frozen=True):
    """One decision about a key of its batch's kind. `delivery` is consumed, commanded or internal; `content` its event
    or commands as JSON; `digests` are of the row, of the state before it, and of each that was emitted."""

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
    digests: tuple[str, ...] = ()


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
    return digest_of(_in_order(settings))


def digest_of(content: bytes | str) -> str:
    """A short fingerprint: 16 hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def digested(row: JournalRow, kind: str, now: datetime, listening_since: datetime, code: str | None = None) -> str:
    """The fingerprint of a row, with all that it was given; `code` where it is not this build."""
    given = (*_in_utc(now, listening_since), code or build())
    of_row = (kind, row.key, row.program, row.cause.hex, row.producer, row.delivery, row.event, row.content)
    made = (row.outcome, row.settings, *(each.hex for each in row.emitted), *row.digests)
    return digest_of("\n".join((*given, *of_row, *made)))


@lru_cache(1)
def _in_utc(*moments: datetime) -> tuple[str, ...]:
    """As text, one and the same for every row of a batch."""
    return tuple(each.astimezone(UTC).isoformat() for each in moments)


class Journal:
    """Makes ready what the journal's rows need: the partition of the month (clinic time) and the settings they name."""

    def __init__(self, dsn: str, settings: MutableMapping[str, object]) -> None:
        self._dsn = dsn
        self._settings = settings
        self.digests = {program: digest(each) for program, each in settings.items()}
        self._months: set[tuple[int, int]] = set()

    async def ensure(self, now: datetime) -> None:
        """Before the first decision of a month: its partition, and the settings this process decides with."""
        month = (now.year, now.month)
        if month in self._months:
            return
        async with db.alone(self._dsn) as connection:
            await months.ensure(connection, "journal", now)
            bodies = [_in_order(each).decode() for each in self._settings.values()]
            await connection.execute(_SETTINGS, list(self._settings), list(self.digests.values()), bodies)
        self._months.add(month)

    async def change(self, program: str, settings: object) -> None:
        """What this program is decided with from now on, here and in the inbox, which has the same settings: stored
        before a row names it."""
        changed = digest(settings)
        async with db.alone(self._dsn) as connection:
            await connection.execute(_SETTINGS, [program], [changed], [_in_order(settings).decode()])
        self._settings[program], self.digests[program] = settings, changed

"""Redriving: parked deliveries decided again, in order, in one transaction a key; a lane's parked rows sent again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events.catalogue import BY_NAME
from shared.events.intake import ConsentDenied, ConsentGiven, ConsentRevoked
from shared.path.outbound import parking, unlisted
from shared.path.outbound.accounting import Accounts, by_headers
from shared.path.service import PATIENT
from shared.path.transaction import consent_ledger
from shared.path.transaction.delivery import Incomplete, Redriven, bare
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.stored import from_parked, unstorable
from shared.platform import db, log
from shared.platform.clock import machine_now
from shared.platform.db import Connection, Row

# A record whose program nobody knows is anybody's to decide again.
_OF_KEY = "SELECT * FROM parked WHERE key_kind = $1 AND key = $2 AND program IN ($3, '') ORDER BY sequence"
# Only what cannot be read: a bug is mended, and a queued delivery only waits.
_QUARANTINE = """INSERT INTO quarantine SELECT *, $4, $5 FROM parked
    WHERE key_kind = $6 AND key = $1 AND program IN ($2, '') AND id = $3 AND class = 'unreadable'
    RETURNING sequence, event"""
_UNREADABLE = "UPDATE parked SET class = 'unreadable', place = $2 WHERE sequence = $1"
_RECORD = "INSERT INTO redrives VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
NONE: frozenset[str] = frozenset()
# The row lock keeps a delivery that arrives meanwhile from overtaking the parked ones.
_LOCK = "SELECT program FROM state WHERE kind = $1 AND key = $2 FOR UPDATE"


class RedriveResult(msgspec.Struct, frozen=True):
    """What became of a key's parked deliveries: how many were decided, how many are parked now, and how many parked
    rows of lanes will be sent again."""

    decided: int
    parked: int
    sent_again: int = 0


class _DryRun(Exception):
    pass


class NotUnreadable(LookupError):
    """There is no unreadable delivery of this id and patient."""


class Operator(msgspec.Struct, frozen=True):
    """Who asks: the client, proved by its token, and the person as they name themselves, who need not be proved."""

    client: str
    by: str


class Quarantine(msgspec.Struct, frozen=True):
    """Which unreadable delivery is quarantined, and by whom."""

    id: UUID
    by: str


async def redrive(
    inbox: Inbox,
    key: str,
    program: str,
    *,
    dry_run: bool,
    quarantine: Quarantine | None = None,
    kind: str = PATIENT,
    operator: Operator | None = None,
) -> RedriveResult:
    """Decide the parked deliveries of one key of this program again, and record who asked. A dry run does the same and
    takes it back.

    Another program's deliveries are answered as if there were none. Raises NotUnreadable.
    """
    asked = _Asked(inbox, kind, key, program, inbox.clock.now(), quarantine, operator)
    await inbox.journal.ensure(asked.now)
    try:
        return await _attempt(asked, dry_run, None)
    except Exception as error:
        if not db.is_data_error(error):
            raise
        place = f"{type(error).__name__} in PostgreSQL"
    log.get().error("still parked", place=place)
    # One of them breaks a statement: what comes before it is decided, and it stays, to be quarantined.
    for most in reversed(range(len(await inbox.pool.fetch(_OF_KEY, kind, key, program)))):
        try:
            return await _attempt(asked, dry_run, _Broken(most, place))
        except Exception as error:
            if not db.is_data_error(error):
                raise
    raise AssertionError("a redrive that decides nothing breaks no statement")


@dataclass(frozen=True)
class _Asked:
    """Which deliveries are redriven."""

    inbox: Inbox
    kind: str
    key: str
    program: str
    now: datetime
    quarantine: Quarantine | None
    operator: Operator | None


@dataclass(frozen=True)
class _Broken:
    """The delivery whose data breaks a statement, by its number, and how."""

    number: int
    place: str


async def _attempt(asked: _Asked, dry_run: bool, broken: _Broken | None) -> RedriveResult:
    """In one transaction; a dry run is taken back."""
    result, fed = RedriveResult(0, 0), frozenset[str]()
    try:
        async with asked.inbox.pool.acquire() as connection, connection.transaction():
            result, fed = await _redrive(asked, connection, broken)
            await _record(asked, connection, result)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return result
    asked.inbox.wake(fed)
    return result


async def _record(asked: _Asked, connection: Connection, result: RedriveResult) -> None:
    if asked.operator is None:
        return
    of = (asked.now, asked.operator.client, asked.operator.by, asked.kind, asked.key, asked.program)
    taken_out = asked.quarantine.id if asked.quarantine is not None else None
    await connection.execute(_RECORD, *of, taken_out, result.decided, result.parked, result.sent_again)


async def _redrive(
    asked: _Asked, connection: Connection, broken: _Broken | None
) -> tuple[RedriveResult, frozenset[str]]:
    inbox, kind, key, program, now = asked.inbox, asked.kind, asked.key, asked.program, asked.now
    owner = await connection.fetchval(_LOCK, kind, key)
    if key and owner and owner != program:  # what has no key is of the program that each of it names
        if asked.quarantine is not None:
            raise NotUnreadable
        return RedriveResult(0, 0), frozenset()
    aside, unsent = await _quarantine(asked, connection, asked.quarantine) if asked.quarantine else (None, NONE)
    redriven = await _redriven(asked, connection, broken, aside)
    answers, fed = await inbox.take(connection, redriven, now, kind)
    decided = [
        bare(each)
        for each, answer in zip(redriven, answers, strict=True)
        if not isinstance(answer, Incomplete) and not each.quarantined
    ]
    # Whom a record identified that nobody could read when it came is known from now on.
    followers = [each for several in (await inbox.learn(connection, decided)).values() for each in several]
    _, also_fed = await inbox.take(connection, followers, now, kind)
    sent_again = await parking.unpark(connection, key, program)
    left = len(await connection.fetch(_OF_KEY, kind, key, program))
    return RedriveResult(len(decided), left, len(sent_again)), fed | also_fed | unsent | frozenset(sent_again)


async def _redriven(asked: _Asked, connection: Connection, broken: _Broken | None, aside: int | None) -> list[Redriven]:
    """The parked deliveries of the key, in their order; the broken one is unreadable from now on."""
    rows = await connection.fetch(_OF_KEY, asked.kind, asked.key, asked.program)
    found = [Redriven(from_parked(row, asked.inbox.service), row["sequence"], row["sequence"] == aside) for row in rows]
    if broken is None or broken.number >= len(found):
        return found
    wrong = found[broken.number]
    await connection.execute(_UNREADABLE, wrong.sequence, broken.place)
    found[broken.number] = Redriven(unstorable(wrong.delivery, broken.place), wrong.sequence, wrong.quarantined)
    return found


async def _quarantine(
    asked: _Asked, connection: Connection, quarantine: Quarantine
) -> tuple[int | None, frozenset[str]]:
    """The sequence of the quarantined delivery; None of a lane's row, which is out of its lane at once, and the lanes
    that its end feeds.

    A delivery that may have been about a consent ends all of the patient's.
    """
    key, program, now, kind = asked.key, asked.program, asked.now, asked.kind
    row = await connection.fetchrow(_QUARANTINE, key, program, quarantine.id, quarantine.by, now, kind)
    if row is None:
        if (gone := await parking.quarantine(connection, key, program, quarantine.id, quarantine.by, now)) is not None:
            return None, await _ended(asked.inbox, connection, gone)
        raise NotUnreadable
    entry = BY_NAME.get(row["event"])
    if entry is None or issubclass(entry.event, ConsentGiven | ConsentDenied | ConsentRevoked):
        await consent_ledger.close(connection, program, key)
    return row["sequence"], NONE


async def _ended(inbox: Inbox, connection: Connection, gone: Row) -> frozenset[str]:
    """What would have gone to a partner ends unsent, so that a person is asked; the lanes that this feeds."""
    partner, row = unlisted.partner_of(gone["lane"], inbox.routes), by_headers(gone)
    if partner is None or row is None:
        return NONE
    known = await consent_ledger.read_standing_still(connection, row.program, row.key, machine_now())
    accounts = Accounts(inbox.service, partner, gone["lane"], inbox.routes, inbox.pool, inbox.clock, inbox.wake)
    return await accounts.quarantined(connection, row, known.version)

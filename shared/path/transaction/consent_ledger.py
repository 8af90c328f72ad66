"""The consent ledger: what is permitted, and how current that knowledge is, partition by partition.

The gate may only ask a ledger that is current. Consent events enter it before the parking check, in the transaction
that consumes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from shared.events.catalogue import PARTITIONS
from shared.events.intake import ConsentDenied, ConsentGiven, ConsentRevoked
from shared.path.transaction.delivery import AnyDelivery, Consumed, Redriven, bare
from shared.path.transaction.offsets import BEHIND
from shared.platform.db import Connection, Executor, Row

AGE_SECONDS_MOST = 20.0
"""The oldest partition may be this old when the gate opens; a revocation works within it always."""

# A revoked consent stays as a row: a late ConsentGiven of the same id can't revive it. A no is heard even then.
_STATED = """INSERT INTO consents (program, patient, consent_id, emitted_at, body, denies)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::boolean[])
    ON CONFLICT (patient, consent_id, program) DO UPDATE SET
        body = excluded.body, denies = excluded.denies, emitted_at = excluded.emitted_at, revoked = false
    WHERE (excluded.denies OR NOT consents.revoked) AND consents.emitted_at <= excluded.emitted_at"""
_REVOKED = """INSERT INTO consents (program, patient, consent_id, emitted_at, revoked)
    SELECT u.*, true FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) u
    ON CONFLICT (patient, consent_id, program) DO UPDATE SET revoked = true, emitted_at = excluded.emitted_at"""
# Of one that was entered in error nothing stays that could close another.
_MISTAKEN = """UPDATE consents SET body = NULL WHERE (program, patient, consent_id) IN
    (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"""
_UNREAD = "SELECT sequence FROM parked WHERE sequence = ANY($1::bigint[]) AND class = 'unreadable'"
_VERSION = """INSERT INTO consent_versions (program, patient, version)
    SELECT program, patient, count(*)::int FROM unnest($1::text[], $2::text[]) AS u(program, patient)
    GROUP BY program, patient ORDER BY patient, program
    ON CONFLICT (patient, program) DO UPDATE SET version = consent_versions.version + excluded.version"""
# The last one consumed, not the latest: one from a clock that was ahead must not stand for ever.
_CURRENT = """INSERT INTO ledger (partition, current_at) SELECT * FROM unnest($1::int[], $2::timestamptz[])
    ON CONFLICT (partition) DO UPDATE SET current_at = excluded.current_at"""
# Never known is known up to 1970: asyncpg reads -infinity as a moment without a zone, which compares with no other.
_KNOWN = "greatest(current_at, 'epoch')"
_LOST = """INSERT INTO ledger (partition, current_at, lost) SELECT unnest($1::int[]), '-infinity', true
    ON CONFLICT (partition) DO UPDATE SET lost = true"""
# A revoked denial is about nothing any more.
_STATED_BY = """SELECT body, denies, revoked FROM consents
    WHERE program = $1 AND patient = $2 AND body IS NOT NULL AND NOT (denies AND revoked) ORDER BY consent_id"""
# Which consent an unreadable event may have revoked, nobody knows.
_CLOSE = "UPDATE consents SET revoked = true WHERE patient = $1 AND program = $2 AND NOT denies"
_PROGRAMS = "SELECT DISTINCT program FROM consents WHERE patient = $1"
_VERSION_READ = "SELECT version FROM consent_versions WHERE program = $1 AND patient = $2"
_PARTITIONS = "SELECT partition FROM ledger"
_OLDEST = f"SELECT {_KNOWN} FROM ledger ORDER BY current_at LIMIT 1"
_IS_LOST = "SELECT coalesce(bool_or(lost), false) FROM ledger"
_AGES = f"""SELECT count(*), min({_KNOWN}) AS oldest, max({_KNOWN}) AS newest, bool_or(lost) AS lost,
    ({BEHIND}) AS behind FROM ledger"""
_HELD = "SELECT hold IS NOT NULL OR program <> $1 FROM state WHERE kind = 'patient' AND key = $2"

Stated = ConsentGiven | ConsentDenied
_OF_CONSENT = Stated | ConsentRevoked
Entered = tuple[Consumed, Stated | ConsentRevoked]


async def apply(connection: Connection, deliveries: Sequence[AnyDelivery]) -> None:
    """Enter the consent events of a batch. Of several about one consent a no stands, else the last one."""
    entered = await _not_entered_yet(connection, deliveries)
    if not entered:
        return
    stated, revoked = _by_consent(entered)
    if stated:
        bodies = [msgspec.json.encode(event).decode() for _, event in stated]
        await connection.execute(_STATED, *_columns(stated), bodies, [_denies(event) for _, event in stated])
    if revoked:
        await connection.execute(_REVOKED, *_columns(revoked))
        await connection.execute(_MISTAKEN, *_columns([each for each in revoked if _is_mistaken(each)])[:3])
    programs, patients = [delivery.program for delivery, _ in entered], [delivery.key for delivery, _ in entered]
    await connection.execute(_VERSION, programs, patients)


def _by_consent(entered: Sequence[Entered]) -> tuple[list[Entered], list[Entered]]:
    """The last statement of each consent, and those that are revoked: a denial stands also after a revocation."""
    stated: dict[tuple[str, str, str], Entered] = {}
    revoked: dict[tuple[str, str, str], Entered] = {}
    for delivery, event in entered:
        name = (delivery.program, delivery.key, event.consent_id)
        if isinstance(event, ConsentRevoked):
            revoked[name] = (delivery, event)
        elif _denies(event):
            revoked.pop(name, None)
            stated[name] = (delivery, event)
        elif name not in revoked:
            stated[name] = (delivery, event)
    return list(stated.values()), list(revoked.values())


def _denies(event: Stated | ConsentRevoked) -> bool:
    return isinstance(event, ConsentDenied)


def _is_mistaken(entered: Entered) -> bool:
    _, event = entered
    return isinstance(event, ConsentRevoked) and event.mistaken


async def close(connection: Connection, program: str, patient: str) -> None:
    """An event that may have been a no will never be read: every consent of the patient ends, every denial stays."""
    await connection.execute(_CLOSE, patient, program)
    await connection.execute(_VERSION, [program], [patient])


async def close_everywhere(connection: Connection, patient: str) -> None:
    """The same where not even the program is known."""
    for row in await connection.fetch(_PROGRAMS, patient):
        await close(connection, row["program"], patient)


async def _not_entered_yet(connection: Connection, deliveries: Sequence[AnyDelivery]) -> list[Entered]:
    """A parked event was entered when it came, unless nobody could read it then."""
    sequences = [each.sequence for each in deliveries if isinstance(each, Redriven) and _consent(each) is not None]
    rows = await connection.fetch(_UNREAD, sequences) if sequences else []
    unread = {row["sequence"] for row in rows}
    return [
        entered
        for each in deliveries
        if not isinstance(each, Redriven) or each.sequence in unread
        if (entered := _consent(each)) is not None
    ]


def _consent(delivery: AnyDelivery) -> Entered | None:
    """The delivery with its consent event, if it holds one."""
    consumed = bare(delivery)
    if isinstance(consumed, Consumed) and isinstance(consumed.event, _OF_CONSENT):
        return consumed, consumed.event
    return None


def _columns(entered: Sequence[Entered]) -> tuple[list[str], list[str], list[str], list[datetime]]:
    return (
        [delivery.program for delivery, _ in entered],
        [delivery.key for delivery, _ in entered],
        [event.consent_id for _, event in entered],
        [delivery.at for delivery, _ in entered],
    )


async def mark_current(connection: Connection, heartbeats: Mapping[int, datetime]) -> None:
    """Each partition's consents are known up to its newest ConsentsCurrent (machine time)."""
    await connection.execute(_CURRENT, list(heartbeats), list(heartbeats.values()))


async def partitions(connection: Connection) -> frozenset[int]:
    """Those whose consents were known at some time."""
    return frozenset(row["partition"] for row in await connection.fetch(_PARTITIONS))


async def oldest(connection: Executor) -> datetime | None:
    """Up to when every partition that is known at all is known (machine time)."""
    found: datetime | None = await connection.fetchval(_OLDEST)
    return found


async def age_seconds(connection: Connection, machine_now: datetime) -> float | None:
    """Of the partition farthest from now, as the gate reads it: None where one is not known."""
    return _age(await connection.fetchrow(_AGES), machine_now)


def is_current(age_seconds: float | None) -> bool:
    """A heartbeat from the future says nothing of how old the knowledge is: it shuts the gate too."""
    return age_seconds is not None and abs(age_seconds) <= AGE_SECONDS_MOST


async def is_lost(connection: Executor) -> bool:
    """Whether the gate stays shut until a person acts."""
    found: bool = await connection.fetchval(_IS_LOST)
    return found


async def mark_lost(connection: Connection, partitions: Sequence[int]) -> None:
    """Records expired unread, a revocation perhaps among them. The gate stays shut until a person acts."""
    await connection.execute(_LOST, partitions)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """What the gate reads of one patient, in one snapshot."""

    consents: tuple[Stated, ...]
    revoked: tuple[ConsentGiven, ...]
    version: int
    held: bool
    age_seconds: float | None
    """Of the partition farthest from now; below zero when a clock is ahead. None when one was never current, lost, or
    must be consumed again."""

    @property
    def current(self) -> bool:
        return is_current(self.age_seconds)


async def read(connection: Connection, program: str, patient: str, machine_now: datetime) -> LedgerSnapshot:
    """The unrevoked consents of a program's patient, whether anything of theirs is parked, and how current the ledger
    is. Another program's patient counts as held."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await read_standing_still(connection, program, patient, machine_now)


async def read_standing_still(
    connection: Connection, program: str, patient: str, machine_now: datetime
) -> LedgerSnapshot:
    """The same, inside the caller's transaction, which lets nothing of the patient change meanwhile."""
    rows = await connection.fetch(_STATED_BY, program, patient)
    version = await connection.fetchval(_VERSION_READ, program, patient)
    held = await connection.fetchval(_HELD, program, patient)
    ledger = await connection.fetchrow(_AGES)
    return LedgerSnapshot(
        consents=tuple(_read(row) for row in rows if not row["revoked"]),
        revoked=tuple(msgspec.json.decode(row["body"], type=ConsentGiven) for row in rows if row["revoked"]),
        version=version or 0,
        held=bool(held),
        age_seconds=_age(ledger, machine_now),
    )


def _read(row: Row) -> Stated:
    if row["denies"]:
        return msgspec.json.decode(row["body"], type=ConsentDenied)
    return msgspec.json.decode(row["body"], type=ConsentGiven)


def _age(ledger: Row | None, machine_now: datetime) -> float | None:
    if ledger is None or ledger["count"] < PARTITIONS or ledger["lost"] or ledger["behind"]:
        return None
    ages = [(machine_now - ledger[each]).total_seconds() for each in ("oldest", "newest")]
    return float(max(ages, key=abs))

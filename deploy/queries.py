"""All SQL of the commands, each query with what it answers.

Every connection is read-only, except those of `iop ledger reopen`, `iop consumer`, `iop feeds refresh` and
`iop lab map import`: only `writing` gives one that may change rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from deploy.measures import Contact, Month, Referral, Stay
from shared.events.envelope import name_id
from shared.events.intake import ConsentDenied, ConsentGiven
from shared.events.wire import RecordPlace

CONNECT_SECONDS_MOST = 10.0
# A server that dies in the middle of an answer leaves asyncpg saying InternalClientError.
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
Connection = Any
"""An asyncpg connection; asyncpg carries no types of its own."""
Stated = ConsentGiven | ConsentDenied
ConsentName = tuple[str, str, str]
"""A consent: its program, the patient's key and its id."""

# What a service has done so far and what is left: decided, emitted, disclosures withheld, unsent, parked.
COUNT = """SELECT (SELECT count(*) FROM journal WHERE outcome = 'decided') AS decided,
    (SELECT coalesce(sum(cardinality(emitted)), 0)::int FROM journal) AS emitted,
    (SELECT count(*) FROM resources WHERE type = 'AuditEvent' AND body LIKE '%"code":"withheld"%') AS withheld,
    (SELECT count(*) FROM outbox WHERE partition IS NULL) AS unsent,
    (SELECT count(*) FROM parked) + (SELECT count(*) FROM outbox WHERE parked IS NOT NULL) AS parked"""
# The ids of all events that were emitted, by the journal. What one key asks of another of its service is on no topic.
EMITTED = """SELECT DISTINCT unnest(emitted)::text AS id FROM journal
    EXCEPT SELECT cause::text FROM journal WHERE delivery = 'internal'"""
# The ids of all deliveries that were processed.
PROCESSED = "SELECT id::text AS id FROM processed"
# The ids of intake's events that were decided about a patient, in the order of the decisions.
CONSUMED = """SELECT cause::text AS id FROM journal
    WHERE key = $1 AND producer = 'intake' AND outcome = 'decided' ORDER BY sequence"""
# Rows of the outbox by lane. A heartbeat alone names a partition: it comes every 10 s for ever, and is not counted.
# Nor is a parked row, one that a partner did not take and that backs off, or what waits behind such a row.
# A page that waits for its time has not been tried yet.
_BACKS_OFF = """p.lane LIKE 'partner:%' AND (p.attempts > 0 OR p.lane LIKE 'partner:on-call%')
    AND p.not_before > now()"""
_GOES_ON = f"""NOT EXISTS (SELECT 1 FROM outbox p WHERE (p.parked IS NOT NULL OR {_BACKS_OFF})
        AND p.lane = o.lane AND p.key = o.key AND p.id <= o.id)"""
UNSENT = f"""SELECT lane, count(*) AS rows FROM outbox o WHERE partition IS NULL AND {_GOES_ON}
    GROUP BY lane ORDER BY lane"""
# Rows that a partner did not take and that wait for their next send, by lane.
BACKING_OFF = f"""SELECT lane, count(*) AS rows FROM outbox p WHERE parked IS NULL AND {_BACKS_OFF}
    GROUP BY lane ORDER BY lane"""
# How many deadlines have passed at this clinic time.
PASSED = "SELECT count(*) FROM state WHERE due_at <= $1"
# The same, and the internal events that wait: in one snapshot, as the one leads to the other in one transaction.
UNDECIDED = f"""SELECT (SELECT count(*) FROM state WHERE due_at <= $1) AS "deadlines passed",
    (SELECT count(*) FROM outbox o WHERE lane = 'internal' AND {_GOES_ON}) AS "in lane internal"
"""
# The clinic's time when the service last said that it listens.
HEARTBEAT = "SELECT heartbeat_at FROM service"
_COLUMNS = "sequence, id, key_kind, key, program, event, kind, class, place, at, headers, content"
# Rows of a lane that could not be sent. Where even the headers can't be read, the id is the nil UUID.
_LANES = f"""SELECT id AS sequence,
    coalesce(substring(headers FROM '"(?:ce_)?id": ?"([0-9a-f-]{{36}})"'), '{UUID(int=0)}')::uuid AS id,
    'patient' AS key_kind, coalesce(key, '') AS key, program, lane AS event, 'unsent' AS kind,
    split_part(parked, ': ', 1) AS class, substring(parked FROM ': (.*)') AS place, stored_at AS at, headers,
    convert_to(coalesce(body, ''), 'UTF8') AS content FROM outbox WHERE parked IS NOT NULL"""
# Parked deliveries, in the order in which they are decided again, and after them the rows that are sent again.
PARKED = f"""SELECT * FROM (SELECT {_COLUMNS} FROM parked UNION ALL {_LANES}) AS all_parked
    ORDER BY kind = 'unsent', sequence"""
# One parked or quarantined delivery, or parked row of a lane, with all it holds.
PARKED_WHOLE = f"""SELECT * FROM (SELECT {_COLUMNS} FROM parked UNION ALL SELECT {_COLUMNS} FROM quarantine
    UNION ALL {_LANES}) AS all_parked WHERE id = $1"""
# What operators did with them lately.
REDRIVES = "SELECT * FROM redrives ORDER BY at DESC LIMIT 200"
# Something received, encrypted.
DOCUMENT = "SELECT program, client, media_type, received_at, content FROM documents WHERE id = $1"
# Up to when each partition of the consent ledger is known, and whether records of it were lost.
PARTITIONS = "SELECT partition, current_at, lost FROM ledger ORDER BY partition"
# How many seats of each place are taken, and how many patients wait: a place is a key of intake's (`seats`), or a group
# of attendance's (`group`); its second and third element hold them.
PLACES = """SELECT key, jsonb_array_length(body::jsonb -> 1) AS taken, jsonb_array_length(body::jsonb -> 2) AS waiting
    FROM state WHERE kind = $1 AND body <> ''"""
# Programs of whose sessions nothing is reported: the feed of each is a key of attendance's, its third element holds
# since when (in seconds since 1970), its sixth the Task that asks about it.
SILENT_FEEDS = """SELECT program, to_timestamp((body::jsonb ->> 2)::bigint) AS since, body::jsonb ->> 5 AS task
    FROM state WHERE kind = 'feed' AND body <> '' AND (body::jsonb ->> 2)::bigint > 0 ORDER BY program"""
# Every decision about a consent, in its order.
CONSENT_DECISIONS = """SELECT program, key, content FROM journal
    WHERE event LIKE '%Consent%' AND outcome = 'decided' ORDER BY sequence"""
# The partitions of which records were lost, locked.
LOCK_LOST = "SELECT partition FROM ledger WHERE lost FOR UPDATE"
# Whoever changes a consent waits. The rows one by one would be locked in another order than a consumer's.
LOCK_CONSENTS = "LOCK TABLE consents IN SHARE ROW EXCLUSIVE MODE"
CONSENTS = "SELECT program, patient, consent_id, body, denies, revoked FROM consents"
# Close a consent as a revocation does: nothing revives it.
CLOSE = "UPDATE consents SET revoked = true WHERE program = $1 AND patient = $2 AND consent_id = $3"
# Enter a denial that was lost.
DENY = """INSERT INTO consents (program, patient, consent_id, emitted_at, body, denies)
    VALUES ($1, $2, $3, $4, $5, true)
    ON CONFLICT (patient, consent_id, program) DO UPDATE SET body = excluded.body, denies = true, revoked = false"""
# Forget a consent: the same one may come again.
FORGET = "DELETE FROM consents WHERE program = $1 AND patient = $2 AND consent_id = $3"
# Open the gate: no partition counts as lost any more.
OPEN = "UPDATE ledger SET lost = false WHERE lost"

# Where the consumer stopped, if it did, and how many strays it has stored.
CONSUMER = """SELECT (SELECT count(*) FROM strays) AS strays, stops.* FROM (SELECT 1) AS one LEFT JOIN stops ON true"""
# Let the consumer go on.
LIFT_STOP = "DELETE FROM stops"
# Have the consumer skip the record at which it stopped.
SKIP = """INSERT INTO skips (topic, partition, "offset", by, reason) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (topic, partition, "offset") DO UPDATE SET done = false, by = excluded.by, reason = excluded.reason"""

# The stays of a program that were open at some time in [$2, $3), with what their referral names.
STAYS = """SELECT id, patient, at AS began_at, (body::jsonb #>> '{period,end}')::timestamptz AS ended_at,
    substring(body::jsonb #>> '{referralRequest,0,reference}' FROM '/(.*)') AS referral FROM resources
    WHERE program = $1 AND type = 'EpisodeOfCare' AND status IN ('active', 'onhold', 'finished') AND at < $3
        AND coalesce((body::jsonb #>> '{period,end}')::timestamptz, $2) >= $2"""
# When these were written.
ORDERED_AT = "SELECT id, at FROM resources WHERE program = $1 AND type = 'ServiceRequest' AND id = ANY($2)"
# Days in care, of the stays that these count.
ENGAGED_DAYS = """SELECT id, (body::jsonb #>> '{valueQuantity,value}')::int AS days FROM resources
    WHERE program = $1 AND type = 'Observation' AND id = ANY($2)"""
_OF_SESSIONS = "program = $1 AND type = 'Encounter' AND status = 'finished'"
# The first session of each stay that these patients attended.
FIRST_SESSIONS = f"""SELECT substring(body::jsonb #>> '{{episodeOfCare,0,reference}}' FROM '/(.*)') AS stay,
    min(at) AS at FROM resources WHERE {_OF_SESSIONS} AND patient = ANY($2) GROUP BY 1"""
# Minutes that each session held in [$2, $3) adds.
HELD = f"""SELECT coalesce((body::jsonb #>> '{{length,value}}')::float, 0) AS minutes FROM resources
    WHERE {_OF_SESSIONS} AND at >= $2 AND at < $3"""
# The contacts of plans that fell due in [$2, $3).
CONTACTS = """SELECT coalesce(body::jsonb #>> '{statusReason,coding,0,code}', '') AS outcome,
    (body::jsonb #>> '{restriction,period,end}')::timestamptz AS act_by,
    coalesce(body::jsonb #>> '{executionPeriod,end}', body::jsonb ->> 'lastModified')::timestamptz AS made_at
    FROM resources WHERE program = $1 AND type = 'Task' AND at >= $2 AND at < $3
        AND body::jsonb #>> '{code,coding,0,code}' = 'follow-up'"""
_REFERRALS = """SELECT tasks.patient, requests.body::jsonb #>> '{code,coding,0,code}' AS kind, tasks.at AS asked_at,
        tasks.body::jsonb #>> '{businessStatus,coding,0,code}' AS step,
        coalesce(tasks.body::jsonb #>> '{output,0,valueDateTime}', tasks.body::jsonb ->> 'lastModified')::timestamptz
            AS step_at
    FROM resources tasks JOIN resources requests ON requests.type = 'ServiceRequest'
        AND requests.program = tasks.program
        AND requests.id = substring(tasks.body::jsonb #>> '{focus,reference}' FROM '/(.*)')
    WHERE tasks.program = $1 AND tasks.type = 'Task' AND tasks.body::jsonb #>> '{code,coding,0,code}' = 'referral'"""
# Referrals to partners that were asked for in [$2, $3); those of these patients.
REFERRALS = f"{_REFERRALS} AND tasks.at >= $2 AND tasks.at < $3"
REFERRALS_OF = f"{_REFERRALS} AND tasks.patient = ANY($2)"
# Stays that began in [$2, $3) soon after another one ended.
READMITTED = """SELECT count(*) FROM resources WHERE program = $1 AND type = 'Observation' AND at >= $2 AND at < $3
    AND body::jsonb #>> '{code,coding,0,code}' = 'days-since-discharge'"""

# What the connected user lacks; partitions are reached through their table.
LACKING = """SELECT privilege || ' on ' || relname AS lacking FROM pg_class,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
    WHERE relnamespace = current_schema()::text::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND NOT has_table_privilege(oid, privilege)
    UNION ALL SELECT 'CREATE on schema ' || current_schema() WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
    UNION ALL SELECT 'USAGE on schema public' WHERE current_schema() IS NULL
    ORDER BY 1"""
# What the role lacks that `iop replay` and `iop why` read as, or the connected user of it.
READER_LACKS = """SELECT 'the role iop_reader' AS lacking WHERE to_regrole('iop_reader') IS NULL
    UNION ALL SELECT 'iop_reader for its user' WHERE NOT pg_has_role(to_regrole('iop_reader')::oid, 'MEMBER')
    UNION ALL SELECT 'SELECT on ' || name || ' for iop_reader'
    FROM unnest(ARRAY['journal', 'settings', 'state', 'resources']) AS name
    WHERE NOT has_table_privilege(to_regrole('iop_reader')::oid, to_regclass(name)::oid, 'SELECT')"""
# What waits for somebody, at this clinic time; of the journal a sample.
WAITS = """SELECT (SELECT count(*) FROM strays WHERE at > $1::timestamptz - interval '1 day') AS strays,
    (SELECT count(DISTINCT id) FROM waiting) AS waiting,
    (SELECT coalesce(extract(epoch FROM $1 - min(at)), 0)::float FROM waiting) AS waiting_seconds,
    (SELECT count(*) FROM state WHERE due_at <= $1 - interval '1 min') AS late_deadlines,
    (SELECT extract(epoch FROM now() - finished_at)::float FROM retention) AS retention_seconds,
    (SELECT count(*) FROM (SELECT program, settings FROM journal LIMIT 10000) AS j WHERE NOT EXISTS
        (SELECT FROM settings s WHERE s.program = j.program AND s.digest = j.settings)) AS without_settings"""
# What is parked, by class; a lane's rows are a class of their own.
PARKED_CLASSES = """SELECT class, count(*) AS count
    FROM (SELECT class FROM parked UNION ALL SELECT 'row' FROM outbox WHERE parked IS NOT NULL) AS every
    GROUP BY class"""
# The stored settings and the digest by which the journal names each.
SETTINGS = "SELECT digest, body FROM settings"


class Count(msgspec.Struct, frozen=True):
    """One service: decisions in its journal, events emitted, disclosures withheld, unsent outbox rows, parked rows."""

    decided: int = 0
    emitted: int = 0
    withheld: int = 0
    unsent: int = 0
    parked: int = 0


class Parked(msgspec.Struct, frozen=True):
    """A parked delivery, or a lane's parked row (its lane is its event), without its content: whose, of which class,
    and where deciding or sending it failed."""

    sequence: int
    id: UUID
    key_kind: str
    key: str
    program: str
    event: str
    class_: str = msgspec.field(name="class")
    place: str
    at: datetime


class Redrive(msgspec.Struct, frozen=True):
    """What an operator did with the parked deliveries of one key: the client, the person, and what came of it."""

    at: datetime
    client: str
    by: str
    key_kind: str
    key: str
    program: str
    quarantined: UUID | None
    decided: int
    parked: int
    sent_again: int


class ParkedWhole(msgspec.Struct, frozen=True):
    """A parked or quarantined delivery with its headers and content, part of a patient's record."""

    sequence: int
    id: UUID
    key_kind: str
    key: str
    program: str
    event: str
    kind: str
    class_: str = msgspec.field(name="class")
    place: str
    at: datetime
    headers: str
    content: bytes


class ReceivedDocument(msgspec.Struct, frozen=True):
    """What a client sent, encrypted with the service's own key."""

    program: str
    client: str
    media_type: str
    received_at: datetime
    content: bytes


@dataclass(frozen=True)
class Partition:
    """A partition of the consent ledger. `current_at` is None where its consents were never known."""

    number: int
    current_at: datetime | None
    lost: bool


@dataclass(frozen=True)
class Place:
    """Where seats are counted: how many are taken, and how many patients wait."""

    taken: int
    waiting: int


@dataclass(frozen=True)
class SilentFeed:
    """A program of whose sessions nothing is reported, since when, and the Task that asks about it."""

    program: str
    since: datetime
    task: str


@dataclass(frozen=True)
class Stop:
    """Where a consumer stopped. `stored`: the record is parked; else it is the first that could not be stored."""

    record: RecordPlace
    stored: bool
    place: str
    at: datetime


@dataclass(frozen=True)
class ConsumerState:
    """Whether a consumer is stopped, and how many records it met that are no events of the hub's."""

    stop: Stop | None
    strays: int


class Waits(msgspec.Struct, frozen=True):
    """What waits for somebody in a service: strays of the last day, facts without their patient and the age (s) of the
    oldest, deadlines passed a minute ago, seconds since all that was past its days was deleted, decisions (of 10,000)
    whose settings are not stored."""

    strays: int
    waiting: int
    waiting_seconds: float
    late_deadlines: int
    retention_seconds: float
    without_settings: int


async def reading(dsn: str) -> Connection:
    """A connection on which PostgreSQL refuses every write."""
    settings = {"default_transaction_read_only": "on"}
    return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MOST, server_settings=settings)


async def writing(dsn: str) -> Connection:
    """A connection that may change rows, for `iop ledger reopen`, `iop consumer`, `iop feeds refresh` and
    `iop lab map import` only."""
    return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MOST)


async def count(connection: Connection) -> Count:
    """What this service has done so far, and what is left."""
    return msgspec.convert(dict(await connection.fetchrow(COUNT)), type=Count)


async def emitted(connection: Connection) -> set[str]:
    """The ids of all events this service emitted, by its journal."""
    return {row["id"] for row in await connection.fetch(EMITTED)}


async def processed(connection: Connection) -> set[str]:
    """The ids of all deliveries this service processed."""
    return {row["id"] for row in await connection.fetch(PROCESSED)}


async def consumed_from_intake(connection: Connection, patient: str) -> list[str]:
    """The ids of intake's events about a patient, in the order in which this service decided them."""
    return [row["id"] for row in await connection.fetch(CONSUMED, patient)]


async def unsent(connection: Connection) -> dict[str, int]:
    """Rows that wait in the outbox, by lane."""
    return {row["lane"]: row["rows"] for row in await connection.fetch(UNSENT)}


async def backing_off(connection: Connection) -> dict[str, int]:
    """Rows that a partner did not take and that wait for their next send, by lane."""
    return {row["lane"]: row["rows"] for row in await connection.fetch(BACKING_OFF)}


async def silent_feeds(connection: Connection) -> list[SilentFeed]:
    """Those that are silent now."""
    return [SilentFeed(**row) for row in await connection.fetch(SILENT_FEEDS)]


async def undecided(connection: Connection, clinic_now: datetime) -> dict[str, int]:
    """Deadlines that have passed, and internal events that wait; where there are any."""
    row = await connection.fetchrow(UNDECIDED, clinic_now)
    return {name: rows for name, rows in row.items() if rows}


async def heartbeat(connection: Connection) -> datetime | None:
    """The clinic's time when the service last said that it listens."""
    at: datetime | None = await connection.fetchval(HEARTBEAT)
    return at


async def passed_deadlines(connection: Connection, clinic_now: datetime) -> int:
    """How many deadlines have passed and are not decided yet."""
    passed: int = await connection.fetchval(PASSED, clinic_now)
    return passed


async def parked(connection: Connection) -> list[Parked]:
    """What is parked, in the order in which it is decided again."""
    return [msgspec.convert(dict(row), type=Parked) for row in await connection.fetch(PARKED)]


async def redrives(connection: Connection) -> list[Redrive]:
    """What operators did with parked deliveries, the newest first."""
    return [msgspec.convert(dict(row), type=Redrive) for row in await connection.fetch(REDRIVES)]


async def parked_whole(connection: Connection, id: UUID) -> list[ParkedWhole]:
    """The parked or quarantined delivery of this id with its content; more than one row where it came twice."""
    return [msgspec.convert(dict(row), type=ParkedWhole) for row in await connection.fetch(PARKED_WHOLE, id)]


async def document(connection: Connection, id: UUID) -> ReceivedDocument | None:
    """What this service received under this id."""
    row = await connection.fetchrow(DOCUMENT, id)
    return None if row is None else msgspec.convert(dict(row), type=ReceivedDocument)


async def partitions(connection: Connection) -> list[Partition]:
    """The consent ledger's partitions that are known."""
    return [
        # '-infinity' in the database.
        Partition(row["partition"], None if row["current_at"].year == 1 else row["current_at"], row["lost"])
        for row in await connection.fetch(PARTITIONS)
    ]


async def places(connection: Connection, kind: str) -> dict[str, Place]:
    """By the place's key, which is of this kind."""
    return {row["key"]: Place(row["taken"], row["waiting"]) for row in await connection.fetch(PLACES, kind)}


async def clinic_now(connection: Connection) -> datetime | None:
    """The service's last heartbeat, on the clinic's clock; None of one that never ran."""
    found: datetime | None = await connection.fetchval(HEARTBEAT)
    return found


async def stays(intake: Connection, attendance: Connection, program: str, month: Month) -> list[Stay]:
    """Those that were open in the month, with when their referral was written and their first session was."""
    rows = await intake.fetch(STAYS, program, month.since, month.until)
    referrals = [row["referral"] for row in rows if row["referral"]]
    counts = {name_id(row["id"], "engaged-days"): row["id"] for row in rows}
    ordered = {row["id"]: row["at"] for row in await intake.fetch(ORDERED_AT, program, referrals)}
    days = {counts[row["id"]]: row["days"] for row in await intake.fetch(ENGAGED_DAYS, program, list(counts))}
    patients = sorted({row["patient"] for row in rows})
    first = {row["stay"]: row["at"] for row in await attendance.fetch(FIRST_SESSIONS, program, patients)}
    return [
        Stay(
            row["id"],
            row["patient"],
            row["began_at"],
            row["ended_at"],
            ordered.get(row["referral"]),
            first.get(row["id"]),
            days.get(row["id"]),
        )
        for row in rows
    ]


async def minutes_held(attendance: Connection, program: str, month: Month) -> list[float]:
    """Of each session that was held in the month."""
    return [row["minutes"] for row in await attendance.fetch(HELD, program, month.since, month.until)]


async def contacts(aftercare: Connection, program: str, month: Month) -> list[Contact]:
    """Those of plans that fell due in the month."""
    return [Contact(**row) for row in await aftercare.fetch(CONTACTS, program, month.since, month.until)]


async def partner_referrals(aftercare: Connection, program: str, month: Month) -> list[Referral]:
    """Those that were asked for in the month."""
    return [Referral(**row) for row in await aftercare.fetch(REFERRALS, program, month.since, month.until)]


async def partner_referrals_of(aftercare: Connection, program: str, patients: Iterable[str]) -> list[Referral]:
    """All of these patients, whenever they were asked for."""
    return [Referral(**row) for row in await aftercare.fetch(REFERRALS_OF, program, sorted(set(patients)))]


async def readmitted(aftercare: Connection, program: str, month: Month) -> int:
    """How many stays of the month began soon after another one ended."""
    return int(await aftercare.fetchval(READMITTED, program, month.since, month.until))


async def consumer_state(connection: Connection) -> ConsumerState:
    """Whether this service's consumer is stopped, and where."""
    row = await connection.fetchrow(CONSUMER)
    if row["topic"] is None:
        return ConsumerState(None, row["strays"])
    record = RecordPlace(row["topic"], row["partition"], row["offset"])
    return ConsumerState(Stop(record, row["stored"], row["place"], row["at"]), row["strays"])


async def lacking(connection: Connection) -> list[str]:
    """The rights that the connected user lacks, like `INSERT on journal`."""
    return [row["lacking"] for row in await connection.fetch(LACKING)]


async def reader_lacks(connection: Connection) -> list[str]:
    """What is missing for reading a journal as the role that can't write."""
    return [row["lacking"] for row in await connection.fetch(READER_LACKS)]


async def waits(connection: Connection, clinic_now: datetime) -> Waits:
    """What waits for somebody."""
    return msgspec.convert(dict(await connection.fetchrow(WAITS, clinic_now)), type=Waits)


async def parked_classes(connection: Connection) -> dict[str, int]:
    """How much is parked, by class."""
    return {row["class"]: row["count"] for row in await connection.fetch(PARKED_CLASSES)}


async def unreadable_settings(connection: Connection) -> int:
    """How many of the stored settings are not what their digest says."""
    from shared.path.transaction.journal import digest_of  # the path only where it is used

    return sum(digest_of(row["body"]) != row["digest"] for row in await connection.fetch(SETTINGS))


async def lift_stop(writable: Connection) -> None:
    """Let this service's consumer go on."""
    await writable.execute(LIFT_STOP)


async def skip(writable: Connection, place: RecordPlace, by: str, reason: str) -> None:
    """Let this service's consumer go on without the record at which it stopped."""
    await writable.execute(SKIP, place.topic, place.partition, place.offset, by, reason)
    await writable.execute(LIFT_STOP)


async def consent_decisions(connection: Connection) -> list[tuple[str, str, str]]:
    """Every decision about a consent in intake's journal, in its order: program, patient's key, commands as JSON."""
    return [(row["program"], row["key"], row["content"]) for row in await connection.fetch(CONSENT_DECISIONS)]


async def lock_lost(writable: Connection) -> list[int]:
    """The partitions of which records were lost, locked until the transaction ends."""
    return [row["partition"] for row in await writable.fetch(LOCK_LOST)]


async def lock_consents(writable: Connection) -> dict[ConsentName, Stated | None]:
    """Every consent that a service with a gate knows, locked until the transaction ends; None once it is revoked."""
    await writable.execute(LOCK_CONSENTS)
    rows = await writable.fetch(CONSENTS)
    return {(row["program"], row["patient"], row["consent_id"]): _stated(row) for row in rows}


async def reopen(
    writable: Connection,
    closed: Iterable[ConsentName],
    forgotten: Iterable[ConsentName],
    denied: Mapping[ConsentName, ConsentDenied],
) -> None:
    """Close and forget these consents, enter these denials, and open the gate."""
    await writable.executemany(CLOSE, closed)
    await writable.executemany(FORGET, forgotten)
    rows = [(*name, each.denied_at, msgspec.json.encode(each).decode()) for name, each in denied.items()]
    await writable.executemany(DENY, rows)
    await writable.execute(OPEN)


def _stated(row: Mapping[str, Any]) -> Stated | None:
    if row["revoked"]:
        return None
    if row["denies"]:
        return msgspec.json.decode(row["body"], type=ConsentDenied)
    return msgspec.json.decode(row["body"], type=ConsentGiven)

"""The read model: every FHIR resource a service emitted or accepted. Its one writer; `search` reads many of them.

What was emitted is what can be read. Each query is of one program.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events.envelope import Resource, name_id
from shared.platform.db import Connection, Row

Name = tuple[str, str]
"""A resource's type and id."""
OfProgram = tuple[str, str, str]
"""A program's resource: program, type and id. Those of two programs never meet, whatever their ids."""
_CLINICAL_TIMES = (
    "start",
    "effectiveDateTime",
    "identifiedDateTime",
    "authoredOn",
    "dateTime",
    "recorded",
    "sent",
    "date",
)
_CLINICAL_PERIODS = ("period", "identifiedPeriod")


NUMBERED = '{"identifier":'
"""How the body of a resource of ours begins that has numbers elsewhere; a foreign one begins with its type."""


class AcceptedResource(msgspec.Struct, frozen=True):
    """A foreign resource as received (ids, meta and references rewritten), stored beside what is decided.

    One that stands in for what waits is replaced by what is emitted under its name. A Task of no patient may name the
    `results` that wait for its answer. One with a `name` is called so among its patient's: its id is made of it once
    the patient is known (`named`), and nobody reads it before. Of two with a `rank` the greater stands, in whatever
    order they come, and the same again is nothing new.
    """

    type: str
    id: str
    body: str
    status: str | None = None
    at: datetime | None = None
    sealed: bool = False
    stands_in: bool = False
    results: tuple[UUID, ...] = ()
    name: str = ""
    rank: str | None = None


class ResourceRow(msgspec.Struct, frozen=True):
    """A row to write; its version and time of change are set by the table."""

    type: str
    id: str
    program: str
    patient: str
    status: str | None
    at: datetime | None
    sealed: bool
    body: str
    amends: bool = False
    """Whether what is stored of it stays, where this row doesn't say otherwise."""
    answer: str | None = None
    """What the hub has answered of it, by element: no update by its sender changes that."""
    sent: bool = False
    """Whether its sender wrote it over what may be stored."""
    rank: str | None = None
    """As that of what is accepted; None of what replaces anything."""
    takes_back: bool = False
    """Whether it was taken back: the same of what is stored, where that stands over it."""

    def is_sent_of(self, kinds: Collection[str]) -> bool:
        """Whether its sender wrote it, and it is of these types."""
        return self.sent and self.type in kinds

    @property
    def is_partial(self) -> bool:
        """Whether what is stored of it is needed to write it whole."""
        return self.amends or self.takes_back

    @property
    def is_only_status(self) -> bool:
        """Whether it is nothing but the status of what is stored; of what is not stored nothing is written."""
        return self.takes_back and self.amends


SENDER_ENDS = frozenset({"entered-in-error", "revoked"})
"""Statuses by which whoever sent a resource takes it back: that is theirs to say, whatever was answered."""


NO_SUBJECT = "00000000-0000-0000-0000-000000000000"
"""The subject of what is named while its patient is not known."""
_REFERENCE = re.compile(r'("(?:reference|url)":"[A-Za-z]+/)([0-9a-f-]{36})"')


def accepted_row(resource: AcceptedResource, program: str, patient: str, *, sent: bool = True) -> ResourceRow:
    return ResourceRow(
        resource.type,
        resource.id,
        program,
        patient,
        resource.status,
        resource.at,
        resource.sealed,
        resource.body,
        sent=sent,
        rank=resource.rank,
    )


def named(accepted: Sequence[AcceptedResource], patient: str) -> tuple[AcceptedResource, ...]:
    """Those with a name under the ids they have as this patient's, in their references too; their subject is
    `NO_SUBJECT` until then. Put in as text: the rest stays as it came."""
    ids = {NO_SUBJECT: patient} | {each.id: name_id(patient, each.name) for each in accepted if each.name}
    return tuple(_named(each, ids) if each.name else each for each in accepted)


def _named(resource: AcceptedResource, ids: Mapping[str, str]) -> AcceptedResource:
    body = resource.body
    if not resource.sealed:
        body = _REFERENCE.sub(lambda found: f'{found[1]}{ids.get(found[2], found[2])}"', body)
    return msgspec.structs.replace(resource, id=ids[resource.id], body=body)


def is_outranked(row: ResourceRow, by: ResourceRow | None) -> bool:
    """Whether what is to be stored of it already stands over the row."""
    return by is not None and by.rank is not None and row.rank is not None and row.rank <= by.rank


def emitted_row(resource: Resource, encoded: bytes, program: str, patient: str) -> ResourceRow:
    status = resource.get("status")
    return ResourceRow(
        type=str(resource["resourceType"]),
        id=str(resource["id"]),
        program=program,
        patient=patient,
        status=status if isinstance(status, str) else None,
        at=clinical_time(resource),
        sealed=False,
        body=encoded.decode(),
    )


def amended(stored: str, row: ResourceRow) -> ResourceRow:
    """The row whole: the elements of what is stored, each in its own digits, under those of the row."""
    members = [msgspec.json.decode(each, type=dict[str, msgspec.Raw]) for each in (stored, row.body)]
    return msgspec.structs.replace(row, body=msgspec.json.encode(members[0] | members[1]).decode())


def taken_back(identity: str, status: str, program: str, patient: str) -> ResourceRow:
    """An Observation of somebody else's that was taken back without being sent again."""
    body = msgspec.json.encode({"status": status}).decode()
    return ResourceRow(
        "Observation", identity, program, patient, status, None, False, body, amends=True, takes_back=True
    )


def with_status(row: ResourceRow, status: str) -> ResourceRow:
    """The row as one that was taken back."""
    body = msgspec.json.encode({"status": status}).decode()
    return amended(row.body, msgspec.structs.replace(row, body=body, status=status, takes_back=True))


def over(row: ResourceRow, stored: Row) -> ResourceRow:
    """The row over what is stored of it. What was taken back, and is stored as it stands, is that with its status."""
    if row.takes_back and not row.amends:
        is_outranked = row.rank is not None and stored["rank"] is not None and row.rank <= stored["rank"]
        whole = msgspec.structs.replace(row, body=stored["body"], rank=None)
        return with_status(whole, str(row.status)) if is_outranked else row
    row = answered(row, stored["answer"])
    return amended(stored["body"], row) if row.amends else row


def answering(row: ResourceRow, elements: Collection[str]) -> ResourceRow:
    """The row with those of its elements that no later update by its sender changes."""
    members = msgspec.json.decode(row.body, type=dict[str, msgspec.Raw])
    answer = {name: value for name, value in members.items() if name in elements}
    return msgspec.structs.replace(row, answer=msgspec.json.encode(answer).decode())


def answered(row: ResourceRow, earlier: str | None) -> ResourceRow:
    """The row after what was answered before (`earlier`) and in it; as its sender wrote it, under all of that."""
    members = [msgspec.json.decode(each, type=dict[str, msgspec.Raw]) for each in (earlier, row.answer) if each]
    if not members:
        return row
    answer = {name: value for each in members for name, value in each.items()}
    row = msgspec.structs.replace(row, answer=msgspec.json.encode(answer).decode())
    if not row.sent:
        return row
    over = answer if row.status not in SENDER_ENDS else {name: answer[name] for name in answer if name != "status"}
    status = msgspec.json.decode(over["status"], type=str) if "status" in over else row.status
    over_body = msgspec.structs.replace(row, body=msgspec.json.encode(over).decode(), status=status)
    return amended(row.body, over_body)


def numbered(row: ResourceRow, identifiers: Sequence[Resource], before: ResourceRow | None) -> ResourceRow:
    """With the numbers it is known by elsewhere, and those it had before: no later event of ours takes them away."""
    if before is None and not identifiers:
        return row
    earlier = msgspec.json.decode(before.body)["identifier"] if before and before.body.startswith(NUMBERED) else []
    known = [*earlier, *(each for each in identifiers if each not in earlier)]
    if not known:
        return row
    own, body = _own_numbers(row.body)
    written = msgspec.json.encode([*(each for each in own if each not in known), *known]).decode()
    return msgspec.structs.replace(row, body=f"{NUMBERED}{written},{body[1:]}")


def _own_numbers(body: str) -> tuple[Sequence[Resource], str]:
    """The numbers that we have given it, and its body without them."""
    if '"identifier":' not in body:
        return (), body
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    own = msgspec.json.decode(members.pop("identifier", msgspec.Raw(b"[]")), type=list[Resource])
    return own, msgspec.json.encode(members).decode()


def clinical_time(resource: Mapping[str, object]) -> datetime | None:
    """When it happened, for search by `date`: the first of FHIR's usual elements that is an instant here."""
    for name in _CLINICAL_TIMES:
        value = resource.get(name)
        if isinstance(value, datetime):
            return value
    for name in _CLINICAL_PERIODS:
        period = resource.get(name)
        start = period.get("start") if isinstance(period, dict) else None
        if isinstance(start, datetime):
            return start
    return None


UPSERT = """INSERT INTO resources AS r
        (type, id, program, patient, status, at, sealed, body, answer, rank, updated_at)
    SELECT u.*, {now} FROM unnest({columns}) AS u(type, id, program, patient, status, at, sealed, body, answer, rank)
    ON CONFLICT (type, id, program) DO UPDATE SET version = r.version + 1,
        patient = CASE WHEN r.patient = '' THEN excluded.patient ELSE r.patient END, status = excluded.status,
        at = coalesce(excluded.at, r.at), sealed = excluded.sealed,
        answer = coalesce(excluded.answer, r.answer), rank = coalesce(excluded.rank, r.rank),
        body = CASE WHEN starts_with(r.body, '{{"identifier":') THEN '{{"identifier":' ||
                (SELECT jsonb_agg(DISTINCT each) FROM jsonb_array_elements((r.body::jsonb -> 'identifier')
                    || coalesce(excluded.body::jsonb -> 'identifier', '[]')) each)::text
            || ',' || substr((excluded.body::jsonb - 'identifier')::text, 2) ELSE excluded.body END,
        updated_at = excluded.updated_at
    WHERE r.rank IS NULL OR excluded.rank IS NULL OR r.rank < excluded.rank"""
"""Part of the one statement that stores a batch: `{columns}` are ten arrays in the order of ResourceRow's fields."""
COLUMN_TYPES = ("text", "text", "text", "text", "text", "timestamptz", "bool", "text", "text", "text")
RETURNING = "RETURNING program, type, id, version"
NAMED = "r.id = u.id AND (r.program, r.type) IS NOT DISTINCT FROM (u.program, u.type)"
"""Part of a join of resources `r` with names `u`: by id. An index of types, which equality would bring into play, reads
everybody's."""

# Stored once, beside a fact that waits or a work item that the same message makes again.
_ADD = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, sealed, body)
    VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"""
# What stood in for a fact in programs where it waits no more. By its length: of no patient are many, and indexed so.
_WITHDRAW = f"""DELETE FROM resources r USING unnest($1::text[], $2::text[], $3::text[]) AS u(program, type, id)
    WHERE {NAMED} AND length(r.patient) = 0"""
# A work item of no patient in its new status, where it is still of the version named.
_SETTLE = """UPDATE resources SET version = version + 1, status = $4, body = $5, updated_at = $6
    WHERE type = $1 AND id = $2 AND program = $3 AND length(patient) = 0 AND version::text = coalesce($7, version::text)
    RETURNING version"""
# Public entries of a directory, of no patient; one that is as it was keeps its version.
_PUBLISH = """INSERT INTO resources (type, id, program, patient, updated_at, body)
    SELECT $1, u.id, u.program, '', $5, u.body FROM unnest($2::text[], $3::text[], $4::text[]) AS u(id, program, body)
    ON CONFLICT (type, id, program) DO UPDATE SET body = excluded.body, version = resources.version + 1, updated_at = $5
    WHERE resources.body <> excluded.body"""
_VERSIONS = f"""SELECT r.program, r.type, r.id, r.version FROM resources r
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(program, type, id) ON {NAMED}"""
_STORED = f"""SELECT r.* FROM resources r
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(program, type, id) ON {NAMED}"""
_ONE = "SELECT * FROM resources WHERE type = $1 AND id = $2 AND program = $3"
# Those in which a text stands. A body is one text: what it is about is looked at by whoever asks.
_OF_NOBODY_WITH = """WITH of_nobody AS MATERIALIZED (SELECT * FROM resources WHERE patient = '' AND type = $1)
    SELECT id, body FROM of_nobody WHERE program = $2 AND strpos(body, $3) > 0 ORDER BY updated_at DESC, id LIMIT $4"""
OF_NOBODY_MOST = 50
# One patient's resources of a type whose clinical time lies within these minutes.
_OF_MINUTES = """WITH own AS MATERIALIZED (SELECT * FROM resources WHERE patient = $1 AND type = $2)
    SELECT * FROM own WHERE program = $3 AND NOT sealed AND date_trunc('minute', at) = ANY($4::timestamptz[])
    ORDER BY id LIMIT $5"""
OF_MINUTES_MOST = 500
# One patient's Observations that have members.
_PANELS = """WITH own AS MATERIALIZED (SELECT * FROM resources WHERE patient = $1 AND type = 'Observation')
    SELECT * FROM own WHERE program = $2 AND NOT sealed AND strpos(body, '"hasMember":') > 0
    ORDER BY updated_at DESC, id LIMIT $3"""
PANELS_MOST = 200
_OWN_CARRIES = """own.program = u.program AND NOT own.sealed
        AND (own.type IN ('Appointment', 'ServiceRequest') OR NOT starts_with(own.body, '{"identifier":'))
        AND (own.body::jsonb -> 'identifier' @> u.identifier::jsonb
            OR own.body::jsonb -> 'identifier' @> jsonb_build_array(u.identifier::jsonb))"""
# One patient's foreign resources that carry one of these identifiers; R4 has it once or repeating. Ours are nobody's to
# change, but a session is theirs who booked it, and a test theirs who ordered it. The program is asked of the patient's
# own rows, not of an index.
_MATCHING = f"""SELECT u.number, own.id FROM unnest($2::text[], $3::text[], $4::text[])
        WITH ORDINALITY AS u(program, type, identifier, number),
        LATERAL (SELECT * FROM resources r WHERE r.patient = $1 AND r.type = u.type OFFSET 0) own
    WHERE {_OWN_CARRIES} ORDER BY u.number, own.id"""
# The same for many at once, and what stands under the id that it would be created with.
_CREATED = f"""WITH sought AS MATERIALIZED (SELECT *
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
        WITH ORDINALITY AS u(program, patient, type, id, identifier, number))
    SELECT u.number FROM sought u JOIN resources r ON {NAMED}
    UNION SELECT u.number FROM sought u,
        LATERAL (SELECT * FROM resources r WHERE r.patient = u.patient AND r.type = u.type OFFSET 0) own
        WHERE {_OWN_CARRIES}"""


async def add(connection: Connection, resources: Sequence[AcceptedResource], program: str, now: datetime) -> None:
    """Store these once, of no patient yet; the same again changes nothing. `now` is clinic time."""
    for each in resources:
        await connection.execute(_ADD, each.type, each.id, program, each.status, each.at, now, each.sealed, each.body)


async def withdraw(connection: Connection, names: Sequence[OfProgram]) -> None:
    """Remove what was listed of no patient: another program has matched it."""
    if names:
        await connection.execute(_WITHDRAW, *([name[column] for name in names] for column in range(3)))


async def settle(
    connection: Connection, resource: AcceptedResource, program: str, version: str | None, now: datetime
) -> int | None:
    """Write a work item of no patient anew, of this version or of any; None, and nothing, where it has changed."""
    values = (resource.type, resource.id, program, resource.status, resource.body, now, version)
    settled: int | None = await connection.fetchval(_SETTLE, *values)
    return settled


async def publish(connection: Connection, type_: str, rows: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Write entries (id, program, body) of a public directory. One that left it stays readable: older lists name it."""
    ids, programs, bodies = ([row[column] for row in rows] for column in range(3))
    await connection.execute(_PUBLISH, type_, ids, programs, bodies, now)


async def versions(connection: Connection, names: Sequence[OfProgram]) -> dict[OfProgram, int]:
    """Those of these resources that are stored, with their versions."""
    if not names:
        return {}
    rows = await connection.fetch(_VERSIONS, *(list(column) for column in zip(*names, strict=True)))
    return {(row["program"], row["type"], row["id"]): row["version"] for row in rows}


async def stored(connection: Connection, program: str, names: Sequence[Name]) -> dict[Name, Row]:
    """Those of these resources that this program has, whole."""
    kinds, ids = [kind for kind, _ in names], [identity for _, identity in names]
    rows = await connection.fetch(_STORED, [program] * len(names), kinds, ids)
    return {(row["type"], row["id"]): row for row in rows}


async def one(connection: Connection, program: str, name: Name) -> Row | None:
    """The resource, unless it is absent or of another program."""
    return await connection.fetchrow(_ONE, *name, program)


async def of_nobody_with(connection: Connection, program: str, type_: str, text: str) -> list[Row]:
    """Those of this type about no patient in whose body this text stands: the newest `OF_NOBODY_MOST`."""
    return await connection.fetch(_OF_NOBODY_WITH, type_, program, text, OF_NOBODY_MOST)


async def panels(connection: Connection, program: str, patient: str) -> list[Row]:
    """This patient's Observations that have members, the newest `PANELS_MOST`."""
    return await connection.fetch(_PANELS, patient, program, PANELS_MOST)


async def matching(
    connection: Connection, program: str, patient: str, sought: Sequence[tuple[str, Mapping[str, str]]]
) -> list[list[str]]:
    """For each type and identifier the ids of this patient's resources that carry it, whoever sent them."""
    found: list[list[str]] = [[] for _ in sought]
    if sought:
        identifiers = [msgspec.json.encode(identifier).decode() for _, identifier in sought]
        programs, types = [program] * len(sought), [kind for kind, _ in sought]
        for row in await connection.fetch(_MATCHING, patient, programs, types, identifiers):
            found[row["number"] - 1].append(row["id"])
    return found


async def created(connection: Connection, sought: Sequence[tuple[str, str, str, str, str]]) -> set[int]:
    """Those of these (program, patient, type, id, identifier), by their place, that need not be created any more."""
    if not sought:
        return set()
    rows = await connection.fetch(_CREATED, *(list(column) for column in zip(*sought, strict=True)))
    return {row["number"] - 1 for row in rows}


async def of_minutes(
    connection: Connection, program: str, patient: str, type_: str, minutes: Collection[datetime]
) -> list[Row]:
    """What happened to this patient within these minutes, of a type; not more than `OF_MINUTES_MOST`."""
    return await connection.fetch(_OF_MINUTES, patient, type_, program, list(minutes), OF_MINUTES_MOST)

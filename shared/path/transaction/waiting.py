"""What an identification brings with it: facts that waited for their patient, and the part sealed for us."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeGuard
from uuid import UUID, uuid5

import msgspec

from shared.events import fhir
from shared.events.envelope import Command, PatientId, patient_id
from shared.events.intake import Digest, PatientIdentified
from shared.path.service import Service
from shared.path.transaction import aliases, questions, resources, sealed, store
from shared.path.transaction.aliases import Bound, column
from shared.path.transaction.delivery import Answer, AnyDelivery, Commanded, Consumed, Delivery, Internal, bare
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection, Row
from shared.platform.traits import BOTH, NO_TRAITS, Traits, contradictions
from shared.rules.decision import Refused

# A fact that waits leaves an alias of nobody, and holds it until the commit even where another fact left it: whoever
# learns it and whoever waits meet at its row, so that neither overlooks the other.
_EXPECT = """INSERT INTO alias AS a (program, digest, patient) SELECT u.*, '' FROM unnest($1::text[], $2::text[]) u
    ON CONFLICT (program, digest) DO UPDATE SET patient = a.patient"""
_WAIT = """INSERT INTO waiting (id, program, digest, producer, content, resources, at, traits)
    SELECT $1, u.program, u.digest, $4, $5, $6, $7, $8 FROM unnest($2::text[], $3::text[]) AS u(program, digest)
    ON CONFLICT DO NOTHING"""
# Facts waiting for these digests, in the order in which they came.
_WAITED = """SELECT w.id, w.program, w.digest, w.producer, w.content, w.resources, w.at, w.traits
    FROM waiting w JOIN unnest($1::text[], $2::text[]) AS u(program, digest)
    ON w.program = u.program AND w.digest = u.digest ORDER BY w.sequence"""
_PROGRAMS = "SELECT key, program FROM state WHERE kind = 'patient' AND key = ANY($1::text[]) AND program <> ''"
_MATCHED = "DELETE FROM waiting WHERE id = ANY($1::uuid[]) RETURNING id, program, resources"
_ONE = """SELECT id, program, digest, producer, content, resources, at FROM waiting WHERE id = $1 AND program = $2
    ORDER BY digest LIMIT 1"""
_DIGESTS = "SELECT digest FROM waiting WHERE id = $1 AND program = $2"
_READ_ANEW = """UPDATE waiting SET content = $3, resources = coalesce($4, resources) WHERE id = $1 AND program = $2
    RETURNING id"""
_DISCARDED = "DELETE FROM waiting WHERE id = $1 AND program = $2 RETURNING id, program, resources"
_WAITS = "SELECT DISTINCT id, program FROM waiting WHERE id = ANY($1::uuid[])"
_WAITS_IN = "SELECT DISTINCT program FROM waiting WHERE id = $1 ORDER BY program"
_AWAITED = "SELECT DISTINCT digest FROM waiting WHERE program = $1 AND strpos(resources, $2) > 0"
_TAKEN = "UPDATE documents SET unmatched = false WHERE id = ANY($1::uuid[])"
HELD = ""
"""In the place of a digest: no identification brings the patient of such a fact, a person names them."""


async def wait(
    connection: Connection, fact: Commanded, programs: Mapping[str, Sequence[Digest]], traits: Traits = NO_TRAITS
) -> bool:
    """Store a fact whose patient nobody knows yet, under every identifier and program it may belong to; what came with
    it is readable at once, but for what is named among its patient's.

    False, and nothing is stored, where the patient has become known meanwhile: then decide it.
    """
    pairs = sorted({(program, column(each)) for program, digests in programs.items() for each in digests})
    columns = [program for program, _ in pairs], [digest for _, digest in pairs]
    await connection.execute(_EXPECT, *columns)
    for program, digests in programs.items():
        if await aliases.resolve(connection, program, digests):
            return False
    await _store(connection, fact, *columns, traits)
    await resources.add(connection, [each for each in fact.accepted if not each.name], fact.program, fact.at)
    return True


async def hold(connection: Connection, fact: Commanded) -> None:
    """Store a fact until a person says whose it is; nothing of it is read before."""
    await _store(connection, fact, [fact.program], [HELD], NO_TRAITS)


async def _store(
    connection: Connection, fact: Commanded, programs: Sequence[str], digests: Sequence[str], traits: Traits
) -> None:
    await connection.execute(
        _WAIT,
        fact.id,
        programs,
        digests,
        fact.producer,
        _text(fact.commands),
        _text(fact.accepted),
        fact.at,
        _text(traits) if traits else "",
    )


async def read_anew(connection: Connection, fact: Commanded) -> bool:
    """What the fact of this id is read as from now on, where it waits in its program; what came with it stays where
    nothing is given. False where it waits no more: whoever learns its patient, or names them, decides before or after.
    """
    digests = [row["digest"] for row in await connection.fetch(_DIGESTS, fact.id, fact.program)]
    columns = [(fact.program, each) for each in sorted(digests) if each != HELD]
    await connection.execute(_EXPECT, [program for program, _ in columns], [digest for _, digest in columns])
    await questions.lock(connection, [str(fact.id)])
    accepted = _text(fact.accepted) if fact.accepted else None
    if not await connection.fetch(_READ_ANEW, fact.id, fact.program, _text(fact.commands), accepted):
        return False
    if digests != [HELD]:
        await resources.add(connection, [each for each in fact.accepted if not each.name], fact.program, fact.at)
    return True


def _text(content: object) -> str:
    return msgspec.json.encode(content).decode()


async def one(
    connection: Connection, program: str, fact: UUID, patient: PatientId, service: Service
) -> Commanded | None:
    """The fact as this patient's; None where it does not wait in this program any more."""
    row = await connection.fetchrow(_ONE, fact, program)
    return None if row is None else _unlisted(_fact(row, patient, service), row["digest"])


def _unlisted(fact: Commanded, digest: str) -> Commanded:
    """Of one that was held nothing was listed, which it would take the place of."""
    if digest != HELD:
        return fact
    commands = (
        msgspec.structs.replace(each, listed_as="") if "listed_as" in each.__struct_fields__ else each
        for each in fact.commands
    )
    return msgspec.structs.replace(fact, commands=tuple(commands))


async def gone(connection: Connection, deliveries: Iterable[AnyDelivery]) -> list[Commanded]:
    """Those whose fact waits no more: somebody else named its patient, or discarded it. Of the others nobody does until
    the transaction ends."""
    named = [each for each in deliveries if isinstance(each, Commanded) and each.fact is not None]
    if not named:
        return []
    await questions.lock(connection, sorted({str(each.fact) for each in named}))
    rows = await connection.fetch(_WAITS, [each.fact for each in named])
    waits = {(row["id"], row["program"]) for row in rows}
    first = {each.fact: id(each) for each in reversed(named) if (each.fact, each.program) in waits}
    return [each for each in named if first.get(each.fact) != id(each)]


async def read_since(connection: Connection, deliveries: Iterable[AnyDelivery], service: Service) -> list[Commanded]:
    """Those whose fact was read anew since it was looked at: they are to be looked at again. Their Tasks are locked
    (`gone`)."""
    found = []
    for each in deliveries:
        if isinstance(each, Commanded) and each.fact is not None:
            now = await one(connection, each.program, each.fact, patient_id(each.key), service)
            found += [each] if now is not None and now.commands != each.commands else []
    return found


async def ask_about_refused(
    connection: Connection, answers: Iterable[tuple[AnyDelivery, Answer]], service: Service
) -> None:
    """What waited and was refused once its patient was known: a person is asked, for its sender was told that all was
    well. It may be sent again."""
    refused = [
        (plain, service.unsettled(plain))
        for plain, answer in ((bare(each), answer) for each, answer in answers)
        if service.unsettled is not None and isinstance(answer, Refused) and _waited(plain)
    ]
    for fact, question in refused:
        tasks = await questions.lock(connection, [str(fact.id)])
        if (task := tasks.get((fact.program, str(fact.id)))) is not None:
            await questions.settle(connection, questions.ended(task, fact.at), fact.program, None, fact.at)
        listed = [(fact.program, each.type, each.id) for each in fact.accepted if each.stands_in]
        await resources.withdraw(connection, listed)
        await resources.add(connection, [question], fact.program, fact.at)
        await store.forget_processed(connection, [fact.id])


def _waited(delivery: Delivery) -> TypeGuard[Commanded]:
    """Whether nobody but the identification of its patient brought it."""
    return isinstance(delivery, Commanded) and not delivery.repeatable and delivery.fact is None


async def end(connection: Connection, deliveries: Iterable[AnyDelivery]) -> None:
    """The facts that these are wait no more, in any program."""
    named = {(each.fact, each.program) for each in deliveries if isinstance(each, Commanded) and each.fact is not None}
    if named:
        await _end(connection, [fact for fact, _ in named], named)
        await store.mark_processed(connection, dict(named))


async def discard(connection: Connection, program: str, fact: UUID) -> None:
    """It waits in this program no more, and leaves its list; the bytes as received go after their days. Sent again it
    is not decided, whoever is known by then."""
    rows = await connection.fetch(_DISCARDED, fact, program)
    if rows:
        await store.mark_processed(connection, {fact: program})
    await resources.withdraw(connection, list(dict.fromkeys(name for row in rows for name in _listed(row))))
    if rows and not await programs(connection, fact):
        await connection.execute(_TAKEN, [fact])


async def programs(connection: Connection, fact: UUID) -> list[str]:
    """Those in which it waits for its patient."""
    return [row["program"] for row in await connection.fetch(_WAITS_IN, fact)]


async def awaits_another(connection: Connection, program: str, resource: str, digests: Sequence[Digest]) -> bool:
    """Whether the resource of this id waits for a patient who has none of these digests."""
    awaited = {row["digest"] for row in await connection.fetch(_AWAITED, program, resource)}
    return bool(awaited) and awaited.isdisjoint(column(each) for each in digests)


Identification = tuple[Consumed, PatientIdentified]
Followers = Mapping[int, tuple[Delivery, ...]]
"""What is decided right behind an identification, by the identity of its delivery in memory."""


async def learn(connection: Connection, deliveries: Sequence[Delivery], service: Service) -> Followers:
    """Each PatientIdentified teaches its aliases; what waited for one of them follows it, in the order it came.

    Learning again what is known changes nothing. A fact goes on waiting, for a person to name its patient, where both
    family name and birth date contradict; where one does it is marked.
    """
    identified = [
        (delivery, delivery.event)
        for delivery in deliveries
        if isinstance(delivery, Consumed) and isinstance(delivery.event, PatientIdentified)
    ]
    identified = await _of_own_program(connection, identified)
    if not identified:
        return {}
    bound = await aliases.learn(
        connection,
        (
            (delivery.program, column(digest), patient_id(delivery.key))
            for delivery, event in identified
            for digest in event.digests
        ),
    )
    waited = await _released(connection, bound, identified, service)
    return {
        id(delivery): (*_contact(delivery, event, service), *_facts(delivery, event, waited, service))
        for delivery, event in identified
    }


async def _of_own_program(connection: Connection, identified: Sequence[Identification]) -> list[Identification]:
    """Without those whose patient is another program's: they teach nothing, and are parked."""
    if not identified:
        return []
    rows = await connection.fetch(_PROGRAMS, [delivery.key for delivery, _ in identified])
    programs = {row["key"]: row["program"] for row in rows}
    return [
        (delivery, event)
        for delivery, event in identified
        if programs.setdefault(delivery.key, delivery.program) == delivery.program
    ]


def _doubts(rows: Sequence[Row], identified: Sequence[Identification], service: Service) -> dict[UUID, int]:
    known = _known({(row["program"], row["digest"]) for row in rows if row["traits"]}, identified, service)
    found: dict[UUID, int] = {}
    for row in rows:
        sent = msgspec.json.decode(row["traits"], type=Traits) if row["traits"] else NO_TRAITS
        theirs = known.get((row["program"], row["digest"]), ())
        found[row["id"]] = max((found.get(row["id"], 0), *(contradictions(each, sent) for each in theirs)))
    return found


def _known(
    wanted: set[Bound], identified: Sequence[Identification], service: Service
) -> Mapping[Bound, Sequence[Traits]]:
    """Of each whom one of these identifiers names; opened once, and only where something waits that is compared."""
    found = defaultdict[Bound, list[Traits]](list)
    for delivery, event in identified:
        named = wanted & {(delivery.program, column(each)) for each in event.digests}
        if named and service.keys is not None:
            theirs = sealed.traits_in(service.keys, event.sealed)
            for each in named:
                found[each].append(theirs)
    return found


class _Released(NamedTuple):
    """Facts that wait no more, and by program and id the Tasks that asked for their patients."""

    facts: Sequence[Row] = ()
    tasks: Mapping[tuple[str, str], fhir.Element] = {}
    doubts: Mapping[UUID, int] = {}
    """By fact, how much of family name and birth date contradicts."""


async def _released(
    connection: Connection, bound: Sequence[Bound], identified: Sequence[Identification], service: Service
) -> _Released:
    """The facts that waited for these. Their Tasks are locked first: who names the patient by hand does the same."""
    if not bound:
        return _Released()
    rows = await connection.fetch(_WAITED, [program for program, _ in bound], [digest for _, digest in bound])
    if not rows:
        return _Released()
    doubts = _doubts(rows, identified, service)
    ids = [row["id"] for row in rows if doubts[row["id"]] < BOTH]
    tasks = await questions.lock(connection, sorted({str(each) for each in ids}))
    ended = await _end(connection, ids, {(row["id"], row["program"]) for row in rows})
    return _Released([row for row in rows if (row["id"], row["program"]) in ended], tasks, doubts)


async def _end(connection: Connection, ids: Sequence[UUID], matched: set[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those that waited until now, by program. What is listed of them in other programs goes, and the Tasks there."""
    ended = await connection.fetch(_MATCHED, ids)
    await connection.execute(_TAKEN, ids)
    elsewhere = [row for row in ended if (row["id"], row["program"]) not in matched]
    names = [name for row in elsewhere for name in (*_listed(row), (row["program"], "Task", str(row["id"])))]
    await resources.withdraw(connection, list(dict.fromkeys(names)))
    return {(row["id"], row["program"]) for row in ended}


def _listed(row: Row) -> list[resources.OfProgram]:
    accepted = msgspec.json.decode(row["resources"], type=tuple[AcceptedResource, ...])
    return [(row["program"], each.type, each.id) for each in accepted]


def _contact(delivery: Consumed, event: PatientIdentified, service: Service) -> tuple[Internal, ...]:
    """Where the service decides by it: the coarse part of what is sealed for it, as an internal event."""
    if service.keys is None or service.contact is None:
        return ()
    opened = service.keys.open(event.sealed)
    if opened is None:
        return ()
    return (
        Internal(
            id=uuid5(delivery.id, "contact"),
            key=delivery.key,
            program=delivery.program,
            at=delivery.at,
            producer=service.name,
            correlation_id=delivery.correlation_id,
            event=service.contact(opened),
        ),
    )


def _facts(delivery: Consumed, event: PatientIdentified, waited: _Released, service: Service) -> tuple[Commanded, ...]:
    """One that waited under several of the patient's identifiers is one fact."""
    own = {column(digest) for digest in event.digests}
    rows = {row["id"]: row for row in waited.facts if row["program"] == delivery.program and row["digest"] in own}
    facts = (_fact(row, delivery.key, service, waited.doubts[identity]) for identity, row in rows.items())
    return tuple(_with_task(each, waited.tasks, delivery) for each in facts)


def _with_task(fact: Commanded, tasks: Mapping[tuple[str, str], fhir.Element], identified: Consumed) -> Commanded:
    """With the Task that asked for the patient, which is answered now."""
    task = tasks.get((fact.program, str(fact.id)))
    if task is None:
        return fact
    answered = questions.found(task, identified.key, identified.at)
    return msgspec.structs.replace(fact, accepted=(*fact.accepted, answered))


def doubted(commands: Sequence[Command]) -> tuple[Command, ...]:
    """Marked, each that can be: family name or birth date contradicts what is known of the patient."""
    return tuple(
        msgspec.structs.replace(each, doubted=True) if "doubted" in each.__struct_fields__ else each
        for each in commands
    )


def _fact(row: Row, patient: str, service: Service, doubt: int = 0) -> Commanded:
    accepted = msgspec.json.decode(row["resources"], type=tuple[AcceptedResource, ...])
    commands = tuple(
        msgspec.structs.replace(command, matched=True) for command in service.read_commands(row["content"])
    )
    return Commanded(
        id=row["id"],
        key=patient,
        program=row["program"],
        at=row["at"],
        producer=row["producer"],
        correlation_id=row["id"],
        commands=doubted(commands) if doubt else commands,
        accepted=tuple(of_patient(each, patient) for each in resources.named(accepted, patient)),
        repeatable=False,
    )


def of_patient(resource: AcceptedResource, patient: str) -> AcceptedResource:
    """A resource that waited without a subject has one now. Put in as text: the rest stays as it came."""
    if resource.name or '"subject":' in resource.body:
        return resource
    subject = f'{{"subject":{{"reference":"Patient/{patient}"}},'
    return msgspec.structs.replace(resource, body=subject + resource.body.removeprefix("{"))

"""Admission: what was received about one patient is decided, waits for its patient, or asks a person whose it is.

FHIR and HL7 alike. Each way is one transaction: the bytes as received, what can be read of them and what becomes of
them are stored together, or not at all.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from shared.edge import several
from shared.edge.outcome import HttpRefusal, refuse
from shared.events.intake import Digest
from shared.path.transaction import aliases, questions, resources, sealed, waiting
from shared.path.transaction.delivery import Commanded, Committed, Identified, Incomplete
from shared.path.transaction.resources import AcceptedResource
from shared.platform import documents
from shared.platform.db import Connection, Pool
from shared.platform.documents import Document
from shared.platform.keys import Keys
from shared.platform.traits import NO_TRAITS, Traits, contradictions

CONTRADICTS = "name-and-birth-date-contradict"


@dataclass(frozen=True)
class OnePatient:
    """It is about this patient."""

    program: str
    patient: str


@dataclass(frozen=True)
class OneKey:
    """It is about this key of its kind, which is no patient."""

    kind: str
    key: str


@dataclass(frozen=True)
class Unknown:
    """No program it may be for knows one of its identifiers."""


@dataclass(frozen=True)
class Several:
    """Its identifiers belong to several patients, in these programs; or to one whom the rest contradicts."""

    programs: frozenset[str]
    reason: str = several.REASON


Subject = OnePatient | OneKey | Unknown | Several


@dataclass(frozen=True)
class Reading:
    """What was received, as one program reads it.

    `delivery` is decided once its patient is known, by one of the `digests`; `listed` can be read while it waits;
    `question` makes the Task that asks a person whose it is, for that reason; `missing` the one that asks who its
    patient is. `traits` are compared with the patient's, once they are known.
    """

    delivery: Commanded
    digests: tuple[Digest, ...]
    listed: tuple[AcceptedResource, ...] = ()
    question: Callable[[str], AcceptedResource] | None = None
    missing: AcceptedResource | None = None
    traits: Traits = NO_TRAITS


@dataclass(frozen=True)
class Stored:
    """Decided and committed, or parked."""

    answer: Committed | Incomplete


@dataclass(frozen=True)
class Waiting:
    """Stored until its patient is identified."""


@dataclass(frozen=True)
class ToAPerson:
    """Stored, and a Task asks whose it is."""


async def whose(connection: Connection, readings: Sequence[Reading]) -> Subject:
    """Whom the identifiers belong to, over every program it may be for."""
    found = [
        (reading.delivery.program, patient)
        for reading in readings
        for patient in await aliases.resolve(connection, reading.delivery.program, reading.digests)
    ]
    match found:
        case []:
            return Unknown()
        case [(program, patient)]:
            return OnePatient(program, patient)
        case _:
            return Several(frozenset(program for program, _ in found))


async def contradicting(connection: Connection, keys: Keys, subject: OnePatient, sent: Traits) -> int:
    """How many of family name and birth date contradict what is known of the patient."""
    known = await sealed.traits_of(connection, keys, subject.program, subject.patient) if sent else NO_TRAITS
    return contradictions(known, sent)


async def compared(
    connection: Connection, keys: Keys, subject: Subject, readings: Sequence[Reading]
) -> tuple[Subject, Sequence[Reading]]:
    """Whom it is about, where family name and birth date contradict: both, and a person says; one, and it is marked.

    They are looked at once an identifier has found the patient, and find nobody.
    """
    if not isinstance(subject, OnePatient):
        return subject, readings
    (reading,) = [each for each in readings if each.delivery.program == subject.program]
    match await contradicting(connection, keys, subject, reading.traits):
        case 0:
            return subject, readings
        case 1:
            commands = waiting.doubted(reading.delivery.commands)
            return subject, [dataclasses.replace(reading, delivery=replace(reading.delivery, commands=commands))]
        case _:
            return Several(frozenset({subject.program}), CONTRADICTS), readings


async def wait(pool: Pool, readings: Sequence[Reading]) -> Waiting | Identified:
    """Under every program it may be for, each with its own reading of it, and where nobody answered by hand before.
    Raises HttpRefusal."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            await _store_document(connection, readings[0].delivery.document, unmatched=True)
            for reading in sorted(await _unanswered(connection, readings), key=_program):
                fact = _waiting(reading)
                if not await waiting.wait(connection, fact, {fact.program: reading.digests}, reading.traits):
                    raise _IdentifiedMeanwhile
                if reading.missing is not None:
                    await resources.add(connection, [reading.missing], fact.program, fact.at)
            await questions.add(connection, [each.delivery for each in readings])
    except _IdentifiedMeanwhile:
        return Identified()
    return Waiting()


async def wait_anew(pool: Pool, reading: Reading) -> bool:
    """What waits under this id in this program is read so from now on, and asked about where it was not; False where
    it waits no more."""
    async with pool.acquire() as connection, connection.transaction():
        fact = _waiting(reading)
        if not await waiting.read_anew(connection, fact):
            return False
        if reading.missing is not None:
            await resources.add(connection, [reading.missing], fact.program, fact.at)
        await questions.add(connection, [fact])
    return True


def _waiting(reading: Reading) -> Commanded:
    """The fact as it is stored while it waits."""
    named = [each for each in reading.delivery.accepted if each.name and each not in reading.listed]
    return replace(reading.delivery, accepted=(*reading.listed, *named))


async def _unanswered(connection: Connection, readings: Sequence[Reading]) -> list[Reading]:
    """Those that wait: a person may have named the patient in one program, or discarded it in this one."""
    identity = str(readings[0].delivery.id)
    await questions.lock(connection, [identity])
    answers = {program: each.status for program, each in (await questions.standing(connection, identity)).items()}
    if "completed" in answers.values():
        return []
    return [each for each in readings if answers.get(each.delivery.program) != "cancelled"]


async def ask(pool: Pool, readings: Sequence[Reading], found: Several) -> ToAPerson:
    """A Task in each of the programs, and it is held until one is completed; the same message again makes the same
    ones. None where it waits for its patient: a Task asks for them already. Raises HttpRefusal."""
    async with pool.acquire() as connection, connection.transaction():
        await _store_document(connection, readings[0].delivery.document, unmatched=True)
        unanswered = await _unanswered(connection, readings)
        waits = await waiting.programs(connection, readings[0].delivery.id)
        for reading in sorted(unanswered, key=_program):
            fact = reading.delivery
            if fact.program in found.programs and fact.program not in waits and reading.question is not None:
                await resources.add(connection, [reading.question(found.reason)], fact.program, fact.at)
                await waiting.hold(connection, fact)
        await questions.add(connection, [each.delivery for each in readings])
    return ToAPerson()


def used_before() -> HttpRefusal:
    return refuse(409, "duplicate", "", "This identifier was used before, with other content.")


class _IdentifiedMeanwhile(Exception):
    """Rolls back what waits in one program where another one has just learned the patient."""


async def _store_document(connection: Connection, document: Document | None, *, unmatched: bool) -> None:
    if document is not None:
        stored = await documents.store(connection, [msgspec.structs.replace(document, unmatched=unmatched)])
        if stored[document.id] != document.digest:
            raise used_before()


def _program(reading: Reading) -> str:
    """All who wait and all who learn do it in one order, so that none waits for another in a ring."""
    return reading.delivery.program

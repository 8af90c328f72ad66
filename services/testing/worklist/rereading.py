"""Results under a code that nobody knew are read again once the program's table says what it means (domain 4.5).

The answers are the Tasks `map-code` whose code the table maps now; what came since is read from its bytes.
It is done at a start and whenever a code map changed (`code_maps`). Read twice it changes nothing: each reading has its
own id, and a row read again takes its own place. What waits for its patient goes on waiting, read anew, and what a
person gave to a patient is theirs: whose a result is, is asked once.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from services.testing import hl7, tables
from services.testing.edge import REPORTED, interpret
from services.testing.hl7 import Nak
from services.testing.hl7.receiver import REFUSED, Hl7Receiver
from services.testing.hl7.results import PatientResult, results
from services.testing.hl7.senders import Sender
from services.testing.messages import Observed, ReportResult
from services.testing.settings import WITHOUT_RESULT, Settings
from services.testing.worklist import (
    MAP_CODE,
    Answer,
    answer_in,
    answered,
    assigning,
    is_of_time,
    time_task,
    value_task,
)
from shared.edge import admission, received
from shared.edge.admission import OnePatient, Reading, Subject
from shared.edge.clients import Caller
from shared.edge.contract import Context, StoredResource
from shared.edge.fhir import parse
from shared.edge.moments import ProgramTime
from shared.edge.outcome import HttpRefusal
from shared.edge.received import Received
from shared.path.transaction import questions, resources, waiting
from shared.path.transaction.delivery import Commanded, Identified
from shared.path.transaction.questions import Question, TaskStanding
from shared.platform import documents, log
from shared.platform.clients import RegisteredClient
from shared.platform.db import Connection
from shared.platform.documents import Document

_BUSY = 503
_BEFORE = timedelta(minutes=1)
"""A message is stored shortly before it asks its question."""


@dataclass(frozen=True)
class Rereading:
    receiver: Hl7Receiver
    clients: Mapping[str, RegisteredClient]

    async def read_answered(self, *, only_open: bool = False) -> bool:
        """All that the tables of the programs answer, or what of it is asked now; False where something is left for
        the next try."""
        running, done = self.receiver.running, True
        for program, settings in running.inbox.settings.items():
            async with running.inbox.pool.acquire() as connection:
                tasks = await questions.of_code(connection, program, MAP_CODE, only_open=only_open)
            found = (answer_in(each, settings) for each in tasks)
            for answer in (each for each in found if each is not None):
                done = await self._read(answer, program) and done
        return done

    async def _read(self, answer: Answer, program: str) -> bool:
        """Every message with this code, and then the Task is completed; False where the service is too busy now, or
        more results came meanwhile: a replica that did not know the map yet may have stored them."""
        running = self.receiver.running
        known = answer.laboratory in self.clients and tables.meant(_read_as(answer)) is not None
        async with running.inbox.pool.acquire() as connection:
            since = answer.since - _BEFORE
            received = await documents.since(connection, answer.laboratory, since) if known else []
        for identity in received:
            try:
                await self._read_document(identity, answer, program)
            except HttpRefusal as refused:
                log.get().warning("a result under a mapped code is not read again", status=refused.status)
                if refused.status == _BUSY:
                    return False
                await self._list(refused, identity, answer, program)
        async with running.inbox.pool.acquire() as connection, connection.transaction():
            now = running.clock.now()
            settled = await questions.settle(connection, answered(answer, now), program, answer.version, now)
        return settled is not None

    async def _list(self, refused: HttpRefusal, identity: UUID, answer: Answer, program: str) -> None:
        """What can't be read even now (a report without any time) is a person's to read, with the place in question."""
        running, places = self.receiver.running, [each for issue in refused.issues for each in issue.expression]
        now = running.clock.now()
        ask = time_task if is_of_time(places) else value_task
        task = ask(program, answer.laboratory, places, now, str(identity))
        async with running.inbox.pool.acquire() as connection, connection.transaction():
            await resources.add(connection, [task], program, now)

    async def _read_document(self, identity: UUID, answer: Answer, program: str) -> None:
        running = self.receiver.running
        async with running.inbox.pool.acquire() as connection:
            document = await documents.one(connection, identity)
        if document is None or document.media_type == REFUSED:
            return
        for again in await self._readings(document, _part(answer, program, running.inbox.settings), program):
            await self._take(again, document.program)

    async def read_question(self, question: Question, program: str) -> bool | None:
        """What waits for this `map-code`, where the tables answer it by now: whether all was read; None where they say
        nothing, or nothing new. Raises HttpRefusal."""
        answer = answer_in(question, self.receiver.running.inbox.settings[program])
        return None if answer is None else await self._read(answer, program)

    async def read_whole(self, document: Document, program: str, name: str) -> frozenset[str] | None:
        """All that a document holds of the one patient whose its id is, under this name, by today's tables: the Tasks
        that ask about it by now; None where it holds nothing. Raises HttpRefusal."""
        part = _Part(name, self.receiver.running.inbox.settings, _whole)
        found = [
            each for each in await self._readings(document, part, program) if each.whole.delivery.id == document.id
        ]
        for again in found:
            await self._take(again, document.program)
        asked = frozenset(each.id for again in found for each in again.whole.delivery.questions)
        return asked if found else None

    async def _readings(self, document: Document, part: "_Part", program: str) -> "list[_Again]":
        """Of each patient in it who has something of the part. Raises HttpRefusal."""
        if document.media_type != received.MEDIA_TYPE:
            return self._results(document, part, program)
        again = await self._submitted(document, part) if document.program == program else None
        return [] if again is None else [again]

    async def _take(self, again: "_Again", received_by: str) -> None:
        """Nothing of what waits for its patient in other programs alone, or became a patient's there, and of what a
        person discarded."""
        running, fact = self.receiver.running, again.whole.delivery
        async with running.inbox.pool.acquire() as connection:
            waits_in = await waiting.programs(connection, fact.id)
            standing = await questions.standing(connection, str(fact.id))
        if fact.program in waits_in:
            if not await admission.wait_anew(running.inbox.pool, running.submissions.missed(again.whole)):
                await self._take(again, received_by)
            return
        owners = {program: each.patient for program, each in standing.items() if each.patient}
        if waits_in or fact.program not in (owners or {received_by}) or _is_discarded(standing.get(fact.program)):
            return
        subject, reading = await self._whose(again, owners.get(fact.program) or again.patient)
        if isinstance(await running.submissions.admit(subject, [reading]), Identified):
            await self._take(again, received_by)

    async def _whose(self, again: "_Again", patient: str | None) -> tuple[Subject, Reading]:
        """Whose it is by what was decided of it; else by its identifiers. Of nobody known it is read as it came."""
        if patient is not None:
            return OnePatient(again.rows.delivery.program, patient), again.rows
        running = self.receiver.running
        async with running.inbox.pool.acquire() as connection:
            subject = await admission.whose(connection, [again.rows])
            subject, (rows,) = await admission.compared(connection, running.keys, subject, [again.rows])
        return subject, rows if isinstance(subject, OnePatient) else again.whole

    async def _submitted(self, document: Document, part: "_Part") -> "_Again | None":
        """What came as FHIR; None where it has no such row."""
        running = self.receiver.running
        submitted = received.read(running.keys.decrypt(document.content))
        present = running.inbox.settings[document.program]
        async with running.inbox.pool.acquire() as connection:
            former = part.settings[document.program]
            rows = tuple(part.rows(await self._commands(connection, submitted, document, former)))
            whole = tuple(await self._commands(connection, submitted, document, present))
        if not rows:
            return None

        def reading(identity: UUID, commands: tuple[ReportResult, ...]) -> Reading:
            delivery = _delivery(identity, commands, document)
            question = partial(assigning.task, delivery, present)
            return Reading(delivery, submitted.digests, question=question, traits=submitted.traits)

        again = uuid5(document.id, part.name)
        return _Again(reading(document.id, whole or rows), reading(again, rows), submitted.patient)

    async def _commands(
        self, connection: Connection, submitted: Received, document: Document, settings: Settings
    ) -> list[ReportResult]:
        client = self.clients[document.client]
        entries = [each for each in submitted.entries if each.type in REPORTED]
        names = [(each.type, str(each.id)) for each in entries]
        stored = await resources.stored(connection, document.program, names)
        context = Context(
            Caller(document.client, client, document.program, ()),
            submitted.patient or "",
            document.program,
            settings,
            document.received_at,
            {name: StoredResource(row["patient"], parse(row["body"].encode())) for name, row in stored.items()},
        )
        return [each for each in interpret(entries, context).commands if isinstance(each, ReportResult)]

    def _results(self, document: Document, part: "_Part", program: str) -> "list[_Again]":
        """Those of the message's patients that have such a row; nothing of a message that was refused, or a trial."""
        present = self.receiver.running.inbox.settings
        former = self._read_results(document, part.settings, program)
        if any(document.id == uuid5(each.cause, document.digest) for each in former):
            return []
        found = {each.cause: each for each in self._read_results(document, present, program)}
        narrowed = (_narrowed(each, part) for each in former)
        return [
            self._again(found.get(each.cause, each), each, document, part)
            for each in narrowed
            if any(each.commands.values())
        ]

    def _read_results(self, document: Document, settings: Mapping[str, Settings], program: str) -> list[PatientResult]:
        running = self.receiver.running
        sender = Sender(document.client, self.clients[document.client], (program,))
        try:
            decoded = hl7.decode(running.keys.decrypt(document.content))
            time = ProgramTime.of(settings[program], running.clock.now())
            message = hl7.parse(decoded, time, running.process.hl7_rows)
            return [] if message.header.is_trial else results(message, sender, settings)
        except Nak:
            return []

    def _again(self, whole: PatientResult, rows: PatientResult, document: Document, part: "_Part") -> "_Again":
        """Under an id of its own: the message was decided before, and under another meaning it is another reading."""
        named = dataclasses.replace(rows, cause=uuid5(rows.cause, part.name))
        (as_it_came,), (again,) = self.receiver.readings(whole, document), self.receiver.readings(named, document)
        return _Again(as_it_came, again)


class _Part(NamedTuple):
    """What of a message is read again: the name of this reading, by which settings, and which rows."""

    name: str
    settings: Mapping[str, Settings]
    rows: Callable[[Iterable[ReportResult]], Iterable[ReportResult]]


def _part(answer: Answer, program: str, present: Mapping[str, Settings]) -> _Part:
    rows = partial(_rows_of, answer=answer)
    return _Part(answer.name, _settings(answer, program, present), rows)


def _whole(reports: Iterable[ReportResult]) -> Iterable[ReportResult]:
    return (msgspec.structs.replace(each, again=True) for each in reports)


class _Again(NamedTuple):
    """What was received of one patient: the whole, as if it came now, and the rows that are read again. `patient` is
    whom it was submitted as, where somebody was known."""

    whole: Reading
    rows: Reading
    patient: str | None = None


def _is_discarded(standing: TaskStanding | None) -> bool:
    return standing is not None and standing.status == "cancelled"


def _delivery(identity: UUID, commands: tuple[ReportResult, ...], document: Document) -> Commanded:
    return Commanded(
        id=identity,
        key="",
        program=document.program,
        at=document.received_at,
        producer=document.client,
        correlation_id=document.id,
        commands=commands,
        digest=document.digest,
    )


def _narrowed(result: PatientResult, part: _Part) -> PatientResult:
    commands = {program: tuple(part.rows(reports)) for program, reports in result.commands.items()}
    return dataclasses.replace(result, commands=commands)


def _read_as(answer: Answer) -> str:
    """What its rows are read as: a code that holds no result by now as what it was taken for, to take that back."""
    return answer.former if answer.meaning in WITHOUT_RESULT else answer.meaning


def _settings(answer: Answer, program: str, present: Mapping[str, Settings]) -> Mapping[str, Settings]:
    if answer.meaning not in WITHOUT_RESULT:
        return present
    own = present[program]
    codes = {**own.local_codes, f"{answer.laboratory}|{answer.code}": _read_as(answer)}
    return {**present, program: msgspec.structs.replace(own, local_codes=codes)}


def _rows_of(reports: Iterable[ReportResult], answer: Answer) -> Iterable[ReportResult]:
    """The rows of this code alone: the others stand as they are, or were left behind since.

    Only a measure of validity says anew how the specimen was.
    """
    for report in reports:
        rows = tuple(each for each in report.results if each.code == answer.code)
        if rows and answer.meaning in WITHOUT_RESULT:
            yield _taken_back(report, rows)
        elif rows:
            validity = any(tables.family_of(each.analyte) == "validity" for each in rows)
            extent = "message" if validity else "component"
            yield msgspec.structs.replace(report, results=rows, extent=extent, again=True)


def _taken_back(report: ReportResult, rows: tuple[Observed, ...]) -> ReportResult:
    """As if the rows had never been reported; they mean nothing, so that any meaning later on takes their place. What
    the laboratory sent is not taken back: they name no row as it came."""
    void = tuple(
        msgspec.structs.replace(
            each, analyte=tables.UNMAPPED, finding="unsatisfactory", definitive=False, status="entered-in-error"
        )
        for each in rows
    )
    replaced = {"condition": "valid", "extent": "component", "again": True, "received": ""}
    return msgspec.structs.replace(report, results=void, **replaced)

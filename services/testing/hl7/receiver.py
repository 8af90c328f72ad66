"""HL7 in: parse, interpret, admit, acknowledge. The acknowledgement goes out after the commit."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.testing import hl7
from services.testing.decide.reports import LIES_TOO_FAR_BACK
from services.testing.hl7 import Decoded, Fault, Message, Nak, TooLarge, batches
from services.testing.hl7.acknowledgement import acknowledge, acknowledgements
from services.testing.hl7.batches import File
from services.testing.hl7.mllp import Frame
from services.testing.hl7.results import PatientResult, by_specimen, cause_name, digest_of, listed, results, unmapped
from services.testing.hl7.senders import Laboratory, Sender, sender_of
from services.testing.worklist import REUSED, assigning, code_task, message_task, value_task
from shared.edge import admission, large_bodies
from shared.edge.admission import Reading, ToAPerson
from shared.edge.moments import ProgramTime
from shared.edge.outcome import HttpRefusal
from shared.path.transaction import questions, sealed
from shared.path.transaction.delivery import Commanded, Identified
from shared.path.transaction.resources import AcceptedResource
from shared.platform import db, documents, log, metrics, tracing, traits
from shared.platform.documents import Document
from shared.process import Running

MEDIA_TYPE = "application/hl7-v2"
COSTS = 16
"""As many bytes of a FHIR body are read in the time that one of HL7 may take."""
REFUSED = f"{MEDIA_TYPE}; status=refused"
"""Of a message of which nothing is decided: it is stored for a person, and read by nothing."""
REFUSED_UNANSWERED, TOO_LARGE = "refused-unanswered", "message-too-large"
"""Why a person looks at a message."""
AGAIN_SECONDS = 1.0
_NUMBER = {409: hl7.DUPLICATE_KEY, 404: hl7.UNKNOWN_KEY}
"""A refusal's status in table 0357."""


class Verdict(NamedTuple):
    """MSA-1, what goes into ERR, and HTTP's status: 503 asks the sender to try again, and `waiting` mends it."""

    code: str
    faults: tuple[Fault, ...]
    status: int
    waiting: bool = False


class Answered(NamedTuple):
    """The acknowledgements that were asked for, none to two, and what they say."""

    acknowledgements: tuple[bytes, ...]
    verdict: Verdict

    @property
    def status(self) -> int:
        """HTTP's: 204 where all is well and nobody asked for a body."""
        return 204 if self.verdict.status == 200 and not self.acknowledgements else self.verdict.status


_ACCEPTED = Verdict("AA", (), 200)
_AWAY = Verdict("AE", (Fault("", hl7.INTERNAL_ERROR),), 503, waiting=True)
Questions = Mapping[str, tuple[AcceptedResource, ...]]
"""By program, the Tasks of no patient that a message raises."""
NOTHING_ASKED: Questions = {}


@dataclass(frozen=True)
class Hl7Receiver:
    running: Running
    known: Mapping[str, Laboratory]

    async def receive(self, frame: Frame, shown: str = "") -> tuple[bytes, ...]:
        """One MLLP frame: its acknowledgements, whatever it is. `shown` is the laboratory whose certificate was.

        Whoever asks for none is not asked to send it again: an outage is waited out.
        """
        with tracing.span("edge", route="mllp") as span:
            answered = await self.answer_all(frame, None, shown)
            while answered.verdict.waiting and not answered.acknowledgements:
                await asyncio.sleep(AGAIN_SECONDS)
                answered = await self.answer_all(frame, None, shown)
            span.ended(failed=answered.status >= 500, status=f"{answered.status // 100}xx")
        return answered.acknowledgements

    async def answer_all(self, frame: Frame, sender: Sender | None, shown: str = "") -> Answered:
        """A message, or a batch of them: each by itself and in their order. A batch is answered by one."""
        if not batches.is_batch(frame.content):
            return await self.answer(frame, sender, shown)
        now, process = self.running.clock.now(), self.running.process
        file = await large_bodies.apart(len(frame.content), batches.take_apart, frame.content)
        if not frame.whole or file.count > process.hl7_batch_messages:
            answer = batches.refused(frame.content, Fault("BHS", hl7.INTERNAL_ERROR), now)
            return Answered((answer,), Verdict("AR", (), 400))
        answered, down = list[Answered](), False
        for message in (each for batch in file.batches for each in batch.messages):
            one = Frame(message, len(message) <= process.hl7_message_bytes)
            found = None if down else await self.answer(one, sender, shown)
            if found is None or found.verdict.waiting:
                down, found = True, self._to_be_sent_again(message)
            answered.append(found)
        answer = batches.answer(file, [each.acknowledgements for each in answered], now)
        return Answered((answer,), _worst(file, [each.verdict for each in answered]))

    def _to_be_sent_again(self, message: bytes) -> Answered:
        """While the database is away no other one of a batch is tried, for each would wait as long.

        Each is answered, whatever it asks: the line does not wait.
        """
        try:
            header = hl7.decode(message).header
        except Nak:
            header = None
        return Answered((acknowledge(header, _AWAY.code, _AWAY.faults, self.running.clock.now()),), _AWAY)

    async def answer(self, frame: Frame, sender: Sender | None, shown: str = "") -> Answered:
        """The certificate that was shown, or MSH, names the sender where none is given."""
        decoded: Decoded | None = None
        try:
            decoded = hl7.decode(frame.content)
            sender = sender or sender_of(decoded.header, self.known, shown)
            require_whole(frame)
            await self._take(frame.content, decoded, sender)
            verdict = _ACCEPTED
        except Exception as error:
            verdict = _verdict(error)
            metrics.REFUSED.labels(self.running.inbox.service.name, "hl7", verdict.faults[0].number).inc()
        header, now = decoded.header if decoded else None, self.running.clock.now()
        asked = acknowledgements(header, verdict.code, verdict.faults, now)
        if asked or verdict is _ACCEPTED or verdict.waiting or (sender and await self._listed(frame, sender)):
            return Answered(asked, verdict)
        return Answered((acknowledge(header, verdict.code, verdict.faults, now),), verdict)

    async def _listed(self, frame: Frame, sender: Sender) -> bool:
        """What is refused is a person's where its sender wants no answer; False where it can't be stored."""
        try:
            await self._ask(frame.content, sender, REFUSED_UNANSWERED)
        except Exception as error:
            _verdict(error)
            return False
        return True

    async def _ask(self, content: bytes, sender: Sender, reason: str) -> None:
        """A message of which nothing is decided: stored, and shown to a person."""
        document = self._document(f"hl7|{sender.name}|{REFUSED}", content, sender)
        document = msgspec.structs.replace(document, media_type=REFUSED)
        await self._store(document, _questions_of(document, sender, reason))

    async def _take(self, content: bytes, decoded: Decoded, sender: Sender) -> None:
        """Read, then stored within the seconds in which an answer is due."""
        try:
            read = await large_bodies.apart(len(content) * COSTS, self._read, decoded, sender)
            storing = self._store_read(content, sender, *read)
        except TooLarge:
            storing = self._ask(content, sender, TOO_LARGE)
        await _within(self.running.process.hl7_answer_seconds, storing)

    async def _store_read(
        self, content: bytes, sender: Sender, message: Message, found: Sequence[PatientResult], asked: Questions
    ) -> None:
        """Nothing is decided before every patient of the message is named.

        What is no drug test, or was sent to try something, is stored, no more.
        """
        document = self._document(cause_name(message, sender), content, sender)
        if not found:
            await self._store(document, asked)
        for result in found:
            await self._admit_once(result, msgspec.structs.replace(document, id=result.cause), asked)

    def _read(self, decoded: Decoded, sender: Sender) -> tuple[Message, list[PatientResult], Questions]:
        """What the message says, for its sender's programs: up to half a second of work."""
        settings = self.running.inbox.settings
        time = ProgramTime.of(settings[sender.programs[0]], self.running.clock.now())
        message = hl7.parse(decoded, time, self.running.process.hl7_rows)
        if message.header.is_trial:
            return message, [], NOTHING_ASKED
        return message, results(message, sender, settings), self._questions(message, sender)

    async def admit(self, result: PatientResult, document: Document, asked: Questions = NOTHING_ASKED) -> None:
        """What was found for one patient, in the programs it may be for. Raises HttpRefusal."""
        await self._admit(self.readings(result, document, asked))

    def _questions(self, message: Message, sender: Sender) -> Questions:
        """What no table knows is a question to a person of each program."""
        settings, now = self.running.inbox.settings, self.running.clock.now()
        return {
            program: tuple(
                code_task(program, sender.name, code, now, waiting)
                for code, waiting in unmapped(message, sender, program, settings[program]).items()
            )
            for program in sender.programs
        }

    async def _admit_once(self, result: PatientResult, document: Document, asked: Questions) -> None:
        """Its number used again for something else is refused, and that too is stored and shown to a person. What
        corrects a specimen that nothing is decided by any more is a person's, and taken: nobody can send it better."""
        try:
            await self.admit(result, document, asked)
        except HttpRefusal as refused:
            if refused.issues[0].code == "duplicate":
                other = msgspec.structs.replace(document, id=uuid5(document.id, document.digest))
                question = message_task(document.program, document.client, str(other.id), REUSED, document.received_at)
                await self._store(other, {document.program: (question,)})
            elif _places(refused) == [LIES_TOO_FAR_BACK.expression]:
                await self._store(document, _to_be_read(result, document))
                await self._admit_others(result, document, asked)
                return
            raise

    async def _admit_others(self, result: PatientResult, document: Document, asked: Questions) -> None:
        """What its other specimens show is decided all the same."""
        specimens = by_specimen(result)
        for each in specimens if len(specimens) > 1 else ():
            try:
                await self.admit(each, msgspec.structs.replace(document, id=each.cause), asked)
            except HttpRefusal as refused:
                if _places(refused) != [LIES_TOO_FAR_BACK.expression]:
                    raise

    async def take_again(self, document: Document, sender: Sender) -> None:
        """A message of which nothing was decided, as if it came now. Raises Nak, TooLarge, HttpRefusal."""
        content = self.running.keys.decrypt(document.content)
        read = await large_bodies.apart(len(content) * COSTS, self._read, hl7.decode(content), sender)
        await _within(self.running.process.hl7_answer_seconds, self._store_read(content, sender, *read))

    async def _admit(self, readings: Sequence[Reading]) -> None:
        inbox, submissions = self.running.inbox, self.running.submissions
        async with inbox.pool.acquire() as connection:
            subject = await admission.whose(connection, readings)
            subject, readings = await admission.compared(connection, self.running.keys, subject, readings)
        match await submissions.admit(subject, readings):
            case Identified():
                await self._admit(readings)
            case ToAPerson():
                log.get().warning("a person says whose an hl7 result is", id=str(readings[0].delivery.id))

    def readings(self, result: PatientResult, document: Document, asked: Questions = NOTHING_ASKED) -> list[Reading]:
        """The result as each program reads it that it may be for."""
        return [
            self._reading(result, self._delivery(result, program, document, asked.get(program, ())))
            for program in result.commands
        ]

    def _reading(self, result: PatientResult, delivery: Commanded) -> Reading:
        reports = result.commands[delivery.program]
        return Reading(
            delivery=delivery,
            digests=self.running.keys.digests(delivery.program, result.identifiers),
            listed=listed(reports),
            traits=traits.digested(self.running.keys, delivery.program, result.person),
            question=partial(assigning.task, delivery, self.running.inbox.settings[delivery.program]),
        )

    def _delivery(
        self, result: PatientResult, program: str, document: Document, questions: tuple[AcceptedResource, ...]
    ) -> Commanded:
        return Commanded(
            id=result.cause,
            key="",
            program=program,
            at=document.received_at,
            producer=document.client,
            correlation_id=result.cause,
            commands=result.commands[program],
            accepted=sealed.binaries(self.running.keys, result.received[program]),
            digest=document.digest,
            document=msgspec.structs.replace(document, program=program),
            questions=(*questions, *_unread_values(result, program, document)),
        )

    def _document(self, name: str, content: bytes, sender: Sender) -> Document:
        """The message as it is stored, its id made of this name and its digest."""
        digest = digest_of(content)
        return Document(
            id=uuid5(NAMESPACE_URL, f"{name}|{digest}"),
            program=sender.programs[0],
            client=sender.name,
            media_type=MEDIA_TYPE,
            content=self.running.keys.encrypt(content),
            digest=digest,
            received_at=self.running.clock.now(),
        )

    async def _store(self, document: Document, asked: Questions) -> None:
        async with self.running.inbox.pool.acquire() as connection, connection.transaction():
            await documents.store(connection, [document])
            await questions.raise_all(
                connection,
                ((program, task, document.received_at) for program, tasks in asked.items() for task in tasks),
            )


def _worst(file: File, verdicts: Sequence[Verdict]) -> Verdict:
    """What HTTP says of a batch: 200 where each message was taken, and the batch is as it counts itself."""
    faults = (*file.faults, *(fault for batch in file.batches for fault in batch.faults))
    return max((*verdicts, Verdict("AE", faults, 400) if faults else _ACCEPTED), key=lambda each: each.status)


def _questions_of(document: Document, sender: Sender, reason: str) -> Questions:
    """The same one to a person of each program."""
    return {
        program: (message_task(program, sender.name, str(document.id), reason, document.received_at),)
        for program in sender.programs
    }


def _places(refused: HttpRefusal) -> list[str]:
    return [each for issue in refused.issues for each in issue.expression]


def _to_be_read(result: PatientResult, document: Document) -> Questions:
    """To a person of each program that it may be for, with all of it that nothing reads."""
    return {
        program: (
            value_task(
                program,
                document.client,
                (LIES_TOO_FAR_BACK.expression, *result.unread[program]),
                document.received_at,
                str(document.id),
            ),
        )
        for program in result.commands
    }


def _unread_values(result: PatientResult, program: str, document: Document) -> Iterator[AcceptedResource]:
    if places := result.unread[program]:
        yield value_task(program, document.client, places, document.received_at, str(document.id))


async def _within(seconds: float, work: Awaitable[None]) -> None:
    """Raises TimeoutError where it takes longer.

    A database that hangs holds even what is cancelled, so that nobody waits for that here; where it is committed all
    the same, the repeat gets its answer.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise TimeoutError
    task.result()


def require_whole(frame: Frame) -> None:
    """Raises Nak for a frame beyond the limit."""
    if not frame.whole:
        raise Nak("AR", Fault("", hl7.INTERNAL_ERROR))


def _verdict(error: Exception) -> Verdict:
    """What is wrong with the message, its control id or the hub. Trouble and bugs ask the sender to try again."""
    match error:
        case Nak():
            return Verdict(error.code, (error.fault,), 400)
        case HttpRefusal(status=status):
            fault = Fault("MSH^1^10", _NUMBER.get(status, hl7.INTERNAL_ERROR))
            return Verdict("AE", (fault,), 503 if status == 503 else 400, waiting=status == 503)
        case _:
            trouble = db.is_trouble(error)
            log.get().error(
                "hl7 message failed", place=log.place_of(error), **{"class": "trouble" if trouble else "bug"}
            )
            return Verdict("AE", (Fault("", hl7.INTERNAL_ERROR),), 503, waiting=trouble)

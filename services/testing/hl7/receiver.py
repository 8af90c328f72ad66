"""HL7 in, told: whom a message is about, kept as it came, answered after the commit."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.testing import assigning, hl7
from services.testing.hl7 import Fault, Group, Header, Nak
from services.testing.hl7.acknowledgement import acknowledge
from services.testing.interpretation import TooManyComponents, interpret
from services.testing.messages import ReportResult
from services.testing.mllp import Frame
from services.testing.senders import Laboratory, Sender, identifiers, sender_of
from shared.edge.fhir import Limits
from shared.edge.http import read_body
from shared.edge.outcome import HttpRefusal, refuse
from shared.events import codes, fhir
from shared.events.intake import Digest
from shared.path.transaction import aliases, resources, waiting
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.resources import AcceptedResource
from shared.platform import db, documents, log
from shared.platform.keys import Identifier
from shared.process import Running

MEDIA_TYPE = "application/hl7-v2"
MEDIA_TYPES = (MEDIA_TYPE, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain")


@dataclass(frozen=True)
class PatientResult:
    """One PATIENT_RESULT of a message that is about drug tests, with what it means in each program."""

    cause: UUID
    sender: Sender
    content: bytes
    names: tuple[Identifier, ...]
    commands: Mapping[str, tuple[ReportResult, ...]]


@dataclass(frozen=True)
class Hl7Receiver:
    running: Running
    known: Mapping[str, Laboratory]

    async def receive(self, frame: Frame) -> bytes:
        """One MLLP frame: its answer, whatever it is."""
        if not frame.whole:
            header, fault = hl7.header_of(frame.content), Fault("", hl7.INTERNAL_ERROR)
            return acknowledge(header, "AR", (fault,), self.running.clock.now())
        answer, _ = await self.answer(frame.content, None)
        return answer

    async def answer(self, content: bytes, sender: Sender | None) -> tuple[bytes, int]:
        """The acknowledgement and HTTP's status for it: 200 is AA, 503 asks the sender to try again."""
        header = hl7.header_of(content)
        try:
            await self._taken(content, sender or sender_of(header, self.known))
            faults, code, status = tuple[Fault, ...](), "AA", 200
        except Nak as nak:
            faults, code, status = (nak.fault,), nak.code, 400
        except HttpRefusal as refused:
            faults, code = (Fault("MSH^1^10", _number(refused)),), "AE"
            status = 503 if refused.status == 503 else 400
        except Exception as error:
            kind = "trouble" if db.is_trouble(error) else "bug"
            log.get().error("hl7 message failed", place=log.place_of(error), **{"class": kind})
            faults, code, status = (Fault("", hl7.INTERNAL_ERROR),), "AE", 503
        return acknowledge(header, code, faults, self.running.clock.now()), status

    async def _taken(self, content: bytes, sender: Sender) -> None:
        """Nothing is told before every patient of it is named. What is no drug test is kept, and that is all."""
        zone = ZoneInfo(self.running.inbox.settings[sender.programs[0]].timezone)
        message = hl7.parse(content, zone)
        name = f"hl7|{sender.name}|{message.header.control_id}"
        results = [
            self._result(group, ordinal, uuid5(NAMESPACE_URL, f"{name}|{ordinal}"), content, message.header, sender)
            for ordinal, group in enumerate(message.groups)
        ]
        reported = [each for each in results if each is not None]
        if not reported:
            cause = uuid5(NAMESPACE_URL, f"{name}|{_digest(content)}")
            await self._store(cause, content, sender, sender.programs[0], message.header, unmatched=False)
        for result in reported:
            await self._tell(result, message.header)

    def _result(
        self, group: Group, ordinal: int, cause: UUID, content: bytes, header: Header, sender: Sender
    ) -> PatientResult | None:
        try:
            commands = {program: self._commands(group, program, sender) for program in sender.programs}
        except TooManyComponents as error:
            raise Nak("AE", Fault(f"PID^{ordinal + 1}", hl7.DATA_ERROR), header) from error
        if not any(commands.values()):
            return None
        names = identifiers(group.named, sender.laboratory)
        if not names:
            raise Nak("AE", Fault(f"PID^{ordinal + 1}^3", hl7.REQUIRED_MISSING), header)
        return PatientResult(cause, sender, content, names, commands)

    def _commands(self, group: Group, program: str, sender: Sender) -> tuple[ReportResult, ...]:
        settings = self.running.inbox.settings[program]
        reported = (interpret(report, program, sender.name, settings) for report in group.reports)
        return tuple(each for each in reported if each is not None)

    async def _tell(self, result: PatientResult, header: Header) -> None:
        """One patient is told; of nobody known it waits; of several a person is asked. Kept as it came, each time."""
        keys, sender = self.running.keys, result.sender
        digests = {program: keys.digests(program, result.names) for program in sender.programs}
        hits = await self._hits(digests)
        match hits:
            case [(program, patient)]:
                await self.running.submissions.deliver(self._delivery(result, patient, program))
                await self._store(result.cause, result.content, sender, program, header, unmatched=False)
            case []:
                await self._store(result.cause, result.content, sender, sender.programs[0], header, unmatched=True)
                if not await self._wait(result, digests):
                    await self._tell(result, header)
            case _:
                await self._store(result.cause, result.content, sender, sender.programs[0], header, unmatched=False)
                await self._ask(result, {program for program, _ in hits})

    async def _hits(self, digests: Mapping[str, Sequence[Digest]]) -> list[tuple[str, str]]:
        async with self.running.inbox.pool.acquire() as connection:
            return [
                (program, patient)
                for program, own in digests.items()
                for patient in await aliases.resolve(connection, program, own)
            ]

    async def _wait(self, result: PatientResult, digests: Mapping[str, Sequence[Digest]]) -> bool:
        """Under every program it may be for, each with its own reading of it. False: the patient has just arrived."""
        for program, own in digests.items():
            listed = tuple(_listed(each, result.cause) for each in result.commands[program])
            fact = replace(self._delivery(result, "", program), accepted=listed)
            async with self.running.inbox.pool.acquire() as connection, connection.transaction():
                if not await waiting.wait(connection, fact, {program: own}):
                    return False
        return True

    async def _ask(self, result: PatientResult, programs: set[str]) -> None:
        """Identifiers of several patients: nothing is guessed, a person finds it in the work list."""
        log.get().warning("hl7 identifiers of several patients", id=str(result.cause))
        async with self.running.inbox.pool.acquire() as connection:
            for program in sorted(programs):
                now = self.running.clock.now()
                asked = assigning.task(result.cause, program, result.commands[program], now)
                await resources.add(connection, [asked], program, now)

    def _delivery(self, result: PatientResult, patient: str, program: str) -> Commanded:
        return Commanded(
            id=result.cause,
            key=patient,
            program=program,
            at=self.running.clock.now(),
            producer=result.sender.name,
            correlation_id=result.cause,
            commands=result.commands[program],
            digest=_digest(result.content),
        )

    async def _store(
        self, cause: UUID, content: bytes, sender: Sender, program: str, header: Header, *, unmatched: bool
    ) -> None:
        """The bytes as received. Raises Refusal where another message came first under this control id."""
        async with self.running.inbox.pool.acquire() as connection:
            await documents.store(
                connection,
                self.running.keys,
                identity=cause,
                program=program,
                client=sender.name,
                media_type=MEDIA_TYPE,
                content=content,
                unmatched=unmatched,
                now=self.running.clock.now(),
            )
            stored = await documents.read(connection, self.running.keys, cause)
        if stored is not None and _digest(stored) != _digest(content):
            raise Nak("AE", Fault("MSH^1^10", hl7.DUPLICATE_KEY), header)


def _listed(report: ReportResult, cause: UUID) -> AcceptedResource:
    """A report that waits, as a person finds it: `GET /fhir/DiagnosticReport?patient:missing=true`."""
    identity = str(uuid5(cause, report.report_id))
    resource = {
        "resourceType": "DiagnosticReport",
        "id": identity,
        "status": "registered",
        "code": fhir.concept(codes.TASK, "drug-test"),
        "effectiveDateTime": report.collected_at,
        "issued": report.issued_at,
    }
    body = msgspec.json.encode(resource).decode()
    return AcceptedResource("DiagnosticReport", identity, body, "registered", report.collected_at)


def _digest(content: bytes) -> str:
    """The same message, whichever line ends and frame it was sent with, is the same message."""
    return hashlib.sha256(b"\r".join(content.strip(b"\x0b\x1c\r\n ").splitlines())).hexdigest()


def _number(refused: HttpRefusal) -> int:
    """A refusal of the desk in table 0357."""
    return {409: hl7.DUPLICATE_KEY, 404: hl7.UNKNOWN_KEY}.get(refused.status, hl7.INTERNAL_ERROR)


def routes(receiver: Hl7Receiver) -> list[Route]:
    """`POST /hl7`: one message, answered with its ACK; 200 only for AA."""

    async def handle(request: Request) -> Response:
        caller = await receiver.running.token_verifier.caller(request.headers.get("authorization"))
        caller.require("DiagnosticReport", "c")
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if kind not in MEDIA_TYPES:
            raise refuse(415, "not-supported", "", f"Send {MEDIA_TYPE}.")
        if caller.name not in receiver.known:
            raise refuse(403, "forbidden", "", "This client is no laboratory.")
        body = await read_body(request, Limits())
        sender = Sender(caller.name, receiver.known[caller.name], (caller.program,))
        answer, status = await receiver.answer(body, sender)
        return Response(answer, status, media_type=MEDIA_TYPE)

    return [Route("/hl7", handle, methods=["POST"])]

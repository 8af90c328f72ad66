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
from services.testing.hl7 import Fault, Group, Header, Refusal
from services.testing.hl7.acknowledgement import acknowledge
from services.testing.interpretation import TooManyComponents, interpret
from services.testing.mllp import Frame
from services.testing.senders import Laboratory, Sender, identifiers, sender_of
from services.testing.words import ReportResult
from shared.edge.desk import keep_waiting
from shared.edge.fhir import Limits
from shared.edge.manners import read_body
from shared.edge.outcome import Refusal as Refused
from shared.edge.outcome import refuse
from shared.edge.process import Running
from shared.path import db, documents, identity, log
from shared.path.identity import Identifier
from shared.path.item import Accepted, Item
from shared.words import codes, fhir
from shared.words.intake import Digest

MEDIA_TYPE = "application/hl7-v2"
MEDIA_TYPES = (MEDIA_TYPE, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain")
_ASK = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    VALUES ($1, $2, $3, '', $4, $5, $5, $6) ON CONFLICT DO NOTHING"""


@dataclass(frozen=True)
class _Part:
    """One PATIENT_RESULT of a message that is about drug tests, with what it means in each program."""

    cause: UUID
    sender: Sender
    content: bytes
    names: tuple[Identifier, ...]
    commands: Mapping[str, tuple[ReportResult, ...]]


@dataclass(frozen=True)
class Reception:
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
        except Refusal as refusal:
            faults, code, status = (refusal.fault,), refusal.code, 400
        except Refused as refused:
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
        parts = [
            self._part(group, ordinal, uuid5(NAMESPACE_URL, f"{name}|{ordinal}"), content, message.header, sender)
            for ordinal, group in enumerate(message.groups)
        ]
        told = [each for each in parts if each is not None]
        if not told:
            cause = uuid5(NAMESPACE_URL, f"{name}|{_digest(content)}")
            await self._keep(cause, content, sender, sender.programs[0], message.header, unmatched=False)
        for part in told:
            await self._tell(part, message.header)

    def _part(
        self, group: Group, ordinal: int, cause: UUID, content: bytes, header: Header, sender: Sender
    ) -> _Part | None:
        try:
            commands = {program: self._commands(group, program, sender) for program in sender.programs}
        except TooManyComponents as error:
            raise Refusal("AE", Fault(f"PID^{ordinal + 1}", hl7.DATA_ERROR), header) from error
        if not any(commands.values()):
            return None
        names = identifiers(group.named, sender.laboratory)
        if not names:
            raise Refusal("AE", Fault(f"PID^{ordinal + 1}^3", hl7.REQUIRED_MISSING), header)
        return _Part(cause, sender, content, names, commands)

    def _commands(self, group: Group, program: str, sender: Sender) -> tuple[ReportResult, ...]:
        settings = self.running.inbox.settings[program]
        told = (interpret(report, program, sender.name, settings) for report in group.reports)
        return tuple(each for each in told if each is not None)

    async def _tell(self, part: _Part, header: Header) -> None:
        """One patient is told; of nobody known it waits; of several a person is asked. Kept as it came, each time."""
        keys, sender = self.running.keys, part.sender
        digests = {program: keys.digests(program, part.names) for program in sender.programs}
        hits = await self._hits(digests)
        match hits:
            case [(program, patient)]:
                await self.running.desk.tell(self._item(part, patient, program))
                await self._keep(part.cause, part.content, sender, program, header, unmatched=False)
            case []:
                await self._keep(part.cause, part.content, sender, sender.programs[0], header, unmatched=True)
                if not await self._wait(part, digests):
                    await self._tell(part, header)
            case _:
                await self._keep(part.cause, part.content, sender, sender.programs[0], header, unmatched=False)
                await self._ask(part, {program for program, _ in hits})

    async def _hits(self, digests: Mapping[str, Sequence[Digest]]) -> list[tuple[str, str]]:
        async with self.running.inbox.pool.acquire() as connection:
            return [
                (program, patient)
                for program, own in digests.items()
                for patient in await identity.resolve(connection, program, own)
            ]

    async def _wait(self, part: _Part, digests: Mapping[str, Sequence[Digest]]) -> bool:
        """Under every program it may be for, each with its own reading of it. False: the patient has just arrived."""
        for program, own in digests.items():
            listed = tuple(_listed(each, part.cause) for each in part.commands[program])
            waiting = replace(self._item(part, "", program), accepted=listed)
            if not await keep_waiting(self.running.inbox, waiting, {program: own}):
                return False
        return True

    async def _ask(self, part: _Part, programs: set[str]) -> None:
        """Identifiers of several patients: nothing is guessed, a person finds it in the work list."""
        log.get().warning("hl7 identifiers of several patients", id=str(part.cause))
        async with self.running.inbox.pool.acquire() as connection:
            for program in sorted(programs):
                asked = assigning.task(part.cause, program, part.commands[program], self.running.clock.now())
                await connection.execute(_ASK, asked.type, asked.id, program, asked.status, asked.at, asked.body)

    def _item(self, part: _Part, patient: str, program: str) -> Item:
        return Item(
            id=part.cause,
            key=patient,
            program=program,
            kind="told",
            at=self.running.clock.now(),
            by=part.sender.name,
            correlation_id=part.cause,
            commands=part.commands[program],
            digest=_digest(part.content),
        )

    async def _keep(
        self, cause: UUID, content: bytes, sender: Sender, program: str, header: Header, *, unmatched: bool
    ) -> None:
        """The bytes as received. Raises Refusal where another message came first under this control id."""
        async with self.running.inbox.pool.acquire() as connection:
            await documents.keep(
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
            kept = await documents.read(connection, self.running.keys, cause)
        if kept is not None and _digest(kept) != _digest(content):
            raise Refusal("AE", Fault("MSH^1^10", hl7.DUPLICATE_KEY), header)


def _listed(report: ReportResult, cause: UUID) -> Accepted:
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
    return Accepted("DiagnosticReport", identity, body, "registered", report.collected_at)


def _digest(content: bytes) -> str:
    """The same message, whichever line ends and frame it was sent with, is the same message."""
    return hashlib.sha256(b"\r".join(content.strip(b"\x0b\x1c\r\n ").splitlines())).hexdigest()


def _number(refused: Refused) -> int:
    """A refusal of the desk in table 0357."""
    return {409: hl7.DUPLICATE_KEY, 404: hl7.UNKNOWN_KEY}.get(refused.status, hl7.INTERNAL_ERROR)


def routes(reception: Reception) -> list[Route]:
    """`POST /hl7`: one message, answered with its ACK; 200 only for AA."""

    async def handle(request: Request) -> Response:
        caller = await reception.running.door.caller(request.headers.get("authorization"))
        caller.require("DiagnosticReport", "c")
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if kind not in MEDIA_TYPES:
            raise refuse(415, "not-supported", "", f"Send {MEDIA_TYPE}.")
        if caller.name not in reception.known:
            raise refuse(403, "forbidden", "", "This client is no laboratory.")
        body = await read_body(request, Limits())
        sender = Sender(caller.name, reception.known[caller.name], (caller.program,))
        answer, status = await reception.answer(body, sender)
        return Response(answer, status, media_type=MEDIA_TYPE)

    return [Route("/hl7", handle, methods=["POST"])]

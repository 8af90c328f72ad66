"""HL7 in, told: whose message it is, whom it is about, kept as it came, answered after the commit.

Over plain MLLP on loopback MSH-3 or MSH-4 names the laboratory and MSH-6 the program; over HTTP the token does.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.testing import hl7
from services.testing.hl7 import Fault, Group, Header, Named, Refusal
from services.testing.hl7.acknowledgement import acknowledge
from services.testing.interpretation import interpret
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


class Laboratory(msgspec.Struct, frozen=True, kw_only=True):
    """A client of clients.toml as HL7 sees it. `hl7_senders` are what it writes into MSH-3 or MSH-4."""

    programs: tuple[str, ...]
    base_url: str
    assigning_authorities: Mapping[str, str] = {}
    scopes: tuple[str, ...] = ()
    hl7_senders: tuple[str, ...] = ()

    @property
    def reports(self) -> bool:
        """Whether it may report results at all."""
        return any(each.startswith("system/DiagnosticReport.") and "c" in each[-6:] for each in self.scopes)


def laboratories(deploy: Path) -> dict[str, Laboratory]:
    with (deploy / "clients.toml").open("rb") as file:
        clients = msgspec.convert(tomllib.load(file)["client"], type=dict[str, Laboratory])
    return {name: each for name, each in clients.items() if each.reports}


@dataclass(frozen=True)
class Sender:
    """The laboratory of one message, and the programs it may be for."""

    name: str
    laboratory: Laboratory
    programs: tuple[str, ...]


@dataclass(frozen=True)
class Reception:
    running: Running
    known: Mapping[str, Laboratory]

    async def receive(self, content: bytes) -> bytes:
        """One MLLP frame: its answer, whatever it is."""
        answer, _ = await self.answer(content, None)
        return answer

    async def answer(self, content: bytes, sender: Sender | None) -> tuple[bytes, str]:
        """The acknowledgement and its code. A fault of our own is AE too: the sender will try again."""
        header = hl7.header_of(content)
        try:
            faults, code = await self._taken(content, sender or self._sender(header)), "AA"
        except Refusal as refusal:
            faults, code = (refusal.fault,), refusal.code
        except Refused as refused:
            faults, code = (Fault("MSH^1^10", _number(refused)),), "AE"
        except Exception as error:
            log.get().error("hl7 message failed", place=log.place_of(error), trouble=db.is_trouble(error))
            faults, code = (Fault("", hl7.INTERNAL_ERROR),), "AE"
        return acknowledge(header, code, faults, self.running.clock.now()), code

    def sender_of(self, name: str, program: str) -> Sender:
        """The client of a token, for its program."""
        if name not in self.known:
            raise refuse(403, "forbidden", "", "This client is no laboratory.")
        return Sender(name, self.known[name], (program,))

    def _sender(self, header: Header | None) -> Sender:
        """By MSH-3 and MSH-4; where neither is registered and only one laboratory is, that one."""
        if header is None:
            raise Refusal("AR", Fault("", hl7.SEQUENCE_ERROR))
        said = {header.text(3).casefold(), header.text(4).casefold()} - {""}
        named = [name for name, each in self.known.items() if said & {*map(str.casefold, each.hl7_senders), name}]
        candidates = named or list(self.known)
        if len(candidates) != 1:
            raise Refusal("AR", Fault("MSH^1^4", hl7.UNKNOWN_KEY), header)
        laboratory = self.known[candidates[0]]
        asked = header.text(6).casefold()
        programs = tuple(each for each in laboratory.programs if each.casefold() == asked) or laboratory.programs
        return Sender(candidates[0], laboratory, programs)

    async def _taken(self, content: bytes, sender: Sender) -> tuple[Fault, ...]:
        zone = ZoneInfo(self.running.inbox.settings[sender.programs[0]].timezone)
        message = hl7.parse(content, zone)
        for ordinal, group in enumerate(message.groups):
            name = f"hl7|{sender.name}|{message.header.control_id}|{ordinal}"
            await self._group(group, ordinal, uuid5(NAMESPACE_URL, name), content, message.header, sender)
        if not message.groups:
            name = f"hl7|{sender.name}|{message.header.control_id}"
            await self._keep(uuid5(NAMESPACE_URL, name), content, sender, sender.programs[0], unmatched=False)
        return ()

    async def _group(
        self, group: Group, ordinal: int, cause: UUID, content: bytes, header: Header, sender: Sender
    ) -> None:
        """Kept first, then told or left waiting. What is no drug test is kept, and that is all."""
        settings = self.running.inbox.settings
        commands = {
            program: tuple(
                command
                for report in group.reports
                if (command := interpret(report, program, sender.name, settings[program])) is not None
            )
            for program in sender.programs
        }
        if not any(commands.values()):
            await self._keep(cause, content, sender, sender.programs[0], unmatched=False)
            return
        names = _identifiers(group.named, sender.laboratory)
        if not names:
            raise Refusal("AE", Fault(f"PID^{ordinal + 1}^3", hl7.REQUIRED_MISSING), header)
        digests = {program: self.running.keys.digests(program, names) for program in sender.programs}
        hits = await self._hits(digests)
        program, patient = hits[0] if len(hits) == 1 else (sender.programs[0], "")
        await self._keep(cause, content, sender, program, unmatched=not patient)
        item = self._item(cause, patient, program, commands[program], content, sender)
        if patient:
            await self.running.desk.tell(item)
        elif hits:
            log.get().warning("hl7 identifiers of several patients", id=str(cause))
        elif not await self._wait(item, digests, commands):
            await self._group(group, ordinal, cause, content, header, sender)

    async def _hits(self, digests: Mapping[str, Sequence[Digest]]) -> list[tuple[str, str]]:
        async with self.running.inbox.pool.acquire() as connection:
            return [
                (program, patient)
                for program, own in digests.items()
                for patient in await identity.resolve(connection, program, own)
            ]

    async def _wait(
        self, item: Item, digests: Mapping[str, Sequence[Digest]], commands: Mapping[str, tuple[ReportResult, ...]]
    ) -> bool:
        """Under every program it may be for, each with its own reading of it. False: the patient has just arrived."""
        for program, own in digests.items():
            listed = tuple(_listed(each, item.id) for each in commands[program])
            waiting = replace(item, program=program, commands=commands[program], accepted=listed)
            if not await keep_waiting(self.running.inbox, waiting, {program: own}):
                return False
        return True

    def _item(
        self,
        cause: UUID,
        patient: str,
        program: str,
        commands: tuple[ReportResult, ...],
        content: bytes,
        sender: Sender,
    ) -> Item:
        return Item(
            id=cause,
            key=patient,
            program=program,
            kind="told",
            at=self.running.clock.now(),
            by=sender.name,
            correlation_id=cause,
            commands=commands,
            digest=_digest(content),
        )

    async def _keep(self, cause: UUID, content: bytes, sender: Sender, program: str, *, unmatched: bool) -> None:
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
    """The same message, whichever line ends it was sent with, is the same message."""
    return hashlib.sha256(b"\r".join(content.strip().splitlines())).hexdigest()


def _identifiers(named: Sequence[Named], laboratory: Laboratory) -> tuple[Identifier, ...]:
    """CX-4 as a FHIR system: by the client's map, an OID as it is; else a system of the laboratory's own."""
    return tuple(Identifier(_system(each, laboratory), each.value) for each in named)


def _system(named: Named, laboratory: Laboratory) -> str:
    mapped = laboratory.assigning_authorities
    known = mapped.get(named.namespace) or mapped.get(named.universal)
    if known is not None:
        return known
    if named.universal.replace(".", "").isdigit():
        return f"urn:oid:{named.universal}"
    return f"{laboratory.base_url}/hl7-authority/{named.namespace}"


def _number(refused: Refused) -> int:
    """A refusal of the desk in table 0357."""
    return {409: 205, 404: hl7.UNKNOWN_KEY, 412: 206}.get(refused.status, hl7.INTERNAL_ERROR)


def routes(reception: Reception) -> list[Route]:
    """`POST /hl7`: one message, answered with its ACK; 200 only for AA."""

    async def handle(request: Request) -> Response:
        caller = await reception.running.door.caller(request.headers.get("authorization"))
        caller.require("DiagnosticReport", "c")
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if kind not in MEDIA_TYPES:
            raise refuse(415, "not-supported", "", f"Send {MEDIA_TYPE}.")
        body = await read_body(request, Limits())
        answer, code = await reception.answer(body, reception.sender_of(caller.name, caller.program))
        return Response(answer, 200 if code == "AA" else 400, media_type=MEDIA_TYPE)

    return [Route("/hl7", handle, methods=["POST"])]

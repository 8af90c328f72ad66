"""What an HL7 message means: for each patient in it the commands, in every program the message may be for. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from services.testing.hl7 import REQUIRED_MISSING, Fault, Group, Message, Nak, TooLarge
from services.testing.hl7.as_fhir import Written, as_fhir
from services.testing.hl7.senders import Sender, identifiers
from services.testing.messages import ReportResult
from services.testing.reading.interpretation import Interpreted, TooManyComponents, interpreted, unread
from services.testing.reading.laboratory import with_authorities
from services.testing.reading.unmapped import waiting_by_code
from services.testing.settings import Settings
from services.testing.specimens.same_specimen import key
from shared.events import codes, fhir
from shared.events.testing import Number
from shared.path.transaction.resources import AcceptedResource
from shared.platform.keys import Identifier
from shared.platform.traits import Person

RESULTS_MOST = 1_000
"""Of one patient's drug tests in a message: they are decided at one go, and two thousand take a third of a second."""


@dataclass(frozen=True)
class PatientResult:
    """One PATIENT_RESULT with a drug test in it. `cause` names it by sender, control id and place in the message."""

    cause: UUID
    identifiers: tuple[Identifier, ...]
    commands: Mapping[str, tuple[ReportResult, ...]]
    unread: Mapping[str, tuple[str, ...]]
    """By program, the places of values that nothing reads."""
    received: Mapping[str, tuple[AcceptedResource, ...]]
    """By program, what it reports as FHIR; its Binaries are in clear."""
    person: Person


def results(message: Message, sender: Sender, settings: Mapping[str, Settings]) -> list[PatientResult]:
    """Those of its patients that have a drug test; every one of them must be named. Raises Nak."""
    name = cause_name(message, sender)
    read = (
        _result(group, ordinal, uuid5(NAMESPACE_URL, f"{name}|{ordinal}"), message, sender, settings)
        for ordinal, group in enumerate(message.groups)
    )
    return [each for each in read if each is not None]


def _result(
    group: Group, ordinal: int, cause: UUID, message: Message, sender: Sender, settings: Mapping[str, Settings]
) -> PatientResult | None:
    place = f"PID^{ordinal + 1}"
    try:
        read = {program: _read(group, program, sender, settings[program], cause) for program in sender.programs}
    except TooManyComponents as error:
        raise TooLarge from error
    commands = {program: _listed_by_specimen(each.commands, cause) for program, each in read.items()}
    if any(sum(len(each.results) for each in reports) > RESULTS_MOST for reports in commands.values()):
        raise TooLarge
    if not any(commands.values()):
        return None
    named = identifiers(group.named, sender.laboratory)
    if not named:
        raise Nak("AE", Fault(f"{place}^3", REQUIRED_MISSING))
    places = {program: each.unread for program, each in read.items()}
    received = {program: each.received for program, each in read.items()}
    return PatientResult(cause, named, commands, places, received, group.person)


class _Read(NamedTuple):
    """What a program reads in a group, and the places of what it can't."""

    commands: tuple[ReportResult, ...]
    unread: tuple[str, ...]
    received: tuple[AcceptedResource, ...]


def _read(group: Group, program: str, sender: Sender, settings: Settings, cause: UUID) -> _Read:
    found, places = list[Interpreted](), list[str]()
    reports = [with_authorities(each, sender.laboratory.assigning_authorities) for each in group.reports]
    for report in reports:
        drug_test = interpreted(report, program, sender.name, settings, reports)
        if drug_test is None:
            continue
        named = msgspec.structs.replace(drug_test.command, received=key(drug_test.command.report_id))
        found.append(drug_test._replace(command=named))
        if any(each.finding == "indeterminate" for each in named.results):
            places.extend(unread(report, sender.name, settings))
    by = Written(str(cause), ZoneInfo(settings.timezone))
    received = as_fhir(group.content, found, by) if found else ()
    return _Read(tuple(each.command for each in found), tuple(places), received)


def cause_name(message: Message, sender: Sender) -> str:
    """By control id and time of the message: a laboratory whose counter begins anew each day sends new messages."""
    return f"hl7|{sender.name}|{message.header.control_id}|{message.header.text(7)}"


def unmapped(message: Message, sender: Sender, program: str, settings: Settings) -> Mapping[str, tuple[UUID, ...]]:
    """The codes of the message that no table of this program knows, with the results that wait for their meaning."""
    authorities = sender.laboratory.assigning_authorities
    reports = (with_authorities(report, authorities) for group in message.groups for report in group.reports)
    return waiting_by_code(reports, program, sender.name, settings)


def digest_of(content: bytes) -> str:
    """The same message, whichever line ends and frame it was sent with, is the same message."""
    return hashlib.sha256(b"\r".join(content.strip(b"\x0b\x1c\r\n ").splitlines())).hexdigest()


def _listed_by_specimen(reports: Sequence[ReportResult], cause: UUID) -> tuple[ReportResult, ...]:
    """Reports of one specimen are listed as one, and become one."""
    named: list[ReportResult] = []
    for each in reports:
        same = next((other.listed_as for other in named if _names(other) & _names(each)), None)
        named.append(msgspec.structs.replace(each, listed_as=same or str(uuid5(cause, each.report_id))))
    return tuple(named)


def by_specimen(result: PatientResult) -> list[PatientResult]:
    """Each specimen of it alone, under a cause of its own. What nothing reads is told of the whole."""
    specimens = dict.fromkeys(_collected(each) for reports in result.commands.values() for each in reports)
    return [
        replace(
            result,
            cause=uuid5(result.cause, f"specimen|{ordinal}"),
            commands={
                program: tuple(each for each in reports if _collected(each) == specimen)
                for program, reports in result.commands.items()
            },
            unread=dict.fromkeys(result.unread, ()),
        )
        for ordinal, specimen in enumerate(specimens)
    ]


def _collected(report: ReportResult) -> tuple[datetime, tuple[Number, ...]]:
    """What tells specimens of a message apart, the same in each program."""
    return report.collected_at, report.numbers


def _names(report: ReportResult) -> set[str]:
    return {report.specimen_id, *report.same_as}


def listed(reports: Sequence[ReportResult]) -> tuple[AcceptedResource, ...]:
    """Reports that wait, as a person finds them: `GET /fhir/DiagnosticReport?patient:missing=true`."""
    first = {each.listed_as: each for each in reversed(reports)}
    return tuple(_listed(each) for each in reversed(first.values()))


def _listed(report: ReportResult) -> AcceptedResource:
    resource = {
        "resourceType": "DiagnosticReport",
        "id": report.listed_as,
        "identifier": [each.write() for each in report.numbers],
        "status": "registered",
        "code": fhir.concept(codes.TASK, "drug-test"),
        "effectiveDateTime": report.collected_at,
        "issued": report.issued_at,
    }
    body = msgspec.json.encode(resource).decode()
    return AcceptedResource(
        "DiagnosticReport", report.listed_as, body, "registered", report.collected_at, stands_in=True
    )

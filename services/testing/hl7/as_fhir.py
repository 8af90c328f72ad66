"""What a message reports of one patient as FHIR: its rows in their own digits, their specimens, and the message itself.

Pure. Each resource is named among its patient's, by the laboratory's number of the report and by the row: a correction
is a new version of it, the same again is nothing new, and of two versions the one stands that stands in the decision.
What is written in prose, and what is no text, is a Binary: the receiver seals it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.testing.messages import Observed
from services.testing.reading.attached import accepted, document, id_of
from services.testing.reading.findings import read
from services.testing.reading.interpretation import Interpreted
from services.testing.reading.laboratory import Code, Component, LaboratoryReport, Status
from services.testing.reading.measures import plain
from services.testing.specimens import CONTENT, RANK, SETTLED, RowStatus
from services.testing.specimens.reporting import named_rows
from shared.events import codes, fhir
from shared.events.envelope import Resource
from shared.events.testing import Number
from shared.path.transaction.resources import AcceptedResource
from shared.rules.packing import seconds

MEDIA_TYPE = "x-application/hl7-v2+er7"
_COMPARATORS = ("<", "<=", ">", ">=")
_FLAGS = (
    "A",
    "AA",
    "DET",
    "E",
    "H",
    "HH",
    "HU",
    "I",
    "IND",
    "L",
    "LL",
    "LU",
    "N",
    "ND",
    "NEG",
    "POS",
    "R",
    "RR",
    "S",
    "U",
    "WR",
)
"""Codes that HL7's table 0078 and FHIR share; any other flag is written as text."""
_EPOCH = 10_000_000_000
"""In seconds: what was issued before 1970 is compared as text too."""


class Written(NamedTuple):
    """By whom a message was sent to whom: `cause` names it, days are those of `zone`."""

    cause: str
    zone: ZoneInfo


class _Row(NamedTuple):
    """A row with its name among the patient's resources, and its rank among its versions."""

    name: str
    id: str
    rank: str
    component: Component
    prose: str
    """What is no value to anybody who reads values, but a remark."""

    @property
    def is_promotion(self) -> bool:
        """Of a row made final unchanged nothing was sent again: what stands of it stays."""
        component = self.component
        has_value = component.values or component.text or component.number is not None
        return component.status == "promoted" and not has_value


def as_fhir(content: bytes, reports: Sequence[Interpreted], by: Written) -> tuple[AcceptedResource, ...]:
    """Everything of one patient. `content` is the message as far as it is about them."""
    found: list[AcceptedResource] = []
    message = f"{by.cause}|message"
    for each in reports:
        found += _report(each, message, by)
    about = [f"{each.type}/{each.id}" for each in found if each.type == "DiagnosticReport"]
    issued_at = max((each.report.issued_at for each in reports), default=None)
    return *found, *document(message, codes.LABORATORY_REPORT, MEDIA_TYPE, fhir.base64_of(content), about, issued_at)


def _report(interpreted: Interpreted, message: str, by: Written) -> Iterator[AcceptedResource]:
    report, received = interpreted.report, interpreted.command.received
    rows = [each for each in _rows(interpreted) if not each.is_promotion]
    identity, specimen = f"{received}|{'|'.join(sorted(each.name for each in rows))}", f"{received}|specimen"
    specimen_id, message_id, rank = id_of(specimen), id_of(message), _rank(report.status, report)
    yield accepted(_specimen(report, by), specimen, rank, report.collected_at)
    results, about = [each.id for each in rows], [f"DiagnosticReport/{id_of(identity)}"]
    yield accepted(_diagnostic_report(report, specimen_id, results, by), identity, rank, report.collected_at)
    for row in rows:
        sources, sent = [message_id], row.component.sent
        if sent.attachment is not None:
            attached = f"{by.cause}|{row.component.place}"
            sources.append(id_of(attached))
            kind, data = sent.attachment.content_type, sent.attachment.data
            yield from document(attached, codes.LABORATORY_REPORT, kind, data, about, report.issued_at)
        observation = _observation(row, report, specimen_id, sources, by)
        yield accepted(observation, row.name, row.rank, sent.observed_at or report.collected_at)
    notes = [*report.notes, *((each.component.place, each.prose) for each in rows if each.prose)]
    if notes:
        text = fhir.base64_text("\n".join(f"{place}: {text}" for place, text in notes))
        name = f"{by.cause}|{received}|notes"
        yield from document(name, codes.ANNOTATION, "text/plain", text, about, report.issued_at)


def _rows(interpreted: Interpreted) -> Iterator[_Row]:
    """Those that are no result, by their own code and place."""
    report, command = interpreted.report, interpreted.command
    known = iter(named_rows(command))
    for ordinal, (component, observed) in enumerate(zip(report.components, interpreted.observed, strict=True)):
        if observed is None:
            code = component.codes[0].code if component.codes else ""
            name, rank = f"other|{code}|{component.sub or ordinal}", _rank(component.status, report)
        else:
            name, status, letter = next(known)
            rank = _rank(status, report, letter)
        name = f"{command.received}|{name}"
        yield _Row(name, id_of(name), rank, component, _prose(component, observed))


def _prose(component: Component, observed: Observed | None) -> str:
    if not component.text or component.values or not (component.sent.is_prose or observed is None):
        return ""
    is_value = component.number is not None or component.figure is not None or read(component) is not None
    return "" if is_value else component.text


def _rank(status: Status | RowStatus, report: LaboratoryReport, letter: str = "") -> str:
    """The law of `versions.joined`, as a text that is compared: settled before not, then issue, status and content."""
    standing: RowStatus = "final" if status == "unknown" else status
    level = 2 if standing in SETTLED else 0 if standing == "registered" else 1
    content = CONTENT.index(letter) if letter else 0
    return f"{level}{_EPOCH + seconds(report.issued_at):011d}{RANK[standing]}{content:02d}"


def _observation(row: _Row, report: LaboratoryReport, specimen: str, sources: Sequence[str], by: Written) -> Resource:
    component, sent = row.component, row.component.sent
    return {
        "resourceType": "Observation",
        "extension": [{"url": codes.SUB_ID, "valueString": component.sub}] if component.sub else None,
        "status": _status(component.status),
        "category": [fhir.concept(codes.OBSERVATION_CATEGORY, "laboratory")],
        "code": _concept(component.codes),
        "effectiveDateTime": sent.observed_at or _when(report, by),
        "issued": report.issued_at,
        **({} if row.prose else _value(component)),
        "interpretation": [_flag(each) for each in component.flags if each],
        "method": _concept(sent.method) if sent.method else None,
        "specimen": fhir.reference("Specimen", specimen),
        "referenceRange": [{"text": sent.reference_range}] if sent.reference_range else None,
        "derivedFrom": [fhir.reference("DocumentReference", each) for each in sources],
    }


def _value(component: Component) -> Resource:
    """In the digits and the unit in which it came."""
    if component.values:
        return {"valueCodeableConcept": _concept(component.values, component.text)}
    if component.number is None:
        return {"valueString": component.text or None}
    comparator = component.comparator if component.comparator in _COMPARATORS else None
    quantity = {"value": component.number, "comparator": comparator, "unit": component.sent.unit or None}
    return {"valueQuantity": fhir.without_nothing(quantity)}


def _specimen(report: LaboratoryReport, by: Written) -> Resource:
    return {
        "resourceType": "Specimen",
        "accessionIdentifier": _numbered(report.specimen) if report.specimen.value else None,
        "status": "unsatisfactory" if report.rejected else "available",
        "type": _concept(report.specimen_type) if report.specimen_type else None,
        "collection": {"collectedDateTime": _when(report, by)},
        "condition": [_concept([each]) for each in report.specimen_condition],
    }


def _numbered(number: Number) -> Mapping[str, object]:
    return fhir.without_nothing({"system": number.system or None, "value": number.value})


def _diagnostic_report(report: LaboratoryReport, specimen: str, results: Sequence[str], by: Written) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "status": _status(report.status),
        "code": _concept(report.panel),
        "effectiveDateTime": _when(report, by),
        "issued": report.issued_at,
        "specimen": [fhir.reference("Specimen", specimen)],
        "result": [fhir.reference("Observation", each) for each in results],
    }


def _when(report: LaboratoryReport, by: Written) -> datetime | str:
    """A day as a day: no minute is made up."""
    at = report.collected_at
    return at if report.to_minute else at.astimezone(by.zone).date().isoformat()


def _status(status: Status) -> str:
    return "final" if status == "promoted" else status


def _concept(named: Sequence[Code], text: str = "") -> Mapping[str, object]:
    """A title without a code is the concept's text."""
    coded = [each for each in named if each.system or each.code != each.display]
    titles = [each.display for each in named if each not in coded]
    coding = [
        fhir.without_nothing({"system": each.system or None, "code": plain(each.code), "display": each.display or None})
        for each in coded
    ]
    return fhir.without_nothing(
        {"coding": coding, "text": text or "; ".join(titles) or (None if coding else "unknown")}
    )


def _flag(flag: str) -> Mapping[str, object]:
    return fhir.concept(codes.INTERPRETATION, flag) if flag in _FLAGS else {"text": flag}

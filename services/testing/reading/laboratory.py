"""A report as a laboratory sends it, told apart from how it was sent (FHIR or HL7 v2). It lives in memory only.

It may hold free text, so it is never stored, logged or emitted: what goes on is its interpretation (`ReportResult`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from services.testing import tables
from services.testing.reading.figures import Figure, figure_in
from services.testing.tables import AtLimit
from shared.events.codes import HUB, LOINC
from shared.events.envelope import name_id
from shared.events.testing import Number

Status = Literal[
    "registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error", "promoted", "unknown"
]
"""HL7 table 0085 and FHIR's status, in one list. `promoted` is HL7's U: what was preliminary is final, unchanged and
not sent again. `registered` covers codes without a result yet (I, S, O, N). `unknown` goes to a person."""

NO_NUMBER = Number("", "")

Extent = Literal["report", "message", "rows", "component"]
"""How much of a report is sent: all of it; what an HL7 message changes (its statuses are of each component, and what it
doesn't name stands); likewise, where nothing is said of the whole; or one component of it alone."""

TAKEN_BACK: tuple[Status, ...] = ("cancelled", "entered-in-error")

REPORTS: UUID = uuid5(NAMESPACE_URL, f"{HUB}/report")


class Code(msgspec.Struct, frozen=True):
    """A code with its system as a URL; the system is empty for a laboratory's own codes."""

    code: str
    system: str = ""
    display: str = ""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A document within a report, its bytes in base64."""

    content_type: str
    data: str


class SentRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an HL7 row holds beside what is read of it, as it was sent."""

    unit: str = ""
    reference_range: str = ""
    method: tuple[Code, ...] = ()
    observed_at: datetime | None = None
    is_prose: bool = False
    """Of a type for texts (TX, FT): what is no value is a remark."""
    attachment: Attachment | None = None


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One OBX or Observation: what was measured (one or more codes of it) and the value in whatever form it came."""

    codes: tuple[Code, ...]
    status: Status = "final"
    values: tuple[Code, ...] = ()
    text: str = ""
    number: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    cutoff: Decimal | None = None
    """The laboratory's own, in the unit of `number`, where it sends one."""
    at_cutoff: AtLimit = "positive"
    """What a figure at the cut-off itself shows."""
    flags: tuple[str, ...] = ()
    """Interpretation codes (HL7 table 0078, v3 ObservationInterpretation)."""
    sub: str = ""
    """OBX-4."""
    place: str = ""
    """Where its value stands in what was sent (`OBX^3^5`, `Observation/ID.value`)."""
    sent: SentRow = SentRow()

    @property
    def figure(self) -> Figure | None:
        """As a number, or in words that are nothing else."""
        if self.number is not None:
            return Figure(self.comparator, self.number, self.unit)
        figure = figure_in(self.text)
        return figure and figure._replace(unit=self.unit or figure.unit)


class LaboratoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """One OBR group or DiagnosticReport. `filler` names it, unique per client, where it has no number.

    `number` and `specimen` are the laboratory's numbers of the report and of the specimen, as both HL7 and FHIR have
    them, with who assigned them; `specimen_type` is what was collected, where it is said.
    """

    filler: str
    number: Number = NO_NUMBER
    numbers: tuple[Number, ...] = ()
    """By which it is found again: its own at the laboratory, and the order's."""
    specimen: Number = NO_NUMBER
    specimen_type: tuple[Code, ...] = ()
    panel: tuple[Code, ...] = ()
    collected_at: datetime
    to_minute: bool = False
    """Whether `collected_at` is known to the minute, not only to the day."""
    issued_at: datetime
    undated: bool = False
    """Whether nobody knows when it was issued: then its collection stands for it, and its rank alone decides."""
    status: Status = "final"
    rejected: bool = False
    doubtful: bool = False
    """Whether the record of the specimen itself was taken back."""
    extent: Extent = "report"
    components: tuple[Component, ...] = ()
    remarks: tuple[str, ...] = ()
    """Written beside the results: those that do nothing but state the specimen's condition."""
    parent: Number = NO_NUMBER
    """The number of the report whose result asked for this one (OBR-29): it is about the same specimen."""
    notes: tuple[tuple[str, str], ...] = ()
    """All that HL7 has beside the rows, each with its place."""
    specimen_condition: tuple[Code, ...] = ()
    """As the laboratory states it in codes (SPM-21, SPM-24)."""


def with_authorities(report: LaboratoryReport, authorities: Mapping[str, str]) -> LaboratoryReport:
    """Its numbers under the systems that its client is registered with (`assigning_authorities`), in whatever form and
    by whatever way they came; any other is one of the client's own, as one without any authority is."""
    return msgspec.structs.replace(
        report,
        number=_assigned(report.number, authorities),
        specimen=_assigned(report.specimen, authorities),
        parent=_assigned(report.parent, authorities),
    )


def _assigned(number: Number, authorities: Mapping[str, str]) -> Number:
    named = (number.assigner, number.system, number.system.removeprefix("urn:oid:"))
    known = next((authorities[each] for each in named if each in authorities), "")
    return Number(number.kind, number.value, known or (number.system if number.system in authorities.values() else ""))


def report_name(report: LaboratoryReport) -> str:
    """Its number with the panel's code: many laboratories give one number to all panels of a specimen."""
    if not report.number.value:
        return report.filler
    panel = [each.code for each in report.panel]
    public = (each.code for each in report.panel if each.system == LOINC)
    return f"{_numbered(report.number)}|{next(public, ''.join(panel[:1]))}"


def _numbered(number: Number) -> str:
    return f"{number.system}|{number.value}" if number.system else number.value


def report_id(program: str, client: str, name: str) -> str:
    """The same report gets the same id, however and however often it is sent: a correction meets what it corrects."""
    return name_id(REPORTS, f"{program}|{client}|{name}")


def specimen_names(report: LaboratoryReport, client: str) -> tuple[str, ...]:
    """What names its specimen within a program: reports that share one are about the same.

    A laboratory's number, of the specimen or of the report, with who assigned it and the type; and the minute of
    collection with the type, whoever tells of it. A day alone names nothing: then the report's own name is left.
    """
    kind = matrix_of(report)
    numbers = (_numbered(each) for each in (report.specimen, report.number, report.parent) if each.value)
    names = [f"{client}|number:{each}|{kind}" for each in dict.fromkeys(numbers)]
    if report.to_minute:
        minute = report.collected_at.astimezone(UTC).replace(second=0, microsecond=0)
        names.append(f"minute:{minute.isoformat()}|{kind}")
    return tuple(names) or (f"{client}|report:{report.filler}",)


def specimen_ids(program: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """These names as ids, which are a patient's own once it is known of whom they are (`same_specimen.of_patient`)."""
    return tuple(name_id(REPORTS, f"{program}|{each}") for each in names)


URINE = "urine"
_PIECE = re.compile(r"[a-z0-9]+")


def matrix_of(report: LaboratoryReport) -> str:
    """What was collected, from its type, else from the title of the panel; urine where neither says anything."""
    return _type_of(report.specimen_type) if report.specimen_type else _named_in(report.panel) or URINE


def _type_of(codes: tuple[Code, ...]) -> str:
    """By the table, else as the laboratory writes it. What no table knows is not taken for urine, nor is urine and
    something else."""
    texts = [text.casefold().strip() for each in codes for text in (each.code, each.display) if text.strip()]
    known = sorted(_matrices(texts), key=lambda each: each == URINE)
    return next(iter([*known, *_named_in_texts(texts), *texts]), URINE)


def _named_in(codes: tuple[Code, ...]) -> str:
    return next(_named_in_texts(each.display.casefold() for each in codes), "")


def _matrices(texts: Iterable[str]) -> Iterator[str]:
    return (tables.MATRICES[each] for each in texts if each in tables.MATRICES)


def _named_in_texts(texts: Iterable[str]) -> Iterator[str]:
    """Urine before anything else: `Blood in urine` is of urine. A code of two letters within a text names nothing."""
    found = {each for text in texts for each in _matrices(part for part in _PIECE.findall(text) if len(part) > 3)}
    return iter(sorted(found, key=lambda each: (each != URINE, each)))

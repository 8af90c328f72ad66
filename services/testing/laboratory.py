"""A report as a laboratory sends it, told apart from how it was sent (FHIR or HL7 v2). It lives in memory only.

It may hold free text, so it is never stored, logged or emitted: what goes on is its interpretation (`ReportResult`).
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from services.testing.figures import AtLimit
from shared.events.codes import HUB
from shared.events.envelope import name_id

Status = Literal[
    "registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error", "promoted", "unknown"
]
"""HL7 table 0085 and FHIR's status, in one list. `promoted` is HL7's U: what was preliminary is final, unchanged and
not sent again. `registered` covers codes without a result yet (I, S, O, N). `unknown` goes to a person."""

Extent = Literal["report", "message", "component"]
"""How much of a report is sent: all of it; what an HL7 message changes (its statuses are of each component, and what it
doesn't name stands); or one component of it alone."""

TAKEN_BACK: tuple[Status, ...] = ("cancelled", "entered-in-error")

REPORTS: UUID = uuid5(NAMESPACE_URL, f"{HUB}/report")


class Code(msgspec.Struct, frozen=True):
    """A code with its system as a URL; the system is empty for a laboratory's own codes."""

    code: str
    system: str = ""
    display: str = ""


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


class LaboratoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """One OBR group or DiagnosticReport. `filler` and `specimen` are the laboratory's numbers, unique per client."""

    filler: str
    specimen: str = ""
    panel: tuple[Code, ...] = ()
    collected_at: datetime
    issued_at: datetime
    status: Status = "final"
    rejected: bool = False
    extent: Extent = "report"
    components: tuple[Component, ...] = ()
    same_specimen: tuple[Component, ...] = ()
    """What other orders of the same message found in the same specimen: its validity is often an order of its own."""


def report_id(program: str, client: str, filler: str) -> str:
    """The same report gets the same id, however and however often it is sent: a correction meets what it corrects."""
    return name_id(REPORTS, f"{program}|{client}|{filler}")


def specimen_of(report: LaboratoryReport) -> str:
    """The specimen's number; without one (HL7 before 2.5 has none) what one laboratory collected at one time is one."""
    return report.specimen or f"collected:{report.collected_at.astimezone(UTC).isoformat()}"


def specimen_id(program: str, client: str, report: LaboratoryReport) -> str:
    """Reports about one specimen share its id, once it is known of whom they are (`versions.of_patient`)."""
    return name_id(REPORTS, f"{program}|{client}|specimen:{specimen_of(report)}")

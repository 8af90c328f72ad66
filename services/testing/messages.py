"""Every message of testing: the commands it decides, the events it consumes and emits."""

from datetime import datetime
from typing import Literal

import msgspec

from services.testing.checks import Check
from services.testing.laboratory import Extent, Status
from services.testing.specimens import Specimen
from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent, SignalsCorrected
from shared.events.intake import (
    CareTeamChanged,
    DischargeWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    PatientIdentified,
)
from shared.events.internal import RetentionBegan, StateEvent, TimePassed
from shared.events.testing import (
    Condition,
    DrugTestCorrected,
    DrugTestResulted,
    ExpectedResultsContinued,
    Number,
    ResultFinding,
    ResultMatched,
)
from shared.rules.escalation import (
    AcknowledgeEscalation,
    ActOnEscalation,
    EscalationCommand,
    HandOverEscalation,
    ReopenEscalation,
    ResolveEscalation,
)

__all__ = [
    "AcknowledgeEscalation",
    "ActOnEscalation",
    "CareTeamChanged",
    "Commands",
    "Consumes",
    "DischargeWithdrawn",
    "DrugTestCorrected",
    "DrugTestResulted",
    "Emits",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EscalationCommand",
    "EscalationEvent",
    "ExpectedResultsContinued",
    "HandOverEscalation",
    "Internal",
    "MedicationsRecorded",
    "Observed",
    "PatientIdentified",
    "ReopenEscalation",
    "ReportResult",
    "ResolveEscalation",
    "ResultMatched",
    "RetentionBegan",
    "SignalsCorrected",
    "SpecimenReported",
    "TimePassed",
]


class Observed(msgspec.Struct, frozen=True, array_like=True):
    """One component of a report as the laboratory found it: codes only, no value and no free text.

    `cancelled` is a component that the laboratory took back while the report stands; `stands` one that it made final
    without sending it again.
    """

    code: str
    code_system: str
    analyte: str
    finding: ResultFinding
    definitive: bool
    cancelled: bool = False
    stands: bool = False
    status: Status | Literal[""] = ""
    """The row's own, as HL7 and FHIR give it; empty in commands of earlier releases."""
    sub: str = ""
    """OBX-4: tells apart several rows of one code in one message."""
    quantified: bool = False
    """Whether its code is one of a figure."""
    check: Check | Literal[""] = ""
    """Of a row that checks the specimen, what it shows; empty in commands of earlier releases."""


class SpecimenReported(StateEvent, frozen=True, kw_only=True):
    """A specimen as it is now known, in place of those of which it turned out that they are the same."""

    specimen: Specimen
    gone: tuple[str, ...] = ()


class ReportResult(Command, frozen=True, kw_only=True, tag=True):
    """A laboratory reports on one specimen, or corrects, promotes or takes back what it reported before.

    `matched` is set where the report had waited for its patient. `same_as` are further names of the specimen: reports
    that share one are about the same (`same_specimen`).
    """

    report_id: str
    specimen_id: str
    collected_at: datetime
    issued_at: datetime
    status: Status
    condition: Condition
    results: tuple[Observed, ...]
    matched: bool = False
    extent: Extent = "report"
    same_as: tuple[str, ...] = ()
    listed_as: str = ""
    """The DiagnosticReport that stands in for it while it waits for its patient: it becomes the specimen's."""
    to_minute: bool = False
    """Whether `collected_at` is known to the minute, not only to the day."""
    numbers: tuple[Number, ...] = ()
    matrix: str = ""
    """What was collected, where it was not urine."""
    stated: Condition | Literal[""] = ""
    """What it says of the specimen besides its checks, where these show it themselves (`Observed.check`)."""
    again: bool = False
    """Rows that stand already, read again under what their code is now known to mean."""
    received: str = ""
    """What its rows are named by among the patient's resources, where they are stored as they came (`row_id`)."""


Commands = ReportResult | EscalationCommand | ReopenEscalation
Internal = TimePassed | RetentionBegan | SpecimenReported
Consumes = (
    PatientIdentified
    | CareTeamChanged
    | MedicationsRecorded
    | EpisodeAdmitted
    | EpisodeDischarged
    | DischargeWithdrawn
    | TimePassed
)
Emits = (
    DrugTestResulted
    | DrugTestCorrected
    | ResultMatched
    | ExpectedResultsContinued
    | EscalationEvent
    | SignalsCorrected
    | RetentionBegan
    | SpecimenReported
)

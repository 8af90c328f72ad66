"""Every message of testing: the commands it decides, the events it consumes and emits."""

from datetime import datetime

import msgspec

from services.testing.laboratory import Extent, Status
from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent
from shared.events.intake import EpisodeAdmitted, EpisodeDischarged, MedicationsRecorded, PatientIdentified
from shared.events.internal import RetentionBegan, TimePassed
from shared.events.testing import Condition, DrugTestCorrected, DrugTestResulted, ResultFinding, ResultMatched
from shared.rules.escalation import AcknowledgeEscalation, EscalationCommand, ResolveEscalation

__all__ = [
    "AcknowledgeEscalation",
    "Commands",
    "Consumes",
    "DrugTestCorrected",
    "DrugTestResulted",
    "Emits",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EscalationCommand",
    "EscalationEvent",
    "Internal",
    "MedicationsRecorded",
    "Observed",
    "PatientIdentified",
    "ReportResult",
    "ResolveEscalation",
    "ResultMatched",
    "RetentionBegan",
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


class ReportResult(Command, frozen=True, kw_only=True, tag=True):
    """A laboratory reports on one specimen, or corrects, promotes or takes back what it reported before.

    `matched` is set where the report had waited for its patient.
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


Commands = ReportResult | EscalationCommand
Internal = TimePassed | RetentionBegan
Consumes = PatientIdentified | MedicationsRecorded | EpisodeAdmitted | EpisodeDischarged | TimePassed
Emits = DrugTestResulted | DrugTestCorrected | ResultMatched | EscalationEvent | RetentionBegan

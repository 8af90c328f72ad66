"""Every message of testing: the commands it decides, the events it consumes and emits."""

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec

from services.testing.orders.ordered import Kind, Orders
from services.testing.reading.laboratory import Extent, Status
from services.testing.specimens import Specimen
from services.testing.specimens.checks import Check
from shared.events.drug_test_order import (
    CollectionMissed,
    CollectionRefused,
    CollectionWithdrawn,
    DrugTestCancelled,
    DrugTestOrdered,
    DrugTestOrderEvent,
    ResultOverdue,
    SpecimenCollected,
)
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent, SignalsCorrected
from shared.events.intake import (
    CareTeamChanged,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    DeathWithdrawn,
    DischargeWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    MedicationsRecorded,
    PatientDied,
    PatientIdentified,
    StageAdvanced,
)
from shared.events.internal import (
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureOutcome,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    Lookup,
    RetentionBegan,
    StateEvent,
    TimePassed,
)
from shared.events.laboratory_order import (
    LaboratoryOrderEvent,
    LaboratoryOrderFailed,
    LaboratoryOrderPrepared,
    LaboratoryOrderSent,
)
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
    "REPORTS",
    "AcknowledgeEscalation",
    "ActOnEscalation",
    "CancelDrugTest",
    "CareTeamChanged",
    "CollectionMissed",
    "CollectionRefused",
    "CollectionWithdrawn",
    "Commands",
    "ConsentDenied",
    "ConsentGiven",
    "ConsentRevoked",
    "ConsentsCurrent",
    "Consumes",
    "DeathWithdrawn",
    "DischargeWithdrawn",
    "DisclosureEnd",
    "DisclosureGaveUp",
    "DisclosureMade",
    "DisclosureOutcome",
    "DisclosureParked",
    "DisclosureRefused",
    "DisclosureWithheld",
    "DrugTestCancelled",
    "DrugTestCorrected",
    "DrugTestOrderEvent",
    "DrugTestOrdered",
    "DrugTestResulted",
    "Emits",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EpisodePaused",
    "EpisodeResumed",
    "EpisodeStepped",
    "EscalationCommand",
    "EscalationEvent",
    "ExpectedResultsContinued",
    "HandOverEscalation",
    "Internal",
    "LaboratoryOrderEvent",
    "LaboratoryOrderFailed",
    "LaboratoryOrderPrepared",
    "LaboratoryOrderSent",
    "MedicationsRecorded",
    "Observed",
    "OrderDrugTest",
    "OrdersChanged",
    "PatientDied",
    "PatientIdentified",
    "RandomDayAsked",
    "RandomDayDrawn",
    "ReopenEscalation",
    "ReportCollection",
    "ReportResult",
    "ResolveEscalation",
    "ResultMatched",
    "ResultOverdue",
    "RetentionBegan",
    "SendOrderAgain",
    "SignalsCorrected",
    "SpecimenCollected",
    "SpecimenReported",
    "StageAdvanced",
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
    panel: str = ""
    """The code of what was ordered, as the laboratory gives it."""
    undated: bool = False
    """Whether nobody knows when it was issued."""
    again: bool = False
    """Rows that stand already, read again under what their code is now known to mean."""
    received: str = ""
    """What its rows are named by among the patient's resources, where they are stored as they came (`row_id`)."""
    doubted: bool = False
    """Whether family name or birth date contradicts what is known of the patient whom an identifier found."""


class OrderDrugTest(Command, frozen=True, kw_only=True, tag=True):
    """A clinician orders a test, or puts one that stands in another window. `numbers` are those by which whoever placed
    it names it, and a laboratory may. `panel` is the LOINC code by which it is ordered, empty for any drug test.
    """

    order_id: str
    opens_at: datetime
    closes_at: datetime
    numbers: tuple[Number, ...] = ()
    panel: str = ""


class CancelDrugTest(Command, frozen=True, kw_only=True, tag=True):
    """The test is not asked for any more; `in_error`: it never was."""

    order_id: str
    in_error: bool = False


class SendOrderAgain(Command, frozen=True, kw_only=True, tag=True):
    """A person has the laboratory told again what it did not take, of the order that this Task is about."""

    task_id: str


class ReportCollection(Command, frozen=True, kw_only=True, tag=True):
    """The program says what became of the collection of an ordered test: the Specimen of this id was given, refused or
    nobody came, at that time; None takes back what was said under this id."""

    order_id: str
    collection_id: str
    kind: Kind | None
    at: datetime


class OrdersChanged(StateEvent, frozen=True, kw_only=True):
    """What is ordered of the patient, as it is known now."""

    orders: Orders


class RandomDayAsked(Lookup, frozen=True, kw_only=True, tag=True):
    """Whether the random test of this patient and ordinal, drawn among `days`, is on `day` or was before it."""

    lane: ClassVar[str] = "lookup:random-day"
    patient: str
    ordinal: int
    day: date
    days: tuple[date, ...]


class RandomDayDrawn(Event, frozen=True, kw_only=True, tag=True):
    """The answer: whether it is to be given notice of for `day` now. Which day it will be otherwise, nobody is told."""

    ordinal: int
    day: date
    is_due: bool


Commands = (
    ReportResult
    | OrderDrugTest
    | CancelDrugTest
    | SendOrderAgain
    | ReportCollection
    | EscalationCommand
    | ReopenEscalation
)
DisclosureEnd = DisclosureMade | DisclosureWithheld | DisclosureRefused | DisclosureGaveUp
Internal = (
    TimePassed
    | RetentionBegan
    | SpecimenReported
    | OrdersChanged
    | RandomDayAsked
    | RandomDayDrawn
    | DisclosureEnd
    | DisclosureParked
)
REPORTS: tuple[type[Command], ...] = (ReportCollection,)
"""By which a program shows that it reports collections."""
Consumes = (
    PatientIdentified
    | CareTeamChanged
    | ConsentGiven
    | ConsentDenied
    | ConsentRevoked
    | ConsentsCurrent
    | MedicationsRecorded
    | EpisodeAdmitted
    | EpisodeDischarged
    | DischargeWithdrawn
    | StageAdvanced
    | EpisodeStepped
    | EpisodePaused
    | EpisodeResumed
    | PatientDied
    | DeathWithdrawn
    | RandomDayDrawn
    | DisclosureEnd
    | DisclosureParked
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
    | DrugTestOrderEvent
    | LaboratoryOrderEvent
    | OrdersChanged
    | RandomDayAsked
)

"""Every message of intake: the commands it decides, the events it consumes and emits."""

from datetime import datetime

from services.intake.commands import (
    AboutEvidence,
    AdvanceStage,
    CareElsewhere,
    CareKind,
    CompleteReview,
    CorrectDischarge,
    CorrectReferral,
    DenyConsent,
    Discharge,
    EndCareElsewhere,
    EndEvidence,
    EndReason,
    NamedMember,
    Prescribed,
    ReceiveReferral,
    RecordAssessment,
    RecordCareDays,
    RecordConditions,
    RecordConsent,
    RecordCoverage,
    RecordMedications,
    RecordPatient,
    RecordTeam,
    ReportCareElsewhere,
    ReportDeath,
    ReportedFinding,
    ReportFindings,
    ReviewOutcome,
    RevisePlan,
    RevokeConsent,
    RevokeReferral,
    SetPlan,
    SignPlacement,
    StatedNeed,
    WithdrawCareElsewhere,
    WithdrawDeath,
    WithdrawDischarge,
)
from services.intake.seats.seat_events import (
    CapacityWatched,
    OfOwnSeat,
    OfSeats,
    SeatAnswered,
    SeatAnswers,
    SeatAsked,
    SeatGiven,
    SeatLeft,
    SeatOccupied,
    SeatPassed,
    SeatReturned,
    SeatsFilled,
    SeatsFull,
    SeatsLookedAt,
    SeatSought,
)
from shared.events.escalation import (
    EscalationEvent,
    EscalationRaised,
    EscalationReopened,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    SignalsCorrected,
)
from shared.events.intake import (
    CareTeamChanged,
    ConditionReason,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    CoverageRecorded,
    DeathWithdrawn,
    Digest,
    Direction,
    DischargeWithdrawn,
    EarlierStatus,
    EngagedDaysCounted,
    EpisodeAdmitted,
    EpisodeCancelled,
    EpisodeDeclined,
    EpisodeDischarged,
    EpisodePaused,
    EpisodePlanned,
    EpisodeResumed,
    EpisodeStepped,
    EpisodeWaitlisted,
    Explanation,
    FlagsChanged,
    Input,
    LevelOfCareRecommended,
    Medication,
    MedicationsRecorded,
    Need,
    PartnerReferralChanged,
    PatientDied,
    PatientIdentified,
    PayerSpan,
    PlacementReviewCompleted,
    PlacementReviewRequested,
    PlacementReviewWithdrawn,
    PlacementSigned,
    PlannedActivity,
    PlannedGoal,
    PlanRevised,
    Priority,
    Recommendation,
    RecommendationWithdrawn,
    ReferralAnswered,
    ReferralConcluded,
    ReferralOffer,
    ReferralReceived,
    Review,
    RuleChange,
    RuleReason,
    Signature,
    StageAdvanced,
    TeamMember,
    TemplateSlot,
    Undecided,
    Unread,
    Waits,
)
from shared.events.internal import RetentionBegan, StateEvent, TimePassed, To
from shared.events.technical import CapacityNearlyReached
from shared.rules.escalation import (
    AcknowledgeEscalation,
    ActOnEscalation,
    EscalationCommand,
    HandOverEscalation,
    ReopenEscalation,
    ResolveEscalation,
)

__all__ = [
    "AboutEvidence",
    "AcknowledgeEscalation",
    "ActOnEscalation",
    "AdvanceStage",
    "CapacityNearlyReached",
    "CapacityWatched",
    "CareElsewhere",
    "CareKind",
    "CareTeamChanged",
    "Cause",
    "Commands",
    "CompleteReview",
    "ConditionReason",
    "ConsentDenied",
    "ConsentGiven",
    "ConsentRevoked",
    "ConsentsCurrent",
    "Consumes",
    "ConsumesOfSeats",
    "CorrectDischarge",
    "CorrectReferral",
    "CoverageRecorded",
    "DeathWithdrawn",
    "DenyConsent",
    "Digest",
    "Direction",
    "Discharge",
    "DischargeWithdrawn",
    "EarlierStatus",
    "Emits",
    "EmitsOfSeats",
    "EndCareElsewhere",
    "EndEvidence",
    "EndReason",
    "EngagedDaysCounted",
    "EpisodeAdmitted",
    "EpisodeCancelled",
    "EpisodeDeclined",
    "EpisodeDischarged",
    "EpisodePaused",
    "EpisodePlanned",
    "EpisodeResumed",
    "EpisodeStepped",
    "EpisodeWaitlisted",
    "EscalationCommand",
    "EscalationEvent",
    "EscalationRaised",
    "EscalationReopened",
    "EscalationResolved",
    "EscalationRetracted",
    "EscalationUpdated",
    "Explanation",
    "FlagsChanged",
    "FlagsLookedAt",
    "HandOverEscalation",
    "Input",
    "Internal",
    "LevelOfCareRecommended",
    "Medication",
    "MedicationsRecorded",
    "NamedMember",
    "Need",
    "OfOwnSeat",
    "OfPlan",
    "OfReferral",
    "OfSeats",
    "PartnerReferralChanged",
    "PatientDied",
    "PatientIdentified",
    "PayerSpan",
    "PersonReminded",
    "PlacementReviewCompleted",
    "PlacementReviewRequested",
    "PlacementReviewWithdrawn",
    "PlacementSigned",
    "PlanLookedAt",
    "PlanRevised",
    "PlannedActivity",
    "PlannedGoal",
    "Prescribed",
    "Priority",
    "PriorityLookedAt",
    "ReceiveReferral",
    "RecertificationSet",
    "Recommendation",
    "RecommendationWithdrawn",
    "RecordAssessment",
    "RecordCareDays",
    "RecordConditions",
    "RecordConsent",
    "RecordCoverage",
    "RecordMedications",
    "RecordPatient",
    "RecordTeam",
    "ReferralAnswered",
    "ReferralConcluded",
    "ReferralOffer",
    "ReferralReceived",
    "ReferralSetAside",
    "ReopenEscalation",
    "ReportCareElsewhere",
    "ReportDeath",
    "ReportFindings",
    "ReportedFinding",
    "ResolveEscalation",
    "RetentionBegan",
    "Review",
    "ReviewOutcome",
    "RevisePlan",
    "RevokeConsent",
    "RevokeReferral",
    "RuleChange",
    "RuleReason",
    "SeatAnswered",
    "SeatAnswers",
    "SeatAsked",
    "SeatGiven",
    "SeatLeft",
    "SeatOccupied",
    "SeatPassed",
    "SeatReturned",
    "SeatSought",
    "SeatsFilled",
    "SeatsFull",
    "SeatsLookedAt",
    "SetPlan",
    "SignPlacement",
    "SignalsCorrected",
    "Signature",
    "StageAdvanced",
    "StageLookedAt",
    "StatedNeed",
    "TeamMember",
    "TemplateSlot",
    "TimePassed",
    "To",
    "Undecided",
    "Unread",
    "Waits",
    "WeeklyReviewSet",
    "WithdrawCareElsewhere",
    "WithdrawDeath",
    "WithdrawDischarge",
]


class PersonReminded(StateEvent, frozen=True, kw_only=True):
    """What waited longer than its time was escalated."""

    reminded_at: datetime


class ReferralSetAside(StateEvent, frozen=True, kw_only=True):
    """It was being placed, and waits beside others now: the one that is next in line is placed instead."""

    referral_id: str


class FlagsLookedAt(StateEvent, frozen=True, kw_only=True):
    """The flags are those emitted last; at `change_at` something behind one ends, or begins."""

    change_at: datetime | None


class WeeklyReviewSet(StateEvent, frozen=True, kw_only=True):
    """When the next weekly review is asked for; None while none is owed."""

    asks_at: datetime | None


class RecertificationSet(StateEvent, frozen=True, kw_only=True):
    """When it is looked at next whether the stay is to be certified anew; None while nobody asks for it."""

    look_at: datetime | None


class PriorityLookedAt(StateEvent, frozen=True, kw_only=True):
    """Of whom a block grant has treated first: at `half_at` half of the next clock is over."""

    half_at: datetime | None


class PlanLookedAt(StateEvent, frozen=True, kw_only=True):
    """Of a start that is planned, or a seat that is waited for: at `look_at` something becomes due."""

    look_at: datetime | None


class StageLookedAt(StateEvent, frozen=True, kw_only=True):
    """At `ask_at` a person is asked what follows on the stage that the stay is in."""

    stage: str
    ask_at: datetime


Commands = (
    RecordPatient
    | ReportDeath
    | WithdrawDeath
    | RecordConsent
    | DenyConsent
    | RevokeConsent
    | RecordMedications
    | RecordConditions
    | RecordCoverage
    | ReportFindings
    | RecordAssessment
    | ReceiveReferral
    | CorrectReferral
    | RevokeReferral
    | SignPlacement
    | SetPlan
    | CompleteReview
    | AdvanceStage
    | Discharge
    | CorrectDischarge
    | WithdrawDischarge
    | RecordTeam
    | RevisePlan
    | CareElsewhere
    | RecordCareDays
    | EndEvidence
    | EscalationCommand
    | ReopenEscalation
)

Internal = (
    TimePassed
    | RetentionBegan
    | PersonReminded
    | ReferralSetAside
    | FlagsLookedAt
    | WeeklyReviewSet
    | RecertificationSet
    | PlanLookedAt
    | PriorityLookedAt
    | StageLookedAt
    | OfSeats
    | SeatAnswers
    | OfOwnSeat
    | SeatsFilled
    | SeatsLookedAt
    | CapacityWatched
)
OfSignals = (
    EscalationRaised
    | EscalationUpdated
    | EscalationRetracted
    | EscalationResolved
    | EscalationReopened
    | SignalsCorrected
)
"""Of attendance and testing; intake's own are never given to it."""
OfReferral = (
    ReceiveReferral | CorrectReferral | RevokeReferral | ReferralReceived | ReferralConcluded | ReferralSetAside
)
"""What changes which referrals are open; how one is placed or declined is its stay's."""
OfPlan = EpisodePlanned | EpisodeWaitlisted | EpisodeCancelled
"""What becomes of a signed placement before its stay begins."""
OfCare = RecordMedications | MedicationsRecorded | RecordTeam | RevisePlan | RecordCoverage
"""What the patient takes, who looks after them and who pays, what is planned."""
Consumes = OfSignals | SeatAnswers | TimePassed
Cause = Commands | SeatAnswers | TimePassed
"""What a decision about the placement and the stay follows from."""
Emits = (
    PatientIdentified
    | PatientDied
    | DeathWithdrawn
    | ReferralReceived
    | ReferralConcluded
    | ReferralAnswered
    | PartnerReferralChanged
    | LevelOfCareRecommended
    | RecommendationWithdrawn
    | PlacementSigned
    | OfPlan
    | EpisodeAdmitted
    | EpisodeDeclined
    | EpisodeDischarged
    | DischargeWithdrawn
    | EpisodePaused
    | EpisodeResumed
    | EpisodeStepped
    | EngagedDaysCounted
    | FlagsChanged
    | CareTeamChanged
    | PlanRevised
    | StageAdvanced
    | MedicationsRecorded
    | CoverageRecorded
    | ConsentGiven
    | ConsentDenied
    | ConsentRevoked
    | ConsentsCurrent
    | PlacementReviewRequested
    | PlacementReviewWithdrawn
    | PlacementReviewCompleted
    | EscalationEvent
    | RetentionBegan
    | PersonReminded
    | ReferralSetAside
    | FlagsLookedAt
    | WeeklyReviewSet
    | RecertificationSet
    | PlanLookedAt
    | PriorityLookedAt
    | StageLookedAt
    | OfOwnSeat
    | To
)
"""`ConsentsCurrent` is the heartbeat of intake's outbox; no decision emits it."""
ConsumesOfSeats = OfSeats | TimePassed
EmitsOfSeats = SeatsFilled | SeatsLookedAt | CapacityWatched | CapacityNearlyReached | To
"""Of the other kind of key, a place with its seats."""

"""The doorway: what aftercare is told, what it hears and what it says."""

from typing import Literal

from shared.words.aftercare import (
    AftercareEnded,
    AftercarePlanned,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
)
from shared.words.envelope import Command
from shared.words.escalation import (
    EscalationAcknowledged,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
)
from shared.words.inner import (
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    TimePassed,
)
from shared.words.intake import (
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
)

__all__ = [
    "AcknowledgeEscalation",
    "AftercareEnded",
    "AftercarePlanned",
    "AskReferral",
    "Commands",
    "CompleteFollowUp",
    "ConsentGiven",
    "ConsentRevoked",
    "ConsentsCurrent",
    "ContactKnown",
    "DisclosureGaveUp",
    "DisclosureMade",
    "DisclosureRefused",
    "DisclosureWithheld",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EscalationAcknowledged",
    "EscalationOverdue",
    "EscalationRaised",
    "EscalationResolved",
    "EscalationRetracted",
    "EscalationUpdated",
    "FollowUpCompleted",
    "FollowUpFellDue",
    "Hears",
    "MeetingListPrepared",
    "PatientIdentified",
    "Reach",
    "ReferralPrepared",
    "ReferralRefused",
    "ReferralSent",
    "ReferralWithdrawn",
    "ReferralWithheld",
    "ResolveEscalation",
    "Says",
    "TimePassed",
]

Reach = Literal["reached", "not-reached"]
"""What came of reaching out to the patient."""


class AskReferral(Command, frozen=True, kw_only=True, tag=True):
    """A case manager asks for a referral to a partner, named by its identifier. The gate still decides at release."""

    referral_id: str
    partner: str
    kind: str


class CompleteFollowUp(Command, frozen=True, kw_only=True, tag=True):
    task_id: str
    reach: Reach = "reached"


class AcknowledgeEscalation(Command, frozen=True, kw_only=True, tag=True):
    escalation_id: str


class ResolveEscalation(Command, frozen=True, kw_only=True, tag=True):
    escalation_id: str
    because: str


Commands = AskReferral | CompleteFollowUp | AcknowledgeEscalation | ResolveEscalation

Hears = (
    PatientIdentified
    | ContactKnown
    | EpisodeAdmitted
    | EpisodeDischarged
    | ConsentGiven
    | ConsentRevoked
    | ConsentsCurrent
    | DisclosureMade
    | DisclosureWithheld
    | DisclosureRefused
    | DisclosureGaveUp
    | TimePassed
)
Says = (
    AftercarePlanned
    | AftercareEnded
    | MeetingListPrepared
    | ReferralPrepared
    | ReferralSent
    | ReferralWithheld
    | ReferralRefused
    | ReferralWithdrawn
    | FollowUpFellDue
    | FollowUpCompleted
    | EscalationRaised
    | EscalationUpdated
    | EscalationAcknowledged
    | EscalationOverdue
    | EscalationResolved
    | EscalationRetracted
)

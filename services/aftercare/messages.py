"""The doorway: what aftercare is told, what it consumes and what it emits."""

from typing import Literal

from shared.events.aftercare import (
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
from shared.events.envelope import Command
from shared.events.escalation import (
    EscalationAcknowledged,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
)
from shared.events.intake import (
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
)
from shared.events.internal import (
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    TimePassed,
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
    "Consumes",
    "ContactKnown",
    "DisclosureGaveUp",
    "DisclosureMade",
    "DisclosureRefused",
    "DisclosureWithheld",
    "Emits",
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
    "MeetingListPrepared",
    "PatientIdentified",
    "Reach",
    "ReferralPrepared",
    "ReferralRefused",
    "ReferralSent",
    "ReferralWithdrawn",
    "ReferralWithheld",
    "ResolveEscalation",
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
    reason: str


Commands = AskReferral | CompleteFollowUp | AcknowledgeEscalation | ResolveEscalation

Consumes = (
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
Emits = (
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

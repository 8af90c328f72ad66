"""Every message of aftercare: the commands it decides, the events it consumes and emits."""

from datetime import datetime
from typing import Literal

from services.aftercare.meeting_lists import MeetingsAsked, MeetingsMatched
from shared.events.aftercare import (
    AftercareEnded,
    AftercarePlanned,
    AnswerStep,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    PartnerAnswered,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
)
from shared.events.envelope import Command
from shared.events.escalation import EscalationEvent, EscalationResolved, EscalationRetracted
from shared.events.intake import (
    CareTeamChanged,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    DeathWithdrawn,
    DischargeWithdrawn,
    EngagedDaysCounted,
    EpisodeAdmitted,
    EpisodeDischarged,
    PartnerReferralChanged,
    PatientDied,
    PatientIdentified,
)
from shared.events.internal import (
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    StateEvent,
    TimePassed,
)
from shared.events.partner_answer import (
    AnswerEvent,
    AnswerPrepared,
    AnswerRefused,
    AnswerSent,
    AnswerWithdrawn,
    AnswerWithheld,
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
    "AftercareEnded",
    "AftercarePlanned",
    "AnswerEscalated",
    "AnswerEvent",
    "AnswerPrepared",
    "AnswerReferral",
    "AnswerRefused",
    "AnswerSent",
    "AnswerWithdrawn",
    "AnswerWithheld",
    "AskReferral",
    "CandidateDue",
    "CareTeamChanged",
    "Commands",
    "CompleteFollowUp",
    "ConsentDenied",
    "ConsentGiven",
    "ConsentRevoked",
    "ConsentsCurrent",
    "Consumes",
    "ContactKnown",
    "DeathWithdrawn",
    "DischargeWithdrawn",
    "DisclosureGaveUp",
    "DisclosureMade",
    "DisclosureRefused",
    "DisclosureWithheld",
    "Emits",
    "EngagedDaysCounted",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EscalationCommand",
    "EscalationEvent",
    "EscalationResolved",
    "EscalationRetracted",
    "FollowUpCompleted",
    "FollowUpFellDue",
    "HandOverEscalation",
    "HoldEscalated",
    "Internal",
    "MeetingListPrepared",
    "MeetingsAsked",
    "MeetingsMatched",
    "PartnerAnswered",
    "PartnerReferralChanged",
    "PatientDied",
    "PatientIdentified",
    "Reach",
    "ReferralPrepared",
    "ReferralRefused",
    "ReferralSent",
    "ReferralWithdrawn",
    "ReferralWithheld",
    "ReopenEscalation",
    "ResolveEscalation",
    "TimePassed",
    "WithdrawReferral",
]

Reach = Literal["reached", "not-reached"]
"""What came of reaching out to the patient."""


class AskReferral(Command, frozen=True, kw_only=True, tag=True):
    """A case manager asks for a referral to a partner, named by its identifier. The gate decides when it is sent.

    `send_again_reason`: why it is sent although the partner may have one already (SEND_AGAIN_REASONS)."""

    referral_id: str
    partner: str
    kind: str
    asked_by: str = ""
    send_again_reason: str = ""


class WithdrawReferral(Command, frozen=True, kw_only=True, tag=True):
    """A person takes a referral back, or the answer to a referrer, by its Task: nobody waits for a consent any more,
    nothing is sent."""

    task_id: str
    by: str = ""


class AnswerReferral(Command, frozen=True, kw_only=True, tag=True):
    """A partner (its name in partners.toml) answers the referral that it has, by its Task. `answered_at` is when it
    said so; `appointment_at` the time it gave the patient, `reason` why it declines (DECLINE_REASONS)."""

    task_id: str
    partner: str
    step: AnswerStep
    answered_at: datetime
    appointment_at: datetime | None = None
    reason: str = ""


class CompleteFollowUp(Command, frozen=True, kw_only=True, tag=True):
    """A person reached out to the patient, or tried to."""

    task_id: str
    reach: Reach = "reached"
    by: str = ""


class CandidateDue(StateEvent, frozen=True, kw_only=True, tag=True):
    """The next candidate of this kind is asked once the lane has answered for the one that was taken back."""

    kind: str


class AnswerEscalated(StateEvent, frozen=True, kw_only=True, tag=True):
    """Of these referrals that partners have a person is asked, for this reason: once, until the partner answers."""

    referrals: tuple[str, ...]
    reason: str


class HoldEscalated(StateEvent, frozen=True, kw_only=True, tag=True):
    """Of these referrals on hold a person was asked in vain: that is escalated, and never a second time."""

    referrals: tuple[str, ...]


Commands = AskReferral | WithdrawReferral | AnswerReferral | CompleteFollowUp | EscalationCommand | ReopenEscalation

FromTheHub = ContactKnown | DisclosureMade | DisclosureWithheld | DisclosureRefused | DisclosureGaveUp | TimePassed
Internal = FromTheHub | MeetingsMatched | MeetingsAsked | CandidateDue | HoldEscalated | AnswerEscalated
Consumes = (
    PatientIdentified
    | CareTeamChanged
    | PatientDied
    | DeathWithdrawn
    | EpisodeAdmitted
    | EpisodeDischarged
    | EngagedDaysCounted
    | DischargeWithdrawn
    | PartnerReferralChanged
    | ConsentGiven
    | ConsentDenied
    | ConsentRevoked
    | ConsentsCurrent
    | FromTheHub
    | MeetingsMatched
)
Emits = (
    AftercarePlanned
    | AftercareEnded
    | MeetingsAsked
    | MeetingListPrepared
    | ReferralPrepared
    | ReferralSent
    | PartnerAnswered
    | ReferralWithheld
    | ReferralRefused
    | ReferralWithdrawn
    | AnswerPrepared
    | AnswerSent
    | AnswerWithheld
    | AnswerRefused
    | AnswerWithdrawn
    | FollowUpFellDue
    | FollowUpCompleted
    | EscalationEvent
    | CandidateDue
    | HoldEscalated
    | AnswerEscalated
)

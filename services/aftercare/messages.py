"""Every message of aftercare: the commands it decides, the events it consumes and emits."""

from datetime import datetime
from typing import Literal

from services.aftercare.letter.listed import LetterListed
from services.aftercare.meeting_lists import (
    AskMeetings,
    MeetingListDetailed,
    MeetingsAsked,
    MeetingsMatched,
    MeetingsRequested,
)
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
from shared.events.aftercare_plan import Activities, AftercareRevised
from shared.events.contact import Answer
from shared.events.emergency import EmergencyDisclosed, EmergencyMistaken
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
    EpisodeStepped,
    FlagsChanged,
    PartnerReferralChanged,
    PatientDied,
    PatientIdentified,
)
from shared.events.internal import (
    ContactKnown,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    StateEvent,
    TimePassed,
)
from shared.events.outreach import Channel, ContactAttempted, OutreachOutcome
from shared.events.partner_answer import (
    AnswerEvent,
    AnswerPrepared,
    AnswerRefused,
    AnswerSent,
    AnswerWithdrawn,
    AnswerWithheld,
)
from shared.events.readmission import PatientReadmitted
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
    "AftercareRevised",
    "AgreePlan",
    "AnswerEscalated",
    "AnswerEvent",
    "AnswerPrepared",
    "AnswerReferral",
    "AnswerRefused",
    "AnswerSent",
    "AnswerWithdrawn",
    "AnswerWithheld",
    "AskMeetings",
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
    "ContactAttempted",
    "ContactKnown",
    "CorrectFollowUp",
    "CountWrongLink",
    "DeathWithdrawn",
    "DischargeWithdrawn",
    "DisclosureGaveUp",
    "DisclosureMade",
    "DisclosureParked",
    "DisclosureRefused",
    "DisclosureWithheld",
    "EmergencyDisclosed",
    "EmergencyMistaken",
    "Emits",
    "EngagedDaysCounted",
    "EpisodeAdmitted",
    "EpisodeDischarged",
    "EpisodeStepped",
    "EscalationCommand",
    "EscalationEvent",
    "EscalationResolved",
    "EscalationRetracted",
    "FlagsChanged",
    "FollowUpCompleted",
    "FollowUpFellDue",
    "FollowUpsEscalated",
    "HandOverEscalation",
    "HoldEscalated",
    "Internal",
    "LetterListed",
    "MarkEmergency",
    "MeetingListDetailed",
    "MeetingListPrepared",
    "MeetingsAsked",
    "MeetingsMatched",
    "MeetingsRequested",
    "OfContacts",
    "PartnerAnswered",
    "PartnerReferralChanged",
    "PatientDied",
    "PatientIdentified",
    "PatientReadmitted",
    "ReEngagementBegan",
    "ReEngagementEnded",
    "Reach",
    "RecordAttempt",
    "RecordEmergency",
    "ReferralPrepared",
    "ReferralRefused",
    "ReferralSent",
    "ReferralWithdrawn",
    "ReferralWithheld",
    "ReopenEscalation",
    "ResolveEscalation",
    "StayAnswered",
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
    said so; `appointment_at` the time it gave the patient, `reason` why it declines (DECLINE_REASONS), `by` who of the
    program's staff writes down what it said, by telephone say: empty where it answers itself."""

    task_id: str
    partner: str
    step: AnswerStep
    answered_at: datetime
    appointment_at: datetime | None = None
    reason: str = ""
    by: str = ""


class CountWrongLink(Command, frozen=True, kw_only=True, tag=True):
    """Somebody had the beginning of a partner's link and not the rest: three times end it."""

    task_id: str


class AgreePlan(Command, frozen=True, kw_only=True, tag=True):
    """All that is planned beside the contacts of this plan, as the patient and a case manager agreed on it."""

    plan_id: str
    activities: Activities
    by: str = ""


class CompleteFollowUp(Command, frozen=True, kw_only=True, tag=True):
    """A person reached out to the patient, or tried to: what the patient answered, and when that was (`made_at`), where
    it is stated."""

    task_id: str
    reach: Reach = "reached"
    by: str = ""
    answers: tuple[Answer, ...] = ()
    made_at: datetime | None = None


class CorrectFollowUp(Command, frozen=True, kw_only=True, tag=True):
    """A contact that was made is reported otherwise: this stands in the place of what was reported, whole. No state
    remembers when it was due and on time (`act_by`), so that the command holds both, as its Task says them."""

    task_id: str
    reach: Reach
    by: str
    due_at: datetime
    act_by: datetime
    answers: tuple[Answer, ...] = ()
    made_at: datetime | None = None


class RecordAttempt(Command, frozen=True, kw_only=True, tag=True):
    """A person tried to reach the patient of this Task, then and by this channel. `by` is their id in the staff."""

    task_id: str
    channel: Channel
    outcome: OutreachOutcome
    at: datetime
    by: str = ""


class ReEngagementBegan(StateEvent, frozen=True, kw_only=True, tag=True):
    """The patient of this stay is asked back until `ends_at`, by contacts due then."""

    episode_id: str
    ends_at: datetime
    due: tuple[datetime, ...]


class ReEngagementEnded(StateEvent, frozen=True, kw_only=True, tag=True):
    """The patient is asked back no more; `over_at` where the time for it has passed."""

    over_at: datetime | None = None


class FollowUpsEscalated(StateEvent, frozen=True, kw_only=True, tag=True):
    """Of these contacts nobody reported in time: that is escalated, and never a second time."""

    task_ids: tuple[str, ...]


class RecordEmergency(Command, frozen=True, kw_only=True, tag=True):
    """A person of the staff told medical personnel in a medical emergency (42 CFR 2.51): who was told stands in the
    Communication."""

    communication_id: str
    nature: str
    disclosed_at: datetime
    by: str


class MarkEmergency(RecordEmergency, frozen=True, kw_only=True, tag=True):
    """What was recorded of an emergency was a mistake, as this member of the staff says."""

    mistaken_by: str


class CandidateDue(StateEvent, frozen=True, kw_only=True, tag=True):
    """The next candidate of this kind is asked once the lane has answered for the one that was taken back."""

    kind: str


class AnswerEscalated(StateEvent, frozen=True, kw_only=True, tag=True):
    """Of these referrals that partners have a person is asked, for this reason: once, until the partner answers."""

    referrals: tuple[str, ...]
    reason: str


class StayAnswered(StateEvent, frozen=True, kw_only=True, tag=True):
    """A court's own referral stands elsewhere: the stay it led to has ended, or goes on after all."""

    referral_id: str
    partner: str
    state: str
    changed_at: datetime
    number: str = ""


class HoldEscalated(StateEvent, frozen=True, kw_only=True, tag=True):
    """Of these referrals on hold a person was asked in vain: that is escalated, and never a second time."""

    referrals: tuple[str, ...]


Commands = (
    AskReferral
    | AskMeetings
    | WithdrawReferral
    | AnswerReferral
    | AgreePlan
    | CompleteFollowUp
    | CorrectFollowUp
    | RecordAttempt
    | CountWrongLink
    | RecordEmergency
    | MarkEmergency
    | EscalationCommand
    | ReopenEscalation
)

DisclosureEnd = DisclosureMade | DisclosureWithheld | DisclosureRefused | DisclosureGaveUp
FromTheHub = ContactKnown | DisclosureEnd | DisclosureParked | TimePassed
OfContacts = ReEngagementBegan | ReEngagementEnded | FollowUpsEscalated
OfStay = CandidateDue | HoldEscalated | AnswerEscalated | StayAnswered
Internal = FromTheHub | MeetingsMatched | MeetingsAsked | OfStay | OfContacts
Consumes = (
    PatientIdentified
    | CareTeamChanged
    | PatientDied
    | DeathWithdrawn
    | EpisodeAdmitted
    | EpisodeStepped
    | FlagsChanged
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
    | AftercareRevised
    | AftercareEnded
    | LetterListed
    | MeetingsRequested
    | MeetingsAsked
    | MeetingListPrepared
    | MeetingListDetailed
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
    | ContactAttempted
    | PatientReadmitted
    | EmergencyDisclosed
    | EmergencyMistaken
    | EscalationEvent
    | CandidateDue
    | HoldEscalated
    | AnswerEscalated
    | StayAnswered
    | OfContacts
)

"""What an edge asks of intake: the commands, and what is stated in them."""

from datetime import date, datetime
from typing import Literal

import msgspec

from shared.events.envelope import Command
from shared.events.intake import Digest, PlannedActivity, PlannedGoal, Priority, Unread

EndReason = Literal["mistaken", "reassessed-lower-risk"]


class StatedNeed(msgspec.Struct, frozen=True, array_like=True):
    """The need a clinician stated for one dimension, when it was assessed, and where it stands (Type/id; in a state as
    sources are stored)."""

    dimension: str
    level: str
    at: datetime
    source: str = ""


class ReportedFinding(msgspec.Struct, frozen=True, array_like=True):
    """A fact (0 no, 1 yes) or the score of an instrument, with its clinical time and where it stands (Type/id)."""

    code: str
    value: int
    at: datetime
    evidence: str = ""


class Prescribed(msgspec.Struct, frozen=True, array_like=True):
    """A medication as a sender reports it; `source` is the id of its resource. `taken` is false for one recorded in
    error or never given: it leaves the list. An empty `rxnorm` is a medication nobody coded."""

    source: str
    rxnorm: str
    start_on: date | None = None
    end_on: date | None = None
    route: str | None = None
    taken: bool = True


class RecordPatient(Command, frozen=True, kw_only=True, tag=True):
    """Digests and sealed parts are made at the edge: no identifier comes further than that."""

    digests: tuple[Digest, ...]
    sealed: tuple[str, ...]


class ReportDeath(Command, frozen=True, kw_only=True, tag=True):
    """A sender's Patient says that the patient has died; `died_at` is the first instant at which they may have."""

    died_at: datetime | None = None


class WithdrawDeath(Command, frozen=True, kw_only=True, tag=True):
    """A sender's Patient says that the patient lives."""


class RecordConsent(Command, frozen=True, kw_only=True, tag=True):
    consent_id: str
    recipients: tuple[str, ...]
    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    given_at: datetime
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    classes: tuple[str, ...] = ()
    ends_with: str = ""


class DenyConsent(Command, frozen=True, kw_only=True, tag=True):
    """The patient's no, or a yes narrower than can be understood: to these partners, for these purposes, all where none
    is named; or, where it names fields, to these alone."""

    consent_id: str
    recipients: tuple[str, ...]
    purposes: tuple[str, ...]
    denied_at: datetime
    fields: tuple[str, ...] = ()


class RevokeConsent(Command, frozen=True, kw_only=True, tag=True):
    """`mistaken`: entered in error, so it never was one."""

    consent_id: str
    mistaken: bool = False


class RecordMedications(Command, frozen=True, kw_only=True, tag=True):
    medications: tuple[Prescribed, ...]


class RecordConditions(Command, frozen=True, kw_only=True, tag=True):
    """Diagnoses, as findings: which disorder the code is evidence of. `sources`: the Conditions that say so now, also
    those that say nothing any more."""

    findings: tuple[ReportedFinding, ...]
    sources: tuple[str, ...] = ()


class RecordCoverage(Command, frozen=True, kw_only=True, tag=True):
    """A Coverage says who pays in [since, until), None being always, for good: a payer of the program's table, or ""
    where nobody could read it. `place` is its order among several, the least pays first. `cancelled_at` is when that
    became known of one that had not ended; one that is withdrawn is not in force, or was entered in error."""

    coverage_id: str
    payer: str = ""
    place: int = 1_000
    since: datetime | None = None
    until: datetime | None = None
    cancelled_at: datetime | None = None
    is_withdrawn: bool = False


class ReportFindings(Command, frozen=True, kw_only=True, tag=True):
    """Findings that a safety trigger looks at, decided first and from this command alone, so that they reach a person
    even while the patient's other events are parked."""

    findings: tuple[ReportedFinding, ...]


class EndEvidence(Command, frozen=True, kw_only=True, tag=True):
    """A licensed clinician ends what the findings behind a safety escalation do: they were `mistaken`, or the risk was
    `reassessed-lower-risk` by a newer screen (Type/id). Closes the escalation, where it is still open."""

    escalation_id: str
    finding: str
    reason: EndReason
    by: str
    screen: str | None = None
    proved: bool = False


class RecordAssessment(Command, frozen=True, kw_only=True, tag=True):
    """The needs per dimension, with facts and scores. `sources`: the resources (Type/id) that say so now, also those
    that were corrected or withdrawn and say nothing any more."""

    needs: tuple[StatedNeed, ...] = ()
    findings: tuple[ReportedFinding, ...] = ()
    sources: tuple[str, ...] = ()


class ReceiveReferral(Command, frozen=True, kw_only=True, tag=True):
    referral_id: str
    task_id: str
    authored_at: datetime
    priority: Priority = "routine"
    level: str = ""
    """The level of care that it asks for; empty where nothing says so."""
    referrer: str = ""
    """The partner that made it, by its name in partners.toml; empty where no partner did."""
    number: str = ""
    """How that partner calls it, sealed for aftercare."""


class CorrectReferral(Command, frozen=True, kw_only=True, tag=True):
    """The sender says otherwise now how urgent it is, which level it asks for, or who referred (`referrer` None: as
    before) and how they call it (`number` empty: as before)."""

    referral_id: str
    priority: Priority
    level: str = ""
    referrer: str | None = None
    number: str = ""


class RevokeReferral(Command, frozen=True, kw_only=True, tag=True):
    """The sender takes the referral back: `reason` is `referral-revoked` or `referral-in-error`."""

    referral_id: str
    reason: str
    at: datetime


class SignPlacement(Command, frozen=True, kw_only=True, tag=True):
    """A clinician completes the task to sign (or, where no recommendation could be made, the review) with a level.

    `by` is the clinician's id in the program's staff, `second` that of who signs beside them: both as the client says,
    but `by` where it is `proved`. `version` is that of the ServiceRequest in the Task's focus, as it was read.
    """

    task_id: str
    level: str
    reason: str | None = None
    by: str = ""
    second: str = ""
    version: str = ""
    proved: bool = False
    start: datetime | None = None
    """When the stay is to begin; now, where nothing is named."""
    waits: bool = False
    """Whether the patient waits for a seat instead."""


class AdvanceStage(Command, frozen=True, kw_only=True, tag=True):
    """A therapist decides in which stage the stay goes on: by the Task that asks it, or unasked, of this episode."""

    task_id: str
    stage: str
    by: str
    episode_id: str = ""


class SetPlan(Command, frozen=True, kw_only=True, tag=True):
    """An EHR sets the EpisodeOfCare that has not begun: to begin at `start` (planned), to wait for a seat (waitlist),
    to begin now (active), or not to begin (cancelled, for this `reason`, where it names one). `by` is the member of
    staff whose token it is, empty for a client."""

    episode_id: str
    status: Literal["planned", "waitlist", "active", "cancelled"]
    start: datetime | None = None
    reason: str = ""
    by: str = ""


ReviewOutcome = Literal[
    "referral-declined", "more-information-asked", "still-true", "stays", "step-up", "step-down", "discharge"
]
"""The first two of a referral, the third of needs that grew old, the others of the level of a stay: what the person who
looked finds right."""


class CompleteReview(Command, frozen=True, kw_only=True, tag=True):
    """A person has looked. One of missing data (R0) ends with an `outcome`, or with a level (`SignPlacement`);
    `act_by` is by when the information that was asked for is looked at, `services` are interim ones that were given."""

    task_id: str
    by: str = ""
    outcome: ReviewOutcome | None = None
    act_by: datetime | None = None
    services: tuple[str, ...] = ()


class Discharge(Command, frozen=True, kw_only=True, tag=True):
    episode_id: str
    encounter_id: str
    disposition: str
    at: datetime


class CorrectDischarge(Command, frozen=True, kw_only=True, tag=True):
    """The Encounter of a discharge says otherwise now; of any other Encounter this changes nothing."""

    encounter_id: str
    disposition: str
    at: datetime | None = None


class WithdrawDischarge(Command, frozen=True, kw_only=True, tag=True):
    """The stay goes on: its EpisodeOfCare is set active again, or the Encounter of its discharge was wrong (only that
    one is meant, where an `encounter_id` is given)."""

    episode_id: str = ""
    encounter_id: str = ""


CareKind = Literal["emergency", "inpatient", "residential"]


class ReportCareElsewhere(Command, frozen=True, kw_only=True, tag=True):
    """An Encounter says that the patient is, or was, treated elsewhere: with nights, but for an emergency."""

    encounter_id: str
    kind: CareKind
    started_at: datetime
    ended_at: datetime | None = None


class RecordCareDays(Command, frozen=True, kw_only=True, tag=True):
    """Whether the days of an Encounter are care for substance use with nights, and which they are, as it says now."""

    encounter_id: str
    counts: bool
    started_at: datetime
    ended_at: datetime | None = None


class EndCareElsewhere(Command, frozen=True, kw_only=True, tag=True):
    encounter_id: str
    ended_at: datetime


class WithdrawCareElsewhere(Command, frozen=True, kw_only=True, tag=True):
    """It did not take place, or was entered in error."""

    encounter_id: str


class NamedMember(msgspec.Struct, frozen=True, array_like=True):
    """A person of the staff whom a CareTeam names for a role, and where in it."""

    role: str
    person: str
    place: str


class RecordTeam(Command, frozen=True, kw_only=True, tag=True):
    """Who looks after the patient by a CareTeam (its id); `is_own` where it is the hub's own. `unread` is what nobody
    could read of it."""

    source: str
    members: tuple[NamedMember, ...]
    unread: tuple[Unread, ...] = ()
    is_own: bool = False


class RevisePlan(Command, frozen=True, kw_only=True, tag=True):
    """What a Goal (its id, `is_goal`) or a CarePlan says is planned; nothing where it was taken back. `is_own` where it
    is the plan of the stay, which then says the whole of it."""

    source: str
    is_goal: bool = False
    goal: PlannedGoal | None = None
    activities: tuple[PlannedActivity, ...] = ()
    unread: tuple[Unread, ...] = ()
    is_own: bool = False


CareElsewhere = ReportCareElsewhere | EndCareElsewhere | WithdrawCareElsewhere
AboutEvidence = ReportFindings | RecordAssessment | RecordConditions | EndEvidence
"""Commands that change which evidence stands."""

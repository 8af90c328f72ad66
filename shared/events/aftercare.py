"""What aftercare emits: the plan after discharge, the patient's meeting list, referrals to partners, follow-ups."""

from datetime import datetime
from typing import ClassVar, Final, Literal
from uuid import NAMESPACE_URL

from shared.events import codes, fhir
from shared.events.aftercare_plan import Activities, activities, aftercare_plan, contact
from shared.events.contact import Answer, outputs
from shared.events.disclosed import EndedBy
from shared.events.envelope import Event, Resource, name_id
from shared.events.escalation import script_url

THE_PATIENTS_NO = frozenset({"consent-revoked", "consent-denied", "consent-restricted"})
"""Reasons for which nobody is asked to obtain a consent."""
ANOTHER_IS_ASKED, MAY_HAVE_BEEN_RECEIVED, GAVE_UP = "another-is-asked", "may-have-been-received", "gave-up"
PARTNER_FULL = "partner-full"
"""It has as many open referrals as it takes."""
TO_BE_PRINTED = "to-be-printed"
"""It may be disclosed, on paper that the patient carries: nothing is sent."""
ASKS_NOBODY = THE_PATIENTS_NO | {ANOTHER_IS_ASKED}
"""Reasons to be on hold that no person can do anything about."""
BY_A_PERSON = frozenset({"reached", "not-reached"})
"""Outcomes of a contact that was made; any other ends it unmade."""


ANSWERED_DAYS_MOST = 90
"""So long after it was sent a partner may answer a referral; then the hub waits no more."""
AnswerStep = Literal["received", "accepted", "scheduled", "unattended", "attended", "declined", "completed"]
"""How far a referral is with its partner (the states of a closed loop, as the BSeR implementation guide has them)."""


class AftercarePlanned(Event, frozen=True, kw_only=True):
    """Continuing care begins, with the contacts ahead (72 h to 180 days, domain 6.2); again with the same plan where a
    corrected discharge moves them. With what is planned beside them."""

    plan_id: str
    episode_id: str
    planned_at: datetime
    follow_ups: tuple[datetime, ...]
    activities: Activities = ()

    def write(self, patient: str) -> list[Resource]:
        contacts = [contact("scheduled", self.planned_at, each) for each in self.follow_ups]
        planned = [*contacts, *activities(self.activities, self.planned_at)]
        since = fhir.period(self.planned_at)
        return [aftercare_plan(self.plan_id, "active", self.episode_id, patient, since, planned)]


class AftercareEnded(Event, frozen=True, kw_only=True):
    """The plan is over: every contact was made, or it is revoked with the contacts that are left (`because`)."""

    plan_id: str
    episode_id: str
    planned_at: datetime | None
    ended_at: datetime
    reason: str
    made: tuple[datetime, ...]
    left: tuple[datetime, ...]
    activities: Activities = ()

    def write(self, patient: str) -> list[Resource]:
        why = fhir.concept(codes.REASON, self.reason)
        contacts = [
            *(contact("completed", self.planned_at, each) for each in self.made),
            *(contact("cancelled", self.planned_at, each, why) for each in self.left),
        ]
        status, period = "revoked" if self.left else "completed", fhir.period(self.planned_at, self.ended_at)
        planned = [*contacts, *activities(self.activities, self.planned_at, why if self.left else None)]
        return [aftercare_plan(self.plan_id, status, self.episode_id, patient, period, planned)]


class MeetingListPrepared(Event, frozen=True, kw_only=True):
    """Mutual-help meetings for the patient to choose from. It goes to the patient; no group is sent anything."""

    list_id: str
    plan_id: str
    meetings: tuple[str, ...]
    """Identifiers `feed|slug` of the cached public feeds."""
    prepared_at: datetime
    none_near: bool = False
    """None of them is near the patient: they take part from afar."""
    request_id: str = ""
    """What a person asked for it by; else it is of an admission, or of a discharge."""

    def write(self, patient: str) -> list[Resource]:
        based_on = [
            fhir.reference(kind, identity)
            for kind, identity in (("CarePlan", self.plan_id), ("CommunicationRequest", self.request_id))
            if identity
        ]
        return [
            fhir.without_nothing(
                {
                    "resourceType": "Communication",
                    "id": self.list_id,
                    "basedOn": based_on,
                    "status": "preparation",
                    "subject": fhir.reference("Patient", patient),
                    "recipient": [fhir.reference("Patient", patient)],
                    "reasonCode": [fhir.concept(codes.REASON, "none-near")] if self.none_near else None,
                    "sent": self.prepared_at,
                    "payload": [meeting_reference(each) for each in self.meetings],
                }
            )
        ]


def meeting_reference(identifier: str) -> Resource:
    """A meeting (`feed|slug`) as a payload."""
    reference = fhir.reference("HealthcareService", meeting_id(identifier)) | fhir.logical(codes.MEETING, identifier)
    return {"contentReference": reference}


def meeting_id(identifier: str) -> str:
    """Id of the HealthcareService that a meeting of a feed (`feed|slug`) is read as."""
    return name_id(NAMESPACE_URL, f"{codes.MEETING}|{identifier}")


class ReferralEvent(Event, frozen=True, kw_only=True):
    """A referral to one partner (its name in partners.toml), tracked by a Task. `attempt` counts from 1."""

    referral_id: str
    task_id: str
    partner: str
    kind: str
    purpose: str
    attempt: int
    asked_at: datetime
    at: datetime
    asked_by: str = ""
    send_again_reason: str = ""
    """Why a person has it sent although the partner may have one already: one of SEND_AGAIN_REASONS."""
    status: ClassVar[str]
    request_status: ClassVar[str] = "active"
    business_status: ClassVar[str]

    def write(self, patient: str) -> list[Resource]:
        return [self._task(patient), self._request(patient)]

    @property
    def standing(self) -> tuple[str, str, str]:
        """Status and business status of the Task, and the status of the ServiceRequest."""
        return self.status, self.business_status, self.request_status

    def _task(self, patient: str) -> fhir.Element:
        status, business_status, _ = self.standing
        return {
            "resourceType": "Task",
            "id": self.task_id,
            "status": status,
            "businessStatus": fhir.concept(codes.TASK, business_status),
            "intent": "order",
            "code": fhir.concept(codes.TASK, "referral"),
            "focus": fhir.reference("ServiceRequest", self.referral_id),
            "for": fhir.reference("Patient", patient),
            "authoredOn": self.asked_at,
            "lastModified": self.at,
            "owner": fhir.logical(codes.PARTNER, self.partner),
            "input": [{"type": fhir.concept(codes.INPUT, "attempt"), "valueInteger": self.attempt}],
        }

    @property
    def partner_may_have_it(self) -> bool:
        """Whether a byte of it may have reached the partner."""
        return False

    def _request(self, patient: str) -> fhir.Element:
        reasons = [fhir.concept(codes.PURPOSE, self.purpose)]
        if self.send_again_reason:
            reasons.append(fhir.concept(codes.REASON, self.send_again_reason))
        asked_by = {"requester": fhir.logical(codes.STAFF, self.asked_by)} if self.asked_by else {}
        return asked_by | {
            "resourceType": "ServiceRequest",
            "id": self.referral_id,
            "status": self.standing[2],
            "intent": "order",
            "code": fhir.concept(codes.TASK, self.kind),
            "subject": fhir.reference("Patient", patient),
            "authoredOn": self.asked_at,
            "performer": [fhir.logical(codes.PARTNER, self.partner)],
            "reasonCode": reasons,
        }


class ReferralPrepared(ReferralEvent, frozen=True, kw_only=True):
    """Ready to go; the consent gate decides at release."""

    status: ClassVar[str] = "draft"
    business_status: ClassVar[str] = "prepared"

    @property
    def focus(self) -> str:
        """The resource that is disclosed."""
        return f"ServiceRequest/{self.referral_id}"

    @property
    def ended_by(self) -> EndedBy:
        return EndedBy("ServiceRequest", self.referral_id, {"revoked": "referral-withdrawn"})


class ReferralSent(ReferralEvent, frozen=True, kw_only=True):
    """The partner has it. `consent_id` is the consent that permitted it; None inside the program."""

    status: ClassVar[str] = "requested"
    business_status: ClassVar[str] = "sent"
    consent_id: str | None
    answer_by: datetime | None = None
    """By when the partner has to have answered; then the case manager is asked."""

    @property
    def partner_may_have_it(self) -> bool:
        return True

    def write(self, patient: str) -> list[Resource]:
        task = self._task(patient)
        _by_consent(task, self.consent_id)
        if self.answer_by is not None:
            task["restriction"] = {"period": fhir.period(None, self.answer_by)}
        return [task, self._request(patient)]


def _by_consent(task: fhir.Element, consent_id: str | None) -> None:
    if consent_id is not None:
        consent = fhir.reference("Consent", consent_id)
        task["input"].append({"type": fhir.concept(codes.INPUT, "consent"), "valueReference": consent})


class PartnerAnswered(ReferralEvent, frozen=True, kw_only=True):
    """The partner says how far its referral is, by `step` (ANSWER_STEPS) and, of one that it declines, by `reason`
    (DECLINE_REASONS). `answered_at` is when it said so; `appointment_at` the time it gave the patient; `client` that of
    the partner which said so, or its link. Where the program writes down what it said, by telephone say, `by` is who of
    the staff did, and `client` theirs."""

    consent_id: str | None
    step: AnswerStep
    answered_at: datetime
    appointment_at: datetime | None = None
    reason: str = ""
    client: str = ""
    by: str = ""

    @property
    def partner_may_have_it(self) -> bool:
        return True

    @property
    def standing(self) -> tuple[str, str, str]:
        status, request_status = ANSWER_STEPS[self.step]
        return status, self.step, request_status

    def write(self, patient: str) -> list[Resource]:
        task = self._task(patient) | {"lastModified": self.answered_at}
        _by_consent(task, self.consent_id)
        if self.reason:
            task["statusReason"] = fhir.concept(codes.REASON, self.reason)
        if self.appointment_at is not None:
            kind = fhir.concept(codes.INPUT, "appointment")
            task["output"] = [{"type": kind, "valueDateTime": self.appointment_at}]
        identity = name_id(self.task_id, f"answer:{self.step}:{self.answered_at.isoformat()}")
        target = fhir.reference("Task", self.task_id)
        provenance = fhir.provenance(identity, target, self.at, self.by or None, self.client)
        if self.by:
            informant = {"type": fhir.concept(codes.PROVENANCE, "informant"), "who": task["owner"]}
            provenance["agent"].append(informant)
        return [task, self._request(patient), provenance]


ANSWER_STEPS: dict[AnswerStep, tuple[str, str]] = {
    "received": ("received", "active"),
    "accepted": ("accepted", "active"),
    "scheduled": ("in-progress", "active"),
    "unattended": ("in-progress", "active"),
    "attended": ("in-progress", "active"),
    "declined": ("rejected", "revoked"),
    "completed": ("completed", "completed"),
}
"""With the status that the Task and the ServiceRequest then have."""


class ReferralWithheld(ReferralEvent, frozen=True, kw_only=True):
    """On hold: no living consent permits it, the Patient lacks what the partner requires, another of its kind is asked
    first, or the partner may have it already.

    The case manager has the Task, unless the patient has said no. At `until` the hub tries again: a consent begins, or
    an earlier send that may have been received lies far enough behind.
    """

    status: ClassVar[str] = "on-hold"
    request_status: ClassVar[str] = "on-hold"
    business_status: ClassVar[str] = "withheld"
    reason: str
    until: datetime | None = None
    may_have_been_received: bool = False
    hold_ends_at: datetime | None = None
    """When the hub stops waiting for a consent, or for what the Patient lacks."""
    answer_by: datetime | None = None
    """By when the case manager has to have answered; then it is escalated, once."""

    @property
    def partner_may_have_it(self) -> bool:
        return self.may_have_been_received

    def write(self, patient: str) -> list[Resource]:
        task = self._task(patient) | {
            "statusReason": fhir.concept(codes.DISCLOSURE, self.reason),
        }
        if self.reason not in ASKS_NOBODY:
            task["requester"] = fhir.logical(codes.ROLE, "case-manager")
        if self.may_have_been_received:
            task["statusReason"]["text"] = "May have been received."
            task["input"].append({"type": fhir.concept(codes.INPUT, "may-have-been-received"), "valueBoolean": True})
        if (bounds := fhir.period(self.until, self.hold_ends_at)) != {}:
            task["restriction"] = {"period": bounds}
        return [task, self._request(patient)]


class ReferralRefused(ReferralWithheld, frozen=True, kw_only=True):
    """The partner refused it for good, or the hub gave up after its last try; a person follows up."""

    status: ClassVar[str] = "failed"
    request_status: ClassVar[str] = "revoked"
    business_status: ClassVar[str] = "refused"

    @property
    def partner_may_have_it(self) -> bool:
        """A partner that said no has read it."""
        return self.may_have_been_received or self.reason != GAVE_UP


class ReferralWithdrawn(ReferralWithheld, frozen=True, kw_only=True):
    """The hub takes it back before the partner had it: the patient is in care again, or has died."""

    status: ClassVar[str] = "cancelled"
    request_status: ClassVar[str] = "revoked"
    business_status: ClassVar[str] = "withdrawn"


CASE_MANAGER = "case-manager"
"""Who follows up."""
ContactKind = Literal["follow-up", "re-engagement"]
FOLLOW_UP: Final = "follow-up"
RE_ENGAGEMENT: Final = "re-engagement"
"""A contact of the plan after a discharge; one by which a patient who left, or was not reached, is asked back."""


class FollowUpFellDue(Event, frozen=True, kw_only=True):
    """It is time to reach out to the patient; `act_by` is the last day that still counts as on time. `kind` is
    FOLLOW_UP or RE_ENGAGEMENT."""

    follow_up_id: str
    plan_id: str
    number: int
    due_at: datetime
    act_by: datetime
    engaged_days: int | None = None
    """Days in care up to the discharge, as intake counted them: 90 are the least that is hoped for (domain 1.1)."""
    assigned: str = ""
    """Who of the patient's team is the case manager, by their id in the program's staff, where that is known."""
    kind: ContactKind = FOLLOW_UP
    episode_id: str = ""
    """The stay that is over, of a contact of no plan."""

    def write(self, patient: str) -> list[Resource]:
        return [_follow_up(self, "requested", patient)]


class FollowUpCompleted(Event, frozen=True, kw_only=True):
    """Nothing more to do for this contact. `outcome` is what came of it: `reached` or `not-reached` by a person, else
    why nobody needs to any more (`readmitted`, `episode-discharged`, `discharge-corrected`, `death-reported`,
    `overtaken` by a later one that is due too, `re-engaged` by another one that reached them, `re-engagement-over`),
    and then its Task is cancelled, not done. `answers` are what the patient said, `made_at` when they were called,
    where that was stated. One that `corrects` what was reported stands in its place."""

    follow_up_id: str
    plan_id: str
    due_at: datetime
    act_by: datetime
    by: str
    completed_at: datetime
    outcome: str = "reached"
    client: str = ""
    engaged_days: int | None = None
    assigned: str = ""
    kind: ContactKind = FOLLOW_UP
    episode_id: str = ""
    answers: tuple[Answer, ...] = ()
    made_at: datetime | None = None
    corrects: bool = False

    def write(self, patient: str) -> list[Resource]:
        status = "completed" if self.outcome in BY_A_PERSON else "cancelled"
        task = _follow_up(self, status, patient) | {
            "statusReason": fhir.concept(codes.REASON, self.outcome),
            "lastModified": self.completed_at,
        }
        if self.made_at is not None:
            task["executionPeriod"] = {"end": self.made_at}
        if self.answers:
            task["output"] = outputs(self.answers)
        if status == "cancelled":
            return [task]
        act = f"corrected:{self.completed_at}" if self.corrects else "completed"
        identity, target = name_id(self.follow_up_id, act), fhir.reference("Task", self.follow_up_id)
        return [task, fhir.provenance(identity, target, self.completed_at, self.by, self.client)]


def _inputs(of: FollowUpFellDue | FollowUpCompleted) -> list[fhir.Element]:
    """What is said to the patient, and the days that they were in care, where these are known."""
    script = {"type": fhir.concept(codes.INPUT, "outreach-script"), "valueCanonical": script_url(of.kind)}
    if of.engaged_days is None:
        return [script]
    return [script, {"type": fhir.concept(codes.INPUT, "engaged-days"), "valueInteger": of.engaged_days}]


def _follow_up(of: FollowUpFellDue | FollowUpCompleted, status: str, patient: str) -> fhir.Element:
    return {
        "resourceType": "Task",
        "id": of.follow_up_id,
        "status": status,
        "intent": "plan",
        "code": fhir.concept(codes.TASK, of.kind),
        "focus": fhir.reference("EpisodeOfCare", of.episode_id)
        if of.episode_id
        else fhir.reference("CarePlan", of.plan_id),
        "for": fhir.reference("Patient", patient),
        "authoredOn": of.due_at,
        **fhir.asked_of(CASE_MANAGER, assigned=of.assigned),
        "restriction": {"period": {"start": of.due_at, "end": of.act_by}},
        "input": _inputs(of),
    }

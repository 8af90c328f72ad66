"""From referral to signature: what was referred, what the rules recommend, what a clinician signs or looks at again."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.explanation import Explanation, Need, explained, extension, part
from shared.events.intake.signature import Signature

Priority = Literal["routine", "urgent", "asap", "stat"]
LICENSED = "licensed-clinician"
"""The role that signs a placement and decides a referral (domain, head, and 2.8 R0)."""
ADMIT_BY, INTERIM, REFER_TO_STATE = "admit-by", "interim-services", "refer-to-state"
"""Why somebody is asked to have a patient admitted in time, to give them interim services, or to ask the State for a
place: as a block grant has it."""
FOLLOW_UP = "follow-up"
"""Why somebody is asked to see a patient whose care elsewhere ended."""
CONTACT = "contact"
"""Why somebody is asked to get in touch with a patient who waits for a seat."""
CONFIRM_NEEDS = "confirm-needs"
"""Why a licensed clinician is asked whether the needs are still true, before a stay begins."""
NEXT_STAGE = "advance-stage"
"""Why a therapist is asked in which stage the stay goes on: the weeks of the present one are over."""
LAST_STAGE = "last-stage"
"""Why a clinician is asked about the level: no stage of it follows."""


class ReferralReceived(Event, frozen=True, kw_only=True):
    referral_id: str
    task_id: str
    authored_at: datetime
    priority: Priority = "routine"
    level: str = ""
    """The level of care that it asks for, where it says so."""

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        asked = {"orderDetail": [fhir.concept(codes.LEVEL, self.level)]} if self.level else {}
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.referral_id,
                "status": "active",
                "intent": "order",
                "priority": self.priority,
                **asked,
                "subject": subject,
                "authoredOn": self.authored_at,
            },
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": "received",
                "intent": "order",
                "code": fhir.concept(codes.TASK, "referral"),
                "focus": fhir.reference("ServiceRequest", self.referral_id),
                "for": subject,
                "authoredOn": self.authored_at,
            },
        ]


class ReferralConcluded(Event, frozen=True, kw_only=True):
    """A referral that needs no placement any more, by what became of it (`outcome`): `referral-revoked`,
    `referral-in-error` (the sender takes it back), `patient-died`, `too-many-referrals` (set active again it is
    received anew), `superseded` (an older release looked at newer ones only), `referral-declined`, `joined-stay` (the
    patient is in the stay that it asks for), `patient-declined` or `not-available` (its stay was planned, and does not
    begin), or `looked-at` by a person beside the placement of another one."""

    referral_id: str
    task_id: str
    outcome: str
    concluded_at: datetime

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        request, task = _CONCLUDED.get(self.outcome, ("completed", "completed"))
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.referral_id,
                "status": request,
                "intent": "order",
                "subject": subject,
            },
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": task,
                "statusReason": fhir.concept(codes.REASON, self.outcome),
                "intent": "order",
                "code": fhir.concept(codes.TASK, "referral"),
                "focus": fhir.reference("ServiceRequest", self.referral_id),
                "for": subject,
                "lastModified": self.concluded_at,
            },
        ]


_CONCLUDED = {
    "referral-revoked": ("revoked", "cancelled"),
    "referral-in-error": ("entered-in-error", "cancelled"),
    "patient-died": ("revoked", "cancelled"),
    "superseded": ("revoked", "cancelled"),
    "referral-declined": ("completed", "rejected"),
    "too-many-referrals": ("on-hold", "rejected"),
    "patient-declined": ("revoked", "cancelled"),
    "not-available": ("completed", "rejected"),
}
"""How a referral and its Task end, by the outcome; any other completes both."""
ReferralState = Literal[
    "received",
    "in-review",
    "recommended",
    "wait-listed",
    "planned",
    "admitted",
    "declined",
    "withdrawn",
    "closed",
]
"""Where a referral stands: it waits its turn; a person looks, for the rules can't place the patient; a level is
recommended and waits for its signature; the level is signed, and the patient waits for a seat, or for the start that is
planned; the patient is in a stay; the program can't take it; nobody asks for it any
more; a person has looked and nothing more is needed for it."""
REFERRAL_REASONS: dict[str, ReferralState] = {
    "second-referral": "received",
    "death-reported": "received",
    "needs-missing": "in-review",
    "level-recommended": "recommended",
    "seat-awaited": "wait-listed",
    "start-planned": "planned",
    "needs-unconfirmed": "planned",
    "placement-signed": "admitted",
    "joined-stay": "admitted",
    "another-level-needed": "declined",
    "referral-declined": "declined",
    "too-many-referrals": "declined",
    "referral-revoked": "withdrawn",
    "referral-in-error": "withdrawn",
    "patient-died": "withdrawn",
    "patient-declined": "withdrawn",
    "not-available": "declined",
    "looked-at": "closed",
}
"""Why a referral stands where it does (REASON, in `Task.statusReason`), and where that is."""
_OPEN = {
    "received": "received",
    "in-review": "accepted",
    "recommended": "in-progress",
    "wait-listed": "accepted",
    "planned": "accepted",
}
_ENDED: dict[str, tuple[str, str]] = {
    "admitted": ("completed", "completed"),
    "declined": ("completed", "rejected"),
    "withdrawn": ("revoked", "cancelled"),
    "closed": ("completed", "completed"),
}
"""The statuses of the ServiceRequest and of the Task, where the reason has none of its own."""


ANSWER = frozenset(
    {
        "status",
        "statusReason",
        "businessStatus",
        "code",
        "focus",
        "for",
        "lastModified",
        "owner",
        "performerType",
        "restriction",
        "output",
    }
)
"""Of the Task that tracks a referral what only the hub says; the rest is its sender's."""


class ReferralOffer(msgspec.Struct, frozen=True, array_like=True):
    """An organization outside the program that offers the level needed: its identifier and kind in partners.toml."""

    partner: str
    kind: str


class ReferralAnswered(Event, frozen=True, kw_only=True):
    """Where a referral stands now, by its `reason`: after each step that changes it. An open one names whose turn it is
    and by when (`act_by`; unknown of what an older release asked). A declined one says the `level` needed, every rule,
    and who offers it: for the program's own clients, nothing is disclosed by it."""

    referral_id: str
    task_id: str
    reason: str
    priority: Priority
    answered_at: datetime
    owner: str = ""
    act_by: datetime | None = None
    episode_id: str = ""
    level: str = ""
    rules: tuple[str, ...] = ()
    offers: tuple[ReferralOffer, ...] = ()

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})
    stands: ClassVar[Mapping[str, frozenset[str]]] = {
        "ServiceRequest": frozenset({"status", "_status"}),
        "Task": ANSWER,
    }

    def write(self, patient: str) -> list[Resource]:
        subject, (request, task) = fhir.reference("Patient", patient), self._statuses()
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.referral_id,
                "status": request,
                "_status": {"extension": [self._answer()]},
                "intent": "order",
                "priority": self.priority,
                "subject": subject,
            },
            fhir.without_nothing(
                {
                    "resourceType": "Task",
                    "id": self.task_id,
                    "status": task,
                    "statusReason": fhir.concept(codes.REASON, self.reason),
                    "businessStatus": fhir.concept(codes.REFERRAL, self.state),
                    "intent": "order",
                    "code": fhir.concept(codes.TASK, "referral"),
                    "focus": fhir.reference("ServiceRequest", self.referral_id),
                    "for": subject,
                    "lastModified": self.answered_at,
                    **(fhir.asked_of(self.owner) if self.owner else {}),
                    "restriction": {"period": {"end": self.act_by}} if self.act_by else None,
                    "output": self._outputs(),
                }
            ),
        ]

    @property
    def state(self) -> ReferralState:
        return REFERRAL_REASONS[self.reason]

    def _statuses(self) -> tuple[str, str]:
        if self.state in _OPEN:
            return "active", _OPEN[self.state]
        return _CONCLUDED.get(self.reason, _ENDED[self.state])

    def _answer(self) -> fhir.Element:
        """For whoever reads the ServiceRequest alone: where the referral stands, why, since when, by when something has
        to be done about it, the stay that came of it, and the Task that says whose turn it is."""
        stay = fhir.reference("EpisodeOfCare", self.episode_id) if self.episode_id else None
        return extension(
            "referral-answer",
            part("state", "Coding", fhir.coding(codes.REFERRAL, self.state)),
            part("reason", "Coding", fhir.coding(codes.REASON, self.reason)),
            part("at", "DateTime", self.answered_at),
            part("by", "DateTime", self.act_by),
            part("episode", "Reference", stay),
            part("task", "Reference", fhir.reference("Task", self.task_id)),
        )

    def _outputs(self) -> list[fhir.Element]:
        level = [fhir.concept(codes.LEVEL, self.level)] if self.level else []
        stay = [fhir.reference("EpisodeOfCare", self.episode_id)] if self.episode_id else []
        return [
            *(_input("episode", "valueReference", each) for each in stay),
            *(_input("level", "valueCodeableConcept", each) for each in level),
            *(_input("rule", "valueCodeableConcept", fhir.concept(codes.RULE, each)) for each in self.rules),
            *(_offered_by(each) for each in self.offers),
        ]


def _offered_by(offer: ReferralOffer) -> fhir.Element:
    kind = [fhir.coding(codes.INPUT, "offered-by"), fhir.coding(codes.PARTNER_KIND, offer.kind)]
    partner = {"type": "Organization", **fhir.logical(codes.PARTNER, offer.partner)}
    return {"type": {"coding": kind}, "valueReference": partner}


class Recommendation(msgspec.Struct, frozen=True, array_like=True):
    """What the rules recommend for a referral, with every rule that fired, not only the decisive one. Whole in every
    event about it, for each writes its whole resources.

    `table`, `recommended_at` and `sign_by` are unknown of one that an older release made.
    """

    recommendation_id: str
    task_id: str
    referral_id: str
    level: str
    rules: tuple[str, ...]
    conditions: tuple[str, ...]
    table: str | None
    needs: tuple[Need, ...]
    track: str | None
    recommended_at: datetime | None
    sign_by: datetime | None
    expires_at: datetime | None = None
    """From when its needs are too old to place by."""
    explanation: Explanation = Explanation()
    episode_id: str = ""
    """The stay that is placed again; empty of a referral that waits."""

    def request(self, status: str, patient: str) -> Resource:
        """The level, as it is proposed, and why: read alone it says by which rules, and on what."""
        why, stay = self.explanation, [f"EpisodeOfCare/{self.episode_id}"] if self.episode_id else []
        return fhir.without_nothing(
            {
                "resourceType": "ServiceRequest",
                "id": self.recommendation_id,
                "extension": why.of_request(),
                "instantiatesCanonical": [f"{codes.RULE_TABLE}|{self.table}"] if self.table else None,
                "basedOn": [fhir.reference("ServiceRequest", self.referral_id)] if self.referral_id else [],
                "replaces": why.replaces(),
                "status": status,
                "intent": "proposal",
                "code": explained(fhir.concept(codes.LEVEL, self.level), why.of_level()),
                "orderDetail": [
                    *(
                        explained(fhir.concept(codes.CONDITION, each), why.of_condition(each))
                        for each in self.conditions
                    ),
                    *([explained(fhir.concept(codes.TRACK, self.track), why.of_track())] if self.track else []),
                ],
                "subject": fhir.reference("Patient", patient),
                "occurrencePeriod": fhir.period(None, self.expires_at),
                "authoredOn": self.recommended_at,
                "reasonCode": [explained(fhir.concept(codes.RULE, each), why.of_rule(each)) for each in self.rules],
                "supportingInfo": [
                    *(fhir.reference("Observation", self._observation_id(each)) for each in self.needs),
                    *({"reference": each, "type": each.partition("/")[0]} for each in (*why.resources(), *stay)),
                ],
            }
        )

    def observations(self, patient: str) -> list[Resource]:
        """The needs it rests on."""
        return [
            fhir.without_nothing(
                {
                    "resourceType": "Observation",
                    "id": self._observation_id(each),
                    "status": "final",
                    "code": fhir.concept(codes.NEED, each.dimension),
                    "subject": fhir.reference("Patient", patient),
                    "effectiveDateTime": self.recommended_at,
                    "valueCodeableConcept": fhir.concept(codes.LEVEL, each.level),
                }
            )
            for each in self.needs
        ]

    def _observation_id(self, need: Need) -> str:
        return name_id(self.recommendation_id, need.dimension)

    def task(self, status: str, patient: str) -> Resource:
        """To sign it, owned by whoever is a licensed clinician."""
        return _sign_task(self.task_id, self.recommendation_id, status, patient, self.recommended_at, self.sign_by)


class LevelOfCareRecommended(Event, frozen=True, kw_only=True):
    """A licensed clinician signs it; the hub never does."""

    recommendation: Recommendation

    def write(self, patient: str) -> list[Resource]:
        recommended = self.recommendation
        request, task = recommended.request("active", patient), recommended.task("requested", patient)
        return [request, *recommended.observations(patient), task]


class RecommendationWithdrawn(Event, frozen=True, kw_only=True):
    """What was recommended no longer holds and can't be signed; `reason` names what changed."""

    recommendation: Recommendation
    reason: str
    withdrawn_at: datetime

    def write(self, patient: str) -> list[Resource]:
        ended = {"statusReason": fhir.concept(codes.REASON, self.reason), "lastModified": self.withdrawn_at}
        task = self.recommendation.task("cancelled", patient)
        return [self.recommendation.request("revoked", patient), task | ended]


class PlacementSigned(Event, frozen=True, kw_only=True):
    """A clinician's signature under a recommendation, or without one (manual review) under the referral itself: the
    Task, the ServiceRequest that is signed, who did it, and nothing later replaces any of it; the referral has it until
    it is signed anew."""

    task_id: str
    referral_id: str
    signature: Signature
    client: str = ""
    recommended_at: datetime | None = None
    sign_by: datetime | None = None
    """Of the recommendation, where there was one."""
    of_referral: bool = False
    """Whether there was none."""
    episode_id: str = ""
    """The stay whose level it is, where one is open: then the signature without a recommendation stands in its Task
    alone, for the referral has the one by which the stay began and is not written."""

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest"})
    stands: ClassVar[Mapping[str, frozenset[str]]] = {"ServiceRequest": frozenset({"relevantHistory"})}

    def write(self, patient: str) -> list[Resource]:
        signature, signed = self.signature, self.signature.request_id
        task = _sign_task(self.task_id, signed, "completed", patient, self.recommended_at, self.sign_by)
        done = fhir.reference("Provenance", name_id(self.task_id, "completed"))
        episode = fhir.reference("EpisodeOfCare", self.episode_id or name_id(self.referral_id, "episode"))
        why = {"relevantHistory": [explained(done, [signature.of_request(episode)])]}
        return [
            task | signature.of_task(),
            signature.provenance(_done_by(self.task_id, signature.at, signature.signed_by, self.client)),
            *([] if self.of_referral else [self._request(patient, signed, "completed", "proposal") | why]),
            signature.audited(self.task_id, patient, self.client),
            *([] if self.episode_id else [self._request(patient, self.referral_id, "active", "order") | why]),
        ]

    def _request(self, patient: str, id: str, status: str, intent: str) -> Resource:
        """What was recommended, or the referral: who reads either alone learns who signed which level."""
        return {
            "resourceType": "ServiceRequest",
            "id": id,
            "status": status,
            "intent": intent,
            "subject": fhir.reference("Patient", patient),
        }


WEEKLY = "weekly-review"
"""Why the therapist of a stay is asked each week."""
REVIEW_MISSED = "review-missed"
"""Why such a review is asked no more: its time was over."""
READ_PLAN = "read-plan"
"""Why somebody is asked to read what an EHR planned: a person, a role, a goal or an activity is none that is known."""


RECERTIFY = "recertify"
"""Why a licensed clinician is asked whether the stay is still needed, as often as who pays asks for it."""
READ_COVERAGE = "read-coverage"
"""Why somebody is asked whose a Coverage is: no code of it is one payer's of the program's table."""


class Unread(msgspec.Struct, frozen=True, array_like=True):
    """What nobody could read, or has no room: why, by code; the resource (Type/id), and the place within it."""

    why: str
    resource: str
    place: str


SELECT_LEVEL = "select-level"
"""Why a licensed clinician is asked for the level of a stay that steps."""
PREPARES_DISCHARGE = ("step-up", "step-down", "discharge")
"""Why a discharge is prepared: to a level that the program doesn't give, or as a clinician found it right."""


class Review(msgspec.Struct, frozen=True, array_like=True):
    """What a person looks at again: data were missing (R0), signals met (domain 5.3), answers by which a rule fired
    are old, to be confirmed (domain 2.7), care elsewhere ended (FOLLOW_UP), a stay has not begun (CONTACT,
    CONFIRM_NEEDS), a stage has lasted its weeks (NEXT_STAGE, LAST_STAGE), a stay steps (SELECT_LEVEL), or a discharge
    is prepared (PREPARES_DISCHARGE) to a `level`, of which it says who `offers` it. Whole in every event about it, for
    each writes its whole Task.

    `focus`, `requested_at` and `act_by` are unknown of one that was asked for by an older release.
    """

    id: str
    reason: str
    focus: str | None
    requested_at: datetime | None
    act_by: datetime | None
    missing: tuple[str, ...] = ()
    confirm: tuple[str, ...] = ()
    escalations: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    level: str = ""
    offers: tuple[ReferralOffer, ...] = ()

    def task(self, status: str, patient: str, changed_at: datetime | None, assigned: str = "") -> Resource:
        """Its Task, owned by the role that may complete it."""
        return fhir.without_nothing(
            {
                "resourceType": "Task",
                "id": self.id,
                "status": status,
                "intent": "proposal",
                "code": fhir.concept(codes.TASK, self._named),
                "focus": {"reference": self.focus} if self.focus else None,
                "for": fhir.reference("Patient", patient),
                "authoredOn": self.requested_at,
                "lastModified": changed_at,
                **fhir.asked_of(self.owner, assigned=assigned),
                "reasonCode": fhir.concept(codes.REASON if self.prepares_discharge else codes.RULE, self.reason),
                "restriction": {"period": {"end": self.act_by}} if self.act_by else None,
                "input": self._inputs(),
            }
        )

    @property
    def owner(self) -> str:
        if self.is_of_anybody:
            return "case-manager"
        if self.reason in (NEXT_STAGE, WEEKLY):
            return "primary-therapist"
        licensed = (
            self.decides_referral or self.prepares_discharge or self.reason in (CONFIRM_NEEDS, SELECT_LEVEL, RECERTIFY)
        )
        return LICENSED if licensed else "clinician"

    @property
    def prepares_discharge(self) -> bool:
        """Whether the discharge itself completes it."""
        return self.reason in PREPARES_DISCHARGE

    @property
    def decides_referral(self) -> bool:
        """Whether its answer decides what becomes of a referral that the rules don't place."""
        return self.reason in ("R0", "second-referral")

    @property
    def follows_up(self) -> bool:
        """Whether somebody is asked to see or call the patient, rather than to look at the placement."""
        return self.reason in (FOLLOW_UP, CONTACT)

    @property
    def is_of_anybody(self) -> bool:
        """Whether it is about no placement, and anybody of the staff completes it."""
        return self.follows_up or self.reason in (READ_PLAN, READ_COVERAGE, ADMIT_BY, INTERIM, REFER_TO_STATE)

    @property
    def _named(self) -> str:
        """What its Task is called."""
        if self.prepares_discharge:
            return "prepare-discharge"
        called_so = self.is_of_anybody or self.reason in (CONFIRM_NEEDS, NEXT_STAGE, WEEKLY, RECERTIFY)
        return self.reason if called_so else "review-placement"

    def _inputs(self) -> list[fhir.Element]:
        return [
            *(_input("missing", "valueCodeableConcept", fhir.concept(codes.NEED, each)) for each in self.missing),
            *(_input("confirm", "valueCodeableConcept", fhir.concept(codes.FACT, each)) for each in self.confirm),
            *(_input("escalation", "valueReference", fhir.reference("Task", each)) for each in self.escalations),
            *([_input("level", "valueCodeableConcept", fhir.concept(codes.LEVEL, self.level))] if self.level else []),
            *(_offered_by(each) for each in self.offers),
            *(_place_of(each) for each in self.unread),
        ]


def _place_of(unread: Unread) -> fhir.Element:
    why = [fhir.coding(codes.INPUT, "unread"), fhir.coding(codes.REASON, unread.why)]
    return {"type": {"coding": why}, "valueString": f"{unread.resource}: {unread.place}"}


def _input(code: str, kind: str, value: fhir.Element) -> fhir.Element:
    return {"type": fhir.concept(codes.INPUT, code), kind: value}


class PlacementReviewRequested(Event, frozen=True, kw_only=True):
    """A person is asked to look again at the placement. No automatic step."""

    review: Review
    again: bool = False
    """Whether a person asked for more information, with a new due time."""
    assigned: str = ""
    """Who of the patient's team has the role that owns it, by their id in the program's staff, where that is known."""

    def write(self, patient: str) -> list[Resource]:
        return [self.review.task("requested", patient, self.review.requested_at, self.assigned)]


class PlacementReviewWithdrawn(Event, frozen=True, kw_only=True):
    review: Review
    reason: str
    withdrawn_at: datetime
    assigned: str = ""

    def write(self, patient: str) -> list[Resource]:
        task = self.review.task("cancelled", patient, self.withdrawn_at, self.assigned)
        return [task | {"statusReason": fhir.concept(codes.REASON, self.reason)}]


class PlacementReviewCompleted(Event, frozen=True, kw_only=True):
    review: Review
    by: str
    completed_at: datetime
    client: str = ""
    answer: str = ""
    """What the person finds right, where they name it: of a referral its outcome, of a stay whether it goes on, steps
    or ends; of a prepared discharge, which names no person (`by`), the disposition."""
    stage: str = ""
    """In which stage the stay goes on, where a therapist was asked that."""
    services: tuple[str, ...] = ()
    """Which interim services were given, where somebody was asked for them."""

    def write(self, patient: str) -> list[Resource]:
        task = self.review.task("completed", patient, self.completed_at)
        if self.by:
            task["owner"] = fhir.staff(self.by)
        if self.answer:
            task["statusReason"] = fhir.concept(codes.REASON, self.answer)
        if self.stage:
            task["output"] = [_input("stage", "valueCodeableConcept", fhir.concept(codes.STAGE, self.stage))]
        if self.services:
            given = (fhir.concept(codes.INTERIM, each) for each in self.services)
            task["output"] = [_input("interim-service", "valueCodeableConcept", each) for each in given]
        return [task, _done_by(self.review.id, self.completed_at, self.by, self.client)]


def _sign_task(
    task_id: str,
    recommendation_id: str,
    status: str,
    patient: str,
    recommended_at: datetime | None,
    sign_by: datetime | None,
) -> Resource:
    return fhir.without_nothing(
        {
            "resourceType": "Task",
            "id": task_id,
            "status": status,
            "intent": "order",
            "code": fhir.concept(codes.TASK, "sign-placement"),
            "focus": fhir.reference("ServiceRequest", recommendation_id),
            "for": fhir.reference("Patient", patient),
            "authoredOn": recommended_at,
            **fhir.asked_of(LICENSED),
            "restriction": {"period": {"end": sign_by}} if sign_by else None,
        }
    )


def _done_by(task_id: str, at: datetime, by: str, client: str) -> Resource:
    return fhir.provenance(name_id(task_id, "completed"), fhir.reference("Task", task_id), at, by or None, client)

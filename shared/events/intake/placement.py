"""From referral to signature: what was referred, what the rules recommend, what a clinician signs or looks at again."""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id

Priority = Literal["routine", "urgent", "asap", "stat"]


class ReferralReceived(Event, frozen=True, kw_only=True):
    referral_id: str
    task_id: str
    authored_at: datetime
    priority: Priority = "routine"

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.referral_id,
                "status": "active",
                "intent": "order",
                "priority": self.priority,
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


class Need(msgspec.Struct, frozen=True, array_like=True):
    """The least intensive level that safely meets one dimension's need; codes of the hub's 4th-edition systems."""

    dimension: str
    level: str


class LevelOfCareRecommended(Event, frozen=True, kw_only=True):
    """A recommendation with every rule that fired, not only the decisive one. A clinician signs; the hub never does."""

    recommendation_id: str
    task_id: str
    referral_id: str
    level: str
    rules: tuple[str, ...]
    conditions: tuple[str, ...]
    table: str
    needs: tuple[Need, ...]
    track: str | None
    recommended_at: datetime
    sign_by: datetime
    expires_at: datetime | None = None
    """From when its needs are too old to place by."""

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        observations = [self._observation(need, subject) for need in self.needs]
        request: Resource = fhir.without_nothing(
            {
                "resourceType": "ServiceRequest",
                "id": self.recommendation_id,
                "instantiatesCanonical": [f"{codes.RULE_TABLE}|{self.table}"],
                "basedOn": [fhir.reference("ServiceRequest", self.referral_id)],
                "status": "active",
                "intent": "proposal",
                "code": fhir.concept(codes.LEVEL, self.level),
                "orderDetail": [
                    *(fhir.concept(codes.CONDITION, each) for each in self.conditions),
                    *([fhir.concept(codes.TRACK, self.track)] if self.track else []),
                ],
                "subject": subject,
                "occurrencePeriod": fhir.period(None, self.expires_at),
                "authoredOn": self.recommended_at,
                "reasonCode": [fhir.concept(codes.RULE, each) for each in self.rules],
                "supportingInfo": [{"reference": f"Observation/{each['id']}"} for each in observations],
            }
        )
        return [request, *observations, self._task(subject)]

    def _observation(self, need: Need, subject: fhir.Element) -> Resource:
        return {
            "resourceType": "Observation",
            "id": name_id(self.recommendation_id, need.dimension),
            "status": "final",
            "code": fhir.concept(codes.NEED, need.dimension),
            "subject": subject,
            "effectiveDateTime": self.recommended_at,
            "valueCodeableConcept": fhir.concept(codes.LEVEL, need.level),
        }

    def _task(self, subject: fhir.Element) -> Resource:
        return {
            "resourceType": "Task",
            "id": self.task_id,
            "status": "requested",
            "intent": "order",
            "code": fhir.concept(codes.TASK, "sign-placement"),
            "focus": fhir.reference("ServiceRequest", self.recommendation_id),
            "for": subject,
            "authoredOn": self.recommended_at,
            "owner": fhir.logical(codes.ROLE, "clinician"),
            "restriction": {"period": {"end": self.sign_by}},
        }


class RecommendationWithdrawn(Event, frozen=True, kw_only=True):
    """What was recommended no longer holds and can't be signed; `reason` names what changed."""

    recommendation_id: str
    task_id: str
    referral_id: str
    level: str
    reason: str
    withdrawn_at: datetime

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            {
                "resourceType": "ServiceRequest",
                "id": self.recommendation_id,
                "basedOn": [fhir.reference("ServiceRequest", self.referral_id)],
                "status": "revoked",
                "intent": "proposal",
                "code": fhir.concept(codes.LEVEL, self.level),
                "subject": subject,
            },
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": "cancelled",
                "statusReason": fhir.concept(codes.REASON, self.reason),
                "intent": "order",
                "code": fhir.concept(codes.TASK, "sign-placement"),
                "focus": fhir.reference("ServiceRequest", self.recommendation_id),
                "for": subject,
                "lastModified": self.withdrawn_at,
            },
        ]


class PlacementSigned(Event, frozen=True, kw_only=True):
    """A clinician's signature: the level selected, and why where it differs from the recommended one."""

    task_id: str
    recommendation_id: str
    level: str
    reason: str | None
    signed_by: str
    signed_at: datetime
    client: str = ""

    amends: ClassVar[frozenset[str]] = frozenset({"Task"})

    def write(self, patient: str) -> list[Resource]:
        output = [{"type": fhir.concept(codes.INPUT, "level"), "valueCodeableConcept": self._level()}]
        if self.reason is not None:
            reason = fhir.concept(codes.REASON, self.reason)
            output.append({"type": fhir.concept(codes.INPUT, "reason"), "valueCodeableConcept": reason})
        return [
            {
                "resourceType": "Task",
                "id": self.task_id,
                "status": "completed",
                "intent": "order",
                "code": fhir.concept(codes.TASK, "sign-placement"),
                "focus": fhir.reference("ServiceRequest", self.recommendation_id),
                "for": fhir.reference("Patient", patient),
                "lastModified": self.signed_at,
                "owner": fhir.staff(self.signed_by),
                "output": output,
            },
            _done_by(self.task_id, self.signed_at, self.signed_by, self.client),
        ]

    def _level(self) -> fhir.Element:
        return fhir.concept(codes.LEVEL, self.level)


class PlacementReviewRequested(Event, frozen=True, kw_only=True):
    """A person looks again at the placement: data were missing (R0), signals met (domain 5.3), or answers by which a
    rule fired are old, to be confirmed (domain 2.7). No automatic step."""

    review_id: str
    reason: str
    missing: tuple[str, ...]
    escalations: tuple[str, ...]
    focus: str
    requested_at: datetime
    act_by: datetime
    confirm: tuple[str, ...] = ()
    again: bool = False
    """Whether a person asked for more information, with a new due time."""

    def write(self, patient: str) -> list[Resource]:
        missing = [
            {"type": fhir.concept(codes.INPUT, "missing"), "valueCodeableConcept": fhir.concept(codes.NEED, each)}
            for each in self.missing
        ]
        old = [
            {"type": fhir.concept(codes.INPUT, "confirm"), "valueCodeableConcept": fhir.concept(codes.FACT, each)}
            for each in self.confirm
        ]
        behind = [
            {"type": fhir.concept(codes.INPUT, "escalation"), "valueReference": fhir.reference("Task", each)}
            for each in self.escalations
        ]
        return [
            fhir.without_nothing(
                _review(self.review_id, "requested", patient)
                | {
                    "focus": {"reference": self.focus},
                    "authoredOn": self.requested_at,
                    "lastModified": self.requested_at,
                    "reasonCode": fhir.concept(codes.RULE, self.reason),
                    "restriction": {"period": {"end": self.act_by}},
                    "input": missing + old + behind,
                }
            )
        ]


class PlacementReviewWithdrawn(Event, frozen=True, kw_only=True):
    review_id: str
    reason: str
    withdrawn_at: datetime

    amends: ClassVar[frozenset[str]] = frozenset({"Task"})

    def write(self, patient: str) -> list[Resource]:
        return [
            _review(self.review_id, "cancelled", patient)
            | {"lastModified": self.withdrawn_at, "statusReason": fhir.concept(codes.REASON, self.reason)}
        ]


class PlacementReviewCompleted(Event, frozen=True, kw_only=True):
    review_id: str
    by: str
    completed_at: datetime
    client: str = ""

    amends: ClassVar[frozenset[str]] = frozenset({"Task"})

    def write(self, patient: str) -> list[Resource]:
        return [
            _review(self.review_id, "completed", patient)
            | {"lastModified": self.completed_at, "owner": fhir.staff(self.by)},
            _done_by(self.review_id, self.completed_at, self.by, self.client),
        ]


def _done_by(task_id: str, at: datetime, by: str, client: str) -> Resource:
    return fhir.provenance(name_id(task_id, "completed"), fhir.reference("Task", task_id), at, by, client)


def _review(review_id: str, status: str, patient: str) -> fhir.Element:
    return {
        "resourceType": "Task",
        "id": review_id,
        "status": status,
        "intent": "proposal",
        "code": fhir.concept(codes.TASK, "review-placement"),
        "for": fhir.reference("Patient", patient),
        "owner": fhir.logical(codes.ROLE, "clinician"),
    }

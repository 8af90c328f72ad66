"""The plan after a discharge as FHIR: its contacts, and what is planned beside them with the patient."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id

Choice = Literal["", "scheduled", "completed", "declined"]
"""What the patient has chosen of an activity: nobody has reported that yet, it is to be, it is done, they don't want
it."""
CHOICES: dict[Choice, str] = {
    "": "not-started",
    "scheduled": "scheduled",
    "completed": "completed",
    "declined": "cancelled",
}
"""With FHIR's status of the activity."""
DECLINED = "patient-declined"


class PlanActivity(msgspec.Struct, frozen=True, array_like=True):
    """What is planned beside the contacts, by its code (AFTERCARE). `partner` is the identifier of the one that was
    chosen for it; by `due_at`, where that is asked for."""

    code: str
    choice: Choice = ""
    partner: str = ""
    due_at: datetime | None = None


Activities = tuple[PlanActivity, ...]


class AftercareRevised(Event, frozen=True, kw_only=True):
    """What is planned beside the contacts is other than it was: as it was agreed with the patient (`by` a person), or
    as a corrected discharge calls for. `made` are the due dates of the contacts that were, `left` those ahead."""

    plan_id: str
    episode_id: str
    planned_at: datetime | None
    made: tuple[datetime, ...]
    left: tuple[datetime, ...]
    activities: Activities
    revised_at: datetime
    by: str = ""
    client: str = ""

    def write(self, patient: str) -> list[Resource]:
        contacts = [
            *(contact("completed", self.planned_at, each) for each in self.made),
            *(contact("scheduled", self.planned_at, each) for each in self.left),
        ]
        planned = activities(self.activities, self.planned_at)
        since = fhir.period(self.planned_at)
        plan = aftercare_plan(self.plan_id, "active", self.episode_id, patient, since, [*contacts, *planned])
        if not self.client:
            return [plan]
        identity, target = name_id(self.plan_id, f"revised:{self.revised_at}"), fhir.reference("CarePlan", self.plan_id)
        return [plan, fhir.provenance(identity, target, self.revised_at, self.by or None, self.client)]


def contact(status: str, planned_at: datetime | None, due_at: datetime, why: Resource | None = None) -> Resource:
    detail = {
        "code": fhir.concept(codes.TASK, "follow-up"),
        "status": status,
        "statusReason": why,
        "scheduledPeriod": fhir.period(planned_at, due_at),
    }
    return {"detail": fhir.without_nothing(detail)}


def activities(
    planned: Iterable[PlanActivity], planned_at: datetime | None, why: Resource | None = None
) -> list[Resource]:
    """As activities of the CarePlan. With `why` the plan is revoked: what was not done is called off."""
    return [_activity(each, planned_at, why) for each in planned]


def _activity(planned: PlanActivity, planned_at: datetime | None, why: Resource | None) -> Resource:
    status, reason = CHOICES[planned.choice], fhir.concept(codes.REASON, DECLINED)
    if planned.choice != "declined":
        is_called_off = why is not None and planned.choice != "completed"
        status, reason = ("cancelled", why or {}) if is_called_off else (status, {})
    detail = {
        "code": fhir.concept(codes.AFTERCARE, planned.code),
        "status": status,
        "statusReason": reason,
        "scheduledPeriod": fhir.period(planned_at, planned.due_at) if planned.due_at else None,
        "performer": [fhir.logical(codes.PARTNER, planned.partner)] if planned.partner else [],
    }
    return {"detail": fhir.without_nothing(detail)}


def aftercare_plan(
    plan_id: str, status: str, episode_id: str, patient: str, period: Resource, activity: Sequence[Resource]
) -> Resource:
    return fhir.without_nothing(
        {
            "resourceType": "CarePlan",
            "id": plan_id,
            "status": status,
            "intent": "plan",
            "category": [fhir.concept(codes.TASK, "aftercare")],
            "subject": fhir.reference("Patient", patient),
            "period": period,
            "supportingInfo": [fhir.reference("EpisodeOfCare", episode_id)],
            "activity": [*activity],
        }
    )

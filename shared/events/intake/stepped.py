"""A stay goes on at another level of care."""

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.care_plan import TemplateSlot, care_plan, categories, timetable
from shared.events.intake.episode import episode_of_care
from shared.events.intake.history import NO_HISTORY, EpisodeHistory
from shared.events.intake.plan import PlannedActivity

Direction = Literal["step-up", "step-down"]


class EpisodeStepped(Event, frozen=True, kw_only=True):
    """The same stay at another level, which was signed (`signed` is the Task, `by` the person): its EpisodeOfCare shows
    the former levels, its CarePlan the track, flags, stage and weekly template of the new one. `paused_at` where nights
    elsewhere pause it meanwhile."""

    episode_id: str
    plan_id: str
    referral_id: str
    level: str
    direction: Direction
    track: str
    flags: tuple[str, ...]
    template: tuple[TemplateSlot, ...]
    admitted_at: datetime
    stepped_at: datetime
    signed: str
    by: str
    client: str = ""
    paused_at: datetime | None = None
    history: EpisodeHistory = NO_HISTORY
    stage: str = ""
    activities: tuple[PlannedActivity, ...] = ()
    """What is planned beside the sessions of the week."""

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan"})

    def write(self, patient: str) -> list[Resource]:
        subject, since = fhir.reference("Patient", patient), {"start": self.admitted_at}
        target, on_hold = fhir.reference("EpisodeOfCare", self.episode_id), fhir.period(self.paused_at)
        status = "onhold" if self.paused_at else "active"
        identity = name_id(self.episode_id, f"stepped:{self.stepped_at.isoformat()}")
        done = fhir.provenance(identity, target, self.stepped_at, self.by, self.client)
        plan = care_plan(
            self.plan_id,
            "active",
            subject,
            since,
            episode_id=self.episode_id,
            category=categories(self.track, self.flags, self.stage),
            activity=[*timetable(self.template), *(each.write() for each in self.activities)],
        )
        return [
            episode_of_care(
                self.episode_id, status, self.level, self.referral_id, subject, since, on_hold, self.history
            ),
            *([plan] if self.plan_id else []),
            {
                **done,
                "reason": [fhir.concept(codes.REASON, self.direction)],
                "entity": [{"role": "source", "what": fhir.reference("Task", self.signed)}],
            },
        ]

"""A stay goes on at another level of care."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal, cast, get_args

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.care_plan import CarePlan, TemplateSlot, care_plan, categories, timetable
from shared.events.intake.episode import EpisodeOfCare, episode_of_care
from shared.events.intake.history import NO_HISTORY, EpisodeHistory
from shared.events.intake.plan import PlannedActivity, read_activities

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

    other_tracks: tuple[str, ...] = ()
    """Tracks that hold beside the first."""

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
            category=categories(self.track, self.flags, self.stage, self.other_tracks),
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


class _Entity(reading.Element, frozen=True):
    what: reading.Reference


class _Provenance(reading.Provenance, frozen=True):
    reason: tuple[reading.Concept, ...]
    entity: tuple[_Entity, ...]


@reading.reads(EpisodeOfCare, CarePlan, _Provenance)
def read_episode_stepped(resources: Sequence[reading.Read]) -> EpisodeStepped:
    """Raises ValueError for a direction that is none: nothing could be decided by it."""
    (episode,), (done,) = reading.of_type(resources, EpisodeOfCare), reading.of_type(resources, _Provenance)
    plan = next(iter(reading.of_type(resources, CarePlan)), CarePlan(id=""))
    direction, statuses = done.reason[0].code, episode.status_history
    if direction not in get_args(Direction):
        raise ValueError("direction")
    paused_at = statuses[-1].period.start if statuses and statuses[-1].period.end is None else None
    return EpisodeStepped(
        episode_id=fhir.own_id(episode.id),
        plan_id=plan.id,
        referral_id=episode.referral_id,
        level=episode.level,
        direction=cast(Direction, direction),
        track=plan.track,
        flags=plan.flags,
        template=plan.template,
        admitted_at=reading.utc(episode.period.start),
        stepped_at=reading.utc(done.recorded),
        signed=done.entity[0].what.id,
        by=reading.author_of([done]) or "",
        client=reading.transmitter_of([done]),
        paused_at=reading.optional_utc(paused_at),
        history=EpisodeHistory.read(statuses[:-1] if paused_at else statuses, episode.type),
        stage=plan.stage,
        activities=read_activities(plan),
        other_tracks=plan.other_tracks,
    )

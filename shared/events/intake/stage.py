"""The stay goes on in another stage, with the week of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.care_plan import CarePlan, TemplateSlot, care_plan, categories, timetable
from shared.events.intake.plan import PlannedActivity, read_activities


class StageAdvanced(Event, frozen=True, kw_only=True):
    """A therapist has decided it, never the calendar: the next stage, or an earlier one again (domain 1.3).

    What has begun stays as it is: `template` holds from `advanced_at` on. What else is planned stands beside it.
    """

    episode_id: str
    plan_id: str
    stage: str
    former: str
    template: tuple[TemplateSlot, ...]
    admitted_at: datetime
    advanced_at: datetime
    by: str = ""
    client: str = ""
    track: str = ""
    """Unknown of a stay that an older release admitted: then the categories stay as they are."""
    flags: tuple[str, ...] = ()
    activities: tuple[PlannedActivity, ...] = ()

    other_tracks: tuple[str, ...] = ()
    """Tracks that hold beside the first."""

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan"})

    def write(self, patient: str) -> list[Resource]:
        target = fhir.reference("CarePlan", self.plan_id)
        decided = name_id(self.plan_id, f"stage:{self.stage}:{self.advanced_at.isoformat()}")
        return [
            care_plan(
                self.plan_id,
                "active",
                fhir.reference("Patient", patient),
                {"start": self.admitted_at},
                episode_id=self.episode_id,
                category=categories(self.track, self.flags, self.stage, self.other_tracks) if self.track else (),
                activity=[*timetable(self.template), *(each.write() for each in self.activities)],
            ),
            {
                **fhir.provenance(decided, target, self.advanced_at, self.by or None, self.client),
                "entity": [{"role": "revision", "what": fhir.logical(codes.STAGE, self.former)}],
            },
        ]


class _Entity(reading.Element, frozen=True):
    what: reading.Logical


class _Provenance(reading.Provenance, frozen=True):
    entity: tuple[_Entity, ...]


@reading.reads(CarePlan, _Provenance)
def read_stage_advanced(resources: Sequence[reading.Read]) -> StageAdvanced:
    """Raises ValueError for categories without a track: who wrote them names it first."""
    (plan,) = reading.of_type(resources, CarePlan)
    if plan.category and not plan.track:
        raise ValueError("track")
    provenances = reading.of_type(resources, _Provenance)
    return StageAdvanced(
        episode_id=plan.episode_id,
        plan_id=fhir.own_id(plan.id),
        stage=plan.stage,
        former=provenances[0].entity[0].what.identifier.value,
        template=plan.template,
        admitted_at=reading.utc(reading.required(plan.period).start),
        advanced_at=reading.utc(provenances[0].recorded),
        by=reading.author_of(provenances) or "",
        client=reading.transmitter_of(provenances),
        track=plan.track,
        flags=plan.flags,
        activities=read_activities(plan),
        other_tracks=plan.other_tracks,
    )

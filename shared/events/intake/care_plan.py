"""The plan of a stay: its categories and its weekly timetable. Every event that changes it writes it by `care_plan`."""

from collections.abc import Iterable, Sequence

import msgspec

from shared.events import codes, fhir, reading
from shared.events.envelope import Resource


class TemplateSlot(msgspec.Struct, frozen=True, array_like=True):
    """One session of the weekly template: weekday 0 is Monday, `start` is local HH:MM, `every_weeks` 1 or 2."""

    kind: str
    weekday: int
    start: str
    minutes: int
    every_weeks: int = 1


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def care_plan(
    plan_id: str,
    status: str,
    subject: fhir.Element,
    period: fhir.Element,
    *,
    episode_id: str = "",
    category: Sequence[fhir.Element] = (),
    activity: Sequence[fhir.Element] = (),
    goal: Sequence[fhir.Element] = (),
) -> Resource:
    """Of what an event does not know nothing is written: it amends the plan, and what stands of it stays."""
    return fhir.without_nothing(
        {
            "resourceType": "CarePlan",
            "id": plan_id,
            "status": status,
            "intent": "plan",
            "category": [*category],
            "subject": subject,
            "period": period,
            "supportingInfo": [fhir.reference("EpisodeOfCare", episode_id)] if episode_id else [],
            "goal": [*goal],
            "activity": [*activity],
        }
    )


def categories(
    track: str, flags: Iterable[str], stage: str = "", other_tracks: Iterable[str] = ()
) -> list[fhir.Element]:
    """The track first, then the flags, tracks beside the first, and the stage, where it is known."""
    found = [fhir.concept(codes.TRACK, track), *(fhir.concept(codes.FLAG, each) for each in flags)]
    found += [fhir.concept(codes.TRACK, each) for each in other_tracks]
    return [*found, fhir.concept(codes.STAGE, stage)] if stage else found


def timetable(template: Iterable[TemplateSlot]) -> list[fhir.Element]:
    """The sessions of the week, as activities of the plan."""
    return [_session(each) for each in template]


def _session(slot: TemplateSlot) -> fhir.Element:
    repeat = {
        "duration": slot.minutes,
        "durationUnit": "min",
        "frequency": 1,
        "period": slot.every_weeks,
        "periodUnit": "wk",
        "dayOfWeek": [WEEKDAYS[slot.weekday]],
        "timeOfDay": [f"{slot.start}:00"],
    }
    return {
        "detail": {
            "code": fhir.concept(codes.SESSION, slot.kind),
            "status": "scheduled",
            "scheduledTiming": {"repeat": repeat},
        }
    }


class _Repeat(reading.Element, frozen=True):
    day_of_week: tuple[str, ...]
    time_of_day: tuple[str, ...]
    duration: int
    period: int


class _Timing(reading.Element, frozen=True):
    repeat: _Repeat


class _Detail(reading.Element, frozen=True):
    code: reading.Concept
    scheduled_timing: _Timing | None = None
    status: str = ""


class _Activity(reading.Element, frozen=True):
    detail: _Detail


class CarePlan(reading.Read, frozen=True):
    id: str
    category: tuple[reading.Concept, ...] = ()
    period: reading.Period | None = None
    supporting_info: tuple[reading.Reference, ...] = ()
    activity: tuple[_Activity, ...] = ()

    @property
    def episode_id(self) -> str:
        return self.supporting_info[0].id if self.supporting_info else ""

    @property
    def track(self) -> str:
        """The first: what the plan is for above all."""
        return next(iter(self._coded(codes.TRACK)), "")

    @property
    def other_tracks(self) -> tuple[str, ...]:
        """Tracks beside the first."""
        return tuple(self._coded(codes.TRACK))[1:]

    @property
    def stage(self) -> str:
        return next(iter(self._coded(codes.STAGE)), "")

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(self._coded(codes.FLAG))

    @property
    def template(self) -> tuple[TemplateSlot, ...]:
        """The sessions of the week; other activities have no timing of a session."""
        timed = ((each.detail.code.code, each.detail.scheduled_timing) for each in self.activity)
        return tuple(_slot(kind, timing.repeat) for kind, timing in timed if timing is not None)

    def _coded(self, system: str) -> Iterable[str]:
        return (found for each in self.category if (found := each.code_of(system)))


def _slot(kind: str, repeat: _Repeat) -> TemplateSlot:
    return TemplateSlot(
        kind=kind,
        weekday=WEEKDAYS.index(repeat.day_of_week[0]),
        start=repeat.time_of_day[0][:5],
        minutes=repeat.duration,
        every_weeks=repeat.period,
    )

"""A patient on three evenings a week, a few memorable moments, and a clock that wakes attendance when it is due."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.decide import decide, react
from services.attendance.messages import (
    AcknowledgeEscalation,
    CheckIn,
    EpisodeAdmitted,
    EpisodeDischarged,
    TimePassed,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from services.attendance.state import Session, State, due, evolve
from shared.events.attendance import SessionEvent
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import EscalationEvent
from shared.events.intake import TemplateSlot
from shared.platform import settings as stored
from shared.rules.decision import Moment, Refused

SETTINGS: Settings = stored.load(Path(__file__).parents[2] / "deploy", "attendance", Settings)["demo"]
NEW_YORK = ZoneInfo("America/New_York")
NAMES = UUID(int=5)
PATIENT = str(uuid5(NAMES, "patient"))
EPISODE = str(uuid5(NAMES, "episode"))
EVENINGS = (
    TemplateSlot("group", 0, "18:00", 180),
    TemplateSlot("group", 2, "18:00", 180),
    TemplateSlot("group", 4, "18:00", 180),
)

ADMISSION = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
"""A Monday, nine in the morning in New York."""
GRACE = timedelta(minutes=SETTINGS.grace_minutes)
LONG_AGO = ADMISSION - timedelta(days=60)
TIME_PASSED = TimePassed()

W = TypeVar("W", bound=Event)


def evening(week: int, weekday: int, hour: int = 18, minute: int = 0) -> datetime:
    """The instant of a local hour, counted from the Monday of admission: `evening(0, 2)` is the first Wednesday."""
    day = ADMISSION.astimezone(NEW_YORK).date() + timedelta(weeks=week, days=weekday)
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


MONDAY, WEDNESDAY, FRIDAY = evening(0, 0), evening(0, 2), evening(0, 4)
SECOND_MONDAY, SECOND_WEDNESDAY = evening(1, 0), evening(1, 2)
SETTLED = (evening(2, 0), evening(2, 2), evening(2, 4), evening(3, 0))
"""Sessions of the third week and after: the first 14 days are over."""


def session(start: datetime, slot: int | None = None, episode: str = EPISODE) -> str:
    """The id of the evening session that starts then."""
    place = start.astimezone(NEW_YORK).weekday() // 2 if slot is None else slot
    return name_id(episode, f"session:{start.isoformat()}:{place}")


def admitted(
    *flags: str, at: datetime = ADMISSION, template: Sequence[TemplateSlot] = EVENINGS, episode: str = EPISODE
) -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=episode,
        plan_id=name_id(NAMES, "plan"),
        referral_id=name_id(NAMES, "referral"),
        level="2.1",
        track="substance",
        flags=flags,
        template=tuple(template),
        admitted_at=at,
    )


def discharged(at: datetime, episode: str = EPISODE) -> EpisodeDischarged:
    return EpisodeDischarged(
        episode_id=episode,
        encounter_id=name_id(NAMES, "stay"),
        disposition="completed",
        admitted_at=ADMISSION,
        discharged_at=at,
    )


def check_in(start: datetime, minutes: int | None = 180, came_at: datetime | None = None) -> CheckIn:
    """The patient came to the session that starts then, on time unless said otherwise."""
    return CheckIn(session_id=session(start), encounter_id=encounter(start), came_at=came_at or start, minutes=minutes)


def encounter(start: datetime) -> str:
    """The id of the Encounter by which `check_in` says so."""
    return name_id(NAMES, f"encounter {start}")


def in_error(start: datetime) -> WithdrawCheckIn:
    return WithdrawCheckIn(session_id=session(start), encounter_id=encounter(start))


class Story:
    """What happened to one patient, folded as the path folds it; deadlines come by themselves as the clock moves."""

    def __init__(self, *happened: Event | Command, **changed: Any) -> None:
        self.settings = msgspec.structs.replace(SETTINGS, **changed)
        self.state = State()
        self.now = ADMISSION
        self.listening_since = LONG_AGO
        self.refused: Refused | None = None
        self._steps = 0
        self.then(*happened)

    def then(self, *happened: Event | Command) -> list[Event]:
        """What attendance says to these, now."""
        return [event for each in happened for event in self._decide(each)]

    def until(self, now: datetime) -> list[Event]:
        """What attendance says by itself until then."""
        emitted: list[Event] = []
        while (deadline := due(self.state)) is not None and deadline <= now:
            self.now = max(self.now, deadline)
            emitted += self._decide(TIME_PASSED)
        self.now = now
        return emitted

    def missing(self, *starts: datetime) -> list[Event]:
        """These are missed, those between attended; a person takes on at once what is raised, so none is overdue."""
        emitted: list[Event] = []
        for start in starts:
            emitted += self.attending_until(start)
            emitted += self.until(start + GRACE)
            self.accept()
        return emitted

    def accept(self) -> None:
        self.then(*(AcknowledgeEscalation(escalation_id=each.escalation.id) for each in self.state.escalations))

    def attending_until(self, moment: datetime) -> list[Event]:
        """Every session that starts before then is attended whole."""
        emitted: list[Event] = []
        while ahead := [each.start for each in self.planned if each.start < moment]:
            emitted += self.until(min(ahead))
            emitted += self.then(check_in(min(ahead)))
        return emitted + self.until(moment)

    def _decide(self, happened: Event | Command) -> list[Event]:
        self._steps += 1
        cause = uuid5(NAMES, str(self._steps))
        moment = Moment(self.now, self.listening_since, self.settings, cause, PATIENT, "demo", "ehr")
        self.refused = None
        if isinstance(happened, Command):
            answer = decide(self.state, happened, moment)  # type: ignore[arg-type]
            self.refused, emitted = (answer, []) if isinstance(answer, Refused) else (None, answer)
        else:
            emitted = react(self.state, happened, moment)  # type: ignore[arg-type]
        if self.refused is None:
            for event in (happened, *emitted):
                self.state = evolve(self.state, event)
        return emitted

    @property
    def planned(self) -> list[Session]:
        return [each for each in self.state.sessions if each.outcome == "planned"]

    @property
    def escalations(self) -> dict[str, int]:
        """Reason -> tier of those still open."""
        return {each.escalation.reason: each.escalation.tier for each in self.state.escalations}

    def open_id(self, reason: str) -> str:
        return next(each.escalation.id for each in self.state.escalations if each.escalation.reason == reason)

    def outcome(self, start: datetime) -> str:
        return next(each.outcome for each in self.state.sessions if each.start == start)


def in_treatment(*flags: str) -> Story:
    """Two weeks attended whole: no longer in the first 14 days."""
    story = Story(admitted(*flags))
    story.attending_until(evening(2, 0, 12))
    return story


def only(emitted: Sequence[Event], kind: type[W]) -> list[W]:
    return [each for each in emitted if isinstance(each, kind)]


def starts(emitted: Sequence[Event], kind: type[SessionEvent]) -> list[datetime]:
    """When the sessions start of which this is said."""
    return [each.start for each in only(emitted, kind)]


def changed(emitted: Sequence[Event]) -> list[tuple[str, str, int]]:
    """What became of escalations: event, reason, tier."""
    found = only(emitted, EscalationEvent)
    return [
        (type(each).__name__.removeprefix("Escalation"), each.escalation.reason, each.escalation.tier) for each in found
    ]

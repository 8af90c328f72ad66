"""A patient's story as attendance decides it; deadlines come by themselves as the clock moves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.attendance import spans
from services.attendance.decide import decide, react
from services.attendance.messages import AcknowledgeEscalation
from services.attendance.misses import demands
from services.attendance.record import Session
from services.attendance.requests import escalation
from services.attendance.settings import Settings
from services.attendance.state import State, due, evolve
from shared.events.attendance import SessionEvent
from shared.events.envelope import Command, Event
from shared.events.escalation import Escalation, EscalationEvent
from shared.rules.decision import Refused
from shared.rules.escalation import Times
from tests.attendance.given import (
    ADMISSION,
    GRACE,
    LONG_AGO,
    PATIENT,
    SETTINGS,
    TIME_PASSED,
    admitted,
    check_in,
    evening,
)
from tests.story import Decisions, PatientStory, only

NO_MAKE_UPS: dict[str, Any] = {"make_up_weekdays": ()}
"""Nobody is asked for the hours of a running week, unless a story says so: one miss of nine hours lacks three."""
MAKE_UPS: dict[str, Any] = {"make_up_weekdays": SETTINGS.make_up_weekdays}


class Story(PatientStory[State, Settings]):
    decisions = Decisions(react, decide, evolve, due, TIME_PASSED)
    patient = PATIENT
    client = "ehr"

    def __init__(self, *happened: Event | Command, **changed: Any) -> None:
        settings = msgspec.structs.replace(SETTINGS, **(NO_MAKE_UPS | changed))
        super().__init__(*happened, state=State(), settings=settings, now=ADMISSION, listening_since=LONG_AGO)

    def missing(self, *starts: datetime) -> list[Event]:
        """These are missed, those between attended; a person takes on at once what is raised, so none is overdue."""
        emitted: list[Event] = []
        for start in starts:
            emitted += self.attending_until(start)
            emitted += self.until(start + GRACE)
            self.accept()
        return emitted

    def accept(self) -> None:
        self.then(*(AcknowledgeEscalation(escalation_id=each.id) for each in self.state.escalations))

    def attending_until(self, moment: datetime) -> list[Event]:
        """Every session that starts before then is attended whole."""
        emitted: list[Event] = []
        while ahead := [each for each in self.planned if each.start < moment]:
            first = min(ahead, key=lambda each: each.place)
            assert self.state.episode is not None
            ids, minutes = (self.state.episode.session_id(first),), self.state.episode.minutes(first)
            emitted += self.until(first.start)
            emitted += self.then(msgspec.structs.replace(check_in(first.start, minutes), session_ids=ids))
        return emitted + self.until(moment)

    @property
    def planned(self) -> list[Session]:
        return [each for each in self.state.sessions if each.outcome == "planned"]

    @property
    def still_open(self) -> list[Escalation]:
        """The escalations that wait for a person, as they would be written now."""
        wanted = {(each.kind, each.place): each for each in demands(self.state, self.now, self.settings)}
        return [escalation(self.state, each, wanted.get((each.kind, each.place))) for each in self.state.escalations]

    @property
    def escalations(self) -> dict[str, int]:
        """Reason -> tier of those still open."""
        return {each.reason: each.tier for each in self.still_open}

    def open_id(self, reason: str) -> str:
        """Of the newest one for this reason."""
        return [each.id for each in self.still_open if each.reason == reason][-1]

    def minutes(self, start: datetime) -> int:
        assert self.state.episode is not None
        return next(spans.minutes(self.state.episode, each) for each in self.state.sessions if each.start == start)

    def outcome(self, start: datetime) -> str:
        return next(each.outcome for each in self.state.sessions if each.start == start)


UNHURRIED = {
    "outreach_hours": 24 * 365,
    "escalation": Times(acknowledge_minutes=(60, 60, 60, 15), act_minutes=(10**6,) * 4),
}
"""A year to act: what is raised stays as it is, however long the story takes."""


def in_treatment(*flags: str, **changed: Any) -> Story:
    """Two weeks attended whole: no longer in the first 14 days. A person has a year to act, unless changed."""
    story = Story(admitted(*flags), **(changed or UNHURRIED))
    story.attending_until(evening(2, 0, 12))
    return story


def starts(emitted: Sequence[Event], kind: type[SessionEvent]) -> list[datetime]:
    """When the sessions start of which this is said."""
    return [each.start for each in only(emitted, kind)]


def changed(emitted: Sequence[Event]) -> list[tuple[str, str, int]]:
    """What became of escalations: event, reason, tier."""
    found = only(emitted, EscalationEvent)
    return [
        (type(each).__name__.removeprefix("Escalation"), each.escalation.reason, each.escalation.tier) for each in found
    ]


def refusal(story: Story) -> tuple[str, str]:
    """The code and the place of what was refused; nothing was emitted and nothing changed."""
    assert isinstance(story.refused, Refused)
    return story.refused.code, story.refused.expression

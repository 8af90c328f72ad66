"""A patient's story as attendance decides it; deadlines come by themselves as the clock moves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.attendance.decide import decide, react
from services.attendance.messages import AcknowledgeEscalation
from services.attendance.settings import Settings
from services.attendance.state import Session, State, due, evolve
from shared.events.attendance import SessionEvent
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from shared.rules.decision import Refused
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


class Story(PatientStory[State, Settings]):
    decisions = Decisions(react, decide, evolve, due, TIME_PASSED)
    patient = PATIENT
    client = "ehr"

    def __init__(self, *happened: Event | Command, **changed: Any) -> None:
        settings = msgspec.structs.replace(SETTINGS, **changed)
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
        self.then(*(AcknowledgeEscalation(escalation_id=each.escalation.id) for each in self.state.escalations))

    def attending_until(self, moment: datetime) -> list[Event]:
        """Every session that starts before then is attended whole."""
        emitted: list[Event] = []
        while ahead := [each.start for each in self.planned if each.start < moment]:
            emitted += self.until(min(ahead))
            emitted += self.then(check_in(min(ahead)))
        return emitted + self.until(moment)

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

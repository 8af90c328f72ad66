"""A patient's story as aftercare decides it: facts come on the day of discharge, commands on the next."""

from collections.abc import Sequence
from datetime import datetime

from services.aftercare.decide import decide, react
from services.aftercare.matcher import matched
from services.aftercare.meetings.matching import Index
from services.aftercare.meetings.meeting import Meeting
from services.aftercare.messages import FollowUpFellDue, MeetingsAsked, ReferralPrepared, TimePassed
from services.aftercare.settings import Settings
from services.aftercare.state import State, due, evolve
from shared.events.aftercare import FOLLOW_UP
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from tests.aftercare.given import (
    ADMITTED,
    DISCHARGED,
    IDENTIFIED,
    MEETINGS,
    NEXT_DAY,
    SETTINGS,
    admitted,
    discharged,
    withheld,
)
from tests.story import Decisions, PatientStory, only


class Story(PatientStory[State, Settings]):
    decisions = Decisions(react, decide, evolve, due, TimePassed())
    patient = "patient"
    client = "case-manager"

    def __init__(
        self, *happened: Event | Command, settings: Settings = SETTINGS, meetings: Sequence[Meeting] = MEETINGS
    ) -> None:
        self._meetings = Index.of(meetings)
        super().__init__(*happened, state=State(), settings=settings, now=DISCHARGED, listening_since=ADMITTED)

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        """With what the lane answers to which meetings fit, at once."""
        emitted = super()._step(happened, at)
        asked = [each for each in emitted if isinstance(each, MeetingsAsked)]
        answers = [matched(each, self._meetings, "") for each in asked]
        answered = [event for each in answers for event in super(Story, self)._step(each, self.now)]
        self.emitted = [*(each for each in emitted if not isinstance(each, MeetingsAsked)), *answered]
        return self.emitted

    def happens_at(self, happened: Event | Command) -> datetime:
        return NEXT_DAY if isinstance(happened, Command) else DISCHARGED


def plan_contacts(emitted: Sequence[Event]) -> list[FollowUpFellDue]:
    """The contacts of the plan that fell due, without those by which the patient is asked back."""
    return [each for each in only(emitted, FollowUpFellDue) if each.kind == FOLLOW_UP]


def raised_for(emitted: Sequence[Event], reason: str) -> list[EscalationEvent]:
    """What was raised, or became overdue, for this reason."""
    found = only(emitted, EscalationEvent)
    return [each for each in found if each.escalation.reason == reason]


def in_care() -> Story:
    return Story(IDENTIFIED, admitted())


def on_hold_for_alumni() -> tuple[Story, ReferralPrepared]:
    story = in_care()
    alumni, _ = only(story.then(discharged()), ReferralPrepared)
    story.then(withheld(alumni))
    return story, alumni

"""A patient's story as aftercare decides it: facts come on the day of discharge, commands on the next."""

from datetime import datetime

from services.aftercare.decide import decide, react
from services.aftercare.messages import ReferralPrepared, TimePassed
from services.aftercare.settings import Settings
from services.aftercare.state import State, due, evolve
from shared.events.envelope import Command, Event
from tests.aftercare.given import (
    ADMITTED,
    DISCHARGED,
    IDENTIFIED,
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

    def __init__(self, *happened: Event | Command, settings: Settings = SETTINGS) -> None:
        super().__init__(*happened, state=State(), settings=settings, now=DISCHARGED, listening_since=ADMITTED)

    def happens_at(self, happened: Event | Command) -> datetime:
        return NEXT_DAY if isinstance(happened, Command) else DISCHARGED


def in_care() -> Story:
    return Story(IDENTIFIED, admitted())


def on_hold_for_alumni() -> tuple[Story, ReferralPrepared]:
    story = in_care()
    alumni, _ = only(story.then(discharged()), ReferralPrepared)
    story.then(withheld(alumni))
    return story, alumni

"""A patient's story as intake decides it."""

from datetime import datetime
from typing import Any

from services.intake import messages as w
from services.intake.decide import decide, react
from services.intake.settings import Settings
from services.intake.state import State, due, evolve
from shared.events.envelope import Command, Event
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, SETTINGS, assessment, referral, settings, sign
from tests.story import Decisions, PatientStory, only


class Story(PatientStory[State, Settings]):
    decisions = Decisions(react, decide, evolve, due, w.TimePassed())
    patient = PATIENT
    client = "clinician-1"

    def __init__(self, *happened: Event | Command, settings: Settings = SETTINGS, now: datetime = MONDAY) -> None:
        self.answers: list[w.ReferralAnswered] = []
        self.counts: list[w.EngagedDaysCounted] = []
        super().__init__(*happened, state=State(), settings=settings, now=now)

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        """What the referrals are answered, and the days in care, stand apart: they follow from everything else."""
        before, apart = len(self.all_emitted), (w.ReferralAnswered, w.EngagedDaysCounted)
        self.emitted = [each for each in super()._step(happened, at) if not isinstance(each, apart)]
        self.answers += only(self.all_emitted[before:], w.ReferralAnswered)
        self.counts += only(self.all_emitted[before:], w.EngagedDaysCounted)
        self.all_emitted[before:] = self.emitted
        return self.emitted

    def and_then(self, *happened: Event | Command) -> "Story":
        """The story goes on."""
        self.then(*happened)
        return self

    def at(self, now: datetime) -> "Story":
        self.now = now
        return self


def given(*commands: Command, **changed: Any) -> Story:
    return Story(*commands, settings=settings(**changed))


def referred() -> Story:
    """A referral and an assessment that fits the IOP: recommended, not yet signed."""
    return given(assessment(IOP_NEEDS, "safe-housing"), referral())


def admitted() -> Story:
    story = referred()
    return story.and_then(sign(story.state))

"""A patient's story as testing decides it: each thing happens when it says it did."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from services.testing.decide import decide, react
from services.testing.messages import RandomDayAsked
from services.testing.orders.drawing import Lots
from services.testing.settings import Settings
from services.testing.state import State, due, evolve
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from shared.events.internal import StateEvent
from shared.events.testing import DrugTestEvent
from shared.platform.keys import Keys
from tests.story import Decisions, PatientStory, only
from tests.testing.given import ADMISSION, LONG_AGO, PATIENT, SETTINGS, TIME_PASSED, admitted, report

BASELINE = report("baseline", 0, FENTANYL="negative", COCAINE="negative")


class FixedKeys:
    """Lots that are the same in every run."""

    def derive(self, purpose: bytes, of: bytes) -> bytes:
        return hmac.new(b"a fixed seed", purpose + of, hashlib.sha256).digest()


LOTS = Lots(cast(Keys, FixedKeys()))


class Story(PatientStory[State, Settings]):
    """Nothing is refused in it: ask for a `refusal`. What its lane answers comes at once."""

    decisions = Decisions(react, decide, evolve, due, TIME_PASSED)
    patient = PATIENT
    client = "lab"

    def __init__(self, *happened: Event | Command, settings: Settings = SETTINGS) -> None:
        super().__init__(*happened, state=State(), settings=settings, now=ADMISSION, listening_since=LONG_AGO)

    def then(self, *happened: Event | Command, at: datetime | None = None) -> list[Event]:
        """What is published of it."""
        emitted = super().then(*happened, at=at)
        assert self.refused is None, self.refused
        return [each for each in emitted if not isinstance(each, StateEvent)]

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        emitted = super()._step(happened, at)
        asked = only(emitted, RandomDayAsked)
        answers = [asyncio.run(LOTS.answer("demo", each)) for each in asked]
        answered = [event for each in answers for event in super(Story, self)._step(each, self.now)]
        self.emitted = [*(each for each in emitted if not isinstance(each, RandomDayAsked)), *answered]
        return self.emitted

    def happens_at(self, happened: Event | Command) -> datetime:
        for name in ("issued_at", "recorded_at", "admitted_at", "discharged_at"):
            if isinstance(found := getattr(happened, name, None), datetime):
                return found
        return ADMISSION

    @property
    def escalations(self) -> dict[str, int]:
        """Reason to tier of what is open."""
        return {each.escalation.reason: each.escalation.tier for each in self.state.escalations}


def in_treatment() -> Story:
    """Admitted, with a clean baseline."""
    return Story(admitted(), BASELINE)


def outcomes(emitted: Sequence[Event]) -> list[str]:
    """Of the last drug-test event said."""
    return [each.outcome for each in only(emitted, DrugTestEvent)[-1].results]


def raised(emitted: Sequence[Event]) -> dict[str, list[str]]:
    """Per kind of escalation event said: the reasons."""
    kinds: dict[str, list[str]] = {}
    for each in only(emitted, EscalationEvent):
        kinds.setdefault(type(each).__name__.removeprefix("Escalation"), []).append(each.escalation.reason)
    return kinds

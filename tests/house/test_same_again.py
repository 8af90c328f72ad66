"""The same again is the same: no command of any service emits anything the second time, whatever came before.

A PUT that changes nothing never reaches a decision (`shared/edge/updates.py`); this is what holds where a command does
come again: in other words, by another way, or after a change and back.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import services.aftercare.messages
import services.attendance.messages
import services.intake.messages
import services.testing.messages
from shared.events.envelope import Command, Event
from shared.events.intake import PartnerReferralChanged
from shared.events.internal import StandsFor
from tests.aftercare import commands as aftercare
from tests.attendance import commands as attendance
from tests.intake import commands as intake
from tests.laws import examples
from tests.story import PatientStory
from tests.testing import commands as testing

Asked = Callable[[Any], some.SearchStrategy[Command]]
Rooms = tuple[ModuleType, some.SearchStrategy[Any], Mapping[type[Command], Asked]]
SERVICES: dict[str, Rooms] = {
    "intake": (services.intake.messages, intake.STORIES, intake.COMMANDS),
    "attendance": (services.attendance.messages, attendance.STORIES, attendance.COMMANDS),
    "testing": (services.testing.messages, testing.STORIES, testing.COMMANDS),
    "aftercare": (services.aftercare.messages, aftercare.STORIES, aftercare.COMMANDS),
}
PASSED_ON = {
    services.intake.messages.RecordPatient,
    services.intake.messages.RecordConsent,
    services.intake.messages.DenyConsent,
    services.intake.messages.RevokeConsent,
    services.aftercare.messages.MarkEmergency,
}
"""The service remembers nothing of these: what it emits says again what it said, and only its moment is another. Who
consumes it counts a repetition once; the same PUT decides nothing."""

ANEW = {services.aftercare.messages.AskMeetings}
"""Created alone, under an id that the hub gives: whoever asks again wants another list, of the meetings of that day."""


def answer(story: PatientStory[Any, Any], command: Command) -> tuple[str, str, str] | None:
    """None where it is taken; what a person is asked about a refused one is among what is emitted."""
    PatientStory.then(story, command, at=story.now)
    refused = story.refused
    return None if refused is None else (refused.code, refused.reason, refused.expression)


@pytest.mark.parametrize("service", SERVICES)
def test_every_command_again_emits_nothing_and_is_answered_alike(service: str) -> None:
    _, stories, commands = SERVICES[service]

    @settings(max_examples=examples(8 * len(commands)))
    @given(some.data())
    def law(data: some.DataObject) -> None:
        kind = data.draw(some.sampled_from([each for each in commands if each not in ANEW]))
        story = data.draw(stories)
        require_same_again(story, data.draw(commands[kind](story)), kind in PASSED_ON)

    law()


def require_same_again(story: PatientStory[Any, Any], command: Command, passed_on: bool) -> None:
    """Where the first was done, a repetition may be a conflict: that it is the same only who remembers it can know."""
    first, emitted = answer(story, command), story.emitted
    for _ in range(2):
        again = answer(story, command)
        news = [each for each in story.emitted if not is_answer_alone(each, emitted)]
        assert news == [] or (passed_on and all(each in without_moment(emitted) for each in without_moment(news)))
        assert again == first or (first is None and again is not None and again[0] == "conflict")


def is_answer_alone(event: Event, emitted: Sequence[Event]) -> bool:
    """What the answer names changes nothing. A referrer's own number is sealed anew each time, so that nobody can know
    that it is the same: it is passed on as it was, and aftercare takes the newest. The same PUT decides nothing."""
    if isinstance(event, StandsFor):
        return event in emitted
    return isinstance(event, PartnerReferralChanged) and bool(event.number) and event in emitted


def without_moment(emitted: list[Event]) -> list[Any]:
    """What was emitted, without when it was."""
    return [
        {name: getattr(each, name) for name in each.__struct_fields__ if name not in ("identified_at", "revoked_at")}
        for each in emitted
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_no_command_is_left_out_of_the_law(service: str) -> None:
    messages, _, commands = SERVICES[service]
    assert set(commands) == set(get_args(messages.Commands))

"""What is stored must stay readable: a state of every version, and every command that was parked."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from services.intake.messages import Commands
from services.intake.state import UPCAST, VERSION, State, due
from shared.events.envelope import Command
from tests.intake.given import MONDAY, escalated
from tests.intake.story import Story, admitted, referred
from tests.intake.test_laws import commands
from tests.laws import examples

STORED = Path(__file__).parent / "states"


def test_a_placement_that_waits_is_read_from_version_1_and_stored_as_today() -> None:
    plain = msgspec.json.decode((STORED / "v1-referred.json").read_bytes())
    assert msgspec.convert(UPCAST[1](plain), type=State) == referred().state
    assert msgspec.json.encode(referred().state) == (STORED / f"v{VERSION}-referred.json").read_bytes().strip()


def test_a_placement_closed_before_version_2_stays_30_days() -> None:
    plain = msgspec.json.decode((STORED / "v1-ended.json").read_bytes())
    state = msgspec.convert(UPCAST[1](plain), type=State)
    assert state.closed_at is not None
    assert due(state) == state.closed_at + timedelta(days=30)


def test_a_state_comes_back_as_it_was() -> None:
    story = admitted().and_then(
        escalated("miss", "missed-session", MONDAY), escalated("positive", "unexpected-positive", MONDAY)
    )
    assert msgspec.json.decode(msgspec.json.encode(story.state), type=State) == story.state
    assert due(story.state) is not None


@settings(max_examples=examples(200))
@given(commands)
def test_a_parked_command_is_the_same_when_it_is_told_again(command: Command) -> None:
    assert msgspec.json.decode(msgspec.json.encode(command), type=Commands) == command


def test_a_patient_never_heard_of_has_nothing_due() -> None:
    assert due(State()) is None
    with pytest.raises(AttributeError):
        State().referral = None  # type: ignore[misc]
    assert Story().state == State()

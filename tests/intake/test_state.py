"""What is stored must stay readable: one sample a version, and every command survives being parked."""

import msgspec
import pytest
from hypothesis import given, settings

from services.intake.messages import Commands
from services.intake.state import VERSION, State, due
from shared.events.envelope import Command
from tests.intake.given import MONDAY, escalated
from tests.intake.story import Story, admitted, referred
from tests.intake.test_laws import commands
from tests.laws import examples

REFERRED = (
    '[[["withdrawal","none","2026-01-05T14:00:00Z"],["biomedical","1.0","2026-01-05T14:00:00Z"],'
    '["psychiatric-cognitive","1.5","2026-01-05T14:00:00Z"],["substance-use-risk","2.1","2026-01-05T14:00:00Z"],'
    '["recovery-environment","1.5","2026-01-05T14:00:00Z"]],[[29460360,{"safe-housing":1,"under-18":0}]],null,'
    '["8b1f5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"],["2.1",["R14"],[],"general",false],[],null,[],[[],[]],null]'
)
ADMITTED = (
    '[[],[[29460360,{"safe-housing":1,"under-18":0}]],[],null,null,[],'
    '["87b65b4b-8b53-5447-9a35-1b6f9f4b4e2c","2026-01-05T14:00:00Z"],[],[[],[]],null]'
)


def test_a_state_stored_by_version_1_is_read_today() -> None:
    assert VERSION == 1
    assert msgspec.json.decode(REFERRED, type=State) == referred().state
    assert msgspec.json.decode(ADMITTED, type=State).medications == ()


def test_what_is_stored_today_is_what_version_1_stored() -> None:
    assert msgspec.json.encode(referred().state).decode() == REFERRED


def test_a_state_comes_back_as_it_was() -> None:
    story = admitted().and_then(
        escalated("miss", "missed-session", MONDAY), escalated("positive", "unexpected-positive", MONDAY)
    )
    assert msgspec.json.decode(msgspec.json.encode(story.state), type=State) == story.state
    assert due(story.state) is not None


@settings(max_examples=examples(200), deadline=None)
@given(commands)
def test_a_parked_command_is_the_same_when_it_is_told_again(command: Command) -> None:
    assert msgspec.json.decode(msgspec.json.encode(command), type=Commands) == command


def test_a_patient_never_heard_of_has_nothing_due() -> None:
    assert due(State()) is None
    with pytest.raises(AttributeError):
        State().referral = None  # type: ignore[misc]
    assert Story().state == State()

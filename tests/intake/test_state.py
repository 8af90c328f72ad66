"""What is stored must stay readable: a state of every version, and every command that was parked."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from services.intake import messages as w
from services.intake.messages import Commands
from services.intake.placement.evidence import act_of
from services.intake.record import Referral
from services.intake.state import UPCAST, VERSION, State, due, evolve
from shared.events.envelope import Command
from tests.intake.given import MONDAY, REFERRAL_TASK, escalated, referral
from tests.intake.story import Story, admitted, referred
from tests.intake.test_laws import commands
from tests.laws import examples

UNKNOWN_THEN = (
    "explanation",
    "recommendation_id",
    "task_id",
    "table",
    "recommended_at",
    "sign_by",
    "expires_at",
    "remind_at",
)
SECOND = "99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"
STORED = Path(__file__).parent / "states"


def test_a_placement_that_waits_is_read_from_version_1_and_stored_as_today() -> None:
    state, today = upcast("v1-referred"), referred().state
    needs = tuple(msgspec.structs.replace(each, source="") for each in today.needs)
    assert state.recommended is not None and today.recommended is not None
    clocks = {name: getattr(state.recommended, name) for name in UNKNOWN_THEN}
    recommended = msgspec.structs.replace(today.recommended, **clocks)
    as_today = {"needs": needs, "evidence": state.evidence, "recommended": recommended, "referral": state.referral}
    assert state == msgspec.structs.replace(today, **as_today)
    assert state.referral is not None and today.referral is not None and state.referral.id == today.referral.id
    assert {code: pieces[0].value for code, pieces in state.evidence.items()} == {"safe-housing": 1, "under-18": 0}
    assert msgspec.json.encode(state) == (STORED / f"v{VERSION}-referred.json").read_bytes().strip()


def test_what_waited_without_a_clock_is_late_at_once() -> None:
    state = upcast("v1-referred")
    assert state.recommended is not None and state.recommended.remind_at is not None
    assert due(state) == state.recommended.remind_at < MONDAY


def test_an_answer_from_before_version_3_stands_and_its_own_source_may_still_correct_it() -> None:
    before = upcast("v2")
    (piece,) = before.evidence["cows"]
    assert (piece.value, piece.source) == (13, "")
    again = w.ReportedFinding("cows", 5, piece.at, "Observation/1")
    assert "cows" not in evolve(before, w.RecordAssessment(findings=(again,))).evidence
    another = w.ReportedFinding("cows", 5, piece.at + timedelta(hours=1), "Observation/2")
    assert evolve(before, w.RecordAssessment(findings=(another,))).evidence["cows"] == (piece,)


def test_a_referral_beside_another_one_stays_with_the_person_who_was_asked_before_version_7() -> None:
    stored = msgspec.json.decode((STORED / "v6-referred.json").read_bytes())
    second, asked_at, act_by = Referral.of(referral(SECOND)), "2026-01-05T14:00:00Z", "2026-01-06T14:00:00Z"
    review: list[Any] = [second.second_review_id, "second-referral", second.focus, asked_at, act_by, [], [], [], None]
    other: list[Any] = ["0265c8f0-5d3e-5131-8b56-f79406d38f0f", "R7", None, None, act_by, [], [], [], act_by]
    stored[5], stored[13] = [review, other], [[SECOND, REFERRAL_TASK]]
    state = msgspec.convert(UPCAST[7](UPCAST[6](stored)), type=State)
    assert [(each.id, each.task_id, each.priority, each.level) for each in state.seconds] == [
        (SECOND, REFERRAL_TASK, "routine", "")
    ]
    as_today = [[*each[:-1], [], "", [], each[-1]] for each in (other, review)]
    assert msgspec.json.decode(msgspec.json.encode(state.reviews)) == as_today


def test_an_answer_that_was_ended_before_version_7_stays_ended_and_no_act_brings_it_back() -> None:
    stored = msgspec.json.decode((STORED / "v6.json").read_bytes())
    stored[1]["cows"][0][3] = True
    state = msgspec.convert(UPCAST[7](UPCAST[6](stored)), type=State)
    assert [each.ended for each in state.evidence["cows"]] == [1]
    assert all(each.ended == 0 for code, pieces in state.evidence.items() if code != "cows" for each in pieces)
    assert all(act_of(str(number)) > 1 for number in range(1_000))


def upcast(name: str) -> State:
    """A stored sample, brought up to today."""
    plain = msgspec.json.decode((STORED / f"{name}.json").read_bytes())
    for version in range(int(name.partition("-")[0].removeprefix("v")), VERSION):
        plain = UPCAST[version](plain)
    return msgspec.convert(plain, type=State)


def test_a_placement_closed_before_version_2_stays_30_days() -> None:
    state = upcast("v1-ended")
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

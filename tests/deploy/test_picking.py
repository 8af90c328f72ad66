"""`iop tail`, narrowed: each option lets through what it names, several narrow together, and a typing error is told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from deploy.commands.picking import HEADERS, Picked, ago
from deploy.failure import CannotContinueError
from shared.events import wire
from shared.events.catalogue import BY_NAME
from tests.events.examples import CAUSE, EXAMPLES, PATIENT, envelope
from tests.laws import examples

RAISED = next(wire.write(each, envelope(each)) for each in EXAMPLES if type(each).__name__ == "EscalationRaised")
NAMES = tuple(sorted(BY_NAME))


@dataclass(frozen=True)
class Record:
    key: bytes | None
    value: bytes | None


BY_PATIENT, BY_ESCALATION = Record(PATIENT.encode(), b"{}"), Record(b"another id", RAISED.body)


def picked(**options: Any) -> Picked:
    unset: dict[str, Any] = {"event": [], "patient": "", "correlation": "", **{name: [] for name in HEADERS}}
    return Picked.of(**(unset | options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tier": ["T3"]},
        {"tier": ["3", "4"]},
        {"category": ["Combined"]},
        {"state": ["raised", "overdue"]},
        {"program": ["demo"]},
        {"event": ["escalationRaised"]},
        {"patient": PATIENT[:8]},
        {"correlation": str(CAUSE).upper()},
        {"tier": ["T3"], "state": ["raised"], "program": ["demo"], "patient": PATIENT},
    ],
)
def test_an_option_lets_through_what_it_names(options: dict[str, Any]) -> None:
    assert picked(**options).takes(BY_PATIENT, RAISED.headers)


@pytest.mark.parametrize(
    "options",
    [
        {"tier": ["T4"]},
        {"category": ["safety"]},
        {"state": ["resolved"]},
        {"program": ["demo2"]},
        {"event": ["EscalationResolved"]},
        {"patient": "0" * 8},
        {"correlation": PATIENT},
        {"tier": ["T3"], "state": ["resolved"]},
    ],
)
def test_what_an_option_does_not_name_is_left_out(options: dict[str, Any]) -> None:
    assert not picked(**options).takes(BY_PATIENT, RAISED.headers)


def test_a_patient_is_found_where_the_key_is_an_escalation() -> None:
    assert picked(patient=PATIENT[:8]).takes(BY_ESCALATION, RAISED.headers)
    assert not picked(patient=PATIENT[:8]).takes(Record(b"another id", None), RAISED.headers)


@pytest.mark.parametrize(
    ("name", "given"),
    [("event", "EscalationRised"), ("tier", "T5"), ("tier", "high"), ("category", "atendance"), ("state", "open")],
)
def test_what_no_record_can_have_is_refused_at_once(name: str, given: str) -> None:
    with pytest.raises(CannotContinueError, match=f"{name.upper()} must be one of"):
        picked(**{name: [given]})


def test_every_state_that_an_escalation_is_written_with_can_be_asked_for() -> None:
    written = {wire.write(each, envelope(each)).headers.get("iop-state", "") for each in EXAMPLES} - {""}
    for state in written:
        assert picked(state=[state]).headers == {HEADERS["state"]: (state,)}


@given(some.sampled_from(EXAMPLES), some.sets(some.sampled_from(NAMES), max_size=3), some.sampled_from(["", "demo"]))
@settings(max_examples=examples(200))
def test_several_options_narrow_together(event: Any, names: set[str], program: str) -> None:
    headers = wire.write(event, envelope(event)).headers
    both = picked(event=sorted(names), program=[program] if program else [])
    alone = picked(event=sorted(names)), picked(program=[program] if program else [])
    assert both.takes(BY_PATIENT, headers) == all(each.takes(BY_PATIENT, headers) for each in alone)


def test_so_long_ago_is_a_number_and_a_unit() -> None:
    assert [ago(each) for each in ("90s", "30m", "2h", "1d")] == [
        timedelta(seconds=90),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(days=1),
    ]
    for wrong in ("2", "h", "2 h", "-1h", "2w", "2h30m", ""):
        with pytest.raises(CannotContinueError, match="SINCE must be"):
            ago(wrong)

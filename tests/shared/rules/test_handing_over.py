"""An escalation is handed over: another person or role is asked anew, by when to act stays, and one holder is left."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.events.escalation import (
    EscalationAcknowledged,
    EscalationEvent,
    EscalationHandedOver,
    EscalationOverdue,
    HandedOver,
)
from shared.rules import escalation as rule
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import NOBODY_HAS_IT, NOT_OPEN, Open
from shared.rules.staff import Member
from tests.shared.rules.test_escalation import CAUSE, MONDAY, SECOND_MISS, TIMES, Settings, misses, raised

STAFF = {
    "robin": Member(roles=("clinician", "case-manager")),
    "sam": Member(roles=("prescriber", "clinician")),
    "kim": Member(roles=("case-manager",)),
}
ID = raised().escalation.id
LATER = MONDAY + timedelta(minutes=30)


def moment(now: datetime = LATER) -> Moment[Any]:
    return Moment(now, MONDAY, Settings(staff=STAFF), uuid5(CAUSE, now.isoformat()), "patient", "demo", "ehr")


def after(known: tuple[Open, ...], decided: "list[EscalationEvent] | Refused") -> tuple[Open, ...]:
    for event in [] if isinstance(decided, Refused) else decided:
        known = rule.evolve(known, event)
    return known


def taken(tier: int = 3, by: str = "robin") -> tuple[Open, ...]:
    still_open = rule.evolve((), raised(tier=tier))
    return after(still_open, rule.acknowledge(still_open, ID, by, moment(MONDAY)))


def handed(
    known: tuple[Open, ...], to: str = "staff/sam", by: str = "", now: datetime = LATER
) -> "list[EscalationEvent] | Refused":
    return rule.hand_over(known, ID, to, "shift-ended", by, moment(now))


def test_whoever_has_it_hands_it_over_and_the_receiver_is_asked_anew() -> None:
    (event,) = handed(taken())  # type: ignore[misc]
    assert isinstance(event, EscalationHandedOver)
    assert (event.by, event.reason, event.client, event.overdue) == ("robin", "shift-ended", "ehr", False)
    (stands,) = after(taken(), [event])
    assert (stands.accepted, stands.accepted_by, stands.acted) == (False, "", "")
    assert stands.escalation.handed_over == HandedOver(LATER, "sam")
    assert stands.escalation.acknowledge_by == LATER + timedelta(minutes=60) == rule.due([stands])
    assert stands.escalation.act_by == raised(tier=3).escalation.act_by


def test_the_receiver_never_has_longer_to_acknowledge_than_there_is_to_act() -> None:
    act_by = raised(tier=3).escalation.act_by
    (stands,) = after(taken(), handed(taken(), now=act_by - timedelta(minutes=5)))
    assert (stands.escalation.acknowledge_by, stands.escalation.act_by) == (act_by, act_by)


@pytest.mark.parametrize(
    ("to", "role"), [("staff/kim", "case-manager"), ("staff/sam", "prescriber"), ("nurse", "nurse")]
)
def test_the_role_that_is_asked_is_one_that_the_receiver_has(to: str, role: str) -> None:
    (stands,) = after(taken(), handed(taken(), to))
    assert (stands.escalation.owner, stands.escalation.asked) == (role, to)


def test_a_rise_asks_everybody_of_the_role_that_owns_it_now() -> None:
    known = after(taken(), handed(taken()))
    (risen,) = after(known, rule.raise_or_update(known, [misses(SECOND_MISS, tier=4)], moment(), TIMES))
    assert (risen.escalation.owner, risen.escalation.handed_over) == ("prescriber", None)


def test_an_update_that_does_not_rise_leaves_it_with_whom_it_was_handed_over_to() -> None:
    known = after(taken(), handed(taken()))
    (updated,) = after(known, rule.raise_or_update(known, [misses(SECOND_MISS, tier=3)], moment(), TIMES))
    assert updated.escalation.asked == "staff/sam" and len(updated.escalation.signals) == 2


def test_once_the_receiver_does_not_answer_it_is_overdue_once() -> None:
    known, late = after(taken(), handed(taken())), LATER + timedelta(minutes=60)
    assert rule.emit_overdue(known, late - timedelta(seconds=1)) == []
    (event,) = rule.emit_overdue(known, late)
    assert isinstance(event, EscalationOverdue) and not event.accepted
    assert rule.due(rule.evolve(known, event)) is None


def test_what_was_late_to_be_acted_on_is_not_said_to_be_late_once_more() -> None:
    act_by = raised(tier=3).escalation.act_by
    late = after(taken(), rule.emit_overdue(taken(), act_by))
    (event,) = handed(late, now=act_by + timedelta(hours=1))  # type: ignore[misc]
    assert isinstance(event, EscalationHandedOver) and event.overdue
    task: Any = event.write("patient")[0]
    assert [each["code"] for each in task["businessStatus"]["coding"]] == ["overdue", "handed-over"]
    assert rule.due(after(late, [event])) is None


def test_what_was_handled_and_is_handed_over_behind_its_time_is_overdue_at_once() -> None:
    known = after(taken(), rule.act_on(taken(), ID, "called", "robin", moment()))
    handed_late = raised(tier=3).escalation.act_by + timedelta(hours=1)
    known = after(known, handed(known, now=handed_late))
    assert len(rule.emit_overdue(known, handed_late)) == 1


def test_nobody_hands_it_over_to_themselves() -> None:
    refused = handed(taken(), "staff/robin")
    assert isinstance(refused, Refused) and (refused.code, refused.expression) == ("business-rule", "Task.owner")
    assert isinstance(handed(taken(), "case-manager"), list), "to everybody of their role they do"


def test_what_is_not_open_is_not_handed_over() -> None:
    assert handed(()) == NOT_OPEN


def test_while_nobody_has_it_only_a_person_whose_token_it_is_hands_it_over() -> None:
    waits = rule.evolve((), raised(tier=3))
    assert handed(waits) == NOBODY_HAS_IT
    (event,) = handed(waits, by="kim")  # type: ignore[misc]
    assert isinstance(event, EscalationHandedOver) and event.by == "kim"


def test_another_person_than_whoever_has_it_learns_who_has() -> None:
    refused = handed(taken(), by="kim")
    assert refused == Refused("conflict", "acknowledged by staff/robin", "Task.owner")


@pytest.mark.parametrize("by", ["", "robin", "kim"])
def test_of_two_who_hand_it_over_at_once_the_second_learns_of_the_first(by: str) -> None:
    known = after(taken(), handed(taken()))
    assert handed(known, "staff/kim", by) == Refused("conflict", "handed over to staff/sam", "Task.owner")
    assert isinstance(handed(known, "staff/kim", "sam"), list), "to whom it was handed over may hand it on"


def test_the_same_again_asks_nobody_again() -> None:
    known = after(taken(), handed(taken()))
    assert handed(known) == [] == handed(known, by="kim")


def test_where_another_person_takes_it_on_it_is_not_the_receivers_any_more() -> None:
    known = after(taken(), handed(taken()))
    (event,) = rule.acknowledge(known, ID, "kim", moment())  # type: ignore[misc]
    assert isinstance(event, EscalationAcknowledged) and event.escalation.person == ""
    (event,) = rule.acknowledge(known, ID, "sam", moment())  # type: ignore[misc]
    assert event.escalation.person == "sam"


def test_the_task_names_receiver_role_and_who_handed_it_over() -> None:
    (event,) = handed(taken())  # type: ignore[misc]
    written: list[Any] = event.write("patient")
    task, (provenance,) = written[0], [each for each in written if each["resourceType"] == "Provenance"]
    assert task["status"] == "requested"
    assert (
        task["owner"]["identifier"]["value"] == "sam" and task["performerType"][0]["coding"][0]["code"] == "prescriber"
    )
    assert task["businessStatus"]["coding"][0]["code"] == "handed-over"
    assert task["statusReason"]["coding"][0]["code"] == provenance["activity"]["coding"][0]["code"] == "shift-ended"
    assert provenance["agent"][0]["who"]["identifier"]["value"] == "robin"


people = some.sampled_from(sorted(STAFF))
steps = some.one_of(
    some.tuples(some.just("acknowledge"), people),
    some.tuples(some.just("act"), people),
    some.tuples(
        some.just("hand over"), people, some.sampled_from(["staff/robin", "staff/sam", "staff/kim", "clinician"])
    ),
    some.tuples(some.just("nobody hands over"), some.sampled_from(["staff/kim", "case-manager"])),
    some.tuples(some.just("pass"), some.integers(1, 300)),
)


@given(some.lists(steps, max_size=25))
def test_whatever_people_do_one_holder_is_left_and_nobody_has_longer_to_act(done: list[tuple[Any, ...]]) -> None:
    known, now, act_by = rule.evolve((), raised(tier=3)), MONDAY, raised(tier=3).escalation.act_by
    for name, *of in done:
        now += timedelta(minutes=of[0] if name == "pass" else 1)
        before = known[0]
        match name:
            case "acknowledge":
                decided = rule.acknowledge(known, ID, of[0], moment(now))
            case "act":
                decided = rule.act_on(known, ID, "called", of[0], moment(now))
            case "hand over":
                decided = handed(known, of[1], of[0], now)
            case "nobody hands over":
                decided = handed(known, of[0], "", now)
            case _:
                decided = rule.emit_overdue(known, now)
        known = after(known, decided)
        (stands,) = known
        assert stands.accepted == bool(stands.accepted_by)
        assert stands.accepted_by in (before.accepted_by, "") or not before.accepted, (
            "nobody takes it from whoever has it"
        )
        assert stands.escalation.acknowledge_by <= stands.escalation.act_by <= act_by
        assert not stands.accepted or stands.escalation.person in ("", stands.accepted_by)

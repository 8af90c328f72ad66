"""Who resolved an escalation by mistake reopens it: the same one, theirs, with its times begun anew."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.events.escalation import EscalationReopened, EscalationResolved, HandedOver
from shared.rules import escalation as rule
from shared.rules.decision import Refused
from shared.rules.escalation import CLOSED_BY_THE_HUB, RESOLVED_BY_ANOTHER, STANDS_NO_MORE, STAY_OVER, Open
from tests.reopening import reopening
from tests.shared.rules.test_escalation import MISS, MONDAY, SECOND_MISS, TIMES, raised
from tests.shared.rules.test_handing_over import ID, after, handed, moment, taken

RESOLVED_AT = MONDAY + timedelta(minutes=40)
LATER = RESOLVED_AT + timedelta(hours=3)


def resolved(known: tuple[Open, ...] | None = None) -> EscalationResolved:
    (event,) = rule.resolve(known or taken(), ID, "acted-on", "robin", moment(RESOLVED_AT))  # type: ignore[misc]
    assert isinstance(event, EscalationResolved)
    return event


def reopened(still_open: tuple[Open, ...] = (), now: datetime = LATER, stands: Any = (MISS,), **otherwise: Any) -> Any:
    return rule.reopen(still_open, reopening(resolved(), **otherwise), stands, moment(now))


def test_the_same_escalation_is_theirs_again_and_its_times_begin_anew() -> None:
    (event,) = reopened()
    assert isinstance(event, EscalationReopened)
    assert (event.by, event.reason, event.client, event.role) == ("robin", "resolved-by-mistake", "ehr", "case-manager")
    (stands,) = rule.evolve((), event)
    before, now = resolved().escalation, stands.escalation
    assert (now.id, now.raised_at, now.tier, now.signals) == (before.id, MONDAY, before.tier, (MISS,))
    assert (stands.accepted, stands.accepted_by, stands.overdue, stands.acted) == (True, "robin", False, "")
    assert now.act_by == LATER + timedelta(minutes=TIMES.act_minutes[2]) == rule.due([stands])


def test_it_is_theirs_and_no_more_whom_it_was_handed_over_to() -> None:
    known = after(taken(), handed(taken()))
    (event,) = rule.reopen((), reopening(resolved(known)), [MISS], moment(LATER))  # type: ignore[misc]
    assert resolved(known).escalation.handed_over == HandedOver(MONDAY + timedelta(minutes=30))
    assert event.escalation.handed_over is None


def test_only_the_signals_that_stand_come_back() -> None:
    command = replace(reopening(resolved()), escalation=raised(MISS, SECOND_MISS, tier=3).escalation)
    (event,) = rule.reopen((), command, [SECOND_MISS], moment(LATER))  # type: ignore[misc]
    assert event.escalation.signals == (SECOND_MISS,)


def test_the_same_again_changes_nothing() -> None:
    still_open = after((), reopened())
    assert reopened(still_open) == []
    assert isinstance(reopened(still_open, by="sam"), Refused)


@pytest.mark.parametrize(
    ("otherwise", "refused"),
    [
        ({"resolution": "episode-discharged"}, CLOSED_BY_THE_HUB),
        ({"by_the_same": False}, RESOLVED_BY_ANOTHER),
        ({"stands": ()}, STANDS_NO_MORE),
        ({"stands": STAY_OVER}, STAY_OVER),
    ],
)
def test_it_stays_resolved_where_it_was_not_theirs_or_stands_no_more(otherwise: Any, refused: Refused) -> None:
    assert reopened(**otherwise) == refused


def test_it_is_reopened_for_a_day_and_not_a_second_longer() -> None:
    last = RESOLVED_AT + timedelta(hours=24)
    assert not isinstance(reopened(now=last), Refused)
    refused = reopened(now=last + timedelta(seconds=1))
    assert isinstance(refused, Refused) and "24 h" in refused.reason


def test_another_one_that_asks_for_the_same_is_named_instead() -> None:
    other = replace(raised(SECOND_MISS).escalation, id="another")
    refused = reopened((Open(other),))
    assert isinstance(refused, Refused) and "Task/another" in refused.reason


def test_what_is_not_acted_on_after_that_is_overdue_and_rings_under_another_name() -> None:
    known = after(taken(), rule.emit_overdue(taken(), resolved().escalation.act_by))
    (event,) = rule.resolve(known, ID, "acted-on", "robin", moment(LATER + timedelta(hours=3)))  # type: ignore[misc]
    (again,) = after((), rule.reopen((), reopening(event), [MISS], moment(LATER + timedelta(hours=4))))  # type: ignore[arg-type]
    assert rule.emit_overdue((again,), again.escalation.act_by)
    assert again.escalation.acknowledge_by != event.escalation.acknowledge_by  # what a page is named after

"""A page as a law: who is told how often, whatever happens to the escalation, to its pages and to their receivers."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.escalation import EscalationEvent, EscalationOverdue, EscalationRaised, EscalationUpdated, Signal
from shared.path.outbound.destinations import on_call_destination
from shared.rules import escalation as rule
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Open, Times, Trigger
from shared.rules.page import (
    LOOK_SECONDS,
    Limits,
    Page,
    PageContext,
    TaskNow,
    Tried,
    next_step,
    pause_seconds,
    task_now,
)
from shared.rules.rota import Role
from tests.laws import examples
from tests.shared.rules.on_call import calendar, local
from tests.shared.rules.test_escalation import Settings

NIGHT = local("2026-03-03 03:00")
LIMITS = Limits()
TIMES = Times(acknowledge_minutes=(4320, 1440, 60, 15), act_minutes=(4320, 1440, 240, 60))
CAUSE = UUID("7a1f0c52-0c6e-4a63-9f1e-2f0a5d1f7c11")
ROLES: tuple[Role, ...] = ("on-call", "deputy")
ON_CALL_LANE = on_call_destination("on-call", frozenset({1, 2, 3, 4}))
REASONS = ("suicide-screen", "miss-and-positive")


def page(tier: int = 4, minutes: int = 15, **changed: Any) -> Page:
    found = Page(
        escalation_id="1f0c6a3e-0000-4000-8000-000000000001",
        category="safety",
        reason="suicide-screen",
        tier=tier,
        at=NIGHT,
        acknowledge_by=NIGHT + timedelta(minutes=minutes),
        act_by=NIGHT + timedelta(minutes=minutes),
    )
    return msgspec.structs.replace(found, **changed)


def task(status: str = "requested", tier: int = 4) -> TaskNow:
    coded = {"type": {"coding": [{"code": "tier"}]}, "valueInteger": tier}
    return msgspec.convert({"status": status, "input": [coded]}, type=TaskNow)


def step(asked: Page, role: Role = "on-call", *, known: PageContext | None = None, now: datetime = NIGHT) -> object:
    return next_step(asked, role, known or PageContext(False, task()), now, calendar(), LIMITS)


@pytest.mark.parametrize("status", ["accepted", "in-progress", "completed", "cancelled", "failed"])
def test_what_somebody_has_taken_on_or_closed_rings_nobody(status: str) -> None:
    assert step(page(), known=PageContext(False, task(status))) == "not-needed"
    assert step(page(), known=PageContext(False, None)) == "not-needed"


def test_what_was_taken_on_and_not_acted_on_rings_until_it_is_closed() -> None:
    late = page(overdue=True, accepted=True)
    assert step(late, known=PageContext(False, task("accepted"))) == NIGHT
    assert step(late, known=PageContext(False, task("completed"))) == "not-needed"


def test_each_reason_to_ring_has_a_page_of_its_own_and_the_same_reason_the_same_one() -> None:
    raised, later = page(), page(at=NIGHT + timedelta(minutes=3), accepted=True)
    overdue, late = page(overdue=True), page(overdue=True, accepted=True)
    anew = page(acknowledge_by=NIGHT + timedelta(hours=1))
    ids = [each.id(role) for each in (raised, overdue, late, anew, page(3)) for role in ROLES]
    assert len(set(ids)) == len(ids)
    assert raised.id("on-call") == later.id("on-call")


def test_where_the_next_tier_rings_the_former_does_not() -> None:
    assert step(page(3), known=PageContext(False, task(tier=4))) == "not-needed"
    assert step(page(4), known=PageContext(False, task(tier=3))) == NIGHT


def test_a_page_that_was_taken_is_not_sent_again() -> None:
    assert step(page(), known=PageContext(True, task())) == "ended"


@pytest.mark.parametrize(("failures", "minutes"), [(0, 15 * 0.33), (1, 15 * 0.33), (2, 0), (10, 0)])
def test_the_deputy_is_told_after_two_failures_or_a_third_of_the_time(failures: int, minutes: float) -> None:
    known = PageContext(False, task(), Tried(NIGHT, failures))
    assert step(page(), "deputy", known=known) == NIGHT + timedelta(minutes=minutes)


def test_the_deputy_of_nobody_who_was_rung_looks_again() -> None:
    assert step(page(), "deputy") == NIGHT + timedelta(seconds=LOOK_SECONDS)
    a_day = page(2, 1440)
    assert step(a_day, "deputy", known=PageContext(False, task(tier=2))) == local("2026-03-03 08:00")


def test_a_deputy_of_a_milder_one_is_told_in_business_hours() -> None:
    rung, a_day = local("2026-03-02 16:00"), page(2, 24 * 60)
    first = Tried(rung, 0)
    assert step(a_day, "deputy", known=PageContext(False, task(tier=2), first), now=rung) == local("2026-03-03 08:00")


@pytest.mark.parametrize("tries", [1, 2, 10, 100])
def test_all_tries_fit_into_their_time(tries: int) -> None:
    limits = Limits(tries_most=tries)
    pauses = [pause_seconds(failures, limits) for failures in range(1, tries)]
    assert sum(pauses) + tries * limits.seconds_most <= limits.trying_minutes_most * 60 + 1e-6
    assert pauses == sorted(pauses)


def test_the_second_try_follows_soon() -> None:
    assert pause_seconds(1, LIMITS) < 10


@dataclass
class Night:
    """A night as lanes see it: escalations live by their machine, each lane looks at each of its pages."""

    now: datetime = NIGHT
    still_open: tuple[Open, ...] = ()
    tasks: dict[str, TaskNow] = field(default_factory=dict)
    waiting: list[tuple[Role, Page]] = field(default_factory=list)
    tried: dict[UUID, Tried] = field(default_factory=dict)
    not_before: dict[UUID, datetime] = field(default_factory=dict)
    made: list[UUID] = field(default_factory=list)
    given_up: list[UUID] = field(default_factory=list)
    works: dict[Role, bool] = field(default_factory=lambda: {"on-call": True, "deputy": True})

    def emit(self, events: "list[EscalationEvent] | Refused") -> None:
        for event in [] if isinstance(events, Refused) else events:
            self.still_open = rule.evolve(self.still_open, event)
            self.tasks[event.escalation.id] = task_now(msgspec.json.encode(event.write("patient")[0]).decode())
            asks = isinstance(event, EscalationRaised | EscalationUpdated | EscalationOverdue)
            if asks and ON_CALL_LANE.selects(event):
                self.waiting += [(role, Page.of(event)) for role in ROLES]

    def moment(self) -> Moment[Any]:
        return Moment(self.now, NIGHT, Settings(), uuid5(CAUSE, self.now.isoformat()), "patient", "demo", "ehr")

    def raise_(self, tier: int, reason: str) -> None:
        signal = Signal("signal", self.now, f"Observation/{self.now.isoformat()}")
        trigger = Trigger("safety", reason, tier, "on-call-clinician", "rule|1", (signal,))
        self.emit(rule.raise_or_update(self.still_open, [trigger], self.moment(), TIMES))

    def acknowledge(self, index: int) -> None:
        if self.still_open:
            chosen = self.still_open[index % len(self.still_open)].escalation.id
            self.emit(rule.acknowledge(self.still_open, chosen, "nurse-1", self.moment()))

    def close(self, index: int) -> None:
        if self.still_open:
            chosen = self.still_open[index % len(self.still_open)].escalation.id
            self.emit(rule.resolve(self.still_open, chosen, "acted-on", "nurse-1", self.moment()))

    def wait(self, minutes: int) -> None:
        for _ in range(minutes * 4):
            self.now += timedelta(seconds=15)
            self.emit(rule.emit_overdue(self.still_open, self.now))
            self.look()

    def look(self) -> None:
        """Each lane at each page that waits, in any order of theirs."""
        self.waiting = [(role, asked) for role, asked in self.waiting if self._stays(role, asked)]

    def _stays(self, role: Role, asked: Page) -> bool:
        id = asked.id(role)
        ended = id in self.made or id in self.given_up
        known = PageContext(ended, self.tasks.get(asked.escalation_id), self.tried.get(asked.id("on-call")))
        at = next_step(asked, role, known, self.now, calendar(), LIMITS)
        if isinstance(at, str):
            return False
        if max(at, self.not_before.get(id, at)) > self.now:
            return True
        self._ring(role, asked, id)
        return id not in self.made and id not in self.given_up

    def _ring(self, role: Role, asked: Page, id: UUID) -> None:
        self.require_open(asked)
        before = self.tried.get(id, Tried(self.now, 0))
        self.tried[id] = before
        if self.works[role]:
            self.made.append(id)
            return
        self.tried[id] = Tried(before.rung_at, before.failures + 1)
        self.not_before[id] = self.now + timedelta(seconds=pause_seconds(before.failures + 1, LIMITS))
        if before.failures + 1 == LIMITS.tries_most:
            self.given_up.append(id)

    def require_open(self, asked: Page) -> None:
        """The law: none rings once it is closed, or taken on without being late."""
        (found,) = [each for each in self.still_open if each.escalation.id == asked.escalation_id]
        assert found.escalation.tier == asked.tier
        assert not found.accepted or asked.accepted


@pytest.mark.parametrize("acknowledged", [False, True])
def test_news_of_a_milder_one_that_overdue_lifted_rings_nobody_again(acknowledged: bool) -> None:
    night = Night(now=local("2026-03-03 10:00"))
    night.raise_(2, REASONS[0])
    night.now = night.still_open[0].escalation.acknowledge_by
    night.wait(1)
    if acknowledged:
        night.acknowledge(0)
    rung = list(night.made)
    assert night.still_open[0].escalation.tier == 3 and rung
    night.raise_(2, REASONS[0])
    assert len(night.still_open[0].escalation.signals) == 2
    night.wait(1)
    assert night.made == rung
    night.raise_(4, REASONS[0])
    night.look()
    assert len(night.made) > len(rung)


changes = st.one_of(
    st.tuples(st.just("raise_"), st.integers(1, 4), st.sampled_from(REASONS)),
    st.tuples(st.just("acknowledge"), st.integers(0, 1)),
    st.tuples(st.just("close"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from([1, 6, 20])),
    st.tuples(st.just("turn"), st.sampled_from(ROLES)),
)


@settings(max_examples=examples(100))
@given(st.lists(changes, max_size=12))
def test_each_tier_that_is_reached_rings_once_and_none_that_is_closed(asked: list[tuple[Any, ...]]) -> None:
    night = Night()
    for name, *arguments in asked:
        if name == "turn":
            night.works[arguments[0]] = not night.works[arguments[0]]
        else:
            getattr(night, name)(*arguments)
        night.look()
    night.works = {"on-call": True, "deputy": True}
    night.wait(5)

    assert len(night.made) == len(set(night.made))
    for each in night.still_open:
        if each.escalation.tier >= 3 and not each.accepted:
            rung = {one.id("on-call") for one in _pages_of(each)}
            assert rung & {*night.made, *night.given_up}


def _pages_of(waits: Open) -> list[Page]:
    raised = Page.of(EscalationRaised(escalation=waits.escalation, at=NIGHT))
    return [raised, msgspec.structs.replace(raised, overdue=True)]

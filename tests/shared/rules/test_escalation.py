"""The life of an escalation: raised, updated, acknowledged, overdue once, resolved or retracted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.events.codes import ATTEMPTS
from shared.events.envelope import Event
from shared.events.escalation import (
    EscalationAcknowledged,
    EscalationActedOn,
    EscalationEvent,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    Signal,
)
from shared.rules import escalation as rule
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import NOT_OPEN, SIGNALS_MOST, Open, Times, Trigger
from shared.rules.staff import Staff

MONDAY = datetime(2025, 3, 10, 14, 15, tzinfo=UTC)
TIMES = Times(acknowledge_minutes=(4320, 1440, 60, 15), act_minutes=(4320, 1440, 240, 60))
CAUSE = UUID("7a1f0c52-0c6e-4a63-9f1e-2f0a5d1f7c11")
MISS = Signal("session-missed", MONDAY, "Appointment/monday")
SECOND_MISS = Signal("session-missed", MONDAY + timedelta(days=2), "Appointment/wednesday")


class Settings(msgspec.Struct, frozen=True):
    """What a service's settings have for every escalation."""

    escalation: Times = TIMES
    staff: Staff = msgspec.field(default_factory=dict)


def moment(now: datetime = MONDAY) -> Moment[Any]:
    return Moment(
        now=now,
        listening_since=MONDAY - timedelta(days=30),
        settings=Settings(),
        cause=uuid5(CAUSE, now.isoformat()),
        patient="patient",
        program="demo",
        by="clinician",
    )


def misses(*signals: Signal, tier: int = 1, reason: str = "missed-sessions", subsumes: tuple[str, ...] = ()) -> Trigger:
    return Trigger(
        category="attendance",
        reason=reason,
        tier=tier,
        owner="case-manager",
        rule="misses|1",
        signals=signals,
        subsumes=subsumes,
    )


def after(*events: EscalationEvent) -> tuple[Open, ...]:
    still_open: tuple[Open, ...] = ()
    for event in events:
        still_open = rule.evolve(still_open, event)
    return still_open


def raised(*signals: Signal, tier: int = 1, now: datetime = MONDAY) -> EscalationEvent:
    (event,) = rule.raise_or_update((), [misses(*(signals or (MISS,)), tier=tier)], moment(now), TIMES)
    return event


def only(events: list[EscalationEvent]) -> EscalationEvent:
    (event,) = events
    return event


def test_a_trigger_raises_an_escalation_with_its_tiers_times() -> None:
    event = raised(tier=3)
    assert isinstance(event, EscalationRaised)
    assert event.escalation.acknowledge_by == MONDAY + timedelta(hours=1)
    assert event.escalation.act_by == MONDAY + timedelta(hours=4)
    assert event.escalation.signals == (MISS,)


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_each_tier_has_its_own_times(tier: int) -> None:
    escalation = raised(tier=tier).escalation
    assert escalation.acknowledge_by - MONDAY == timedelta(minutes=TIMES.acknowledge_minutes[tier - 1])
    assert escalation.act_by - MONDAY == timedelta(minutes=TIMES.act_minutes[tier - 1])


def test_the_same_cause_raises_the_same_id_again() -> None:
    assert raised().escalation.id == raised().escalation.id


def test_two_reasons_are_two_escalations() -> None:
    emitted = rule.raise_or_update((), [misses(MISS), misses(MISS, reason="long-absence")], moment(), TIMES)
    assert [type(each) for each in emitted] == [EscalationRaised, EscalationRaised]
    assert emitted[0].escalation.id != emitted[1].escalation.id


def test_one_reason_found_twice_at_once_is_raised_once_and_updated() -> None:
    emitted = rule.raise_or_update((), [misses(MISS), misses(SECOND_MISS)], moment(), TIMES)
    assert [type(each) for each in emitted] == [EscalationRaised, EscalationUpdated]
    (still_open,) = after(*emitted)
    assert still_open.escalation.signals == (MISS, SECOND_MISS)


def test_the_same_reason_with_a_new_signal_updates_the_open_escalation() -> None:
    event = only(rule.raise_or_update(after(raised()), [misses(MISS, SECOND_MISS, tier=2)], moment(), TIMES))
    assert isinstance(event, EscalationUpdated)
    assert event.escalation.id == raised().escalation.id
    assert event.escalation.signals == (MISS, SECOND_MISS)
    assert event.escalation.tier == 2


def test_the_same_signal_again_says_nothing() -> None:
    assert rule.raise_or_update(after(raised()), [misses(MISS)], moment(MONDAY + timedelta(days=1)), TIMES) == []


def test_an_update_never_lowers_the_tier() -> None:
    event = only(rule.raise_or_update(after(raised(tier=3)), [misses(SECOND_MISS, tier=1)], moment(), TIMES))
    assert event.escalation.tier == 3


def test_a_higher_tier_alone_updates_and_shortens_the_times() -> None:
    later = MONDAY + timedelta(hours=5)
    event = only(rule.raise_or_update(after(raised(tier=1)), [misses(MISS, tier=3)], moment(later), TIMES))
    assert isinstance(event, EscalationUpdated)
    assert event.escalation.acknowledge_by == later + timedelta(hours=1)
    assert event.escalation.act_by == later + timedelta(hours=4)


def test_a_higher_tier_never_gives_more_time_than_was_left() -> None:
    almost = MONDAY + timedelta(minutes=4320 - 10)
    event = only(rule.raise_or_update(after(raised(tier=1)), [misses(MISS, tier=3)], moment(almost), TIMES))
    assert event.escalation.acknowledge_by == MONDAY + timedelta(minutes=4320)


def test_an_update_of_the_same_tier_keeps_the_times() -> None:
    event = only(
        rule.raise_or_update(after(raised()), [misses(SECOND_MISS)], moment(MONDAY + timedelta(days=2)), TIMES)
    )
    assert event.escalation.acknowledge_by == raised().escalation.acknowledge_by


def test_an_update_keeps_the_acknowledgement() -> None:
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="clinician"))
    event = only(rule.raise_or_update(taken, [misses(SECOND_MISS)], moment(), TIMES))
    assert isinstance(event, EscalationUpdated) and event.accepted
    assert rule.evolve(taken, event)[0].accepted


def test_a_higher_tier_asks_anew_whoever_took_on_the_milder_one() -> None:
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="clinician"))
    later = MONDAY + timedelta(days=5)
    event = only(rule.raise_or_update(taken, [misses(SECOND_MISS, tier=4)], moment(later), TIMES))
    assert isinstance(event, EscalationUpdated) and not event.accepted
    (asked,) = rule.evolve(taken, event)
    assert (asked.accepted, asked.accepted_by, rule.due([asked])) == (False, "", later + timedelta(minutes=15))
    overdue = only(rule.emit_overdue([asked], later + timedelta(minutes=15)))
    assert isinstance(overdue, EscalationOverdue) and overdue.escalation.tier == 4


def test_an_update_adds_what_it_subsumes() -> None:
    emitted = rule.raise_or_update(
        (), [misses(MISS, subsumes=("a",)), misses(MISS, subsumes=("a", "b"))], moment(), TIMES
    )
    assert after(*emitted)[0].escalation.subsumes == ("a", "b")


def test_of_many_signals_the_newest_are_kept_in_clinical_order() -> None:
    days = [Signal("session-missed", MONDAY + timedelta(days=day), f"Appointment/{day}") for day in range(6)]
    event = only(rule.raise_or_update((), [misses(*reversed(days))], moment(), TIMES))
    assert event.escalation.signals == tuple(days[-SIGNALS_MOST:])
    assert rule.raise_or_update(after(event), [misses(*days)], moment(), TIMES) == []


def test_a_signal_that_became_known_late_is_shown_though_all_others_are_newer() -> None:
    days = [Signal("session-missed", MONDAY + timedelta(days=day), f"Appointment/{day}") for day in range(6)]
    known = after(raised(*days[1:]))
    event = only(rule.raise_or_update(known, [misses(days[0])], moment(), TIMES))
    assert event.escalation.signals == (days[0], *days[-3:])
    assert rule.raise_or_update(rule.evolve(known, event), [misses(days[0])], moment(), TIMES) == []


def test_a_person_acknowledges_it() -> None:
    still_open = after(raised())
    emitted = rule.acknowledge(still_open, raised().escalation.id, "robin", moment())
    assert emitted == [
        EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin", client="clinician")
    ]


def test_the_same_person_acknowledges_twice_and_nothing_changes() -> None:
    still_open = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    assert rule.acknowledge(still_open, raised().escalation.id, "robin", moment()) == []


def test_the_second_person_to_acknowledge_learns_who_was_first() -> None:
    still_open = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    refused = rule.acknowledge(still_open, raised().escalation.id, "sam", moment())
    assert isinstance(refused, Refused)
    assert (refused.code, refused.expression) == ("conflict", "Task.owner")
    assert "robin" in refused.reason and "sam" not in refused.reason


def acted(act: str, by: str = "robin", at: datetime = MONDAY) -> EscalationActedOn:
    return EscalationActedOn(escalation=raised().escalation, at=at, act=act, by=by, client="clinician")


def test_whoever_has_it_says_by_code_what_they_did_and_it_stays_open_and_theirs() -> None:
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    assert rule.act_on(taken, raised().escalation.id, "called", "robin", moment()) == [acted("called")]
    (stands,) = rule.evolve(taken, acted("called"))
    assert (stands.accepted_by, stands.acted) == ("robin", "called")
    assert rule.act_on([stands], raised().escalation.id, "called", "robin", moment()) == []
    assert rule.act_on([stands], raised().escalation.id, "visited", "robin", moment()) == [acted("visited")]


@pytest.mark.parametrize("act", sorted(ATTEMPTS))
def test_after_an_attempt_the_time_to_act_runs_on(act: str) -> None:
    """Whoever left a message has not seen the patient: of a suicide risk nobody would be reminded."""
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    (attempted,) = rule.evolve(taken, acted(act))
    assert (attempted.accepted, attempted.acted) == (True, act)
    assert rule.due([attempted]) == attempted.escalation.act_by
    assert rule.act_on([attempted], attempted.escalation.id, act, "robin", moment()) == []
    (seen,) = rule.evolve((attempted,), acted("visited"))
    (again,) = rule.evolve((seen,), acted(act))
    assert (again.acted, rule.due([seen]), rule.due([again])) == ("visited", None, None)


def test_who_acts_before_taking_it_on_takes_it_on_with_it() -> None:
    emitted = rule.act_on(after(raised()), raised().escalation.id, "called", "robin", moment())
    assert emitted == [
        EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin", client="clinician"),
        acted("called"),
    ]


def test_another_person_than_whoever_has_it_cannot_act_and_learns_who_can() -> None:
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    refused = rule.act_on(taken, raised().escalation.id, "called", "sam", moment())
    assert refused == Refused("conflict", "acknowledged by staff/robin", "Task.owner")
    assert rule.act_on((), raised().escalation.id, "called", "sam", moment()) == rule.NOT_OPEN


def test_whoever_acted_is_not_overdue_until_the_tier_rises() -> None:
    taken = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    assert rule.due(taken) is not None
    still_open = rule.evolve(taken, acted("called"))
    (stands,) = still_open
    assert rule.due([stands]) is None and rule.emit_overdue([stands], MONDAY + timedelta(days=9)) == []
    event = only(rule.raise_or_update([stands], [misses(SECOND_MISS, tier=4)], moment(), TIMES))
    (asked,) = rule.evolve(still_open, event)
    assert (asked.accepted, asked.acted, rule.due([asked])) == (False, "", MONDAY + timedelta(minutes=15))


def test_an_update_of_the_same_tier_shows_on_what_was_done() -> None:
    event = only(
        rule.raise_or_update(
            [Open(raised().escalation, True, False, "robin", "called")], [misses(SECOND_MISS)], moment(), TIMES
        )
    )
    assert isinstance(event, EscalationUpdated) and event.acted == "called"


def test_an_update_leaves_it_with_the_person_who_took_it_on() -> None:
    still_open = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="robin"))
    event = only(rule.raise_or_update(still_open, [misses(SECOND_MISS)], moment(), TIMES))
    still_open = rule.evolve(still_open, event)
    assert isinstance(rule.acknowledge(still_open, raised().escalation.id, "sam", moment()), Refused)
    assert rule.acknowledge(still_open, raised().escalation.id, "robin", moment()) == []


def test_a_person_resolves_it_with_a_reason_acknowledged_or_not() -> None:
    still_open = after(raised())
    emitted = rule.resolve(still_open, raised().escalation.id, "patient-reached", "robin", moment())
    expected = EscalationResolved(
        escalation=raised().escalation, at=MONDAY, reason="patient-reached", by="robin", client="clinician"
    )
    assert emitted == [expected]
    assert rule.evolve(still_open, expected) == ()


def test_what_is_not_open_is_neither_acknowledged_nor_resolved() -> None:
    assert rule.acknowledge((), "unknown", "robin", moment()) == NOT_OPEN
    assert rule.resolve((), "unknown", "patient-reached", "robin", moment()) == NOT_OPEN
    gone = after(raised(), EscalationResolved(escalation=raised().escalation, at=MONDAY, reason="patient-reached"))
    assert isinstance(rule.acknowledge(gone, raised().escalation.id, "robin", moment()), Refused)


def test_it_is_overdue_from_the_moment_nobody_acknowledged_in_time() -> None:
    still_open, deadline = after(raised(tier=2)), MONDAY + timedelta(minutes=1440)
    assert rule.due(still_open) == deadline
    assert rule.emit_overdue(still_open, deadline - timedelta(microseconds=1)) == []
    event = only(rule.emit_overdue(still_open, deadline))
    assert isinstance(event, EscalationOverdue)


@pytest.mark.parametrize(("tier", "risen"), [(1, 2), (2, 3), (3, 3), (4, 4)])
def test_overdue_rises_one_tier_at_most_to_t3_and_never_lowers(tier: int, risen: int) -> None:
    event = only(rule.emit_overdue(after(raised(tier=tier)), MONDAY + timedelta(days=30)))
    assert event.escalation.tier == risen


def test_overdue_is_said_once() -> None:
    late = MONDAY + timedelta(days=30)
    still_open = after(raised())
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, late)))
    assert rule.emit_overdue(still_open, late + timedelta(days=30)) == []
    assert rule.due(still_open) is None


def test_an_update_of_an_overdue_one_that_does_not_rise_does_not_make_it_overdue_again() -> None:
    late = MONDAY + timedelta(days=30)
    still_open = after(raised())
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, late)))
    event = only(rule.raise_or_update(still_open, [misses(SECOND_MISS, tier=2)], moment(late), TIMES))
    assert isinstance(event, EscalationUpdated) and event.overdue
    assert rule.due(rule.evolve(still_open, event)) is None


def test_an_overdue_one_that_rises_is_asked_anew_and_becomes_overdue_again() -> None:
    late = MONDAY + timedelta(days=30)
    still_open = after(raised())
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, late)))

    event = only(rule.raise_or_update(still_open, [misses(SECOND_MISS, tier=4)], moment(late), TIMES))
    still_open = rule.evolve(still_open, event)

    assert isinstance(event, EscalationUpdated) and not event.overdue
    assert event.escalation.acknowledge_by == late + timedelta(minutes=15) == rule.due(still_open)
    assert event.escalation.act_by == late + timedelta(minutes=60)
    again = only(rule.emit_overdue(still_open, late + timedelta(minutes=15)))
    assert isinstance(again, EscalationOverdue) and again.escalation.tier == 4
    assert rule.due(rule.evolve(still_open, again)) is None


def test_an_overdue_one_that_rises_has_no_more_time_to_act_than_was_left() -> None:
    """Overdue after an hour, to be acted on within four: a T4 ten minutes before that leaves ten minutes."""
    still_open = after(raised(tier=3))
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, MONDAY + timedelta(hours=1))))
    almost = MONDAY + timedelta(hours=4) - timedelta(minutes=10)
    event = only(rule.raise_or_update(still_open, [misses(SECOND_MISS, tier=4)], moment(almost), TIMES))
    assert event.escalation.act_by == MONDAY + timedelta(hours=4)


def test_who_took_it_on_and_did_not_act_in_time_is_overdue_once_and_still_has_it() -> None:
    acknowledged = EscalationAcknowledged(escalation=raised(tier=3).escalation, at=MONDAY, by="robin")
    still_open, act_by = after(raised(tier=3), acknowledged), MONDAY + timedelta(hours=4)
    assert rule.due(still_open) == act_by
    assert rule.emit_overdue(still_open, act_by - timedelta(microseconds=1)) == []

    event = only(rule.emit_overdue(still_open, act_by))
    still_open = rule.evolve(still_open, event)

    assert isinstance(event, EscalationOverdue) and event.accepted
    (late,) = still_open
    assert (late.accepted, late.accepted_by, late.overdue) == (True, "robin", True)
    assert rule.emit_overdue(still_open, act_by + timedelta(days=365)) == []


def test_who_takes_an_overdue_one_on_still_has_to_act_in_time() -> None:
    still_open = after(raised(tier=3))
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, MONDAY + timedelta(hours=1))))
    taken = rule.acknowledge(still_open, raised().escalation.id, "robin", moment(MONDAY + timedelta(hours=2)))
    assert isinstance(taken, list)
    assert rule.due(rule.evolve(still_open, taken[0])) == MONDAY + timedelta(hours=4)


def test_who_takes_it_on_after_everything_was_overdue_is_not_reminded_again() -> None:
    still_open, late = after(raised()), MONDAY + timedelta(days=30)
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, late)))
    taken = rule.acknowledge(still_open, raised().escalation.id, "robin", moment(late))
    assert isinstance(taken, list)
    assert rule.due(rule.evolve(still_open, taken[0])) is None


@pytest.mark.parametrize("act", [(60, 60, 60, 61), (60, 60, 60, 0), (60, 120, 60, 15)])
def test_times_by_which_a_worse_tier_may_wait_longer_are_refused(act: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="act_minutes"):
        Times(acknowledge_minutes=(60, 60, 60, 60), act_minutes=act)


def test_an_overdue_one_can_still_be_acknowledged() -> None:
    still_open = after(raised())
    still_open = rule.evolve(still_open, only(rule.emit_overdue(still_open, MONDAY + timedelta(days=30))))
    emitted = rule.acknowledge(still_open, raised().escalation.id, "robin", moment())
    assert isinstance(emitted, list) and len(emitted) == 1


def test_without_its_only_evidence_it_is_retracted() -> None:
    event = only(rule.withdraw_evidence(after(raised()), MISS.evidence, (), "late-check-in", MONDAY))
    assert event == EscalationRetracted(escalation=raised().escalation, at=MONDAY, reason="late-check-in")
    assert rule.evolve(after(raised()), event) == ()


def test_where_the_reason_still_stands_only_the_signal_goes() -> None:
    still_open = after(raised(MISS, SECOND_MISS))
    event = only(rule.withdraw_evidence(still_open, MISS.evidence, ["missed-sessions"], "late-check-in", MONDAY))
    assert isinstance(event, EscalationUpdated)
    assert (event.escalation.signals, event.gone) == ((SECOND_MISS,), (MISS,))


def test_where_the_reason_no_longer_stands_it_is_retracted_with_all_its_signals() -> None:
    still_open = after(raised(MISS, SECOND_MISS))
    event = only(rule.withdraw_evidence(still_open, MISS.evidence, ["another-reason"], "late-check-in", MONDAY))
    assert isinstance(event, EscalationRetracted)
    assert event.escalation.signals == (MISS, SECOND_MISS)


def test_evidence_that_nothing_rests_on_changes_nothing() -> None:
    assert rule.withdraw_evidence(after(raised()), "Appointment/other", (), "late-check-in", MONDAY) == []


def test_an_acknowledged_one_is_retracted_too() -> None:
    still_open = after(raised(), EscalationAcknowledged(escalation=raised().escalation, at=MONDAY, by="clinician"))
    event = only(rule.withdraw_evidence(still_open, MISS.evidence, (), "late-check-in", MONDAY))
    assert isinstance(event, EscalationRetracted)


def test_discharge_closes_each_open_one_with_a_reason() -> None:
    emitted = rule.raise_or_update((), [misses(MISS), misses(MISS, reason="long-absence")], moment(), TIMES)
    closed = rule.close_all(after(*emitted), "episode-discharged", MONDAY)
    assert [each.reason for each in closed if isinstance(each, EscalationResolved)] == ["episode-discharged"] * 2
    assert after(*emitted, *closed) == ()


reasons = some.sampled_from(["missed-sessions", "long-absence", "positive"])
signals = some.integers(0, 9).map(lambda day: Signal("signal", MONDAY + timedelta(days=day), f"Appointment/{day}"))
triggers = some.builds(
    misses, signals, signals, tier=some.integers(1, 4), reason=reasons, subsumes=some.sampled_from([(), ("a",)])
)
steps = some.lists(
    some.one_of(
        some.tuples(some.just("raise"), some.lists(triggers, min_size=1, max_size=3)),
        some.tuples(some.just("withdraw"), some.tuples(signals, some.sets(reasons))),
        some.tuples(some.sampled_from(["acknowledge", "act"]), some.integers(0, 2)),
        some.tuples(some.just("resolve"), some.integers(0, 2)),
        some.tuples(some.just("wait"), some.integers(0, 5000)),
    ),
    max_size=12,
)


COMMANDS: dict[str, Callable[[str], rule.EscalationCommand]] = {
    "acknowledge": lambda identity: rule.AcknowledgeEscalation(escalation_id=identity),
    "act": lambda identity: rule.ActOnEscalation(escalation_id=identity, act="called"),
    "resolve": lambda identity: rule.ResolveEscalation(escalation_id=identity, reason="reached"),
}


def step(what: str, how: Any, still_open: tuple[Open, ...], now: datetime) -> list[Event]:
    match what:
        case "raise":
            return list(rule.raise_or_update(still_open, how, moment(now), TIMES))
        case "withdraw":
            signal, stands = how
            return list(rule.withdraw_evidence(still_open, signal.evidence, stands, "corrected", now))
        case "acknowledge" | "act" | "resolve" if how < len(still_open):
            command = COMMANDS[what](still_open[how].escalation.id)
            emitted = rule.decide_escalation(still_open, command, moment(now))
            assert not isinstance(emitted, Refused)
            return list(emitted)
        case "wait":
            return list(rule.emit_overdue(still_open, now))
        case _:
            return []


def workload(taken: list[tuple[str, Any]]) -> list[tuple[EscalationEvent, tuple[Open, ...]]]:
    """Every event said along these steps, each with what is open after it."""
    still_open: tuple[Open, ...] = ()
    emitted: list[tuple[EscalationEvent, tuple[Open, ...]]] = []
    now = MONDAY
    for what, how in taken:
        now += timedelta(minutes=how) if what == "wait" else timedelta(minutes=1)
        for event in step(what, how, still_open, now):
            assert isinstance(event, EscalationEvent)
            still_open = rule.evolve(still_open, event)
            emitted.append((event, still_open))
    return emitted


@given(steps)
def test_one_reason_never_has_two_open_escalations(taken: list[tuple[str, Any]]) -> None:
    for _, still_open in workload(taken):
        open_reasons = [each.escalation.reason for each in still_open]
        assert len(open_reasons) == len(set(open_reasons))


@given(steps)
def test_each_is_raised_once_and_nothing_is_said_after_its_end(taken: list[tuple[str, Any]]) -> None:
    alive: set[str] = set()
    for event, _ in workload(taken):
        if isinstance(event, EscalationRaised):
            assert event.escalation.id not in alive
            alive.add(event.escalation.id)
        assert event.escalation.id in alive
        if isinstance(event, EscalationResolved | EscalationRetracted):
            alive.remove(event.escalation.id)


@given(steps)
def test_overdue_at_most_once_an_asking_and_never_beyond_t3_by_itself(taken: list[tuple[str, Any]]) -> None:
    """Asked is whoever is asked first, whoever took it on since, and everybody anew where the tier rises."""
    tiers: dict[str, int] = {}
    may_be_overdue: set[str] = set()
    for event, _ in workload(taken):
        identity, tier = event.escalation.id, event.escalation.tier
        before = tiers.get(identity, 0)
        if isinstance(event, EscalationOverdue):
            assert identity in may_be_overdue
            assert tier == max(before, min(before + 1, 3))
            may_be_overdue.remove(identity)
        elif tier > before or isinstance(event, EscalationAcknowledged):
            may_be_overdue.add(identity)
        tiers[identity] = tier


@given(steps)
def test_each_tier_reached_that_nobody_acts_on_is_overdue_exactly_once(taken: list[tuple[str, Any]]) -> None:
    """However it came about: what was not overdue since its tier rose, and not acted on, will be, once."""
    before = workload(taken)
    still_open = before[-1][1] if before else ()
    waiting = {each.escalation.id for each in still_open if not (each.overdue or each.acted)}
    emitted = [late for late in _left_alone(still_open) if isinstance(late, EscalationOverdue)]
    assert sorted(each.escalation.id for each in emitted) == sorted(waiting)


def _left_alone(still_open: tuple[Open, ...]) -> list[EscalationEvent]:
    """What is emitted while nobody does anything."""
    emitted: list[EscalationEvent] = []
    while (at := rule.due(still_open)) is not None:
        late = rule.emit_overdue(still_open, at)
        assert late, "a deadline that does not move"
        still_open = reduce(rule.evolve, late, still_open)
        emitted += late
    return emitted


@given(steps, some.integers(1, 4), some.integers(1, 4), some.integers(0, 5000))
def test_a_worse_tier_is_never_due_later_nor_waits_for_fewer(
    taken: list[tuple[str, Any]], one: int, other: int, minutes: int
) -> None:
    """The same trigger at two tiers, on whatever is open: the worse one is asked of everybody the milder one is."""
    before = workload(taken)
    still_open = before[-1][1] if before else ()
    now = moment(MONDAY + timedelta(minutes=minutes))
    still_open = reduce(rule.evolve, rule.emit_overdue(still_open, now.now), still_open)
    milder, worse = (_asked(still_open, tier, now) for tier in sorted((one, other)))
    assert (rule.due([worse]) or LAST) <= (rule.due([milder]) or LAST)
    anew = now.now + timedelta(minutes=TIMES.act_minutes[worse.escalation.tier - 1])
    assert worse.escalation.act_by <= max(milder.escalation.act_by, anew)
    assert milder.accepted or not worse.accepted


def _asked(still_open: tuple[Open, ...], tier: int, now: Moment[Any]) -> Open:
    for event in rule.raise_or_update(still_open, [misses(MISS, tier=tier)], now, TIMES):
        still_open = rule.evolve(still_open, event)
    return next(each for each in still_open if each.escalation.reason == "missed-sessions")


LAST = datetime.max.replace(tzinfo=UTC)


@given(steps)
def test_the_tier_never_falls_and_the_signals_stay_few_and_in_order(taken: list[tuple[str, Any]]) -> None:
    tiers: dict[str, int] = {}
    for event, _ in workload(taken):
        escalation = event.escalation
        assert escalation.tier >= tiers.get(escalation.id, 1)
        tiers[escalation.id] = escalation.tier
        assert 1 <= len(escalation.signals) <= SIGNALS_MOST
        assert list(escalation.signals) == sorted(set(escalation.signals), key=lambda each: each.at)


@given(steps, triggers)
def test_saying_the_same_trigger_again_says_nothing(taken: list[tuple[str, Any]], trigger: Trigger) -> None:
    emitted = workload(taken)
    still_open = emitted[-1][1] if emitted else ()
    now = moment(MONDAY + timedelta(days=60))
    for event in rule.raise_or_update(still_open, [trigger], now, TIMES):
        still_open = rule.evolve(still_open, event)
    assert rule.raise_or_update(still_open, [trigger], now, TIMES) == []


@given(steps)
def test_what_is_open_survives_its_storage(taken: list[tuple[str, Any]]) -> None:
    for _, still_open in workload(taken):
        assert msgspec.json.decode(msgspec.json.encode(still_open), type=tuple[Open, ...]) == still_open

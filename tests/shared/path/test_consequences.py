"""How the decisions about a patient led elsewhere: recommendations of another level, and which escalation is which."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from shared.events.escalation import EscalationOverdue, EscalationRaised, EscalationResolved, EscalationUpdated, Signal
from shared.events.intake import LevelOfCareRecommended, Need, Recommendation
from shared.path.transaction.consequences import Change, Consequences, Escalated, changes, counted, other_counts
from tests.events.examples import ESCALATION

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
RECOMMENDATION = Recommendation(
    recommendation_id="recommendation",
    task_id="task",
    referral_id="referral",
    level="2.1",
    rules=("R14",),
    conditions=(),
    table="2026.4",
    needs=(Need("withdrawal", "2.1"),),
    track=None,
    recommended_at=NOON,
    sign_by=NOON,
)


def recommended(**changed: object) -> Consequences:
    outcome = Consequences()
    outcome.then([LevelOfCareRecommended(recommendation=replace(RECOMMENDATION, **changed))], NOON)
    return outcome


def raised(*escalations: str) -> Consequences:
    outcome = Consequences()
    for name in escalations:
        outcome.then([EscalationRaised(escalation=replace(ESCALATION, id=name), at=NOON)], NOON)
    return outcome


def test_a_recommendation_of_another_level_is_named_with_both_and_their_rules() -> None:
    (change,) = changes("patient", recommended(), recommended(level="2.5", rules=("R9", "R14")))
    assert (change.kind, change.was, change.would_be) == ("level", "level 2.1 (R14)", "level 2.5 (R9, R14)")
    assert (change.about, change.rule) == ("ServiceRequest/recommendation", "intake/placement|2026.4")


def test_a_recommendation_that_is_not_made_is_fewer_and_one_that_is_made_is_more() -> None:
    assert [each.kind for each in changes("patient", recommended(), Consequences())] == ["fewer"]
    assert [each.kind for each in changes("patient", Consequences(), recommended())] == ["more"]


def test_one_takes_the_place_of_one_and_the_second_is_fewer() -> None:
    found = changes("patient", raised("first", "second"), raised("other"))
    assert [(each.kind, each.about) for each in found] == [("fewer", "Task/second")]


def test_of_two_in_its_place_the_open_one_is_acted_on() -> None:
    both, one = raised("closed", "open"), raised("first")
    both.then([EscalationResolved(escalation=replace(ESCALATION, id="closed"), at=NOON, reason="done")], NOON)
    assert both.in_place_of(one.asked["first"], one) == "open"


def test_what_is_about_other_facts_is_another_one() -> None:
    elsewhere = replace(ESCALATION, id="other", signals=(Signal("missed-session", NOON, "Appointment/another"),))
    other = Consequences()
    other.then([EscalationRaised(escalation=elsewhere, at=NOON)], NOON)
    assert sorted(each.kind for each in changes("patient", raised("first"), other)) == ["fewer", "more"]


def test_overdue_lifts_no_tier_of_the_rules_but_an_update_does() -> None:
    asked = Escalated.of(replace(ESCALATION, tier=2))
    asked.then(EscalationOverdue(escalation=replace(ESCALATION, tier=3), at=NOON))
    assert (asked.tier, asked.overdue) == (2, True)
    asked.then(EscalationUpdated(escalation=replace(ESCALATION, tier=3), at=NOON + timedelta(hours=1)))
    assert asked.tier == 2
    asked.then(EscalationUpdated(escalation=replace(ESCALATION, tier=4), at=NOON + timedelta(hours=2)))
    assert asked.tier == 4


def test_changes_are_counted_by_rule_and_events_where_their_number_differs() -> None:
    one = Change("patient", "Task/1", "rule|1", "more", NOON)
    assert counted([one, one, replace(one, rule="a|1", kind="time")]) == {"a|1": {"time": 1}, "rule|1": {"more": 2}}
    assert other_counts({"A": 1, "B": 2}, {"B": 2, "C": 3}) == {"A": (1, 0), "C": (0, 3)}

"""What a miss asks of a person."""

from datetime import timedelta

import pytest

from services.attendance.messages import ResolveEscalation
from shared.events.escalation import EscalationOverdue, EscalationRaised
from tests.attendance.given import MONDAY, SETTLED, admitted, evening, session
from tests.attendance.story import Story, changed, in_treatment
from tests.story import only

DAY = timedelta(days=1)


def test_the_first_miss_is_tier_one_for_the_case_manager() -> None:
    story = in_treatment()
    emitted = story.missing(SETTLED[0])
    (raised,) = only(emitted, EscalationRaised)
    escalation = raised.escalation
    assert (escalation.reason, escalation.tier, escalation.owner) == ("missed-session", 1, "case-manager")
    (signal,) = escalation.signals
    assert (signal.code, signal.at, signal.evidence) == (
        "missed-session",
        SETTLED[0],
        f"Appointment/{session(SETTLED[0])}",
    )


def test_somebody_reaches_out_within_a_day_of_the_missed_session() -> None:
    """Whatever the tier's own time to act (domain 5.2)."""
    (raised,) = only(in_treatment(outreach_hours=24).missing(SETTLED[0]), EscalationRaised)
    assert raised.escalation.act_by == SETTLED[0] + timedelta(hours=24)


def test_a_miss_that_becomes_known_late_leaves_four_hours_to_reach_out() -> None:
    """After an outage of two days nothing is overdue at once."""
    story = in_treatment(outreach_hours=24, outreach_least_hours=4)
    story.now = story.listening_since = SETTLED[0] + timedelta(days=1, hours=23)
    emitted = story.until(story.now + timedelta(minutes=15))
    (raised,) = [each for each in only(emitted, EscalationRaised) if each.escalation.reason == "missed-session"]
    assert raised.escalation.act_by == raised.at + timedelta(hours=4) and only(emitted, EscalationOverdue) == []


def test_a_miss_in_the_first_fourteen_days_is_tier_two() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    assert story.escalations == {"missed-session": 2}


def test_a_miss_with_an_opioid_history_is_tier_two() -> None:
    story = in_treatment("opioid-history")
    story.missing(SETTLED[0])
    assert story.escalations == {"missed-session": 2}


@pytest.mark.parametrize("flag", ["suicide-risk", "overdose-risk"])
def test_any_miss_at_risk_of_suicide_or_overdose_is_tier_three(flag: str) -> None:
    story = in_treatment(flag, "opioid-history")
    story.missing(SETTLED[0])
    assert story.escalations == {"missed-session": 3}


def test_two_misses_in_seven_days_are_tier_two() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[2])
    assert story.escalations == {"missed-session": 1, "two-misses-in-7-days": 2}


def test_two_misses_seven_days_apart_are_not_within_seven_days() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[3])
    assert story.escalations == {"missed-session": 1}


def test_three_misses_in_a_row_are_tier_three() -> None:
    story = in_treatment()
    emitted = story.missing(*SETTLED[:3])
    assert story.escalations == {
        "missed-session": 1,
        "two-misses-in-7-days": 2,
        "three-consecutive-misses": 3,
        "no-contact-after-miss": 3,
    }
    assert only(emitted, EscalationRaised)[-1].escalation.owner == "primary-therapist"


def test_three_misses_in_fourteen_days_with_sessions_between_are_tier_three() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 4), evening(3, 2))
    assert story.escalations == {"missed-session": 1, "two-misses-in-7-days": 2, "three-misses-in-14-days": 3}


def test_three_in_a_row_after_three_in_fourteen_days_asks_nobody_twice() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 4), evening(3, 2))
    emitted = story.missing(evening(3, 4), evening(4, 0))
    assert {event for event, reason, _ in changed(emitted) if reason.startswith("three-")} == {"Updated"}
    assert [reason for reason in story.escalations if reason.startswith("three-")] == ["three-consecutive-misses"]


def test_three_misses_further_apart_than_fourteen_days_are_not_tier_three() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(3, 0), evening(4, 0))
    assert story.escalations == {"missed-session": 1}


def test_each_miss_asks_for_its_own_outreach_whoever_has_taken_on_the_last_one() -> None:
    story = in_treatment(outreach_hours=24)
    story.missing(SETTLED[0])
    (raised,) = only(story.missing(SETTLED[2]), EscalationRaised)[:1]
    assert [each.at for each in raised.escalation.signals] == [SETTLED[2]]
    assert raised.escalation.act_by == SETTLED[2] + DAY
    assert len([each for each in story.still_open if each.reason == "missed-session"]) == 2


def test_several_misses_update_what_is_asked_about_them_all() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[1])
    assert ("Updated", "two-misses-in-7-days", 2) in changed(story.missing(SETTLED[2]))
    (asked,) = [each for each in story.still_open if each.reason == "two-misses-in-7-days"]
    assert [each.at for each in asked.signals] == list(SETTLED[:3])


def test_a_miss_after_the_escalation_was_resolved_raises_anew() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    first = story.open_id("missed-session")
    story.then(ResolveEscalation(escalation_id=first, reason="reached"))
    story.missing(SETTLED[3])
    assert story.open_id("missed-session") != first

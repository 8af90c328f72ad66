"""Escalations in a person's hands."""

from datetime import timedelta

from services.attendance.messages import AcknowledgeEscalation, FlagsChanged, HandOverEscalation, ResolveEscalation
from shared.events.escalation import EscalationAcknowledged, EscalationResolved, EscalationUpdated
from shared.rules.escalation import Times
from tests.attendance.given import GRACE, MONDAY, SETTLED, admitted, check_in, evening, session
from tests.attendance.story import Story, changed, in_treatment, refusal
from tests.story import only

DAY = timedelta(days=1)
TIMES = Times(acknowledge_minutes=(4320, 1440, 60, 15), act_minutes=(4320, 1440, 240, 60))


def flagged(*flags: str) -> FlagsChanged:
    return FlagsChanged(flags=flags, ended=(), changed_at=SETTLED[0])


def test_not_acknowledged_in_time_is_overdue_once_and_one_tier_up() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    deadline = story.still_open[0].acknowledge_by
    assert deadline == story.now + timedelta(hours=1)
    assert changed(story.attending_until(deadline - timedelta(seconds=1))) == []
    assert changed(story.until(deadline)) == [("Overdue", "missed-session", 2)]
    assert changed(story.attending_until(deadline + 7 * DAY)) == []


def test_overdue_rises_to_tier_three_at_most() -> None:
    story = in_treatment("suicide-risk")
    story.until(SETTLED[0] + GRACE)
    assert changed(story.attending_until(SETTLED[0] + DAY)) == [("Overdue", "missed-session", 3)]


def test_acknowledged_but_not_acted_on_in_time_is_overdue_and_stays_with_who_took_it_on() -> None:
    story = in_treatment(outreach_hours=24)
    story.until(SETTLED[0] + GRACE)
    story.then(AcknowledgeEscalation(escalation_id=story.open_id("missed-session")))
    assert changed(story.attending_until(SETTLED[0] + DAY - timedelta(seconds=1))) == []
    assert changed(story.until(SETTLED[0] + DAY)) == [("Overdue", "missed-session", 2)]
    assert changed(story.attending_until(SETTLED[0] + 14 * DAY)) == []
    assert [each.accepted for each in story.state.escalations] == [True]


def test_acknowledged_is_not_overdue_before_it_has_to_be_acted_on() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    story.then(AcknowledgeEscalation(escalation_id=story.open_id("missed-session")))
    assert changed(story.attending_until(SETTLED[0] + 14 * DAY)) == []


def test_nobody_takes_it_on_and_nobody_acts_is_overdue_once_all_the_same() -> None:
    story = in_treatment("suicide-risk", escalation=TIMES)
    story.until(SETTLED[0] + GRACE)
    emitted = story.until(SETTLED[0] + GRACE + timedelta(hours=1)) + story.attending_until(SETTLED[0] + 7 * DAY)
    assert changed(emitted) == [("Overdue", "missed-session", 3)]


def test_who_takes_an_overdue_one_on_and_does_not_act_is_overdue_too() -> None:
    story = in_treatment("suicide-risk", escalation=TIMES)
    story.until(SETTLED[0] + GRACE)
    story.until(SETTLED[0] + GRACE + timedelta(hours=2))
    story.accept()
    assert changed(story.attending_until(SETTLED[0] + 7 * DAY)) == [("Overdue", "missed-session", 3)]
    assert [each.accepted_by for each in story.state.escalations] == ["client/ehr"]


def test_a_rise_asks_whoever_has_taken_on_the_milder_one_though_no_risk_is_active() -> None:
    story = in_treatment(escalation=TIMES)
    story.until(SETTLED[0] + GRACE)
    story.accept()

    (updated,) = only(story.then(flagged("opioid-history")), EscalationUpdated)

    assert (updated.escalation.tier, updated.accepted) == (2, False)
    assert [(each.accepted, each.accepted_by) for each in story.state.escalations] == [(False, "")]


def test_a_rise_under_a_new_risk_leaves_no_more_time_to_act_than_was_left() -> None:
    story = in_treatment(escalation=TIMES)
    story.until(SETTLED[0] + GRACE)
    (before,) = story.still_open
    story.until(before.act_by - timedelta(minutes=10))
    (updated,) = only(story.then(flagged("suicide-risk")), EscalationUpdated)
    assert (updated.escalation.tier, updated.escalation.act_by) == (3, before.act_by)


def test_an_overdue_one_that_rises_is_asked_anew_and_becomes_overdue_again() -> None:
    story = in_treatment(escalation=TIMES)
    story.until(SETTLED[0] + GRACE)
    (asked,) = story.still_open
    assert changed(story.until(asked.act_by)) == [("Overdue", "missed-session", 2)]
    (updated,) = only(story.then(flagged("suicide-risk")), EscalationUpdated)
    assert updated.escalation.act_by == story.now + timedelta(hours=4)
    assert changed(story.until(story.now + timedelta(hours=1))) == [("Overdue", "missed-session", 3)]


def test_acknowledged_and_resolved_by_the_client_that_says_so() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    identity = story.open_id("missed-session")
    (accepted,) = only(story.then(AcknowledgeEscalation(escalation_id=identity)), EscalationAcknowledged)
    assert story.then(AcknowledgeEscalation(escalation_id=identity)) == []
    (resolved,) = only(story.then(ResolveEscalation(escalation_id=identity, reason="reached")), EscalationResolved)
    assert (accepted.by, resolved.by, resolved.reason) == ("client/ehr", "client/ehr", "reached")
    assert story.escalations == {}


def test_what_is_closed_cannot_be_resolved_again() -> None:
    story = Story(admitted())
    assert story.then(ResolveEscalation(escalation_id=session(MONDAY), reason="reached")) == []
    assert refusal(story) == ("conflict", "Task.status")


def test_a_miss_that_is_taken_back_is_gone_though_newer_ones_are_shown() -> None:
    """Whoever counts signals counted it too, when it was among the few shown."""
    story = in_treatment()
    story.missing(*(evening(week, weekday) for week in (2, 3) for weekday in (0, 2, 4)))
    (shown,) = [each for each in story.still_open if each.reason == "three-consecutive-misses"]
    assert shown.signals[0].at > SETTLED[0]

    emitted = only(story.then(check_in(SETTLED[0])), EscalationUpdated)

    (updated,) = [each for each in emitted if each.escalation.id == shown.id]
    assert [each.at for each in updated.gone] == [SETTLED[0]]
    assert updated.escalation.signals == shown.signals


def test_whom_it_was_handed_over_to_stays_until_a_rise_asks_their_role_anew() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    identity = story.open_id("missed-session")
    story.then(AcknowledgeEscalation(escalation_id=identity, by="case-manager-1"))
    story.then(HandOverEscalation(escalation_id=identity, to="staff/prescriber-1", reason="other-role-needed"))
    (asked,) = story.still_open
    assert (asked.owner, asked.person) == ("prescriber", "prescriber-1")
    assert [(each.accepted, each.accepted_by) for each in story.state.escalations] == [(False, "")]
    (risen,) = only(story.then(flagged("suicide-risk")), EscalationUpdated)
    assert (risen.escalation.tier, risen.escalation.owner, risen.escalation.person) == (3, "prescriber", "")
    assert changed(story.until(story.now + timedelta(hours=1))) == [("Overdue", "missed-session", 3)]

"""Escalations in a person's hands."""

from datetime import timedelta

from services.attendance.messages import AcknowledgeEscalation, ResolveEscalation
from shared.events.escalation import EscalationAcknowledged, EscalationResolved
from tests.attendance.given import GRACE, MONDAY, SETTLED, admitted, session
from tests.attendance.story import Story, changed, in_treatment, refusal
from tests.story import only

DAY = timedelta(days=1)


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


def test_acknowledged_and_resolved_by_the_client_that_says_so() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    identity = story.open_id("missed-session")
    (accepted,) = only(story.then(AcknowledgeEscalation(escalation_id=identity)), EscalationAcknowledged)
    assert story.then(AcknowledgeEscalation(escalation_id=identity)) == []
    (resolved,) = only(story.then(ResolveEscalation(escalation_id=identity, reason="reached")), EscalationResolved)
    assert (accepted.by, resolved.by, resolved.reason) == ("ehr", "ehr", "reached")
    assert story.escalations == {}


def test_what_is_closed_cannot_be_resolved_again() -> None:
    story = Story(admitted())
    assert story.then(ResolveEscalation(escalation_id=session(MONDAY), reason="reached")) == []
    assert refusal(story) == ("conflict", "Task.status")

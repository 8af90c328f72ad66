"""Who came late, or only for a part: an outcome of its own, and a question to a person when it happens twice."""

from datetime import datetime, timedelta

import pytest

from services.attendance.messages import (
    AttendanceCorrected,
    CheckInWithdrawn,
    ConfirmAttendance,
    PatientDied,
    ResolveEscalation,
    SessionAttended,
    SessionCheckedIn,
    SessionScheduled,
    WithdrawCheckIn,
)
from shared.events import codes, fhir
from shared.events.envelope import name_id
from shared.events.escalation import EscalationResolved
from tests.attendance.decide.test_discharge_withdrawn import taken_back
from tests.attendance.given import (
    GRACE,
    NAMES,
    PATIENT,
    SETTLED,
    discharged,
    evening,
    present,
    session,
)
from tests.attendance.story import Story, changed, in_treatment
from tests.reopening import reopening
from tests.story import only

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWICE = "late-or-partial-in-14-days"
FIRST, SECOND, THIRD, FOURTH = SETTLED
REPORTS_OVER = timedelta(hours=3 + 24)
"""After the start of a session."""


def shown(story: Story, start: datetime, since: int, until: int | None, name: str = "second") -> str:
    """What its Appointment says once somebody was there from and to these minutes of it."""
    end = None if until is None else start + until * MINUTE
    story.until(start + 4 * HOUR)
    emitted = story.then(present(start, start + since * MINUTE, end, f"{name} {start}"))
    return [each.shortfall for each in emitted if isinstance(each, SessionAttended | SessionCheckedIn)][-1]


@pytest.mark.parametrize(
    ("since", "until", "shortfall"),
    [
        (0, 180, ""),
        (-30, 180, ""),
        (15, 180, ""),
        (16, 180, "late"),
        (0, 135, ""),
        (0, 134, "partial"),
        (46, 180, "partial"),
        (45, 180, "late"),
        (0, None, ""),
        (16, None, "late"),
    ],
)
def test_late_is_after_the_grace_and_partial_below_three_quarters(
    since: int, until: int | None, shortfall: str
) -> None:
    """Partial wins over late: it is what hours are lost by. Minutes nobody has reported yet are not few."""
    assert shown(in_treatment(), FIRST, since, until) == shortfall


def test_it_stands_on_the_appointment_until_another_encounter_fills_the_session() -> None:
    story = in_treatment()
    assert shown(story, FIRST, 0, 90) == "partial"
    (first,) = only(story.emitted, SessionAttended)
    assert first.write(PATIENT)[1]["extension"] == [
        {"url": codes.SHORTFALL, "valueCodeableConcept": fhir.concept(codes.ATTENDANCE, "partial")}
    ]
    assert shown(story, FIRST, 90, 180, "third") == ""
    (whole,) = only(story.emitted, SessionAttended)
    assert "extension" not in whole.write(PATIENT)[1]


def test_an_encounter_that_is_withdrawn_leaves_what_the_others_tell() -> None:
    story = in_treatment()
    shown(story, FIRST, 0, 90)
    shown(story, FIRST, 90, 180, "third")
    emitted = story.then(WithdrawCheckIn(encounter_id=name_id(NAMES, f"second {FIRST}")))
    (withdrawn,) = only(emitted, CheckInWithdrawn)
    assert (withdrawn.held, withdrawn.shortfall) == (True, "partial")


def test_an_appointment_alone_does_not_tell_when_somebody_came() -> None:
    story = in_treatment(appointment_counts_as="minutes")
    story.until(FIRST + 2 * HOUR)
    (attended,) = only(story.then(ConfirmAttendance(session_id=session(FIRST), held=True)), SessionAttended)
    assert attended.shortfall == ""


def twice(second: int = 60) -> Story:
    """On Monday they left early, on Wednesday they were there for so many minutes; reports of both are over."""
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    story.attending_until(SECOND)
    shown(story, SECOND, 0, second)
    story.until(SECOND + REPORTS_OVER)
    return story


def test_one_alone_asks_nobody_and_two_in_two_weeks_ask_for_tier_one() -> None:
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    story.until(SECOND)
    assert TWICE not in story.escalations
    shown(story, SECOND, 30, 180)
    assert changed(story.until(SECOND + REPORTS_OVER - timedelta(seconds=1))) == []
    assert changed(story.until(SECOND + REPORTS_OVER)) == [("Raised", TWICE, 1)]
    (asked,) = story.still_open
    assert [(each.code, each.at) for each in asked.signals] == [("late-or-partial", FIRST), ("late-or-partial", SECOND)]
    assert asked.owner == "case-manager"


def test_two_fifteen_days_apart_ask_nobody() -> None:
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    story.attending_until(FIRST + 15 * DAY)
    shown(story, evening(4, 2), 0, 60)
    story.until(evening(4, 2) + REPORTS_OVER)
    assert TWICE not in story.escalations


def test_the_first_of_two_encounters_of_a_session_accuses_nobody() -> None:
    """An EHR that sends each group of a block for itself: the first always tells of a part."""
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    shown(story, SECOND, 0, 90)
    story.until(SECOND + 20 * HOUR)
    shown(story, SECOND, 90, 180, "third")
    assert changed(story.until(THIRD)) == []


def test_a_third_one_is_added_to_what_is_asked() -> None:
    story = twice()
    story.accept()
    shown(story, THIRD, 60, 180)
    assert changed(story.until(THIRD + REPORTS_OVER)) == [("Updated", TWICE, 1)]
    assert len(story.still_open[0].signals) == 3


def test_it_is_taken_back_when_a_report_is_corrected() -> None:
    story = twice()
    assert changed(story.then(present(SECOND, SECOND, SECOND + 3 * HOUR, f"second {SECOND}"))) == [
        ("Retracted", TWICE, 1)
    ]


def test_another_report_of_a_part_leaves_it_as_it_is() -> None:
    story = twice()
    assert changed(story.then(present(SECOND, SECOND, SECOND + 100 * MINUTE, f"second {SECOND}"))) == []
    assert story.escalations == {TWICE: 1}


def test_minutes_that_nobody_reports_are_not_few() -> None:
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    shown(story, SECOND, 0, None)
    story.until(SECOND + REPORTS_OVER)
    assert TWICE not in story.escalations


def test_who_comes_late_to_what_was_a_miss_has_come_late() -> None:
    story = in_treatment()
    shown(story, FIRST, 0, 60)
    story.attending_until(SECOND)
    story.until(SECOND + GRACE)
    emitted = story.then(present(SECOND, SECOND + 20 * MINUTE, None))
    assert only(emitted, AttendanceCorrected) and only(emitted, SessionCheckedIn)[0].shortfall == "late"
    story.then(present(SECOND, SECOND + 20 * MINUTE, SECOND + 3 * HOUR))
    assert TWICE in (story.until(SECOND + REPORTS_OVER) and story.escalations)


def resolved(story: Story) -> None:
    story.then(ResolveEscalation(escalation_id=story.open_id(TWICE), reason="reached", by="robin"))


def test_what_a_person_answered_is_asked_again_only_by_another_one() -> None:
    story = twice()
    resolved(story)
    assert changed(story.until(THIRD)) == []
    shown(story, THIRD, 60, 180)
    assert changed(story.until(THIRD + REPORTS_OVER)) == [("Raised", TWICE, 1)]


def test_what_its_appointment_says_beside_an_encounter_asks_nobody_anew() -> None:
    story = twice()
    resolved(story)
    assert story.then(ConfirmAttendance(session_id=session(SECOND), held=True)) is not None
    assert changed(story.until(story.now + HOUR)) == [] and TWICE not in story.escalations


def test_what_was_resolved_by_mistake_is_theirs_again() -> None:
    story = twice()
    (asked,) = story.still_open
    emitted = story.then(ResolveEscalation(escalation_id=asked.id, reason="reached", by="robin"))
    again = story.then(reopening(only(emitted, EscalationResolved)[0]), at=story.now + HOUR)
    assert changed(again) == [("Reopened", TWICE, 1)] and story.still_open[0].signals == asked.signals


def test_a_stay_that_is_over_asks_nobody() -> None:
    story = twice()
    assert changed(story.then(discharged(THIRD - HOUR))) == [("Resolved", TWICE, 1)]
    story.then(taken_back(story.now))
    assert story.escalations == {TWICE: 1}
    assert ("Resolved", TWICE, 1) in changed(story.then(PatientDied(died_at=None, reported_at=story.now)))


def test_who_was_there_after_a_discharge_that_is_taken_back_was_there() -> None:
    """A report about a session that the discharge called off stands, and its Appointment is not booked again."""
    story = in_treatment()
    story.until(FIRST + GRACE)
    story.then(discharged(FIRST - HOUR))
    shown(story, FIRST, 0, 60)
    emitted = story.then(taken_back(story.now))
    assert session(FIRST) not in [each.session_id for each in only(emitted, SessionScheduled)]
    story.then(WithdrawCheckIn(encounter_id=name_id(NAMES, f"second {FIRST}")))
    assert story.outcome(FIRST) == "planned"

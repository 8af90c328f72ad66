"""Excused is something: in time, or by a person with a coded reason. Anything else counts until a person excuses it."""

from datetime import timedelta

import msgspec
import pytest

from services.attendance.messages import (
    AcceptSession,
    CallOffSession,
    CancelSession,
    Coding,
    ReinstateSession,
    ResolveEscalation,
    SessionCancelled,
    SessionCancelledLate,
    SessionExcused,
    SessionMissed,
)
from shared.events import codes
from tests.attendance.given import GRACE, MONDAY, SETTLED, admitted, cancelled, excused, session
from tests.attendance.story import Story, in_treatment, starts
from tests.story import only

DECLINE = CancelSession(session_id=session(MONDAY), declined=True)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("command", [excused(MONDAY), DECLINE])
def test_who_cancels_before_the_start_is_excused(command: CancelSession) -> None:
    story = Story(admitted())
    story.until(MONDAY - SECOND)
    assert starts(story.then(command), SessionExcused) == [MONDAY]
    assert only(story.until(MONDAY + GRACE), SessionMissed) == [] and story.escalations == {}


@pytest.mark.parametrize("command", [excused(MONDAY), DECLINE, cancelled(MONDAY)])
def test_who_cancels_after_the_start_is_not(command: CancelSession) -> None:
    story = Story(admitted())
    story.until(MONDAY)
    assert starts(story.then(command), SessionCancelledLate) == [MONDAY]
    assert story.escalations == {"missed-session": 2}


def test_a_notice_that_the_program_asks_for_is_asked_for() -> None:
    story = Story(admitted(), notice_hours=48)
    story.until(MONDAY - timedelta(hours=1))
    assert starts(story.then(excused(MONDAY)), SessionCancelledLate) == [MONDAY]


def test_a_cancellation_without_a_reason_counts_from_the_start_on() -> None:
    story = Story(admitted())
    assert starts(story.then(cancelled(MONDAY)), SessionCancelledLate) == [MONDAY]
    assert story.escalations == {}
    story.until(MONDAY + GRACE)
    assert story.outcome(MONDAY) == "cancelled-late" and story.escalations == {"missed-session": 2}


def test_a_bare_cancellation_takes_no_tier_three_back() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:3])
    before = story.escalations
    story.then(cancelled(SETTLED[2]))
    assert story.escalations == before and before["three-consecutive-misses"] == 3


def test_a_person_with_a_coded_reason_excuses_it_afterwards() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(cancelled(MONDAY))
    assert starts(story.then(excused(MONDAY, "illness")), SessionExcused) == [MONDAY]
    assert story.escalations == {}


def test_who_reaches_out_and_finds_the_reason_excuses_it() -> None:
    story = Story(admitted())
    story.until(MONDAY + GRACE)
    asked = ResolveEscalation(escalation_id=story.open_id("missed-session"), reason="illness")
    assert starts(story.then(asked), SessionExcused) == [MONDAY]


def test_another_answer_to_the_outreach_excuses_nothing() -> None:
    story = Story(admitted())
    story.until(MONDAY + GRACE)
    story.then(ResolveEscalation(escalation_id=story.open_id("missed-session"), reason="reached"))
    assert story.outcome(MONDAY) == "missed" and story.escalations == {}


def test_what_was_excused_in_time_stays_so_when_it_comes_again() -> None:
    story = Story(admitted(), excused(MONDAY))
    story.until(MONDAY + GRACE)
    assert story.then(excused(MONDAY)) == [] and story.outcome(MONDAY) == "excused"


def test_accepted_takes_a_decline_back_and_nothing_else() -> None:
    accepted = AcceptSession(session_id=session(MONDAY))
    story = Story(admitted(), DECLINE, accepted)
    assert story.outcome(MONDAY) == "planned"
    story = Story(admitted(), excused(MONDAY), accepted)
    assert story.outcome(MONDAY) == "excused"


PROVIDER = (Coding(codes.CANCELLATION, "prov"),)
PATIENT_SIDE = (Coding(codes.CANCELLATION, "pat"),)
OFF = CallOffSession(session_id=session(MONDAY), stated=PROVIDER)
BY_PATIENT = CancelSession(session_id=session(MONDAY), reason="pat", stated=PATIENT_SIDE)
BY_ENCOUNTER = CancelSession(session_id=session(MONDAY), by_encounter=True)


@pytest.mark.parametrize("mistake", [OFF, BY_PATIENT])
@pytest.mark.parametrize("after", [timedelta(0), -GRACE])
def test_a_cancellation_without_a_reason_corrects_what_was_called_off_or_excused_by_mistake(
    mistake: CallOffSession | CancelSession, after: timedelta
) -> None:
    story = Story(admitted(), mistake)
    story.until(MONDAY + after)
    assert starts(story.then(cancelled(MONDAY)), SessionCancelledLate) == [MONDAY]
    story.until(MONDAY + GRACE)
    assert story.escalations == {"missed-session": 2}
    assert story.then(cancelled(MONDAY)) == []


def test_a_correction_from_called_off_to_the_patient_s_reason_counts_by_when_it_came() -> None:
    for at, outcome in ((MONDAY - GRACE, "excused"), (MONDAY, "cancelled-late")):
        story = Story(admitted(), OFF)
        story.until(at)
        story.then(BY_PATIENT)
        assert story.outcome(MONDAY) == outcome


@pytest.mark.parametrize("aside", [BY_ENCOUNTER, DECLINE])
def test_what_comes_beside_the_appointment_corrects_nothing_that_it_says(aside: CancelSession) -> None:
    for agreed, outcome in ((OFF, "cancelled"), (BY_PATIENT, "excused")):
        story = Story(admitted(), agreed)
        story.until(MONDAY + GRACE)
        assert story.then(aside) == [] and story.outcome(MONDAY) == outcome


def test_what_the_patient_declined_in_time_needs_no_reason() -> None:
    story = Story(admitted(), DECLINE)
    story.until(MONDAY + GRACE)
    assert story.then(cancelled(MONDAY)) == [] and story.outcome(MONDAY) == "excused"


def test_another_reason_leaves_an_excuse_and_is_emitted() -> None:
    story = Story(admitted(), BY_PATIENT)
    story.until(MONDAY + GRACE)
    other = (Coding("http://ehr.example/reasons", "transport"),)
    emitted = story.then(msgspec.structs.replace(BY_PATIENT, reason="transport", stated=other))
    assert [each.stated for each in only(emitted, SessionExcused)] == [other]


def test_what_a_person_excused_stays_so_whatever_the_appointment_says_of_it() -> None:
    story = Story(admitted(), BY_PATIENT)
    story.until(MONDAY)
    story.then(cancelled(MONDAY))
    story.then(ResolveEscalation(escalation_id=story.open_id("missed-session"), reason="illness"))
    for again in (cancelled(MONDAY), BY_PATIENT, cancelled(MONDAY)):
        assert story.then(again) == [] and story.outcome(MONDAY) == "excused"
    story.then(ReinstateSession(session_id=session(MONDAY)))
    assert story.outcome(MONDAY) == "planned"


@pytest.mark.parametrize(
    ("command", "code"), [(OFF, "called-off"), (BY_PATIENT, "excused"), (cancelled(MONDAY), "cancelled-late")]
)
def test_the_reasons_that_were_sent_are_read_again_before_the_hub_s_own(
    command: CallOffSession | CancelSession, code: str
) -> None:
    (event,) = only(Story(admitted()).then(command), SessionCancelled)
    (appointment,) = event.write("")
    sent = [{"system": codes.CANCELLATION, "code": each.code} for each in command.stated]
    assert appointment["cancelationReason"] == {"coding": [*sent, {"system": codes.REASON, "code": code}]}

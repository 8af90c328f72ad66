"""The clocks of a block grant: injecting use is admitted in time, interim services meanwhile, the State is asked."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.priority import INTERIM_SERVICES
from services.intake.state import due
from tests.intake.given import IOP_NEEDS, MONDAY, assessment, found, referral, sign
from tests.intake.story import Story, given

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEEDED = assessment(IOP_NEEDS, "safe-housing")
GIVEN = tuple(each for each in INTERIM_SERVICES if each not in ("fetal-effects", "prenatal-referral"))


def of_grant(*facts: str, attests: tuple[str, ...] = ("block-grant",), **changed: Any) -> Story:
    """Referred and assessed on Monday, in a program with a block grant."""
    return given(assessment(IOP_NEEDS, "safe-housing", *facts), referral(), attests=attests, **changed)


def waiting(*facts: str) -> Story:
    """The same, signed on Monday, and on the wait list."""
    story = of_grant(*facts)
    return story.and_then(
        w.SignPlacement(
            task_id=sign(story.state).task_id, level="2.1", reason="clinical-judgment", by="clinician-1", waits=True
        )
    )


def due_of(story: Story, reason: str) -> datetime | None:
    asked = story.state.review_of(reason)
    return asked.act_by if asked is not None else None


def tier(story: Story, reason: str) -> int | None:
    escalated = story.state.escalation_of(reason)
    return escalated.escalation.tier if escalated is not None else None


def done(story: Story, reason: str, *services: str) -> w.CompleteReview:
    asked = story.state.review_of(reason)
    assert asked is not None
    return w.CompleteReview(task_id=asked.id, by="case-manager-1", services=services)


def until(story: Story, now: datetime) -> Story:
    story.until(now)
    return story


def test_who_injects_is_to_be_admitted_within_14_days_of_the_request() -> None:
    assert due_of(of_grant("injecting-use"), "admit-by") == MONDAY + 14 * DAY


@pytest.mark.parametrize("story", [of_grant("pregnant"), of_grant("injecting-use", attests=())])
def test_it_is_asked_of_no_other_patient_and_of_no_other_program(story: Story) -> None:
    assert due_of(story, "admit-by") is None


def test_injecting_use_that_becomes_known_later_counts_from_the_request_all_the_same() -> None:
    story = of_grant().at(MONDAY + 5 * DAY)
    story.then(w.RecordAssessment(findings=found("injecting-use", at=MONDAY + 5 * DAY)))
    assert due_of(story, "admit-by") == MONDAY + 14 * DAY


def test_with_the_admission_nobody_is_asked_any_more() -> None:
    story = of_grant("injecting-use")
    story.then(sign(story.state, reason="clinical-judgment"))
    assert story.state.episode is not None and due_of(story, "admit-by") is None


def test_half_of_the_time_warns_and_its_end_escalates() -> None:
    story = until(waiting("injecting-use"), MONDAY + 7 * DAY - HOUR)
    assert tier(story, "admission-late") is None
    assert tier(until(story, MONDAY + 7 * DAY), "admission-late") == 1
    assert tier(until(story, MONDAY + 14 * DAY), "admission-late") == 2


def test_nobody_completes_the_task_to_admit_in_time() -> None:
    story = waiting("injecting-use")
    assert story.refusal(done(story, "admit-by")).code == "business-rule"


def test_interim_services_recorded_within_48_hours_of_the_request_give_120_days_where_no_seat_is_free() -> None:
    story = waiting("injecting-use")
    assert due_of(story, "interim-services") == MONDAY + 48 * HOUR
    story.at(MONDAY + 47 * HOUR).then(done(story, "interim-services", *GIVEN))
    assert (due_of(story, "interim-services"), due_of(story, "admit-by")) == (None, MONDAY + 120 * DAY)


def test_of_nobody_else_who_waits_are_they_asked() -> None:
    assert [due_of(waiting(), each) for each in ("interim-services", "refer-to-state")] == [None, None]


def test_recorded_later_they_give_no_day_more() -> None:
    story = until(waiting("injecting-use"), MONDAY + 49 * HOUR)
    assert tier(story, "interim-services-late") == 2
    story.then(done(story, "interim-services", *GIVEN))
    assert due_of(story, "admit-by") == MONDAY + 14 * DAY
    assert tier(story, "interim-services-late") is None


def test_where_a_start_is_planned_no_seat_is_lacking() -> None:
    story = of_grant("injecting-use", "pregnant")
    story.then(sign(story.state, reason="clinical-judgment", start=MONDAY + 3 * DAY))
    assert story.state.planned is not None
    assert [due_of(story, each) for each in ("interim-services", "refer-to-state")] == [None, None]


def test_what_is_owed_and_lacks_is_named() -> None:
    story = waiting("injecting-use")
    refused = story.refusal(done(story, "interim-services", "needle-sharing-risks"))
    assert refused.expression == "Task.output" and "hiv-and-tb-education" in refused.reason


def test_a_pregnant_woman_is_owed_prenatal_care_besides() -> None:
    story = waiting("pregnant")
    refused = story.refusal(done(story, "interim-services", *GIVEN))
    assert "lacking: fetal-effects, prenatal-referral" in refused.reason
    story.then(done(story, "interim-services", *INTERIM_SERVICES))
    assert due_of(story, "interim-services") is None


def test_a_pregnant_woman_without_a_seat_is_referred_to_the_state_within_the_day() -> None:
    story = waiting("pregnant")
    assert due_of(story, "refer-to-state") == MONDAY + DAY
    assert tier(until(story, MONDAY + 12 * HOUR), "state-referral-late") == 1
    assert tier(until(story, MONDAY + DAY), "state-referral-late") == 3
    story.then(done(story, "refer-to-state"))
    assert (due_of(story, "refer-to-state"), tier(story, "state-referral-late")) == (None, None)


def test_asked_of_the_state_once_nobody_is_asked_again() -> None:
    story = waiting("pregnant")
    story.then(done(story, "refer-to-state"))
    assert due_of(until(story, MONDAY + 3 * DAY), "refer-to-state") is None


def test_a_referral_taken_back_ends_its_clocks() -> None:
    story = waiting("pregnant", "injecting-use")
    story.then(w.RevokeReferral(referral_id=referral().referral_id, reason="referral-revoked", at=MONDAY))
    assert story.state.reviews == ()


def test_the_referral_that_is_next_in_line_has_its_own_clock_at_once() -> None:
    first, second = referral(), replace(referral(SECOND), authored_at=MONDAY + DAY)
    story = given(assessment(IOP_NEEDS, "safe-housing", "injecting-use"), first, attests=("block-grant",))
    story.at(MONDAY + DAY).then(second)
    story.then(w.RevokeReferral(referral_id=first.referral_id, reason="referral-revoked", at=MONDAY + DAY))
    assert due_of(story, "admit-by") == MONDAY + 15 * DAY


SECOND = "9b1f5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"


def test_a_program_without_its_block_grant_any_more_asks_nobody_and_no_deadline_stands_still() -> None:
    story = waiting("pregnant", "injecting-use")
    story.settings = of_grant(attests=()).settings
    until(story, MONDAY + 15 * DAY)
    left = due(story.state)
    assert [due_of(story, each) for each in ("admit-by", "interim-services", "refer-to-state")] == [None] * 3
    assert left is None or left > MONDAY + 15 * DAY

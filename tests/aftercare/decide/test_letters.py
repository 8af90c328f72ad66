"""A plan has one letter, which is listed where it begins and stands as the plan does."""

from datetime import timedelta
from typing import Any

import pytest

from services.aftercare.messages import AgreePlan, CompleteFollowUp, FollowUpFellDue, LetterListed, PatientDied
from shared.events.aftercare_plan import PlanActivity
from shared.events.envelope import Command, Event
from tests.aftercare.decide.test_activities import agree
from tests.aftercare.decide.test_corrected import corrected
from tests.aftercare.decide.test_discharge_withdrawn import taken_back
from tests.aftercare.given import DISCHARGED, NEXT_DAY, SECOND_EPISODE, admitted, discharged
from tests.aftercare.story import Story, in_care
from tests.story import only

DAY = timedelta(days=1)


def attachments(listed: LetterListed) -> list[Any]:
    (reference,) = listed.write("patient")
    content: Any = reference["content"]
    return [each["attachment"] for each in content]


def letter(emitted: list[Event]) -> LetterListed:
    (found,) = only(emitted, LetterListed)
    return found


def planned(disposition: str = "completed") -> tuple[Story, LetterListed]:
    patient = in_care()
    return patient, letter(patient.then(discharged(disposition)))


def test_a_plan_begins_with_a_letter_under_its_own_id_of_the_day_of_the_discharge() -> None:
    patient, listed = planned()
    assert patient.state.plan is not None
    assert listed == LetterListed(plan_id=patient.state.plan.plan_id, planned_at=DISCHARGED, status="current")


def test_it_says_that_there_is_a_letter_and_nothing_that_stands_in_it() -> None:
    _, listed = planned("ama")
    urls = [each["url"] for each in attachments(listed)]
    assert urls == [f"Binary/{listed.plan_id}.html", f"Binary/{listed.plan_id}.pdf"]
    assert not any("data" in each for each in attachments(listed)) and "naloxone" not in str(listed.write("patient"))


def test_what_is_agreed_or_moved_leaves_it_current() -> None:
    patient, listed = planned()
    assert letter(patient.then(agree(patient, PlanActivity("alumni", "declined")))) == listed
    moved = letter(patient.then(corrected(days=-1), at=NEXT_DAY))
    assert (moved.plan_id, moved.status) == (listed.plan_id, "current")


@pytest.mark.parametrize(
    ("then", "status"),
    [
        (admitted(SECOND_EPISODE), "superseded"),
        (discharged("deceased", SECOND_EPISODE), "superseded"),
        (corrected("deceased"), "entered-in-error"),
        (taken_back(), "entered-in-error"),
    ],
    ids=["readmitted", "died", "had died", "never left"],
)
def test_a_plan_that_is_over_has_no_current_letter(then: Event | Command, status: str) -> None:
    patient, listed = planned()
    ended = letter(patient.then(then, at=NEXT_DAY))
    assert (ended.plan_id, ended.status) == (listed.plan_id, status)


def test_once_every_contact_was_made_the_letter_still_counts() -> None:
    patient, listed = planned()
    for each in only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue):
        emitted = patient.then(CompleteFollowUp(task_id=each.follow_up_id))
    assert patient.state.plan is None
    assert letter(emitted) == listed


def test_what_does_not_touch_the_plan_lists_no_letter() -> None:
    patient, _ = planned()
    died = PatientDied(died_at=None, reported_at=NEXT_DAY)
    assert only(patient.then(died, at=NEXT_DAY), LetterListed) == []
    refused = patient.refusal(AgreePlan(plan_id="another", activities=(), by="case-manager-1"))
    assert refused.code == "conflict"

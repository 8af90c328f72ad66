"""How long the patient was in care stands in each follow-up, and nowhere else."""

from datetime import date, timedelta
from typing import Any

from services.aftercare.messages import CompleteFollowUp, EngagedDaysCounted, FollowUpCompleted, FollowUpFellDue
from shared.events.envelope import Event
from tests.aftercare.given import ADMITTED, DISCHARGED, EPISODE, SECOND_EPISODE, discharged
from tests.aftercare.story import Story, in_care
from tests.events.examples import PATIENT
from tests.story import only

FIRST = DISCHARGED + timedelta(hours=72)


def counted(days: int, episode_id: str = EPISODE, *, is_over: bool = True) -> EngagedDaysCounted:
    return EngagedDaysCounted(
        episode_id=episode_id,
        days=days,
        in_stay=days,
        in_earlier_stays=0,
        elsewhere=0,
        since_on=ADMITTED.date(),
        until_on=date(2025, 3, 31),
        counted_at=DISCHARGED,
        is_over=is_over,
    )


def inputs(event: Event) -> list[tuple[str, int]]:
    task: Any = event.write(PATIENT)[0]
    return [
        (each["type"]["coding"][0]["code"], each["valueInteger"]) for each in task["input"] if "valueInteger" in each
    ]


def due_after(*happened: Event) -> FollowUpFellDue:
    patient = in_care()
    patient.then(*happened)
    (first,) = only(patient.until(FIRST), FollowUpFellDue)
    return first


def test_what_intake_counted_at_the_discharge_stands_in_each_follow_up_until_it_is_done() -> None:
    patient: Story = in_care()
    patient.then(counted(97), discharged())
    (first,) = only(patient.until(FIRST), FollowUpFellDue)
    assert inputs(first) == [("engaged-days", 97)]
    (done,) = only(
        patient.then(CompleteFollowUp(task_id=first.follow_up_id, by="case-manager-1", reach="reached")),
        FollowUpCompleted,
    )
    assert inputs(done) == [("engaged-days", 97)]


def test_a_corrected_count_replaces_it_and_the_order_does_not_matter() -> None:
    assert inputs(due_after(counted(97), discharged(), counted(99))) == [("engaged-days", 99)]
    assert inputs(due_after(discharged(), counted(97))) == [("engaged-days", 97)]


def test_a_count_of_another_stay_or_of_one_that_goes_on_is_none_of_this_plan() -> None:
    assert inputs(due_after(discharged())) == []
    assert inputs(due_after(counted(97, SECOND_EPISODE), discharged())) == []
    assert inputs(due_after(counted(97, is_over=False), discharged())) == []

"""Whoever reads `iop.escalations.open` from its beginning sees exactly what waits for a person, of all owners."""

from tests.intake.bundles import answered
from tests.journey.clinic import COCAINE, Clinic


async def test_a_fresh_reader_of_the_open_escalations_sees_what_waits_for_a_person(clinic: Clinic) -> None:
    person, other = await clinic.admit(), await clinic.admit()
    await clinic.test(person)  # the baseline
    await clinic.miss(person)
    await clinic.test(person, COCAINE)
    tasks = await clinic.tasks("attendance", other, "requested")
    for task in tasks:
        await clinic.driver.put("attendance", answered(task, "completed"))
    await clinic.driver.settle()
    waiting = await clinic.open_tasks()
    assert await clinic.open_on_topic() == waiting
    asks = {task["requester"]["identifier"]["value"] for task in waiting.values() if person.id in str(task["for"])}
    assert len(asks) > 1, "several services ask about this person"
    assert tasks and not waiting.keys() & {task["id"] for task in tasks}

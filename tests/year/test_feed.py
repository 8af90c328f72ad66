"""What the simulated EHR knows of a patient by the Appointments that it has read."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx

from deploy.driver import Driver
from deploy.simulation.feed import Chart, Feed
from deploy.simulation.people import Person
from deploy.simulation.visits import Act, Session
from shared.events import fhir

START = datetime(2026, 5, 8, 17, tzinfo=UTC)
GROUP = Session(START, START + timedelta(hours=3), "group")
DAY = date(2026, 4, 20)


def chart() -> Chart:
    return Chart(Person(number=1, manner="groups", evening=False, comes_on=DAY, leaves_on=DAY, absent_percent=3))


def appointment(*actors: str) -> dict[str, Any]:
    return {"participant": [{"actor": fhir.reference(*each.split("/"))} for each in ("Patient/one", *actors)]}


def test_who_makes_up_a_session_still_waits_for_a_seat() -> None:
    one = chart()
    one.know(GROUP, appointment())
    assert one.waits_for_seat

    one.know(GROUP, appointment("HealthcareService/day-3"))
    assert not one.waits_for_seat


async def test_what_is_booked_where_a_group_held_none_is_what_is_reported_from_then_on() -> None:
    """A session that moved there, and was given up with the seat, stood at that time before."""
    one = chart()
    one.know(GROUP, appointment("HealthcareService/day-3") | {"id": "of the group"})
    one.off.add((GROUP.start, GROUP.kind))
    booked = appointment() | {"id": "of the EHR"}

    async def post(service: str, form: Any, **headers: str) -> httpx.Response:
        return httpx.Response(201, json=booked)

    feed = Feed(cast(Driver, SimpleNamespace(post=post)))
    await feed.send(one, Act(at=START, did="book", session=GROUP))
    assert one.appointments[GROUP.start, GROUP.kind] == booked and not one.off

"""What the simulated EHR knows of a patient by the Appointments that it has read."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from deploy.simulation.feed import Chart
from deploy.simulation.people import Person
from deploy.simulation.visits import Session
from shared.events import fhir

START = datetime(2026, 5, 8, 17, tzinfo=UTC)
GROUP = Session(START, START + timedelta(hours=3), "group")
DAY = date(2026, 4, 20)


def appointment(*actors: str) -> dict[str, Any]:
    return {"participant": [{"actor": fhir.reference(*each.split("/"))} for each in ("Patient/one", *actors)]}


def test_who_makes_up_a_session_still_waits_for_a_seat() -> None:
    chart = Chart(Person(number=1, manner="groups", evening=False, comes_on=DAY, leaves_on=DAY, absent_percent=3))
    chart.know(GROUP, appointment())
    assert chart.waits_for_seat

    chart.know(GROUP, appointment("HealthcareService/day-3"))
    assert not chart.waits_for_seat

"""Thirteen ask at once for the three free seats of another group's session; the process is killed again and again."""

from collections import Counter
from uuid import NAMESPACE_URL, uuid5

from services.attendance.messages import BookSession, ReinstateSession
from services.attendance.record import BY_ITSELF, SessionSlot
from shared.events.envelope import name_id
from shared.path.transaction.replaying import Asked, replay
from tests.attendance.asked_of_a_process import AsksForSeat, until_one_lives
from tests.attendance.decide.test_guests import MISSED, TUESDAY, TUESDAYS
from tests.attendance.test_guests_of_a_session import ASKERS, FREE, guests
from tests.attendance.test_last_seats_of_a_group import states
from tests.attendance.test_slots import Clinic
from tests.service import internal_lane


async def asked_for_and_killed(clinic: Clinic, seed: int, more: int) -> list[int]:
    """Each seat is given once, and nobody stays pending. Of each death, how many rows waited in the lane."""
    here = clinic.here
    asked = [await _asks(clinic, *each) for each in enumerate(ASKERS)]
    waited = await until_one_lives(here, asked, seed, more, groups="two")
    async with internal_lane(here):
        pass
    marks = {patient: (await clinic.session(patient, TUESDAY))[1].mark for patient in ASKERS}
    assert Counter(marks.values()) == {"": FREE, "unseated": len(ASKERS) - FREE}
    assert await guests(here) == {each for each, mark in marks.items() if mark == ""}
    assert all(len(each.guests) <= 1 for each in (await states(here)).values())
    assert await here.count("parked") == 0
    async with here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, here.parts.service, here.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})
    return waited


async def _asks(clinic: Clinic, number: int, patient: str) -> AsksForSeat:
    missed, _ = await clinic.session(patient, MISSED)
    booking = BookSession(
        appointment_id=name_id(patient, "asked"),
        start=TUESDAY,
        slot=SessionSlot("group", BY_ITSELF, "", 180, group=TUESDAYS),
        report=ReinstateSession(session_id=""),
        makes_up=missed,
    )
    return AsksForSeat(number, patient, booking, uuid5(NAMESPACE_URL, f"make-up of {patient}"))

"""A group of fourteen is called off while half of its members check in, and the process is killed again and again."""

from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from shared.path.inbound.deadlines import run_due
from shared.path.transaction.replaying import Asked, replay
from tests.attendance.asked_of_a_process import CallsOff, ChecksIn, until_one_lives
from tests.attendance.given import GRACE, MONDAY
from tests.attendance.test_slots import MEMBERS, Clinic
from tests.service import internal_lane

MINUTE = timedelta(minutes=1)


async def called_off_and_killed(clinic: Clinic, seed: int, more: int) -> list[int]:
    """It reaches each member once, and nobody is missed for it. Of each death, how many rows waited in the lane."""
    here, came = clinic.here, MEMBERS[::2]
    here.set_clock(MONDAY + MINUTE)
    slot = await clinic.slot(MONDAY) | {"status": "busy-unavailable"}
    asked: list[CallsOff | ChecksIn] = [
        CallsOff(len(came), slot),
        *[await _checks_in(clinic, *each) for each in enumerate(came)],
    ]
    waited = await until_one_lives(here, asked, seed, more)
    here.set_clock(MONDAY + GRACE + MINUTE)
    async with internal_lane(here):
        while await run_due(here.inbox):
            pass
    expected = ["present" if each in came else "cancelled" for each in MEMBERS]
    assert [each.replace("attended", "present") for each in await clinic.outcomes(MONDAY)] == expected
    reached = await here.select("SELECT key FROM journal WHERE event = 'MeetingsChanged' AND content LIKE '%true]%'")
    assert sorted(key for (key,) in reached) == sorted(MEMBERS)
    cancelled = [patient for patient, _ in await clinic.emitted("SessionCancelled")]
    assert len(cancelled) == len(set(cancelled)) and set(MEMBERS) - set(came) <= set(cancelled)
    assert await clinic.emitted("SessionMissed") == [] and await here.count("parked") == 0
    async with here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, here.parts.service, here.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})
    return waited


async def _checks_in(clinic: Clinic, number: int, patient: str) -> ChecksIn:
    session, _ = await clinic.session(patient, MONDAY)
    period = MONDAY, MONDAY + timedelta(minutes=30)
    return ChecksIn(number, patient, session, (period,), uuid5(NAMESPACE_URL, f"check-in of {patient}"))

"""`iop week`: one patient's hours and sessions, as attendance has them now, over HTTP alone."""

import json
from datetime import timedelta
from uuid import uuid4

from services.attendance.messages import PatientIdentified
from shared.platform.keys import Identifier
from tests.attendance.given import ADMISSION, MONDAY, admitted, check_in, evening, excused, session
from tests.deploy.attending import Attendance, attendance, issuer

__all__ = ["attendance", "issuer"]
WEDNESDAY, FRIDAY = evening(0, 2), evening(0, 4)


async def identified(attendance: Attendance) -> str:
    service = attendance.service
    digests = service.keys.digests("demo", [Identifier("urn:mrn", "0001")])
    await service.consume(PatientIdentified(digests=digests, sealed=(), identified_at=ADMISSION))
    return service.patient


async def test_a_week_has_its_minutes_and_what_became_of_each_session(attendance: Attendance) -> None:
    patient = await identified(attendance)
    await attendance.service.consume(admitted())
    await attendance.service.command(patient, excused(WEDNESDAY))
    attendance.service.set_clock(MONDAY + timedelta(hours=4))
    await attendance.service.command(patient, check_in(MONDAY, 150))
    done = await attendance.iop("week", patient, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["delivered-minutes"], found["projected-minutes"], found["least-minutes"]) == (150, 330, 540)
    states = [(each["appointment"], each["state"], each["minutes"]) for each in found["sessions"]]
    expected = [(MONDAY, "attended", 150), (WEDNESDAY, "excused", 0), (FRIDAY, "planned", 0)]
    assert states == [(f"Appointment/{session(start)}", *more) for start, *more in expected]
    await attendance.service.running.reads.write()
    assert await attendance.service.select("SELECT patient, type, interaction FROM reads") == [
        (patient, "Appointment", "search-type")
    ]


async def test_a_week_is_printed_by_its_day(attendance: Attendance) -> None:
    patient = await identified(attendance)
    await attendance.service.consume(admitted())
    done = await attendance.iop("week", f"Patient/{patient}", "--date", "2026-01-14")
    first, *others = done.stdout.splitlines()
    assert "0 delivered, 540 projected of 540 minutes" in first and len(others) == 3


async def test_whoever_and_whatever_is_not_known_is_one_clear_line(attendance: Attendance) -> None:
    patient, nobody = await identified(attendance), str(uuid4())
    unknown = "iop: Must be one patient whom this program knows, by the hub's id.\n"
    wrong = {
        ("week", nobody): (1, unknown),
        ("week", patient): (1, "iop: No stay of this patient is known in that week.\n"),
        ("week", "Sam Synthetic"): (2, "must be the hub's id of a patient, as iop roster prints it"),
        ("week", patient, "--date", "someday"): (2, "must be a day like 2026-01-05"),
    }
    for asked, (code, text) in wrong.items():
        done = await attendance.iop(*asked)
        assert done.returncode == code and text in done.stderr and done.stdout == "", asked

"""`iop short`: whose running week will be short of hours, while more can still be given, over HTTP alone."""

import json
from datetime import timedelta

from shared.path.inbound import deadlines
from tests.attendance.decide.test_payer_weeks import MEDICAID
from tests.attendance.given import admitted, check_in, evening, excused
from tests.deploy.attending import Attendance, attendance, issuer
from tests.deploy.test_week_command import identified

__all__ = ["attendance", "issuer"]
MONDAY = evening(1, 0)
"""Of the first whole week."""


async def in_the_first_whole_week(attendance: Attendance) -> str:
    """Everything was attended, and the Monday of this week is called off by the patient."""
    patient, service = await identified(attendance), attendance.service
    await service.consume(admitted())
    for start in (evening(0, weekday) for weekday in (0, 2, 4)):
        service.set_clock(start + timedelta(hours=3))
        await service.command(patient, check_in(start, 180))
        await deadlines.run_due(service.inbox)
    service.set_clock(MONDAY - timedelta(hours=8))
    await deadlines.run_due(service.inbox)
    return patient


async def test_who_is_short_is_named_with_what_is_missing_while_it_can_be_given(attendance: Attendance) -> None:
    patient = await in_the_first_whole_week(attendance)
    done = await attendance.iop("short")
    assert (done.returncode, done.stdout) == (0, "nobody is short of hours that can still be given this week\n")
    await attendance.service.command(patient, excused(MONDAY))
    done = await attendance.iop("short", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads(done.stdout)
    week = found["week"]
    assert (found["patient"], week["delivered-minutes"], week["projected-minutes"]) == (patient, 0, 360)
    assert week["bookable-minutes"] >= 180
    printed = (await attendance.iop("short")).stdout
    assert patient in printed and "180 min missing until" in printed and "0 delivered, 360 projected of 540" in printed


async def test_who_can_be_given_no_more_hours_is_counted_and_not_named(attendance: Attendance) -> None:
    patient = await in_the_first_whole_week(attendance)
    await attendance.service.command(patient, excused(MONDAY))
    attendance.service.set_clock(evening(1, 6))
    done = await attendance.iop("short")
    assert done.stdout.splitlines() == [
        "nobody is short of hours that can still be given this week",
        "1 more are short, and no hours can be given to them before their week ends",
    ]
    assert patient not in done.stdout


async def test_whoever_is_short_is_accounted_for_as_read(attendance: Attendance) -> None:
    patient = await in_the_first_whole_week(attendance)
    await attendance.service.command(patient, excused(MONDAY))
    await attendance.iop("short")
    await attendance.service.running.reads.write()
    read = await attendance.service.select("SELECT DISTINCT patient, type FROM reads ORDER BY type")
    assert read == [(patient, "Appointment"), (patient, "DetectedIssue")]


async def test_days_that_lack_are_named_where_who_pays_asks_for_some(attendance: Attendance) -> None:
    patient = await in_the_first_whole_week(attendance)
    await attendance.service.consume(MEDICAID)
    attendance.service.set_clock(MONDAY - timedelta(hours=8))
    await attendance.service.command(patient, excused(MONDAY))
    found = await attendance.iop("short")
    assert "180 min and 1 d missing until" in found.stdout and "projected of 3 days" in found.stdout

"""`iop roster`: who is planned for the sessions of a day and what became of it, over HTTP alone."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from deploy import hubfile
from deploy.commands.asking import Where
from deploy.hubfile import Hub
from deploy.sessions import Session, lines
from services.attendance.messages import CancelSession, CheckIn
from tests.attendance.given import MONDAY, NEW_YORK, admitted, session
from tests.attendance.test_searches import booked
from tests.deploy.attending import Attendance, attendance, issuer
from tests.shared.edge.conftest import Issuer

__all__ = ["attendance", "issuer"]
DAY = MONDAY.astimezone(NEW_YORK).date().isoformat()


async def test_each_session_of_a_day_has_its_patients_and_what_became_of_it(attendance: Attendance) -> None:
    service = attendance.service
    came, left_early, excused, awaited = patients = [str(uuid4()) for _ in range(4)]
    for each in patients:
        await service.consume(admitted(episode=each), patient=each)
    ids = {each: session(MONDAY, episode=each) for each in patients}
    await service.command(excused, CancelSession(session_id=ids[excused], reason="pat"))
    service.set_clock(MONDAY)
    await service.command(came, CheckIn(session_ids=(ids[came],), encounter_id="e1", periods=((MONDAY, None),)))
    hour = ((MONDAY, MONDAY + timedelta(hours=1)),)
    service.set_clock(MONDAY + timedelta(hours=2))
    await service.command(left_early, CheckIn(session_ids=(ids[left_early],), encounter_id="e2", periods=hour))
    done = await attendance.iop("roster", "--date", DAY, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {each["patient"]: (each["state"], each["id"], each["kind"]) for each in json.loads(done.stdout)}
    states = {came: "present", left_early: "partial", excused: "excused", awaited: "planned"}
    assert found == {each: (state, ids[each], "group") for each, state in states.items()}
    await service.running.reads.write()
    assert await service.select("SELECT patient FROM reads ORDER BY 1") == [(each,) for each in sorted(patients)]


async def test_a_day_without_sessions_says_so(attendance: Attendance) -> None:
    done = await attendance.iop("roster", "--date", "2031-05-04")
    assert (done.returncode, done.stdout) == (0, "no sessions on 2031-05-04\n")


async def test_of_a_group_are_its_own_sessions_alone(attendance: Attendance) -> None:
    await attendance.service.consume(admitted())
    own = await booked(attendance.service, "evening-a")
    done = await attendance.iop("roster", "--group", "evening-a", "--date", DAY, "--json")
    assert [(each["id"], each["group"]) for each in json.loads(done.stdout)] == [(own, "evening-a")]
    done = await attendance.iop("roster", "--group", "evening-b", "--date", DAY)
    assert (done.returncode, done.stdout) == (0, f"no sessions of group evening-b on {DAY}\n")
    done = await attendance.iop("roster", "--group", "evening a", "--date", DAY)
    assert (done.returncode, done.stderr) == (1, "iop: Must be one group, by its name in program.toml: evening-a.\n")


async def test_what_is_no_day_is_not_understood(attendance: Attendance) -> None:
    done = await attendance.iop("roster", "--date", "tomorrow")
    assert done.returncode == 2 and "must be a day like 2026-01-05" in done.stderr


async def test_without_the_scope_nothing_is_shown(attendance: Attendance, issuer: Issuer) -> None:
    attendance.token_file.write_text(issuer.token(scope="system/Task.rs"))
    done = await attendance.iop("roster", "--date", DAY)
    assert done.returncode == 1 and "scope" in done.stderr and done.stdout == ""


def test_a_session_that_several_share_is_one_line_by_the_programs_clock() -> None:
    end = MONDAY + timedelta(hours=3)
    found = [
        Session(MONDAY, end, "group", "evening-a", state, f"patient-{state}", "a") for state in ("missed", "present")
    ]
    later = Session(datetime.fromisoformat("2026-01-06T00:30:00Z"), end, "family", "", "planned", "patient-3", "b")
    printed = lines([*found, later], NEW_YORK)
    assert [each for each in printed if not each.startswith(" ")] == [
        "2026-01-05 18:00-21:00  group  evening-a",
        "2026-01-05 19:30-21:00  family",
    ]
    assert [each.split()[:2] for each in printed if each.startswith(" ")] == [
        ["missed", "patient-missed"],
        ["present", "patient-present"],
        ["planned", "patient-3"],
    ]


def test_the_clock_is_the_programs_where_its_settings_are_at_hand(tmp_path: Path) -> None:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}))
    asked = {("ehr", None): NEW_YORK, ("ehr", "demo"): NEW_YORK, ("nobody", None): None, ("ehr", "west"): None}
    found = {each: Where(tmp_path, [], None, *each, "").zone for each in asked}
    assert found == asked
    assert Where(tmp_path, ["https://hub.example.org/fhir"], None, "ehr", "demo", "").zone is None

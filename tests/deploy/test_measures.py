"""`iop measures`: every number is what a plain recount of the same events finds, and no patient is in it."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from deploy import hubfile
from deploy.hubfile import Hub
from deploy.measures import Facts, Measure, Month, Stay, counted, for_others, month_of
from deploy.paths import SETTINGS
from shared.events.aftercare import (
    FollowUpCompleted,
    FollowUpFellDue,
    PartnerAnswered,
    ReferralPrepared,
    ReferralSent,
    ReferralWithheld,
)
from shared.events.attendance import SessionAttended
from shared.events.catalogue import BY_TYPE
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake import EngagedDaysCounted, EpisodeAdmitted, EpisodeDischarged, ReferralReceived
from shared.events.readmission import PatientReadmitted
from shared.path.transaction.resources import clinical_time
from tests.deploy.in_process import iop

ZONE = ZoneInfo("America/New_York")
MONTH = month_of(datetime(2026, 3, 15, tzinfo=UTC), ZONE)
NOW = datetime(2026, 5, 20, tzinfo=UTC)
MAY = month_of(NOW, ZONE)
Databases = dict[str, str]
"""Their addresses, by service."""
CLOSED = ("attended", "completed", "declined")
RESOURCE = """INSERT INTO resources (type, id, program, patient, status, at, updated_at, body)
    VALUES ($1, $2, 'demo', $3, $4, $5, now(), $6) ON CONFLICT (type, id, program) DO UPDATE
    SET status = excluded.status, at = coalesce(excluded.at, resources.at), body = excluded.body"""


@dataclass
class Course:
    """One stay of a made patient, as whoever recounts sees it: instants, and what came of each contact and referral."""

    patient: str
    stay: str
    ordered_at: datetime
    began_at: datetime
    sessions: list[tuple[datetime, int]] = field(default_factory=list)
    ended_at: datetime | None = None
    engaged: int = 0
    contacts: list[tuple[datetime, datetime, str, datetime | None]] = field(default_factory=list)
    referral: tuple[datetime, str, str, datetime] | None = None
    readmitted: bool = False


def courses(seed: int) -> list[Course]:
    """Sixty stays around March 2026, of which every part may be missing; some end at the very edge of the month."""
    random = Random(seed)
    return [_course(random, number) for number in range(60)]


def _course(random: Random, number: int) -> Course:
    ordered = datetime(2026, 1, 1, 14, tzinfo=UTC) + timedelta(hours=random.randrange(0, 24 * 100))
    began = ordered + timedelta(hours=random.randrange(1, 24 * 9))
    stay = str(UUID(int=number + 1))
    course = Course(str(UUID(int=1000 + number)), stay, ordered, began, readmitted=random.random() < 0.2)
    for day in range(random.randrange(0, 40)):
        at = began + timedelta(days=day * 2, minutes=1)
        course.sessions.append((at, random.randrange(30, 180)))
    if random.random() < 0.7:
        edges = [MONTH.since, MONTH.until, MONTH.until - timedelta(seconds=1)]
        ends = [began + timedelta(days=random.randrange(1, 90)), *(each for each in edges if each > began)]
        course.ended_at = random.choice(ends)
        course.engaged = random.randrange(20, 140)
        _after(random, course, course.ended_at)
    return course


def _after(random: Random, course: Course, ended_at: datetime) -> None:
    for days in (3, 7, 14, 30):
        due = ended_at + timedelta(days=days)
        outcome = random.choice(["", "reached", "not-reached", "overtaken", "readmitted"])
        made = due + timedelta(hours=random.randrange(1, 90)) if outcome else None
        course.contacts.append((due, due + timedelta(days=2), outcome, made))
    if random.random() < 0.8:
        step = random.choice(["prepared", "withheld", "sent", "accepted", "attended", "completed", "declined"])
        kind = random.choice(["step-down", "alumni"])
        course.referral = (ended_at, kind, step, ended_at + timedelta(days=random.randrange(1, 40)))


def events(course: Course, number: int) -> Iterator[Event]:
    """What the services emit of it."""
    referral, plan = name_id(course.stay, "order"), name_id(course.stay, "plan")
    yield ReferralReceived(referral_id=referral, task_id=name_id(referral, "task"), authored_at=course.ordered_at)
    yield EpisodeAdmitted(
        episode_id=course.stay, plan_id=plan, referral_id=referral, level="2.1", track="alcohol", flags=(),
        template=(), admitted_at=course.began_at,
    )  # fmt: skip
    for at, minutes in course.sessions:
        yield _session(course.stay, at, minutes)
    if course.readmitted:
        yield PatientReadmitted(episode_id=course.stay, earlier_episode_id=plan, admitted_at=course.began_at, days=12)
    if course.ended_at is not None:
        yield EpisodeDischarged(
            episode_id=course.stay, encounter_id=name_id(course.stay, "end"), disposition="completed",
            admitted_at=course.began_at, discharged_at=course.ended_at, referral_id=referral, level="2.1",
        )  # fmt: skip
        yield EngagedDaysCounted(
            episode_id=course.stay, days=course.engaged, in_stay=course.engaged, in_earlier_stays=0, elsewhere=0,
            since_on=course.began_at.date(), until_on=course.ended_at.date(), counted_at=course.ended_at, is_over=True,
        )  # fmt: skip
    yield from _contacts(course, plan)
    yield from _referral(course, number)


def _session(stay: str, at: datetime, minutes: int) -> SessionAttended:
    left = at + timedelta(minutes=minutes)
    identity = name_id(stay, f"session:{at}")
    return SessionAttended(
        session_id=identity, episode_id=stay, kind="group", start=at, end=left, encounter_id=name_id(identity, "held"),
        minutes=minutes, came_at=at, left_at=left,
    )  # fmt: skip


def _contacts(course: Course, plan: str) -> Iterator[Event]:
    for number, (due, act_by, outcome, made) in enumerate(course.contacts, 1):
        identity = name_id(plan, f"follow-up:{number}")
        yield FollowUpFellDue(follow_up_id=identity, plan_id=plan, number=number, due_at=due, act_by=act_by)
        if outcome and made is not None:
            yield FollowUpCompleted(
                follow_up_id=identity, plan_id=plan, due_at=due, act_by=act_by, by="case-manager-1",
                completed_at=made + timedelta(days=9), outcome=outcome, made_at=made,
            )  # fmt: skip


def _referral(course: Course, number: int) -> Iterator[Event]:
    if course.referral is None:
        return
    asked, kind, step, at = course.referral
    identity = name_id(course.stay, "referral")
    shared_of_all: dict[str, Any] = {
        "referral_id": identity, "task_id": name_id(identity, "task"), "partner": "clinic", "kind": kind,
        "purpose": "TREAT", "attempt": 1, "asked_at": asked, "at": asked,
    }  # fmt: skip
    yield ReferralPrepared(**shared_of_all)
    match step:
        case "prepared":
            pass
        case "withheld":
            yield ReferralWithheld(**shared_of_all, reason="no-consent-names-this-partner")
        case _:
            yield ReferralSent(**shared_of_all, consent_id="consent")
            if step != "sent":
                yield PartnerAnswered(**shared_of_all, consent_id="consent", step=step, answered_at=at)  # type: ignore[arg-type]


def inside(at: datetime | None) -> bool:
    return at is not None and MONTH.since <= at < MONTH.until


def recount(found: Sequence[Course]) -> dict[str, tuple[float | None, int | None]]:
    """The same numbers by plain loops over what was made."""
    began = [each for each in found if inside(each.began_at)]
    ended = [each for each in found if inside(each.ended_at)]
    census = 0
    for each in found:
        if each.began_at < MONTH.until and (each.ended_at is None or each.ended_at >= MONTH.until):
            census += 1
    waits = [
        (each.sessions[0][0] - each.ordered_at).total_seconds() / 86_400
        for each in found
        if each.sessions and inside(each.sessions[0][0]) and (each.ended_at is None or each.ended_at >= MONTH.since)
    ]
    minutes = sum(length for each in found for at, length in each.sessions if inside(at))
    due = [one for each in found for one in each.contacts if inside(one[0]) and one[2] != "readmitted"]
    made = [one for one in due if one[2] in ("reached", "not-reached")]
    sent = [each.referral for each in found if each.referral is not None and inside(each.referral[0])]
    had = [
        each for each in ended
        if each.referral and each.referral[1] == "step-down" and each.referral[2] not in ("prepared", "withheld")
    ]  # fmt: skip
    counts: dict[str, tuple[float | None, int | None]] = {
        "census": (census, None),
        "admissions": (len(began), None),
        "readmissions": (sum(each.readmitted for each in began), len(began)),
        "hours-delivered": (round(minutes / 60, 2), None),
        "referral-to-first-session": (round(median(waits), 1) if waits else None, len(waits)),
        "discharges": (len(ended), None),
        "engaged-90-days": (sum(each.engaged >= 90 for each in ended), len(ended)),
        "contacts-made": (len(made), len(due)),
        "contacts-in-time": (sum(one[3] is not None and one[3] <= one[1] for one in made), len(due)),
        "contacts-reached": (sum(one[2] == "reached" for one in made), len(due)),
        "referrals-answered": (
            sum(one[2] in ("accepted", *CLOSED) for one in sent),
            len(sent),
        ),
        "referrals-closed": (sum(one[2] in CLOSED for one in sent), len(sent)),
    }
    for days in (7, 30):
        attended = 0
        for each in had:
            assert each.referral is not None and each.ended_at is not None
            _, _, step, at = each.referral
            attended += step in ("attended", "completed") and at <= each.ended_at + timedelta(days)
        counts[f"step-down-kept-{days}-days"] = (attended, len(had))
    return counts


async def store(databases: Databases, found: Sequence[Course]) -> None:
    """In the database of whoever emits it."""
    rows: dict[str, list[tuple[Any, ...]]] = {service: [] for service in databases}
    for number, course in enumerate(found):
        for event in events(course, number):
            rows[BY_TYPE[type(event)].producer] += [_row(course.patient, each) for each in event.write(course.patient)]
    for service, address in databases.items():
        connection = await asyncpg.connect(address)
        await connection.execute("INSERT INTO service VALUES (true, $1, $1)", NOW)
        await connection.executemany(RESOURCE, rows[service])
        await connection.close()


def _row(patient: str, resource: Resource) -> tuple[Any, ...]:
    at, body = clinical_time(resource), msgspec.json.encode(resource).decode()
    return str(resource["resourceType"]), str(resource["id"]), patient, resource.get("status"), at, body


def printed(databases: Databases, folder: Path, *options: str) -> str:
    hub = Hub(kafka="", issuer="", services={}, postgres=databases)
    hubfile.write(folder, hub)
    done = iop("measures", "--data", str(folder), "--settings", str(SETTINGS), *options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_measure_is_what_a_plain_recount_finds(databases: Databases, tmp_path: Path, seed: int) -> None:
    found = courses(seed)
    await store(databases, found)
    rows = json.loads(printed(databases, tmp_path, "--month", "2026-03", "--json"))
    assert {each["name"]: (each["value"], each["of"]) for each in rows} == recount(found)
    assert {(each["program"], each["month"]) for each in rows} == {("demo", "2026-03")}


async def test_csv_and_table_hold_the_same_and_nobody(databases: Databases, tmp_path: Path) -> None:
    found = courses(4)
    await store(databases, found)
    as_csv = printed(databases, tmp_path, "--month", "2026-03", "--csv")
    as_table = printed(databases, tmp_path, "--month", "2026-03")
    rows = {each["name"]: each for each in csv.DictReader(StringIO(as_csv))}
    assert rows["census"]["value"] == str(recount(found)["census"][0])
    assert all(name in as_table for name in rows)
    assert not any(each.patient in as_csv + as_table or each.stay in as_csv + as_table for each in found)


def test_the_census_of_a_month_that_runs_is_of_this_moment() -> None:
    def census(began_at: datetime, ended_at: datetime | None = None, month: Month = MAY) -> float | None:
        stays = [Stay(id="stay", patient="patient", began_at=began_at, ended_at=ended_at)]
        return counted(Facts(stays, [], [], [], [], readmitted=0), month, NOW)[0].value

    second = timedelta(seconds=1)
    assert (census(NOW), census(NOW + second)) == (1, 0)
    assert (census(NOW - second, NOW), census(NOW - second, NOW + second)) == (0, 1)
    assert (census(MONTH.since, MONTH.until, MONTH), census(MONTH.until, None, MONTH)) == (1, 0)


async def test_without_a_month_it_is_the_one_that_runs_on_the_clinics_clock(
    databases: Databases, tmp_path: Path
) -> None:
    await store(databases, [])
    assert "demo, 2026-05" in printed(databases, tmp_path)


async def test_for_readers_outside_small_cells_are_left_out(databases: Databases, tmp_path: Path) -> None:
    found = courses(5)
    await store(databases, found)
    rows = json.loads(printed(databases, tmp_path, "--month", "2026-03", "--json", "--for-others"))
    for each in rows:
        if each["unit"] == "1" and each["value"] is not None:
            left = (each["of"] or each["value"]) - each["value"]
            assert not 0 < each["value"] < 11 and not 0 < left < 11


@pytest.mark.parametrize(
    ("value", "of", "shown"),
    [
        (0, None, True),
        (10, None, False),
        (11, None, True),
        (0, 20, True),
        (12, 20, False),
        (20, 31, True),
        (3, 40, False),
    ],
)
def test_a_cell_is_shown_outside_unless_it_or_what_is_left_is_small(value: int, of: int | None, shown: bool) -> None:
    cells = [Measure("census", 40, "1"), Measure("admissions", 20, "1"), Measure("discharges", 20, "1")]
    *_, found = for_others([*cells, Measure("contacts-made", value, "1", of)])
    assert (found.value is not None) == shown
    assert shown or found.of is None


def test_hours_of_a_few_stays_and_the_days_of_a_few_are_left_out() -> None:
    few = [Measure("census", 3, "1"), Measure("admissions", 1, "1"), Measure("discharges", 0, "1")]
    assert for_others([*few, Measure("hours-delivered", 12.5, "h")])[-1].value is None
    many = [Measure("census", 30, "1"), Measure("admissions", 20, "1"), Measure("discharges", 0, "1")]
    assert for_others([*many, Measure("hours-delivered", 12.5, "h")])[-1].value == 12.5
    assert for_others([*many, Measure("referral-to-first-session", 4.0, "d", 10)])[-1].value is None


@pytest.mark.parametrize("month", ["2026", "2026-13", "march", "2026-03-01"])
def test_what_is_no_month_is_said_to_be_none(databases: Databases, tmp_path: Path, month: str) -> None:
    hub = Hub(kafka="", issuer="", services={}, postgres=databases)
    hubfile.write(tmp_path, hub)
    done = iop("measures", "--data", str(tmp_path), "--settings", str(SETTINGS), "--month", month)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--month must be a month" in done.stderr or "never run" in done.stderr


@pytest.mark.parametrize("day", [datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(2026, 4, 1, 3, 59, tzinfo=UTC)])
def test_a_month_is_the_clinics_from_midnight_to_midnight(day: datetime) -> None:
    assert month_of(day, ZONE) == MONTH
    assert month_of(MONTH.until, ZONE).name == "2026-04"

"""A year of a program in attendance's read model: a thousand patients at a time, each in a group, a stay twelve weeks.

Every resource is as its event writes it. Of ten sessions one is missed, of ten weeks one falls short.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from bench.workloads import PROGRAM, named, patients
from shared.events.attendance import (
    SessionAttended,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursFellShort,
    WeeklyHoursProjectedShort,
)
from shared.events.envelope import Event
from shared.events.escalation import Escalation, EscalationRaised, EscalationResolved, Signal
from shared.path.transaction.resources import emitted_row

ACTIVE = 1_000
WEEKS, STAY_WEEKS = 52, 12
DAYS = (0, 1, 2, 4)
"""Of a week, on which a patient has a session."""
SEATS = 12
HOURS = timedelta(hours=3)
COLUMNS = ("type", "id", "program", "patient", "status", "at", "updated_at", "body")
_FIRST_SEED = 9_000
Resources = Iterator[tuple[object, ...]]


def group(number: int) -> str:
    """Of the patient with this number."""
    return f"group-{number // SEATS}"


def active(weeks_ago: int = 0) -> list[str]:
    """Who was in treatment then."""
    return patients(ACTIVE, _FIRST_SEED + weeks_ago // STAY_WEEKS)


async def store(dsn: str, now: datetime, weeks: int) -> None:
    """Lay down so many weeks until now, and the next one as it is booked; PostgreSQL has looked at them."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("resources", records=_weeks(now, weeks), columns=COLUMNS)
        await connection.execute("ANALYZE resources")
    finally:
        await connection.close()


def monday(now: datetime, weeks_ago: int = 0) -> datetime:
    """The first moment of a week."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=now.weekday(), weeks=weeks_ago)


def _weeks(now: datetime, weeks: int) -> Resources:
    for ago in range(-1, weeks):
        for number, patient in enumerate(active(max(0, ago))):
            yield from _of_patient(patient, number, monday(now, ago), now)


def starts(number: int, monday: datetime) -> list[datetime]:
    """When the sessions of a week begin for the patient with this number."""
    return [monday + timedelta(days=day, hours=14 + number % 8) for day in DAYS]


def is_missed(number: int, start: datetime) -> bool:
    return (number + start.day) % 10 == 0


def session_id(patient: str, start: datetime) -> str:
    return named(patient, f"session {start}")


def _of_patient(patient: str, number: int, monday: datetime, now: datetime) -> Resources:
    """One week of one patient."""
    for start in starts(number, monday):
        for event in _session(patient, number, start, now):
            yield from _written(event, patient, start)
    if monday < now and (number + monday.day) % 10 == 0:
        end = monday + timedelta(weeks=1)
        about: dict[str, Any] = {"issue_id": named(patient, f"week {monday}"), "episode_id": named(patient, "episode")}
        about |= {"week_start": monday, "week_end": end, "minutes": 360, "minimum_minutes": 540}
        short = (
            WeeklyHoursProjectedShort(**about, projected_minutes=420, bookable_minutes=180)
            if end > now
            else WeeklyHoursFellShort(**about)
        )
        yield from _written(short, patient, now)


def _session(patient: str, number: int, start: datetime, now: datetime) -> Iterator[Event]:
    planned: dict[str, Any] = {
        "session_id": session_id(patient, start),
        "episode_id": named(patient, "episode"),
        "kind": "group",
        "start": start,
        "end": start + HOURS,
        "group": group(number),
    }
    if start + HOURS > now:
        yield SessionScheduled(**planned)
    elif is_missed(number, start):
        yield SessionMissed(**planned)
        yield _escalated(patient, start, now)
    else:
        encounter_id = named(patient, f"encounter {start}")
        yield SessionAttended(**planned, encounter_id=encounter_id, came_at=start, left_at=start + HOURS, minutes=180)


def _escalated(patient: str, start: datetime, now: datetime) -> Event:
    """Open for three days."""
    missed = _missed(patient, start)
    if start > now - timedelta(days=3):
        return EscalationRaised(escalation=missed, at=start)
    return EscalationResolved(escalation=missed, at=start + HOURS, reason="reached", by="case-manager-1")


def _missed(patient: str, start: datetime) -> Escalation:
    return Escalation(
        id=named(patient, f"missed {start}"),
        category="attendance",
        reason="first-miss",
        tier=2,
        owner="case-manager",
        rule="attendance/first-miss|1",
        raised_at=start,
        acknowledge_by=start + timedelta(hours=4),
        act_by=start + timedelta(days=1),
        signals=(Signal("missed-session", start, f"Appointment/{session_id(patient, start)}"),),
    )


def _written(event: Event, patient: str, at: datetime) -> Resources:
    for resource in event.write(patient):
        row = emitted_row(resource, msgspec.json.encode(resource), PROGRAM, patient)
        yield row.type, row.id, row.program, row.patient, row.status, row.at, at.astimezone(UTC), row.body

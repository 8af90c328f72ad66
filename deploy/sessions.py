"""Sessions as attendance has them: read over FHIR with a token, never in a database, so that who read what is known."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from typing import Any

import httpx
import msgspec

from deploy import work_list
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from shared.events.attendance import WEEKLY_HOURS
from shared.events.codes import ATTENDANCE, REASON, SESSION, SHORTFALL

SERVICE = "attendance"
PAGE = "500"
AT_ONCE_MOST = 8
"""Questions about single patients."""
STATES = {"booked": "planned", "arrived": "present", "fulfilled": "attended", "noshow": "missed"}
"""What an Appointment's status says of its session; of one that is cancelled its reason does, of one that was attended
late or in part its extension."""


class Session(msgspec.Struct, frozen=True, order=True):
    """One patient's session, by the hub's ids. `state`: planned, present, attended, late, partial, missed, or why it is
    cancelled."""

    start: datetime
    end: datetime
    kind: str
    group: str
    state: str
    patient: str
    id: str


class WeekSession(msgspec.Struct, frozen=True, rename="kebab"):
    """A session of one patient's week: `minutes` are those delivered."""

    appointment: str
    start: datetime
    end: datetime
    kind: str
    state: str
    minutes: int
    group: str = ""


class Week(msgspec.Struct, frozen=True, rename="kebab"):
    """One patient's week: minutes delivered, projected with what is still planned, the least that are owed, and of the
    running one those that could be given besides; the same of days, where who pays asks for some."""

    start: datetime
    end: datetime
    least_minutes: int
    delivered_minutes: int
    projected_minutes: int
    sessions: tuple[WeekSession, ...]
    bookable_minutes: int | None = None
    least_days: int = 0
    delivered_days: int = 0
    projected_days: int = 0

    @property
    def missing_minutes(self) -> int:
        return max(0, self.least_minutes - self.projected_minutes)

    @property
    def missing_days(self) -> int:
        return max(0, self.least_days - self.projected_days)


class Short(msgspec.Struct, frozen=True):
    """A patient whose running week will have too few hours, or too few days."""

    patient: str
    week: Week


def attendance(owners: Owners) -> tuple[str, httpx.AsyncClient]:
    """The one service that has sessions, and its name. Raises CannotContinueError."""
    if SERVICE not in owners and len(owners) > 1:
        raise CannotContinueError("--url must be given once: the FHIR base of attendance")
    name = SERVICE if SERVICE in owners else next(iter(owners))
    return name, owners[name]


async def of_day(owners: Owners, day: date, group: str = "") -> list[Session]:
    """Everybody's of the program's day, or of one group, in the order of time. Raises CannotContinueError."""
    return await _found(owners, {"date": day.isoformat(), **({"group": group} if group else {})})


async def week_of(owners: Owners, patient: str, day: date | None) -> Week:
    """The week of a patient that holds this day, or now. Raises CannotContinueError."""
    name, client = attendance(owners)
    asked = {"patient": patient, **({"date": day.isoformat()} if day else {})}
    return read_week(await work_list.resource(name, client, "Appointment/$week", asked))


async def short(owners: Owners) -> tuple[list[Short], list[str]]:
    """Whose running week is short of hours, who lacks most first; and of whom that could not be asked, and why. An open
    finding may be of a week before, whose minutes are waited for. Raises CannotContinueError."""
    name, client = attendance(owners)
    asked = {"code": WEEKLY_HOURS, "status": "open", "_count": PAGE}
    issues = await work_list.pages(name, client, "DetectedIssue", asked)
    of_whom = list(dict.fromkeys(each["patient"]["reference"].removeprefix("Patient/") for each in issues))
    limit = asyncio.Semaphore(AT_ONCE_MOST)

    async def of(patient: str) -> Short:
        async with limit:
            return Short(patient, await week_of(owners, patient, None))

    answers = await asyncio.gather(*(of(each) for each in of_whom), return_exceptions=True)
    found, silent = list[Short](), list[str]()
    for patient, answer in zip(of_whom, answers, strict=True):
        match answer:
            case CannotContinueError():
                silent.append(f"{patient}: {answer}")
            case BaseException():
                raise answer
            case _ if answer.week.missing_minutes or answer.week.missing_days:
                found.append(answer)
    return sorted(found, key=lambda each: (-each.week.missing_minutes, -each.week.missing_days, each.patient)), silent


def read_week(parameters: dict[str, Any]) -> Week:
    """Of the Parameters that attendance answers."""
    (period,) = (each["valuePeriod"] for each in parameters["parameter"] if each["name"] == "week")
    numbers = _named([each for each in parameters["parameter"] if "valueInteger" in each])
    sessions = [_named(each["part"]) for each in parameters["parameter"] if each["name"] == "session"]
    return msgspec.convert({**period, **numbers, "sessions": sessions}, Week)


def _named(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = {part["name"]: next(part[name] for name in part if name.startswith("value")) for part in parts}
    return {name: each["reference"] if isinstance(each, dict) else each for name, each in values.items()}


async def _found(owners: Owners, asked: dict[str, str]) -> list[Session]:
    name, client = attendance(owners)
    resources = await work_list.pages(name, client, "Appointment", {**asked, "_sort": "date", "_count": PAGE})
    return sorted(read(each) for each in resources)


def read(appointment: dict[str, Any]) -> Session:
    """Of an Appointment as the hub writes it."""
    start, end = (datetime.fromisoformat(appointment[each]) for each in ("start", "end"))
    references = (each["actor"].get("reference", "") for each in appointment["participant"])
    actors = {kind: identity for kind, _, identity in (each.rpartition("/") for each in references)}
    return Session(
        start=start,
        end=end,
        kind=_code(appointment["serviceType"][0], SESSION),
        group=actors.get("HealthcareService", ""),
        state=_state(appointment),
        patient=actors["Patient"],
        id=appointment["id"],
    )


def _state(appointment: dict[str, Any]) -> str:
    if (state := STATES.get(appointment["status"])) is None:
        return _code(appointment.get("cancelationReason", {}), REASON)
    shortfalls = (each["valueCodeableConcept"] for each in appointment.get("extension", ()) if each["url"] == SHORTFALL)
    return next((_code(each, ATTENDANCE) for each in shortfalls), state)


def _code(concept: dict[str, Any], system: str) -> str:
    """Of this code system, the last: before it may stand what was sent."""
    found = [each["code"] for each in concept.get("coding", ()) if each.get("system") == system]
    return str(found[-1]) if found else "cancelled"


def lines(found: Sequence[Session], zone: tzinfo | None) -> list[str]:
    """A line for each session that several may share, by this zone's clock, and below it one for each patient."""
    printed, before = list[str](), ""
    for each in found:
        start, end = (moment.astimezone(zone) for moment in (each.start, each.end))
        head = f"{start:%Y-%m-%d %H:%M}-{end:%H:%M}  {each.kind}  {each.group}".rstrip()
        if head != before:
            printed.append(head)
        before = head
        printed.append(f"    {each.state:<15}  {each.patient}  Appointment/{each.id}")
    return printed


def week_lines(week: Week, zone: tzinfo | None) -> list[str]:
    """Its hours in one line, and a line for each session, by this zone's clock."""
    since, until = (f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in (week.start, week.end))
    return [f"{since} to {until}: {_hours(week)}", *(_week_line(each, zone) for each in week.sessions)]


def short_line(each: Short, zone: tzinfo | None) -> str:
    until = f"{each.week.end.astimezone(zone):%Y-%m-%d %H:%M}"
    days = f" and {each.week.missing_days} d" if each.week.missing_days else ""
    return f"{each.patient}  {each.week.missing_minutes:>3} min{days} missing until {until}: {_hours(each.week)}"


def _hours(week: Week) -> str:
    known = f"{week.delivered_minutes} delivered, {week.projected_minutes} projected of {week.least_minutes} minutes"
    more = "" if week.bookable_minutes is None else f", {week.bookable_minutes} more can be given"
    days = f"; {week.delivered_days} delivered, {week.projected_days} projected of {week.least_days} days"
    return f"{known}{more}{days if week.least_days else ''}"


def _week_line(session: WeekSession, zone: tzinfo | None) -> str:
    start, end = (moment.astimezone(zone) for moment in (session.start, session.end))
    when, what = f"{start:%Y-%m-%d %H:%M}-{end:%H:%M}", f"{session.kind}  {session.group}".rstrip()
    return f"{when}  {session.state:<15}  {session.minutes:>3} min  {what}  {session.appointment}"

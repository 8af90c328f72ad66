"""The settings of the simulated program: the hub's own, but for a few lines."""

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from deploy.failure import CannotContinueError
from deploy.paths import SETTINGS

PROGRAM = "demo"
FIRST_MONDAY = date(2026, 2, 23)
"""Two weeks before a change of the clocks; a year from then on has both."""
LINES = {
    "appointment_counts_as": '{ value = "minutes", unit = "code", source = "simulated: an EHR of Appointments only" }',
    "weekly_review_days": '{ value = 0, unit = "d", source = "simulated: nobody reviews" }',
}
CLOSED = {
    "2026-03-11": "training",
    "2026-05-25": "holiday",
    "2026-07-03": "holiday",
    "2026-09-07": "holiday",
    "2026-11-26/2026-11-27": "holiday",
    "2026-12-24/2026-12-25": "holiday",
    "2027-01-01": "holiday",
}
REPLACED = {"2026-03-11": "2026-03-14", "2026-11-27": "2026-11-28"}
SEATS = 8
SHARES = {"day": 60, "evening": 40}
"""Of the patients, in percent, as `people` come."""
STAY_WEEKS, ARRIVING_PERCENT = 7, 85
GROUP = """
[program.{program}.attendance.groups.{name}]
seats = {{ value = {seats}, unit = "seat", source = "simulated" }}
meetings = {{ value = [{meetings}], unit = "weekday (0 = Monday), local HH:MM, minutes", source = "simulated" }}
time = {{ value = "{time}", unit = "day | evening", source = "simulated" }}
"""
BEGINS = {"day": "09:00", "evening": "17:30"}


def settings(folder: Path, patients: int, weeks: int) -> Path:
    """A folder of settings for the simulated program, with seats in groups for nearly all of so many patients."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in SETTINGS.iterdir():
        if each.suffix == ".toml" or each.name == "meetings":
            (folder / each.name).unlink(missing_ok=True)
            (folder / each.name).symlink_to(each)
    (folder / "program.toml").unlink()
    (folder / "program.toml").write_text(_program((SETTINGS / "program.toml").read_text()) + _groups(patients, weeks))
    return folder


def _groups(patients: int, weeks: int) -> str:
    """Each meets on the days of the plan of care. There are fewer seats than there are patients at most times."""
    at_once = patients * min(STAY_WEEKS, max(weeks - 1, 1)) * 100 / (weeks * ARRIVING_PERCENT)
    found = []
    for time, percent in SHARES.items():
        meetings = ", ".join(f'[{weekday}, "{BEGINS[time]}", 180]' for weekday in (0, 2, 4))
        for number in range(max(1, int(at_once * percent / 100 / SEATS))):
            named = {"program": PROGRAM, "name": f"{time}-{number + 1}", "seats": SEATS, "time": time}
            found.append(GROUP.format(meetings=meetings, **named))
    return "".join(found)


def _program(text: str) -> str:
    lines = [_line(each) for each in text.split("\n")]
    if sum(new != old for new, old in zip(lines, text.split("\n"), strict=True)) != len(LINES):
        raise CannotContinueError(f"program.toml must have one line each of {', '.join(LINES)}")
    closed = [
        f'"{day}" = {{ value = "{reason}", unit = "reason", source = "simulated" }}' for day, reason in CLOSED.items()
    ]
    replaced = [
        f'"{day}" = {{ value = "{instead}", unit = "day", source = "simulated" }}' for day, instead in REPLACED.items()
    ]
    heads = {
        f"[program.{PROGRAM}.attendance.calendar.closed]": closed,
        f"[program.{PROGRAM}.attendance.calendar.replaced]": replaced,
    }
    whole = [line for each in lines for line in (each, *heads.get(each.partition("  #")[0], ()))]
    return "\n".join(whole)


def _line(line: str) -> str:
    name = line.partition(" =")[0]
    return f"{name} = {LINES[name]}" if name in LINES else line


def numbers(folder: Path) -> dict[str, Any]:
    """The program's settings as they stand in program.toml, each without its unit and source."""
    stated = tomllib.loads((folder / "program.toml").read_text())["program"][PROGRAM]
    found: dict[str, Any] = _values(stated)
    return found


def _values(stated: Any) -> Any:
    if not isinstance(stated, dict):
        return stated
    return stated["value"] if "value" in stated else {name: _values(each) for name, each in stated.items()}


@cache
def zone() -> ZoneInfo:
    """Where its clocks are."""
    return ZoneInfo(tomllib.loads((SETTINGS / "program.toml").read_text())["program"][PROGRAM]["timezone"])

"""`iop roster`, `iop week`, `iop short`: who is planned for a day and who came; a patient's hours; who lacks them."""

from datetime import date
from typing import Annotated

import msgspec
import typer

from deploy import sessions, work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.failure import CannotContinueError


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be a day like 2026-01-05") from None


def _patient(text: str) -> str:
    if not work_list.ID.fullmatch(text.rpartition("/")[2]):
        raise typer.BadParameter("must be the hub's id of a patient, as iop roster prints it")
    return text.rpartition("/")[2]


AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Day = Annotated[
    date | None, typer.Option("--date", metavar="DAY", help="The program's day; default: today.", parser=_day)
]


@asking("system/Appointment.s")
def roster(
    where: Where,
    group: Annotated[str, typer.Option(metavar="GROUP", help="One of program.toml; default: all sessions.")] = "",
    day: Day = None,
    as_json: AsJson = False,
) -> None:
    """Print each session of a day with its patients, by the hub's ids, and what became of it: planned, present,
    attended, missed, excused, ... To ask is a read of each of them."""
    wanted = day or where.now.astimezone(where.zone).date()
    found = where.ask(lambda owners: sessions.of_day(owners, wanted, group))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    elif not found:
        out.print(f"no sessions{' of group ' + group if group else ''} on {wanted}", markup=False)
    else:
        for line in sessions.lines(found, where.zone):
            out.print(line, markup=False)


@asking("system/Appointment.s")
def week(
    where: Where,
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The hub's id of a patient.", parser=_patient)],
    day: Day = None,
    as_json: AsJson = False,
) -> None:
    """Print one patient's week: the minutes delivered, those projected with what is still planned, the least that are
    owed, those that can still be given, and each session with what became of it. To ask is a read of the patient."""
    found = where.ask(lambda owners: sessions.week_of(owners, patient, day))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for line in sessions.week_lines(found, where.zone):
        out.print(line, markup=False)


@asking("system/Appointment.s system/DetectedIssue.s")
def short(where: Where, as_json: AsJson = False) -> None:
    """Print whose running week will be short of hours, while more can still be given, who lacks most first. To ask is a
    read of each of them."""
    found, silent = where.ask(sessions.short)
    shown = [each for each in found if each.week.bookable_minutes]
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(shown)).decode(), markup=False)
    else:
        _print_short(shown, len(found) - len(shown), where)
    for each in silent[:-1]:
        stderr.print(f"iop: {each}", markup=False)
    if silent:
        raise CannotContinueError(f"{silent[-1]}; the list is not complete")


def _print_short(shown: list[sessions.Short], too_late: int, where: Where) -> None:
    for each in shown:
        out.print(sessions.short_line(each, where.zone), markup=False)
    if not shown:
        out.print("nobody is short of hours that can still be given this week")
    if too_late:
        out.print(f"{too_late} more are short, and no hours can be given to them before their week ends")

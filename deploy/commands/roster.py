"""`iop roster` and `iop week`: who is planned for the sessions of a day, who came; and one patient's hours."""

from datetime import date
from typing import Annotated

import msgspec
import typer

from deploy import sessions, work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out


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
    owed, and each session with what became of it. To ask is a read of the patient."""
    found = where.ask(lambda owners: sessions.week_of(owners, patient, day))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for line in sessions.week_lines(found, where.zone):
        out.print(line, markup=False)

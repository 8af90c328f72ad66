"""`iop measures`: what each program did in a month. Counts alone, of nobody."""

import asyncio
import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from io import StringIO
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, Settings, database, out, settings_of
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.measures import Measure, Month, for_others, month_of
from deploy.measuring import Opened, measured
from shared.platform.settings import zones

OfMonth = Annotated[
    str, typer.Option("--month", help="Month to count, as 2026-03; default: the one that runs.", show_default=False)
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print as CSV.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
ForOthers = Annotated[
    bool, typer.Option("--for-others", help="Leave out what is of fewer than 11: for readers outside of the program.")
]
Measured = Mapping[str, tuple[Month, Sequence[Measure]]]
"""By program."""


def measures(
    month: OfMonth = "",
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    outside: ForOthers = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print what each program did in a month, as it is known now."""
    if as_csv and as_json:
        raise CannotContinueError("choose one of --csv and --json")
    found = asyncio.run(_all(hubfile.read(data), zones(settings_of(data, settings)), month))
    if outside:
        found = {program: (of, for_others(its)) for program, (of, its) in found.items()}
    if as_json:
        rows = [_row(program, of, each) for program, (of, its) in found.items() for each in its]
        out.print(json.dumps(rows, indent=2), markup=False)
    elif as_csv:
        out.print(_csv(found), markup=False, end="")
    else:
        for program, (of, its) in found.items():
            out.print(table(program, of, its))


def table(program: str, month: Month, its: Sequence[Measure]) -> Table:
    found = Table("measure", "number", "of", "unit", title=f"{program}, {month.name}", title_justify="left")
    for each in its:
        found.add_row(each.name, _shown(each.value), _shown(each.of), "" if each.unit == "1" else each.unit)
    return found


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def _row(program: str, month: Month, measure: Measure) -> dict[str, object]:
    return {"program": program, "month": month.name, **measure._asdict()}


def _csv(found: Measured) -> str:
    text = StringIO()
    written = csv.writer(text, lineterminator="\n")
    written.writerow(("program", "month", *Measure._fields))
    for program, (month, its) in found.items():
        written.writerows((program, month.name, *each) for each in its)
    return text.getvalue()


async def _all(hub: Hub, of_programs: Mapping[str, ZoneInfo], name: str) -> Measured:
    async with AsyncExitStack() as stack:
        intake, attendance, aftercare = [
            await stack.enter_async_context(database(hub, each)) for each in ("intake", "attendance", "aftercare")
        ]
        opened = Opened(intake, attendance, aftercare)
        now = await queries.clinic_now(intake)
        if now is None:
            raise CannotContinueError("intake has never run: nothing is to be counted")
        months = {program: _month(name, now, zone) for program, zone in of_programs.items()}
        return {program: (month, await measured(opened, program, month, now)) for program, month in months.items()}


def _month(name: str, now: datetime, zone: ZoneInfo) -> Month:
    if not name:
        return month_of(now, zone)
    try:
        return month_of(datetime.strptime(name, "%Y-%m").replace(day=2, tzinfo=UTC), zone)
    except (ValueError, OverflowError):
        raise CannotContinueError("--month must be a month, as 2026-03") from None

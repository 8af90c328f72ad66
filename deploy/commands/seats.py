"""`iop seats`: where seats are counted, how many are taken and how many patients wait. Counts alone, of nobody."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, Settings, database, out, settings_of
from deploy.hubfile import Hub
from deploy.queries import Place
from shared.platform.settings import numbers, programs


def seats(settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print each place with its seats: taken, counted in program.toml, and who waits."""
    capacity, known = counted(settings_of(data, settings)), asyncio.run(_places(hubfile.read(data)))
    if not capacity and not known:
        out.print("no seats are counted: program.toml has no line in [program.NAME.intake.capacity]")
        return
    out.print(table("place", "counted", capacity, known))


def table(name: str, seats: str, counted: Mapping[str, int], known: Mapping[str, Place]) -> Table:
    """A line for each that is counted or known; `name` and `seats` are the heads of their columns."""
    found = Table(name, "taken", seats, "waiting")
    for each in sorted({*counted, *known}):
        place = known.get(each, Place(0, 0))
        found.add_row(each, str(place.taken), str(counted.get(each, "")), str(place.waiting))
    return found


def counted(settings: Path) -> Mapping[str, int]:
    """The seats of each place, `program/level`, as program.toml has them. Raises ConfigurationError."""
    return {
        f"{program}/{place}": number
        for program, its in programs(settings).items()
        for place, number in numbers(its.get("intake", {})).get("capacity", {}).items()
    }


async def _places(hub: Hub) -> Mapping[str, Place]:
    async with database(hub, "intake") as intake:
        return await queries.places(intake, "seats")

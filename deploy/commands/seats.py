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
    places = sorted({*capacity, *known})
    if not places:
        out.print("no seats are counted: program.toml has no line in [program.NAME.intake.capacity]")
        return
    table = Table("place", "taken", "counted", "waiting")
    for place in places:
        found = known.get(place, Place(0, 0))
        table.add_row(place, str(found.taken), str(capacity.get(place, "")), str(found.waiting))
    out.print(table)


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

"""`iop groups`: the groups of each program, their seats, and how many patients wait. Counts alone, of nobody."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, Settings, database, out, settings_of
from deploy.commands.seats import table
from deploy.hubfile import Hub
from deploy.queries import Place
from shared.platform.settings import numbers, programs

KIND = "group"
"""Of attendance's keys."""


def groups(settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print each group with its seats: taken, counted in program.toml, and who waits."""
    counted, known = seats(settings_of(data, settings)), asyncio.run(_groups(hubfile.read(data)))
    if not counted and not known:
        out.print("no group has seats: program.toml has no table [program.NAME.attendance.groups.GROUP]")
        return
    out.print(table("group", "seats", counted, known))


def seats(settings: Path) -> Mapping[str, int]:
    """Of each group, `program/group`, as program.toml has them. Raises ConfigurationError."""
    return {
        f"{program}/{name}": group["seats"]
        for program, its in programs(settings).items()
        for name, group in _tables(its).items()
    }


def _tables(program: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = numbers(program.get("attendance", {})).get("groups", {})
    return found


async def _groups(hub: Hub) -> Mapping[str, Place]:
    async with database(hub, "attendance") as attendance:
        return await queries.places(attendance, KIND)

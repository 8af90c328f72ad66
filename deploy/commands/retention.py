"""`iop retention`: deletes what is past its days, as each service does every hour, or says what would be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy import clock, hubfile
from deploy.commands import one_off
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.path.inbound.retention import Asked, Forgotten
from shared.process import RETENTION


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be deleted; change nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For a machine: a list with an entry for each service.")
    ] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Delete what is past the days of its program (program.toml: `retention`): never what is open, parked, waits for
    its patient, or belongs to somebody in care.

    Code 1 where a service stopped before its end.
    """
    hub, folder = hubfile.read(data), settings_of(data, settings)
    asked = Asked(clock.now(data), dry_run=dry_run)
    found = [_ask(name, dsn, data, folder, asked) for name, dsn in hub.postgres.items()]
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    for line in [] if as_json else [line for each in found for line in lines(each)]:
        out.print(line, markup=False)
    if stopped := [f"{each.service}: {each.stopped}" for each in found if each.stopped]:
        raise CannotContinueError("; ".join(stopped))


def _ask(service: str, dsn: str, data: Path, settings: Path, asked: Asked) -> Forgotten:
    return one_off.ask(service, dsn, data / "keys", settings, RETENTION, msgspec.json.encode(asked).decode(), Forgotten)


def lines(found: Forgotten) -> Sequence[str]:
    """What a person reads of one service."""
    some = [f"{rows} {table}" for table, rows in found.deleted.items() if rows]
    verb = "would be deleted" if found.dry_run else "deleted"
    return [f"{found.service}: {', '.join(some)} {verb}" if some else f"{found.service}: nothing is past its days"]

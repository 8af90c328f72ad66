"""`iop parked`: events that could not be decided, and the ones of the same patient queued behind them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import asyncpg
import httpx
import msgspec
import typer

from deploy import hubfile
from deploy import token as tokens
from deploy.commands.common import DEFAULT_DATA, Data, aside, out
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub

commands = typer.Typer(help="Events that could not be decided, and the ones queued behind them.", no_args_is_help=True)
SCOPE = "system/iop-parked.u"
LIST = "SELECT sequence, id, key, program, event, class, place, at FROM parked ORDER BY sequence"
_ONE = "SELECT sequence, id, key, program, event, kind, class, place, at, headers, content FROM {table} WHERE id = $1"
ONE = f"{_ONE.format(table='parked')} UNION ALL {_ONE.format(table='set_aside')}"
Service = Annotated[str | None, typer.Option(help="Only this service.")]


@dataclass(frozen=True)
class Parked:
    """One parked row and the service that keeps it."""

    service: str
    row: asyncpg.Record


class Redriven(msgspec.Struct, frozen=True):
    """What a service answers."""

    decided: int
    parked: int
    dry_run: bool


@commands.command("list", epilog="Example: iop parked list --service testing")
def list_(service: Service = None, data: Data = DEFAULT_DATA) -> None:
    """What is parked, in the order it will be decided again."""
    parked = asyncio.run(_read(hubfile.read(data), service, LIST))
    if not parked:
        out.print("nothing is parked")
        return
    patients: dict[tuple[str, str, str], list[asyncpg.Record]] = {}
    for each in parked:
        patients.setdefault((each.service, each.row["key"], each.row["program"]), []).append(each.row)
    for (name, key, program), rows in patients.items():
        out.print(f"{name}  patient {key or 'unknown'}  {program}", markup=False)
        for row in rows:
            out.print(
                f"  {row['id']}  {row['at']:%Y-%m-%d %H:%M:%S}  {row['class']:<10}  {_summary(row)}", markup=False
            )


@commands.command("show", epilog="Example: iop parked show 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --content")
def show(
    id: Annotated[UUID, typer.Argument(help="As `iop parked list` prints it.")],
    content: Annotated[
        bool, typer.Option("--content", help="The event itself too: part of a patient's record.")
    ] = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """One parked event: where it went wrong and, if asked for, what it says."""
    found = asyncio.run(_read(hubfile.read(data), service, ONE, id))
    if not found:
        raise CannotContinueError("nothing with this id is parked")
    for each in found:
        if each is not found[0]:
            out.print()
        for field, value in (("service", each.service), *each.row.items()):
            if field != "content":
                out.print(f"{field:<9} {value}", markup=False)
            elif content:
                out.print(value.decode("utf-8", "replace") if isinstance(value, bytes) else value, markup=False)


@commands.command("redrive", epilog="Example: iop parked redrive 0b8e... --dry-run")
def redrive(
    key: Annotated[
        str | None, typer.Argument(help="One patient, as `iop parked list` prints it; default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Decide parked events again, in order; where one fails again, the rest of that patient stays parked (code 1)."""
    hub = hubfile.read(data)
    parked = asyncio.run(_read(hub, service, LIST))
    waiting = {
        (each.service, each.row["key"]): each.row["program"] for each in parked if key in (None, each.row["key"])
    }
    if not waiting:
        raise CannotContinueError("nothing is parked" + (" under this key" if key else ""))
    token = {
        program: tokens.fetch(hub.issuer, data / "keys", "ops", program, SCOPE) for program in set(waiting.values())
    }
    failed = sum(not _ask(hub, token[program], *place, {}, dry_run) for place, program in waiting.items())
    if failed:
        raise CannotContinueError(
            f"{failed} of {len(waiting)} not wholly decided: `iop parked show ID` says where the first event of each "
            "fails; mend that, then redrive again"
        )


@commands.command("quarantine", epilog="Example: iop parked quarantine 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --dry-run")
def quarantined(
    id: Annotated[UUID, typer.Argument(help="An unreadable event, as `iop parked list` prints it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Decide a patient's parked events without one that nobody can ever read; it is kept for `iop parked show`.

    What it said is not known to the hub: have its sender say it again. Where it may have been about a consent, every
    consent of the patient ends, and a new one is needed.
    """
    hub = hubfile.read(data)
    parked = asyncio.run(_read(hub, service, LIST))
    found = [each for each in parked if each.row["id"] == id and each.row["class"] == "unreadable"]
    if not found:
        raise CannotContinueError(
            "no event with this id is parked as unreadable: a bug is mended, a queued event waits"
        )
    token = tokens.fetch(hub.issuer, data / "keys", "ops", found[0].row["program"], SCOPE)
    failed = sum(not _ask(hub, token, each.service, each.row["key"], {"without": str(id)}, dry_run) for each in found)
    if failed:
        raise CannotContinueError("not wholly decided: `iop parked list` says what stays")


def _ask(hub: Hub, token: str, service: str, key: str, more: Mapping[str, str], dry_run: bool) -> bool:
    """Ask one service to redrive one key, and say what came of it; whether nothing of it stays parked."""
    try:
        answer = httpx.post(
            f"{hub.services[service].base}/admin/redrive",
            params={"key": key, "dry_run": str(dry_run).lower(), **more},
            headers={"Authorization": f"Bearer {token}"},
            timeout=60.0,
            trust_env=False,
        )
    except httpx.HTTPError as failure:
        aside.print(f"{service} {key}: does not answer ({type(failure).__name__})", markup=False)
        return False
    line, whole = came_of(answer)
    out.print(f"{service} {key}: {'without it ' if more else ''}{line}", markup=False)
    return whole


def came_of(answer: httpx.Response) -> tuple[str, bool]:
    """What came of a redrive, in words, and whether nothing stays parked."""
    try:
        done = msgspec.json.decode(answer.content, type=Redriven)
    except msgspec.MsgspecError:
        return f"{answer.status_code} {answer.text}", answer.is_success
    if done.dry_run:
        return f"would decide {done.decided}, {done.parked} would stay parked", done.parked == 0
    return f"decided {done.decided}, {done.parked} stay parked", done.parked == 0


def _summary(row: asyncpg.Record) -> str:
    """The event by its short name, and where it went wrong."""
    return f"{row['event'].rpartition('.')[2]}: {row['place']}"


async def _read(hub: Hub, service: str | None, query: str, *values: object) -> list[Parked]:
    if service is not None and service not in hub.postgres:
        raise CannotContinueError(f"no such service; there are: {', '.join(hub.postgres)}")
    found: list[Parked] = []
    for name, dsn in hub.postgres.items():
        if service in (None, name):
            found += [Parked(name, row) for row in await _rows(name, dsn, query, values)]
    return found


async def _rows(name: str, dsn: str, query: str, values: tuple[object, ...]) -> list[asyncpg.Record]:
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        raise CannotContinueError(f"the database of {name} cannot be read ({type(failure).__name__})") from None

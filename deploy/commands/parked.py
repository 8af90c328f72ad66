"""`iop parked`: deliveries that could not be decided, and those of the same patient queued behind them."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar
from uuid import UUID

import httpx
import msgspec
import typer

from deploy import hubfile, queries
from deploy import token as tokens
from deploy.commands.common import DEFAULT_DATA, Data, database, out, stderr
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.queries import Parked

commands = typer.Typer(help="Deliveries that could not be decided, and those queued behind them.", no_args_is_help=True)
SCOPE = "system/iop-parked.u"
REDRIVE_SECONDS_MOST = 60.0
UNKNOWN = "unknown"
"""Stands for the key of what has none."""
Service = Annotated[str | None, typer.Option(help="Only this service.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would happen; change nothing.")]
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where deliveries are parked: one key's of one program in one service."""

    service: str
    kind: str
    key: str
    program: str


class Redriven(msgspec.Struct, frozen=True):
    """The answer of a service: how many deliveries were decided, how many are parked now, and how many rows of lanes
    are sent again."""

    decided: int
    parked: int
    sent_again: int
    dry_run: bool


@commands.command("list", epilog="Example: iop parked list --service testing")
def list_(service: Service = None, data: Data = DEFAULT_DATA) -> None:
    """Print what is parked, in the order in which it is decided again."""
    parked = _parked(hubfile.read(data), service)
    if not parked:
        out.print("nothing is parked")
    for place, rows in parked.items():
        out.print(f"{place.service}  {place.kind} {place.key or UNKNOWN}  {place.program}", markup=False)
        for row in rows:
            line = f"  {row.id}  {row.at:%Y-%m-%d %H:%M:%S}  {row.class_:<10}  {_event_and_place(row)}"
            out.print(line, markup=False)


def _event_and_place(row: Parked) -> str:
    """The event by its short name, and where its decision failed."""
    return f"{row.event.rpartition('.')[2]}: {row.place}"


@commands.command("show", epilog="Example: iop parked show 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --content")
def show(
    id: Annotated[UUID, typer.Argument(help="As `iop parked list` prints it.")],
    content: Annotated[
        bool, typer.Option("--content", help="The content of the delivery too: part of a patient's record.")
    ] = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print one parked or quarantined delivery: where its decision failed and, if asked for, its content."""
    found = asyncio.run(_read(hubfile.read(data), service, partial(queries.parked_whole, id=id)))
    whole = [(name, row) for name, rows in found.items() for row in rows]
    if not whole:
        raise CannotContinueError("nothing with this id is parked or quarantined")
    for number, (name, row) in enumerate(whole):
        if number:
            out.print()
        out.print(f"{'service':<9} {name}", markup=False)
        for field in msgspec.structs.fields(row):
            if field.name != "content":
                out.print(f"{field.encode_name:<9} {getattr(row, field.name)}", markup=False)
        if content:
            out.print(row.content.decode("utf-8", "replace"), markup=False)


@commands.command("redrive", epilog="Example: iop parked redrive 0b8e... --dry-run")
def redrive(
    key: Annotated[
        str | None,
        typer.Argument(help="One patient, or what has this id, as `iop parked list` prints it; default: all."),
    ] = None,
    dry_run: DryRun = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Decide parked deliveries again, in order; where one fails, the rest of its patient stays parked (code 1).

    An id stands for all of its patient, or where it has none for all that have none: the order stays as it was.
    """
    hub = hubfile.read(data)
    places = [place for place, rows in _parked(hub, service).items() if key is None or _is_of(place, rows, key)]
    if not places:
        raise CannotContinueError("nothing is parked" + (" under this key or id" if key is not None else ""))
    programs = {place.program for place in places}
    token = {program: tokens.fetch(hub.issuer, data / "keys", "ops", program, SCOPE) for program in programs}
    failed = sum(not _redrive(hub, token[place.program], place, {}, dry_run) for place in places)
    if failed:
        raise CannotContinueError(
            f"{failed} of {len(places)} still have parked deliveries: `iop parked show ID` shows where the "
            "first of each fails; correct that, then redrive again"
        )


def _is_of(place: Place, rows: Sequence[Parked], asked: str) -> bool:
    """Whether this key or id is meant; what has no key is listed as unknown."""
    return asked in (place.key or UNKNOWN, *(str(row.id) for row in rows))


@commands.command("quarantine", epilog="Example: iop parked quarantine 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --dry-run")
def quarantine(
    id: Annotated[UUID, typer.Argument(help="An unreadable delivery, as `iop parked list` prints it.")],
    dry_run: DryRun = False,
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Decide a patient's parked deliveries without one that is unreadable; it stays stored for `iop parked show`.

    Its content is unknown to the hub: ask its sender to send it again. Where it may be about a consent, every consent
    of the patient ends, and a new one is needed.
    """
    hub = hubfile.read(data)
    places = [
        place
        for place, rows in _parked(hub, service).items()
        if any(row.id == id and row.class_ == "unreadable" for row in rows)
    ]
    if not places:
        raise CannotContinueError(
            "no delivery with this id is parked as unreadable; only an unreadable one can be quarantined, the others "
            "can be redriven"
        )
    token = tokens.fetch(hub.issuer, data / "keys", "ops", places[0].program, SCOPE)
    failed = sum(not _redrive(hub, token, place, {"quarantine": str(id)}, dry_run) for place in places)
    if failed:
        raise CannotContinueError("deliveries of this patient are still parked: `iop parked list` shows them")


@commands.command("history", epilog="Example: iop parked history --service testing")
def history(service: Service = None, data: Data = DEFAULT_DATA) -> None:
    """Print who redrove or quarantined what, the newest first, and what came of it."""
    found = asyncio.run(_read(hubfile.read(data), service, queries.redrives))
    if not any(found.values()):
        out.print("nobody redrove anything")
    for name, rows in found.items():
        for row in rows:
            done = f"quarantined {row.quarantined}, " if row.quarantined else ""
            line = f"{done}decided {row.decided}, sent {row.sent_again} again, {row.parked} stayed parked"
            who = f"{row.at:%Y-%m-%d %H:%M:%S}  {name}  {row.key_kind} {row.key or UNKNOWN}  {row.by} ({row.client})"
            out.print(f"{who}: {line}", markup=False)


def _redrive(hub: Hub, token: str, place: Place, more: Mapping[str, str], dry_run: bool) -> bool:
    """Ask one service to redrive one key, and print the result; whether nothing of it stays parked."""
    try:
        answer = httpx.post(
            f"{hub.services[place.service].admin}/redrive",
            params={
                "key": place.key,
                "kind": place.kind,
                "dry_run": str(dry_run).lower(),
                "by": getpass.getuser(),
                **more,
            },
            headers={"Authorization": f"Bearer {token}"},
            timeout=REDRIVE_SECONDS_MOST,
            trust_env=False,
        )
    except httpx.HTTPError as failure:
        stderr.print(
            f"{place.service} {place.key or UNKNOWN}: does not answer ({type(failure).__name__})", markup=False
        )
        return False
    line, whole = redrive_result(answer)
    out.print(f"{place.service} {place.key or UNKNOWN}: {'without it ' if more else ''}{line}", markup=False)
    return whole


def redrive_result(answer: httpx.Response) -> tuple[str, bool]:
    """The result of a redrive as a line, and whether nothing stays parked."""
    try:
        done = msgspec.json.decode(answer.content, type=Redriven)
    except msgspec.MsgspecError:
        return f"{answer.status_code} {answer.text}", answer.is_success
    sends = f", {'would send' if done.dry_run else 'sends'} {done.sent_again} again" if done.sent_again else ""
    if done.dry_run:
        return f"would decide {done.decided}{sends}, {done.parked} would stay parked", done.parked == 0
    return f"decided {done.decided}{sends}, {done.parked} stay parked", done.parked == 0


def _parked(hub: Hub, service: str | None) -> dict[Place, list[Parked]]:
    """What is parked by place, in the order in which it is decided again."""
    places: dict[Place, list[Parked]] = {}
    for name, rows in asyncio.run(_read(hub, service, queries.parked)).items():
        for row in rows:
            places.setdefault(Place(name, row.key_kind, row.key, row.program), []).append(row)
    return places


async def _read(
    hub: Hub, service: str | None, query: Callable[[queries.Connection], Awaitable[list[T]]]
) -> dict[str, list[T]]:
    """The answer of each service's database, or of the one named."""
    found: dict[str, list[T]] = {}
    for name in hub.postgres if service is None else (service,):
        async with database(hub, name) as connection:
            found[name] = await query(connection)
    return found

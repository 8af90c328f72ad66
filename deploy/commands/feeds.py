"""`iop feeds`: the public feeds of meetings, what was read of them and what is wrong, by the hub's database."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import msgspec
import typer
from rich.table import Table

from deploy import hubfile, keys, queries
from deploy.commands import one_off
from deploy.commands.common import DEFAULT_DATA, Data, Settings, database, out, settings_of
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from shared.path.transaction import feeds as stored_feeds
from shared.path.transaction.feeds import Counts, StoredFeed
from shared.platform.feeds import TRY, RegisteredFeed, Trial, Tried, registered_feeds

commands = typer.Typer(help="Public feeds of mutual-help meetings, and what is wrong with them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of feeds.toml.")]
REFRESH_SECONDS_MOST = 120.0
LOOK_SECONDS = 0.3
PASSES = "nothing: it is looked at every hour, and may pass"
REMEDIES: Mapping[str, str] = {
    "empty": "nothing in it can be used: see at its address what became of it; `iop feeds try` reads it again",
    "encoding": "its publisher packs it as nobody asked for: ask them",
    "file-unreadable": "put the file where feeds.toml says, readable for the service",
    "no-feed": "at its address is something else, perhaps a page to sign in: correct it in feeds.toml, start again",
    "program-full": "a program has at most 100,000 meetings: narrow its feeds to where its patients live",
    "reader-failed": "a bug of the hub's: report it with the feed",
    "redirected-elsewhere": "it has moved to another host: put the address it has now into feeds.toml, start again",
    "redirected-too-often": "correct its address in feeds.toml, start again",
    "shrunk": "look at it: where it is right, `iop feeds refresh NAME --trust`",
    "stale": "its copy is older than `stale_days`: ask its publisher, or find another source",
    "too-costly": "it takes more than a minute of the processor, or 1.5 GB, to read: narrow it",
    "too-large": "a feed has at most 32 MB: narrow it, or make two of it",
}
"""By the code of a trouble. Of those of a publisher's (`http-4xx`) see `remedy`."""


@commands.command("list", epilog="Example: iop feeds list")
def list_(settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print each feed: how many meetings its copy has, since when it is as published, and what is wrong."""
    listed, rows = registered_feeds(settings_of(data, settings)), _stored(hubfile.read(data))
    if not listed:
        out.print("no feeds: feeds.toml has no table [feed.NAME]")
        return
    table = Table("feed", "program", "meetings", "as published", "trouble")
    for name, feed in listed.items():
        row = rows.get(name, StoredFeed(program=feed.program, name=name))
        table.add_row(name, feed.program, str(row.meetings), _minute(row.stored_at), row.trouble)
    out.print(table)


@commands.command("show", epilog="Example: iop feeds show riverbend")
def show(name: Name, settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print where a feed is, when it was looked at, what of it can't be used and why, and what is wrong."""
    feed = _registered(name, settings_of(data, settings))
    row = _stored(hubfile.read(data)).get(name, StoredFeed(program=feed.program, name=name))
    for line in _lines(feed, row):
        out.print(line, markup=False)


@commands.command("refresh", epilog="Example: iop feeds refresh riverbend")
def refresh(
    name: Name,
    trust: Annotated[bool, typer.Option("--trust", help="You have looked: it has shrunk, and that is right.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Have a running hub look at a feed now, and print what came of it. Code 1 where it is in trouble."""
    feed, hub = _registered(name, settings_of(data, settings)), hubfile.read(data)
    asked_at = datetime.now(UTC)
    asyncio.run(_ask(hub, feed, "trust" if trust else "refresh"))
    row = _looked_at(hub, name, asked_at)
    for line in _lines(feed, row):
        out.print(line, markup=False)
    if row.trouble:
        raise CannotContinueError(f"feed {name} is in trouble: {row.trouble}")


@commands.command("try", epilog="Example: iop feeds try riverbend, or: iop feeds try meetings.json")
def try_(
    place: Annotated[str, typer.Argument(metavar="FILE-OR-NAME", help="A file, or a feed of feeds.toml.")],
    kind: Annotated[Literal["meeting-guide", "table"], typer.Option(help="Of a file.")] = "meeting-guide",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Fetch a feed or take a file, read it and print what can't be used and why. Nothing is stored, and no hub need
    run. Code 1 where it can't be read."""
    file = Path(place)
    trial = Trial(file=str(file.resolve()), kind=kind) if file.is_file() else Trial(name=place)
    with TemporaryDirectory() as folder:
        own, asked = keys.make(Path(folder)), msgspec.json.encode(trial).decode()
        tried = one_off.ask("aftercare", "postgresql:///", own, settings_of(data, settings), TRY, asked, Tried)
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(tried)).decode(), markup=False)
    elif not tried.failed:
        for line in (*_counted(tried), *(f"    {each}" for each in tried.first)):
            out.print(line, markup=False)
    if tried.failed:
        raise CannotContinueError(f"it can't be read ({tried.failed}): {remedy(tried.failed)}")


def remedy(trouble: str) -> str:
    """What a person does."""
    if trouble.startswith("http-4") and trouble not in ("http-408", "http-425", "http-429"):
        return "correct its address in feeds.toml, start again; or its publisher shuts the hub out: ask them"
    return REMEDIES.get(trouble, PASSES)


def _lines(feed: RegisteredFeed, row: StoredFeed) -> Iterator[str]:
    yield f"{feed.name}: {feed.kind} of {feed.attribution}, for program {feed.program}"
    yield f"at {feed.address or feed.file}, every {feed.every_hours} h"
    yield f"looked at {_minute(row.tried_at)}, next {_minute(row.next_at)}; as published {_minute(row.stored_at)}"
    yield f"{row.meetings} meetings in the copy that counts"
    counts = row.read_as
    yield from _counted(counts) if counts is not None else ()
    if row.trouble:
        yield f"in trouble since {_minute(row.troubled_at)} ({row.trouble}): {remedy(row.trouble)}"


def _counted(read: Counts | Tried) -> Iterator[str]:
    merged = f", {read.merged} merged into others" if read.merged else ""
    yield f"read last: {read.entries} entries, {read.meetings} meetings{merged}"
    yield from (f"    {number} left out: {reason}" for reason, number in sorted(read.left_out.items()))
    yield from (f"    {number} lack: {reason}" for reason, number in sorted(read.lacking.items()))
    yield from (f"    line {line}, {column or 'the row'}: {reason}" for line, column, reason in read.faults)


def _minute(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%MZ}"


def _registered(name: str, settings: Path) -> RegisteredFeed:
    known = registered_feeds(settings)
    if name not in known:
        raise CannotContinueError(f"feeds.toml has no feed of this name; it has: {', '.join(known) or 'none'}")
    return known[name]


def _stored(hub: Hub) -> dict[str, StoredFeed]:
    async def asked() -> list[StoredFeed]:
        async with database(hub, "aftercare") as connection:
            return await stored_feeds.known(connection)

    return {row.name: row for row in asyncio.run(asked())}


async def _ask(hub: Hub, feed: RegisteredFeed, asked: stored_feeds.Asked) -> None:
    async with database(hub, "aftercare", queries.writing) as writable:
        await stored_feeds.ask(writable, (feed.program, feed.name), asked)


def _looked_at(hub: Hub, name: str, since: datetime) -> StoredFeed:
    """The feed once somebody has looked at it. Raises CannotContinueError where nobody does."""
    until = time.monotonic() + REFRESH_SECONDS_MOST
    while time.monotonic() < until:
        row = _stored(hub).get(name)
        if row is not None and row.tried_at is not None and row.tried_at >= since:
            return row
        time.sleep(LOOK_SECONDS)
    raise CannotContinueError(f"nobody looked at it within {REFRESH_SECONDS_MOST:.0f} s: does aftercare run?")

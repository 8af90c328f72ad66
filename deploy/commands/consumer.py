"""`iop consumer`: where a service's consumer stopped, and letting it go on. Asks the databases alone, no service.

A consumer stops at a record that nothing can take, or after a hundred of the hub's own events that were parked in a
row. The rest of its service goes on, and no restart lifts a stop: a person does.
"""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, database, out
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.queries import Connection, ConsumerState, Stop
from shared.events.wire import RecordPlace

commands = typer.Typer(help="Where a service stopped consuming its topic, and letting it go on.", no_args_is_help=True)
Service = Annotated[str | None, typer.Option(help="Only this service.")]


@commands.command("show", epilog="Example: iop consumer show")
def show(service: Service = None, data: Data = DEFAULT_DATA) -> None:
    """Print of each service's consumer whether it is stopped, where, and what to do."""
    for name, state in asyncio.run(_states(hubfile.read(data), service)).items():
        strays = f", {state.strays} strays" if state.strays else ""
        out.print(f"{name}  {_line(state.stop)}{strays}", markup=False)


def _line(stop: Stop | None) -> str:
    if stop is None:
        return "consumes"
    where = f"stopped {stop.at:%Y-%m-%d %H:%M:%S} at {stop.record}: {stop.place}"
    if stop.stored:
        return f"{where}; see `iop parked list`, mend what failed, then `iop consumer resume`"
    return f"{where}; mend it, then `iop consumer resume`, or `iop consumer skip {stop.record} --because TEXT`"


@commands.command("resume", epilog="Example: iop consumer resume --service attendance")
def resume(service: Service = None, data: Data = DEFAULT_DATA) -> None:
    """Let stopped consumers go on where they stopped; what fails again stops them again."""
    hub = hubfile.read(data)
    stopped = [name for name, state in asyncio.run(_states(hub, service)).items() if state.stop is not None]
    if not stopped:
        raise CannotContinueError("no consumer is stopped")
    for name in stopped:
        asyncio.run(_write(hub, name, queries.lift_stop))
        out.print(f"{name} goes on within a few seconds", markup=False)


@commands.command("skip", epilog='Example: iop consumer skip iop.intake.events/3/4711 --because "the sender is gone"')
def skip(
    record: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="As `iop consumer show` prints it.")],
    reason: Annotated[str, typer.Option("--because", help="Why; it is stored with your name.")],
    service: Service = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Let consumers that stopped at this record go on without it.

    The record is quarantined as it came. It may have been a revocation: every consent of its patient ends, and a new
    one is needed.
    """
    hub, place = hubfile.read(data), _place(record)
    stopped = [name for name, state in asyncio.run(_states(hub, service)).items() if _stopped_at(state, place)]
    if not stopped:
        raise CannotContinueError(
            f"no consumer stopped at {place} for not being able to store it; a parked one is `iop parked quarantine`'s"
        )
    by = getpass.getuser()
    for name in stopped:
        asyncio.run(_write(hub, name, lambda writable: queries.skip(writable, place, by, reason)))
        out.print(f"{name} goes on without {place} within a few seconds", markup=False)


def _stopped_at(state: ConsumerState, place: RecordPlace) -> bool:
    return state.stop is not None and not state.stop.stored and state.stop.record == place


def _place(text: str) -> RecordPlace:
    topic, _, numbers = text.partition("/")
    partition, _, offset = numbers.partition("/")
    if not topic or not partition.isdigit() or not offset.isdigit():
        raise CannotContinueError("the record must be TOPIC/PARTITION/OFFSET, as `iop consumer show` prints it")
    return RecordPlace(topic, int(partition), int(offset))


async def _states(hub: Hub, service: str | None) -> dict[str, ConsumerState]:
    found = {}
    for name in hub.postgres if service is None else (service,):
        async with database(hub, name) as connection:
            found[name] = await queries.consumer_state(connection)
    return found


async def _write(hub: Hub, service: str, change: Callable[[Connection], Awaitable[None]]) -> None:
    async with database(hub, service, queries.writing) as writable, writable.transaction():
        await change(writable)

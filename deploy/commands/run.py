"""`iop up`, `iop settle`, `iop clock set`: running a hub and waiting for it."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deploy import clock, hubfile, runner
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, stderr
from deploy.embedded_postgres import DATABASES
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.paths import SETTINGS
from deploy.quiescence import Quiescence
from deploy.replicas import counts

clock_commands = typer.Typer(
    help="The manual clock of a hub started with `iop up --clock manual`.", no_args_is_help=True
)


class Clock(StrEnum):
    """Where the clinic's time comes from."""

    REAL = "real"
    MANUAL = "manual"


def up(
    data: Data = DEFAULT_DATA,
    time: Annotated[Clock, typer.Option("--clock", help="Real time, or a clock set by hand.")] = Clock.REAL,
    start: Annotated[
        str | None, typer.Option("--clock-start", metavar="TIME", help="Where a new manual clock starts; default: now.")
    ] = None,
    any_ports: Annotated[bool, typer.Option("--any-ports", help="Free ports instead of the default ones.")] = False,
    settings: Settings = None,
    secure: Annotated[
        bool, typer.Option("--secure", help="Shut the embedded Kafka: TLS, a user for each service and reader.")
    ] = False,
    mllp_tls: Annotated[
        bool, typer.Option("--mllp-tls", help="MLLP with mutual TLS too, and a certificate for the demo's laboratory.")
    ] = False,
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            "--replicas", metavar="[SERVICE=]NUMBER", help="Processes of each service, or of one; default: 1."
        ),
    ] = None,
) -> None:
    """Run the whole hub on this machine, in the foreground, until Ctrl-C.

    Kafka and PostgreSQL are embedded unless KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name your own.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    if start is not None and time is not Clock.MANUAL:
        raise CannotContinueError("--clock-start is possible with --clock manual only")
    plan = runner.Plan(
        data=data,
        ports=runner.ANY_PORTS if any_ports else runner.Ports(),
        deploy=settings or SETTINGS,
        replicas=counts(replicas or (), DATABASES),
        secure=secure,
        mllp_tls=mllp_tls,
        clock_starts_at=(clock.parse(start, now) if start else now) if time is Clock.MANUAL else None,
    )
    runner.up(plan, report=_report, healthy=lambda hub: _show(hub, data))


def settle(
    data: Data = DEFAULT_DATA,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 60.0,
) -> None:
    """Return when every event due is sent and consumed and no deadline has passed. Parked deliveries are left out, and
    what a partner did not take: it is named."""

    async def wait(hub: Hub) -> None:
        async with Quiescence(hub) as quiescence:
            for line in await quiescence.settle(clock.now(data), timeout):
                out.print(line, markup=False)

    asyncio.run(wait(hubfile.read(data)))


@clock_commands.command("set", epilog="Example: iop clock set 2026-03-02T14:00:00-05:00, or: iop clock set +2h")
def set_(time: Annotated[str, typer.Argument(metavar="TIME")], data: Data = DEFAULT_DATA) -> None:
    """Move the clinic's clock forward to TIME, an instant with offset or a step like +90m, +2h, +3d, +1w."""
    hubfile.read(data)
    if not clock.is_manual(data):
        raise CannotContinueError("this hub runs on real time: start it with `iop up --clock manual` to set the clock")
    to = clock.parse(time, clock.now(data))
    clock.advance(data, to)
    out.print(to.isoformat())


@clock_commands.command("show", epilog="Example: iop clock show")
def show(data: Data = DEFAULT_DATA) -> None:
    """Print the clinic's time."""
    hubfile.read(data)
    out.print(clock.now(data).isoformat())


def _report(line: str) -> None:
    stderr.print(f"{datetime.now():%H:%M:%S} {line}", markup=False)


def _show(hub: Hub, data: Path) -> None:
    table = Table("part", "answers at", "pid", title=f"hub in {data}", title_justify="left")
    table.add_row("kafka", hub.kafka, "")
    table.add_row("issuer", hub.issuer, "")
    for name, service in hub.services.items():
        table.add_row(name, service.fhir, str(service.pid))
        lines = (service.mllp and f"mllp://{service.mllp}", service.mllp_tls and f"mllps://{service.mllp_tls}")
        for address in (service.admin, service.hl7, *lines):
            if address:
                table.add_row("", address, "")
        for number, replica in enumerate(service.replicas, start=1):
            table.add_row(f"{name}-{number}", replica.admin, str(replica.pid))
    out.print(table)
    out.print(f"these addresses are in {data / hubfile.NAME}; Ctrl-C stops everything")

"""`iop doctor`: what is wrong with a hub, and what to do. It changes nothing, and names no patient."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.doctor import waiting
from deploy.doctor.asking import Place, ask
from deploy.doctor.checks import Result, examine
from deploy.doctor.machine import MEGABYTE


def doctor(
    data: Data = DEFAULT_DATA,
    url: Annotated[
        list[str] | None,
        typer.Option("--url", help="Address of a service process, instead of a folder; several times for several."),
    ] = None,
    settings: Settings = None,
    free_mb: Annotated[
        int, typer.Option("--free-mb", envvar="IOP_FREE_MB", min=0, help="So many megabytes must be free on the disk.")
    ] = 2_000,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Look at everything a hub needs, name what is wrong and what to do (code 1), in ten seconds at most.

    It works whether the hub is up, half up or down. KAFKA_BOOTSTRAP_SERVERS names a Kafka to ask instead of the hub's,
    and DATABASE_URL the databases where no hub runs.
    """
    place = Place(data, settings_of(data, settings), tuple(url or ()), free_mb * MEGABYTE)
    results = examine(waiting.run(ask(place)))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(results)).decode(), markup=False)
    else:
        for line in lines(results):
            out.print(line, markup=False)
    if any(each.status == "wrong" for each in results):
        raise typer.Exit(1)


def lines(results: Sequence[Result]) -> list[str]:
    """What a person reads: what is wrong first."""
    ordered = sorted(results, key=lambda each: ("wrong", "not asked", "ok").index(each.status))
    return [_line(each) for each in ordered]


def _line(result: Result) -> str:
    head = f"{result.status:<9}  {result.name:<12}"
    if result.status == "wrong":
        return f"{head}  {result.text} -> {result.remedy}"
    return f"{head}  {result.text}".rstrip()

"""`iop simulate`: a program through which synthetic patients go, on a hub of its own; what was done is a log."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.common import DEFAULT_DATA, out
from deploy.demo.run import folder
from deploy.simulation.run import Asked, begin


def simulate(
    patients: Annotated[int, typer.Option(help="Who goes through the program.", min=1, max=100_000)] = 60,
    weeks: Annotated[int, typer.Option(help="How long, from Monday, 23 February 2026 on.", min=1, max=520)] = 4,
    seed: Annotated[int, typer.Option(help="The same one, the same patients, visits and reports.")] = 1,
    log: Annotated[Path, typer.Option(help="The file for what was done, as JSON lines.")] = DEFAULT_DATA
    / "simulation.jsonl",
    data: Annotated[
        Path | None, typer.Option("--data", help="The hub's folder, which stays; default: a new one that is removed.")
    ] = None,
) -> None:
    """Start a hub, let patients go through its public edges for weeks, log what was done, stop.

    Their EHRs report an Encounter a block, one a group, or Appointments only: in time, late, twice, corrected; and
    attendance is killed and away now and then.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with folder(data) as here:
        begin(Asked(patients=patients, weeks=weeks, seed=seed, log=log.resolve(), data=here), out)

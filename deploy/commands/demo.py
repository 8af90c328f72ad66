"""`iop demo`: twelve weeks of three synthetic patients, on a hub of their own."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.common import DEFAULT_DATA, out
from deploy.demo import run


def demo(
    samples: Annotated[
        Path | None,
        typer.Option(help="First send the real material in this folder.", exists=True, file_okay=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the hub's folder here; default: one that is removed.")
    ] = None,
    report: Annotated[Path, typer.Option(help="Where the HTML report goes.")] = DEFAULT_DATA / "report.html",
) -> None:
    """Show the whole hub at work: start one, live twelve weeks of a clinic through its public edges, count, stop."""
    run.begin(run.Show(out, report.resolve(), data, samples))

"""`iop demo`: twelve weeks of synthetic patients, on a hub of their own."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.common import DEFAULT_DATA, out
from deploy.demo import run


def demo(
    samples: Annotated[
        Path | None,
        typer.Option(help="First send the FHIR and HL7 v2 files of this folder.", exists=True, file_okay=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The hub's folder, which stays; default: a new one that is removed.")
    ] = None,
    report: Annotated[Path, typer.Option(help="The file for the HTML report.")] = DEFAULT_DATA / "report.html",
) -> None:
    """Start a hub, run twelve weeks of a clinic through its public edges, print the counts, write a report, stop."""
    run.begin(run.Show(out, report.resolve(), data, samples))

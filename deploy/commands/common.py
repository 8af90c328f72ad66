"""What several commands share: finding the hub, and talking to a person."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Data = Annotated[
    Path,
    typer.Option("--data", envvar="IOP_DATA", help="Folder of the hub.", show_default=True, file_okay=False),
]
DEFAULT_DATA = Path(".iop")

out = Console(soft_wrap=True, highlight=False)
aside = Console(stderr=True, soft_wrap=True, highlight=False)

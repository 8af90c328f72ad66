"""Real material that nobody here wrote, sent through the public edges, and what became of each."""

from pathlib import Path

from rich.console import Console

from deploy.demo.agenda import Promises
from deploy.driver import Driver


async def show(driver: Driver, console: Console, promises: Promises, real: Path) -> None:
    """Send it and say."""

"""Who is on call for the journeys' first program: their pager is a server on loopback."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.pager import CHANNELS, ROTA
from deploy.demo.serving import Taking, serving

WITH_A_GAP = ROTA.replace('to = "00:00"', 'to = "23:00"')
"""Of an hour, each day."""


@dataclass
class Pager:
    """The bodies that came, in their order."""

    url: str
    bodies: "queue.Queue[bytes]" = field(default_factory=queue.Queue)

    def forget(self) -> None:
        """What rang of journeys before."""
        self.bodies = queue.Queue()

    def on_call(self, deploy: Path) -> None:
        """Into a folder of settings."""
        (deploy / "rota.toml").write_text(ROTA)
        (deploy / "oncall.toml").write_text(CHANNELS.format(url=self.url))
        (deploy / "pager.secret").write_text("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")


@contextmanager
def ringing() -> Iterator[Pager]:
    """A pager that takes every page, until the block ends."""

    class PagerHandler(Taking):
        def do_POST(self) -> None:
            pager.bodies.put(self.body())
            self.send_response(204)
            self.end_headers()

    with serving(PagerHandler) as address:
        pager = Pager(f"{address}/page")
        yield pager

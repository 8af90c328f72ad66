"""Who is on call for the journeys' first program: their pager is a server on loopback."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.serving import Taking, serving

ROTA = """
[program.demo.person.on-call-clinician-1]
channel = "pager"

[[program.demo.on-call]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "00:00"
person = "on-call-clinician-1"
"""
WITH_A_GAP = ROTA.replace('to = "00:00"', 'to = "23:00"')
"""Of an hour, each day."""
CHANNELS = """
[program.demo.channel.pager]
form = "cloudevent"
url = "{url}"
secret_files = ["pager.secret"]
"""


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

"""The demo's laboratory: it takes the orders of drug tests on loopback; what became of one is shown at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy import clock
from deploy.demo.forms import MRN
from deploy.laboratory import lines
from deploy.laboratory.orders import Laboratory
from deploy.paths import SETTINGS

NAME = "riverbend-laboratory"
PARTNER = f"""
[partner.{NAME}]
identifier = "{NAME}"
kind = "laboratory"
agreement = "qso"
programs = ["demo"]
purpose = "TREAT"
fields = ["name", "birth-date", "sex", "identifier"]
required = ["name"]
form = "hl7-mllp"
url = "{{url}}"
application = "LAB"
facility = "lab"
panels = {{{{ drug-test = "12PAN^Drug screen 12 panel^L" }}}}
assigning_authorities = {{{{ IOPDEMO = "{MRN}" }}}}
"""


@dataclass
class DemoLaboratory(Laboratory):
    """`rows` say what became of an order."""

    url: str = ""
    rows: list[tuple[str, str]] = field(default_factory=list)

    def note(self, step: str, result: str) -> None:
        self.rows.append((step, result))

    def partners(self) -> str:
        """partners.toml: the hub's own, and this laboratory."""
        return (SETTINGS / "partners.toml").read_text() + PARTNER.format(url=self.url)


@contextmanager
def running(data: Path) -> Iterator[DemoLaboratory]:
    """At the time of the clinic whose hub runs in this folder, until the block ends."""
    laboratory = DemoLaboratory()
    with lines.listening(laboratory, lambda: clock.now(data)) as address:
        laboratory.url = address
        yield laboratory

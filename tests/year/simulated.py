"""A simulation, and its recount held against the hub while that still runs."""

import asyncio
from pathlib import Path

from rich.console import Console

from deploy import hubfile
from deploy.simulation.run import Asked, begin
from tests.year import observed, recount
from tests.year.comparing import Difference, differences
from tests.year.explaining import explained

EXPLAINED_MOST = 3


class Simulated:
    """Counts over all patients (`waited`: for a seat in a group, at night), and what the log names; `lines` have each
    difference, and why the hub decided so."""

    def __init__(self) -> None:
        self.patients = self.visits = self.misses = self.weeks = self.reasons = 0
        self.waited = 0
        self.did: set[str] = set()
        self.found: list[Difference] = []
        self.lines: list[str] = []

    def compare(self, log: Path, data: Path) -> None:
        lines = recount.read(log)
        self.did = {each["did"] for each in lines}
        hub = asyncio.run(observed.observe(hubfile.read(data).cluster))
        for counted in recount.recount(lines):
            self.patients += 1
            self.visits += len(counted.visits)
            self.misses += sum(len(each.missed_at) for each in counted.visits)
            self.weeks += sum(bool(each.finding) for each in counted.weeks)
            asked = {each for night in counted.reasons.values() for each in night}
            self.reasons += len(asked)
            self.waited += ("group-seat", ()) in asked
            self.found += differences(counted, hub.get(counted.id, observed.Patient()), lines[-1]["at"])
        self.lines = [str(each) for each in self.found]
        for each in self.found[:EXPLAINED_MOST]:
            self.lines += ["", str(each), *explained(data, each.about)]

    def __str__(self) -> str:
        counts = f"{self.patients} patients, {self.waited} of whom waited for a seat, {self.visits} sessions"
        found = f"{self.misses} misses, {self.weeks} weeks short or unknown, {self.reasons} reasons"
        return f"{counts}, {found}; {len(self.found)} differences"


def simulate(asked: Asked) -> Simulated:
    """Run it, and compare."""
    found, console = Simulated(), Console(soft_wrap=True, highlight=False)
    begin(asked, console, lambda data: found.compare(asked.log, data))
    console.print(str(found), markup=False)
    return found

"""What the services hold: at start, and whether it grows with what they have worked off."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path

from bench import hub as hubs
from bench.consuming import lay, store_before
from bench.goals import Goal
from bench.quiet import settled
from bench.results import Figure
from bench.workloads import Workload, patients, workloads
from deploy.hubfile import Hub
from deploy.quiescence import Quiescence

START_MEGABYTES = Goal(320, at_most=True)
GROWN_MOST = 1.05
PATIENTS = 100
"""Of each workload, in one portion."""


@dataclass(frozen=True)
class Held:
    """Megabytes that each service has resident, and those of all where what they share is counted by its share."""

    resident: Mapping[str, float]
    proportional: float

    @property
    def together(self) -> float:
        return sum(self.resident.values())


def held(hub: Hub) -> Held:
    """What the services hold now."""
    both = {name: hubs.memory_megabytes(each.pid) for name, each in hub.services.items()}
    return Held({name: resident for name, (resident, _) in both.items()}, sum(each or 0.0 for _, each in both.values()))


def at_start(found: Held) -> list[Figure]:
    each = [Figure(name, megabytes) for name, megabytes in found.resident.items()]
    together = Figure("together, resident", found.together, goals=(START_MEGABYTES,))
    return [*each, together, Figure("together, what they share counted once", found.proportional)]


async def grown(quiescence: Quiescence, folder: Path, events: Sequence[int]) -> list[Figure]:
    """What they hold together after so many events, and of the last what it is of the first."""
    made, seeds, laid, found = workloads(folder), counting(7), 0, list[Figure]()
    for most in events:
        while laid < most:
            laid += await _portion(quiescence.hub, made, next(seeds))
            await settled(quiescence)
        now, what = held(quiescence.hub).together, f"after {laid:,} events"
        if found:
            first = found[0].reached
            found.append(Figure(what, now, first, now / first, (Goal(first * GROWN_MOST, at_most=True),)))
        else:
            found.append(Figure(what, now))
    return found


async def _portion(hub: Hub, made: Sequence[Workload], seed: int) -> int:
    """Lays new patients' events on the topics of all workloads; how many."""
    laid = 0
    for number, workload in enumerate(made):
        known = patients(PATIENTS, seed * len(made) + number)
        await store_before(workload, hub.postgres[workload.service.name], known)
        records = await asyncio.to_thread(workload.records, known)
        await lay(hub.cluster, workload.service.consumes, records)
        laid += len(records)
    return laid

"""Bundles accepted a second and core; the floor is fhir.resources and one insert behind a bare route."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count as counting

from msgspec.structs import replace

from bench import bodies
from bench.caller import Caller
from bench.goals import Goal
from bench.processes import LOADER, Processes
from bench.quiet import settled
from bench.results import Figure, Result, figure
from bench.slices import Scale, Slice, alternate
from deploy.paths import LOOPBACK, REPOSITORY, free_port
from deploy.quiescence import Quiescence
from shared.platform.clock import ticks

AT_ONCE = 32
BUNDLES = 400
BARE = "bare"


@dataclass(frozen=True)
class Kind:
    """Bundles of one shape, and which share of the floor is wanted of them."""

    name: str
    what: str
    made: Callable[[int], bytes]
    goal: Goal


PAID_FOR = (
    "The floor validates and makes one INSERT; intake resolves, decides, seals the identity for three readers, writes "
    "events, read model and journal, and makes ten round trips and one commit."
)
KINDS = (
    Kind("intake", "eight entries, 3.7 KB", bodies.intake, Goal(0.6, is_ratio=True, reason=PAID_FOR)),
    Kind(
        "visit",
        "nine entries, 8.8 KB, four of them ifNoneExist",
        bodies.visit,
        Goal(0.7, is_ratio=True, reason=PAID_FOR),
    ),
)
TOGETHER = Goal(
    8_000,
    at_most=True,
    reason="Intake takes two fifths, PostgreSQL a quarter, the three services that consume what it emits a fifth, "
    "Kafka the rest.",
)
"""Microseconds of all processes but the client's, of a Bundle with nine entries."""


async def measure(quiescence: Quiescence, processes: Processes, token: str, kind: Kind, scale: Scale) -> Result:
    """The bare route and the intake service by turns, over Bundles of one shape. Both are warmed first."""
    hub, numbers, size = quiescence.hub, counting(KINDS.index(kind) * 1_000_000), scale.units(BUNDLES)
    with _bare(hub.postgres["intake"]) as (address, pid):
        involved = processes.only(LOADER, "PostgreSQL", **{BARE: pid})
        async with (
            Caller(address, token, AT_ONCE) as baseline,
            Caller(hub.services["intake"].fhir, token, AT_ONCE) as ours,
        ):

            async def floor() -> Slice:
                return await post(quiescence, baseline, involved, kind.made, numbers, size)

            async def reached() -> Slice:
                return await post(quiescence, ours, processes, kind.made, numbers, size)

            await post(quiescence, baseline, involved, kind.made, numbers, AT_ONCE)
            await post(quiescence, ours, processes, kind.made, numbers, AT_ONCE)
            floors, found = await alternate(scale, floor, reached)
    a_core = figure(f"{kind.what}: a core", found, floors, _a_core, kind.goal)
    a_second = figure("  a second", found, floors, lambda each: each.rate)
    result = Result(f"bundles/{kind.name}", "a Bundle", (a_core, a_second), found, floors)
    if kind.name != "visit":
        return result
    together = Figure("  CPU of all processes a Bundle, µs", result.together, goals=(TOGETHER,))
    return replace(result, figures=(*result.figures, together))


def _a_core(taken: Slice) -> float:
    """Bundles for a second of a core's time; the process that answers is what is counted."""
    return taken.units / taken.cpu[BARE if BARE in taken.cpu else "intake"]


async def post(
    quiescence: Quiescence,
    caller: Caller,
    processes: Processes,
    made: Callable[[int], bytes],
    numbers: Iterator[int],
    size: int,
) -> Slice:
    """The seconds end with the last answer; the CPU counts until all that the Bundles caused is done."""
    left = iter([made(next(numbers)) for _ in range(size)])

    async def one_client() -> None:
        for each in left:
            await caller.post(each)

    started = processes.read()
    await asyncio.gather(*(one_client() for _ in range(AT_ONCE)))
    seconds = ticks() - started.at
    await settled(quiescence)
    return Slice(size, seconds, processes.read().since(started))


@contextmanager
def _bare(dsn: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    process = subprocess.Popen((sys.executable, "-m", "bench.baseline", str(port), dsn), cwd=REPOSITORY)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError("the bare route did not start")
            time.sleep(0.1)
        yield f"http://{LOOPBACK}:{port}/fhir", process.pid
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True

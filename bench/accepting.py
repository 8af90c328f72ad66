"""Bundles accepted a second and core; the floor is fhir.resources and one insert behind a bare route."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counting

from bench import bodies
from bench.caller import Caller
from bench.goals import Goal
from bench.processes import LOADER, Processes
from bench.quiet import settled
from bench.results import Result, figure
from bench.slices import Scale, Slice, alternate
from deploy.paths import LOOPBACK, REPOSITORY, free_port
from deploy.quiescence import Quiescence
from shared.platform.clock import ticks

AT_ONCE = 32
BUNDLES = 500
BARE = "bare"


async def measure(quiescence: Quiescence, processes: Processes, token: str, scale: Scale) -> Result:
    """The bare route and the intake service by turns, over Bundles of the same shape. Both are warmed first."""
    hub, numbers, size = quiescence.hub, counting(), scale.units(BUNDLES)
    with _bare(hub.postgres["intake"]) as (address, pid):
        involved = processes.only(LOADER, "PostgreSQL", **{BARE: pid})
        async with (
            Caller(address, token, AT_ONCE) as baseline,
            Caller(hub.services["intake"].fhir, token, AT_ONCE) as ours,
        ):

            async def floor() -> Slice:
                return await _post(quiescence, baseline, involved, numbers, size)

            async def reached() -> Slice:
                return await _post(quiescence, ours, processes, numbers, size)

            await _post(quiescence, baseline, involved, numbers, AT_ONCE)
            await _post(quiescence, ours, processes, numbers, AT_ONCE)
            floors, found = await alternate(scale, floor, reached)
    a_core = figure("an intake of eight entries, per core", found, floors, _a_core, Goal(0.9, is_ratio=True))
    a_second = figure("the same, per second of the wall", found, floors, lambda each: each.rate)
    return Result("bundles/intake", "a Bundle", (a_core, a_second), found, floors)


def _a_core(taken: Slice) -> float:
    """Bundles for a second of a core's time; the process that answers is what is counted."""
    return taken.units / taken.cpu[BARE if BARE in taken.cpu else "intake"]


async def _post(
    quiescence: Quiescence, caller: Caller, processes: Processes, numbers: Iterator[int], size: int
) -> Slice:
    """The seconds end with the last answer; the CPU counts until all that the Bundles caused is done."""
    left = iter([bodies.intake(next(numbers)) for _ in range(size)])

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

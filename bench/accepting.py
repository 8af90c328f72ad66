"""Bundles accepted a second and core; the floor is fhir.resources and one insert behind a bare route."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench import bodies
from bench.caller import Caller
from bench.hub import cpu_seconds
from deploy.hubfile import Hub
from deploy.paths import LOOPBACK, REPOSITORY, free_port
from shared.platform.clock import ticks

AT_ONCE = 32


@dataclass(frozen=True)
class AcceptedResource:
    """Bundles a second of a core's time, and a second of the wall's; the service's own process is what is counted."""

    a_core: float
    a_second: float


async def measure(hub: Hub, token: str, count: int) -> tuple[AcceptedResource, AcceptedResource]:
    """The intake service, then the bare route, over Bundles of the same shape. Both are warmed first."""
    intake = hub.services["intake"]
    found = await _post(intake.fhir, token, intake.pid, [bodies.intake(n) for n in range(count + AT_ONCE)])
    with _bare(hub.postgres["intake"]) as (address, pid):
        floor = await _post(address, token, pid, [bodies.intake(n) for n in range(count + AT_ONCE)])
    return found, floor


async def _post(url: str, token: str, pid: int, posted: Sequence[bytes]) -> AcceptedResource:
    async with Caller(url, token, AT_ONCE) as caller:
        await asyncio.gather(*(caller.post(each) for each in posted[:AT_ONCE]))
        left = iter(posted[AT_ONCE:])

        async def one_client() -> None:
            for each in left:
                await caller.post(each)

        started, used = ticks(), cpu_seconds(pid)
        await asyncio.gather(*(one_client() for _ in range(AT_ONCE)))
        count = len(posted) - AT_ONCE
        return AcceptedResource(count / (cpu_seconds(pid) - used), count / (ticks() - started))


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

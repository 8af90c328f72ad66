"""`python -m bench.replaying --data .iop`: how much slower a running hub's POSTs are while `iop replay --all` runs.

By turns, so that the machine's mood meets both: intakes posted alone, then as many as long during replays. It prints
the rate of each turn and the ratio of the medians.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from time import time

from bench import bodies
from bench.caller import Caller
from deploy import hubfile, token
from deploy.hubfile import Hub
from deploy.paths import REPOSITORY
from shared.platform.clock import ticks

AT_ONCE = 4


async def measure(hub: Hub, data: Path, turns: int, seconds: float, before: float) -> float:
    """How many times as many POSTs alone as during a replay; the journal first grows for `before` seconds."""
    address, bearer = hub.services["intake"].fhir, token.fetch(hub.issuer, data / "keys", "ehr")
    alone, during, numbers = list[float](), list[float](), count(int(time() * 1000))
    async with Caller(address, bearer, AT_ONCE) as caller:
        await _rate(caller, numbers, before)
        for turn in range(1, turns + 1):
            alone.append(await _rate(caller, numbers, seconds))
            replays = asyncio.create_task(_replay(data))
            during.append(await _rate(caller, numbers, seconds))
            replays.cancel()
            await asyncio.gather(replays, return_exceptions=True)
            print(f"turn {turn}: {alone[-1]:.1f} POST/s alone, {during[-1]:.1f} POST/s during a replay", flush=True)
    return median(alone) / median(during)


async def _rate(caller: Caller, numbers: Iterator[int], seconds: float) -> float:
    """Intakes a second, from so many callers at once."""
    begun, answered = ticks(), 0

    async def call() -> None:
        nonlocal answered
        while ticks() - begun < seconds:
            await caller.post(bodies.intake(next(numbers)))
            answered += 1

    await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    return answered / (ticks() - begun)


async def _replay(data: Path) -> None:
    """One after another, until it is cancelled."""
    while True:
        command = (sys.executable, "-m", "deploy.cli", "replay", "--all", "--data", str(data))
        process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.DEVNULL)
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".iop"), help="folder of a running hub")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of a turn")
    parser.add_argument("--before", type=float, default=20.0, help="seconds of POSTs before the first turn")
    asked = parser.parse_args()
    ratio = asyncio.run(measure(hubfile.read(asked.data), asked.data, asked.turns, asked.seconds, asked.before))
    print(f"ratio of the medians: {ratio:.2f} (1 is no slower)")


if __name__ == "__main__":
    main()

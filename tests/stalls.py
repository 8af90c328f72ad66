"""What a busy machine takes of the time that a test measures: it is no fault of the hub's, and is taken off."""

import asyncio
import time
from collections.abc import Awaitable


async def stalls() -> float:
    """How late the machine woke us in all, in seconds, until we are cancelled."""
    late = 0.0
    try:
        while True:
            slept = time.perf_counter()
            await asyncio.sleep(0.01)
            late += time.perf_counter() - slept - 0.01
    except asyncio.CancelledError:
        return late


async def seconds_of(awaited: Awaitable[object]) -> float:
    """How long it took, less what the machine took of it."""
    stalled, began = asyncio.create_task(stalls()), time.perf_counter()
    await awaited
    taken = time.perf_counter() - began
    stalled.cancel()
    return taken - await stalled

"""Long work on one body goes on apart from the event loop, one body at a time: meanwhile all others are answered."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

LARGE_BYTES = 64 * 1024
"""Work on a longer body is done in a thread."""
_large_bodies = ThreadPoolExecutor(1, "large-bodies")
Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


async def apart(
    size: int, work: Callable[Arguments, Found], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Found:
    """What `work` finds, done at once for a small body (`size` in bytes), else in a thread. What it raises, too."""
    if size <= LARGE_BYTES:
        return work(*arguments, **named)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_large_bodies, lambda: work(*arguments, **named))

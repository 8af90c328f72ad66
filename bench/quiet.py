"""Waiting until the hub has done all that was caused."""

import asyncio
from datetime import UTC, datetime

from deploy.quiescence import Quiescence
from shared.platform.clock import ticks

BETWEEN_LOOKS_SECONDS = 0.25
"""Rarely: looking costs the servers something, and what they use is being counted."""
LONGEST_SECONDS = 120.0


async def settled(quiescence: Quiescence) -> None:
    """Return once two looks in a row found nothing left to do."""
    until, quiet = ticks() + LONGEST_SECONDS, 0
    while quiet < 2:
        await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        unrest = (await quiescence.look(datetime.now(UTC), None, None)).unrest
        quiet = 0 if unrest else quiet + 1
        if ticks() > until:
            raise AssertionError(f"not quiet after {LONGEST_SECONDS:.0f} s: {'; '.join(unrest)}")

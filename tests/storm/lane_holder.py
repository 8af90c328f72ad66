"""A process that holds one partner's lane until it is killed: DATABASE KEYS CLOCK ADDRESS."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from random import random
from signal import SIGKILL

import msgspec

from services.aftercare import app
from shared.path.destination import Routes, Transport
from shared.path.outbound.accounting import Accounts
from shared.path.outbound.destinations import partner_destination, topics
from shared.path.outbound.gate import GatedLane
from shared.path.outbound.lane import WakeUp
from shared.platform import db
from shared.platform.clock import Clock
from shared.platform.keys import Keys
from tests.aftercare.books import ANSWER_SECONDS_MOST, HOUSE
from tests.aftercare.deaths import dying
from tests.aftercare.running import FORM

DEATHS = 0.01


async def _die(_: str) -> None:
    """As by kill -9, at one point of a hundred."""
    if random() < DEATHS:
        os.kill(os.getpid(), SIGKILL)


async def hold(dsn: str, keys: str, clock: str, url: str) -> None:
    for name, writer in dying(_die).items():
        setattr(Accounts, name, writer)
    service = app.assemble(Keys.load(Path(keys), "aftercare")).service
    destination = partner_destination(msgspec.structs.replace(HOUSE, url=url), FORM)
    impatient = replace(destination, transport=Transport(url, seconds_most=ANSWER_SECONDS_MOST))
    routes = Routes([*topics("aftercare"), impatient])
    async with db.pool(dsn) as pool:
        await GatedLane(service, impatient, routes, pool, Clock(Path(clock)), WakeUp()).run(dsn)


if __name__ == "__main__":
    asyncio.run(hold(*sys.argv[1:]))

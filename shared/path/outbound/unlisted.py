"""What waits for a partner that partners.toml lists no more: nobody sends it, so a person is asked, as of what the gate
withholds. Without this it would wait for ever, and its order or referral with it."""

import asyncio

from shared.path.destination import Destination, Routes, Transport
from shared.path.outbound.destinations import DEPUTY, ON_CALL, Disclosed
from shared.path.outbound.gate import GatedLane
from shared.path.outbound.lane import WakeUp
from shared.path.service import Service
from shared.platform import db, log
from shared.platform.clock import Clock
from shared.platform.db import Pool
from shared.rules.consent import Partner, Withheld

UNLISTED = Withheld("partner-listed-no-more")
LOOK_SECONDS_MOST = 60.0
_PREFIX = "partner:"
_LANES = "SELECT DISTINCT lane FROM outbox WHERE lane LIKE 'partner:%'"


async def end_what_waits(
    service: Service, routes: Routes, pool: Pool, clock: Clock, wake_up: WakeUp, database_url: str
) -> None:
    """Of partners that had rows at the start and have no lane any more: each row ends as withheld, in order, and in the
    books. Until it is cancelled, where there are any."""
    names = await _names(pool, routes)
    for name in names:
        log.get().warning("partner listed no more: what waits for it goes to a person", partner=name)
    lanes = [GatedLane(service, _destination(name), routes, pool, clock, wake_up) for name in names]
    await asyncio.gather(*(each.run(database_url) for each in lanes))


async def _names(pool: Pool, routes: Routes) -> list[str]:
    """Those on call are rung from lanes of their own (`on_call.forget_pages`)."""
    rows = await db.retrying(lambda: pool.fetch(_LANES), seconds_most=LOOK_SECONDS_MOST)
    sent = {each.lane for each in routes.destinations} | {_PREFIX + ON_CALL, _PREFIX + DEPUTY}
    return sorted(row["lane"].removeprefix(_PREFIX) for row in rows if row["lane"] not in sent)


def partner_of(lane: str, routes: Routes) -> Partner | None:
    """Whose lane it is, listed or not; None of any other lane."""
    listed = next((each.gate for each in routes.destinations if each.lane == lane), None)
    name = lane.removeprefix(_PREFIX)
    return listed if listed is not None or name == lane else _gone(name)


def _gone(name: str) -> Partner:
    """What it was is not known any more; the books name it, and that nothing was sent."""
    return Partner(name=name, identifier=name, kind="treating-provider", programs=(), purpose="TREAT")


def _destination(name: str) -> Destination[Disclosed]:
    return Destination(
        name=name,
        kind="partner",
        subscribes=frozenset(),
        body=lambda event, record: None,
        gate=_gone(name),
        form=lambda event, release: UNLISTED,
        transport=Transport(""),
        closed=UNLISTED,
    )

"""The same Bundles posted to another FHIR server, by the same light client, by turns with the hub."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count as counting

from bench import bodies
from bench.answering import percentile
from bench.caller import Caller
from bench.goals import Goal
from bench.quiet import settled
from bench.results import Figure, Result, figure
from bench.slices import Scale, Slice, alternate
from deploy.quiescence import Quiescence
from shared.platform.clock import ticks

CONNECTIONS = {1: Goal(2, is_ratio=True), 8: Goal(1.7, is_ratio=True)}
BUNDLES = 100
NUMBERS_FROM = 20_000_000
Posted = tuple[Slice, list[float]]


async def measure(quiescence: Quiescence, url: str, token: str, connections: int, scale: Scale) -> Result:
    """Bundles a second and their latency, ours before the peer's; `url` is its base address, asked without a token."""
    numbers, size = counting(NUMBERS_FROM * connections), scale.units(BUNDLES)
    async with (
        Caller(url, "", connections) as peer,
        Caller(quiescence.hub.services["intake"].fhir, token, connections) as ours,
    ):
        theirs, found = await alternate(
            scale,
            lambda: _post(peer, numbers, size, connections),
            lambda: _then_settled(quiescence, lambda: _post(ours, numbers, size, connections)),
        )
    reached, floor = [each[0] for each in found], [each[0] for each in theirs]
    rates = figure(
        f"Bundles a second, connections: {connections}",
        reached,
        floor,
        lambda each: each.rate,
        CONNECTIONS[connections],
    )
    p99, peers = (percentile(sorted(ms for _, several in each for ms in several), 0.99) for each in (found, theirs))
    latency = Figure(
        "  milliseconds to the answer, p99", p99, peers, p99 / peers, (Goal(1, is_ratio=True, at_most=True),)
    )
    return Result(f"peer/{connections}", "a Bundle", (rates, latency), reached, floor)


async def _post(caller: Caller, numbers: Iterator[int], size: int, connections: int) -> Posted:
    left, took = iter([bodies.visit(next(numbers)) for _ in range(size)]), list[float]()

    async def one_client() -> None:
        for each in left:
            begun = ticks()
            await caller.post(each)
            took.append((ticks() - begun) * 1000)

    started = ticks()
    await asyncio.gather(*(one_client() for _ in range(connections)))
    return Slice(size, ticks() - started, {}), took


async def _then_settled(quiescence: Quiescence, post: Callable[[], Awaitable[Posted]]) -> Posted:
    posted = await post()
    await settled(quiescence)
    return posted

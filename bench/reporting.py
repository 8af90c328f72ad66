"""ORU^R01 accepted a second over MLLP; the floor is the same messages parsed, and one INSERT each."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count as counting

import asyncpg
import hl7

from bench import bodies
from bench.answering import percentile
from bench.caller import Caller
from bench.goals import Goal
from bench.processes import Processes
from bench.quiet import settled
from bench.results import Figure, Result, figure
from bench.slices import Scale, Slice, alternate
from deploy.demo import forms
from deploy.driver import END, START
from deploy.quiescence import Quiescence
from shared.platform.clock import ticks

LINES = (1, 8, 32)
MESSAGES = 200
PATIENTS = range(10_000_000, 10_000_032)
DAYS_AGO = 3
"""Collection of the first reports; the others follow, of each patient a minute apart."""
NUMBERS = 1_000_000
"""Of reports over one number of lines, at most."""
PARSER = "parser"
OF_THE_FLOOR = Goal(
    0.6,
    is_ratio=True,
    reason="The floor parses and makes one INSERT; a report's rows are given their meaning, graded and decided by the "
    "patient's state, and stored by eight statements.",
)
P99 = Goal(
    100, at_most=True, reason="Eight lines share one process and the cores: an answer waits for the commits before."
)
"""Milliseconds to the acknowledgement, on eight lines."""
Sent = tuple[Slice, Sequence[float]]
"""A slice, and the milliseconds of each message."""


async def identify(quiescence: Quiescence, token: str) -> None:
    """Have the patients of the reports known: what is about nobody waits instead."""
    async with Caller(quiescence.hub.services["intake"].fhir, token, 1) as caller:
        for number in PATIENTS:
            await caller.post(bodies.intake(number))
    await settled(quiescence)


async def measure(quiescence: Quiescence, processes: Processes, lines: int, scale: Scale) -> Result:
    """The floor and testing by turns, over messages of twelve rows on so many lines."""
    numbers, size = counting(lines * NUMBERS), scale.units(MESSAGES)
    floors, sent = await alternate(
        scale,
        lambda: _floor(quiescence, processes, lines, _messages(numbers, size)),
        lambda: _sent(quiescence, processes, lines, _messages(numbers, size)),
    )
    reached, floor = [each[0] for each in sent], [each[0] for each in floors]
    p99 = percentile(sorted(took for _, several in sent for took in several), 0.99)
    figures = (
        figure(f"ORU of twelve rows a second, lines: {lines}", reached, floor, lambda each: each.rate, OF_THE_FLOOR),
        Figure("  milliseconds to the acknowledgement, p99", p99, goals=(P99,) if lines == 8 else ()),
    )
    return Result(f"reports/{lines}", "a message", figures, reached, floor)


def _messages(numbers: Iterator[int], size: int) -> list[bytes]:
    """Each of a specimen of its own, so of a minute of its own: what a patient gave in one minute is one. Of six
    analytes each is reported twice, as screens and their repetition are."""
    now = datetime.now(UTC)
    made = []
    for number in (next(numbers) for _ in range(size)):
        mrn = f"BENCH-{PATIENTS[number % len(PATIENTS)]}"
        collected_at = now - timedelta(days=DAYS_AGO) + _apart(number)
        message = forms.oru(mrn, f"B{number}", collected_at, now, dict.fromkeys(forms.PANEL, False), "F")
        *head, specimen, end = message.split(b"\r")
        rows = [each for each in head if each.startswith(b"OBX|")]
        again = [each.replace(b"OBX|", b"OBX|1", 1) for each in rows]
        made.append(b"\r".join([*head, *again, specimen, end]))
    return made


def _apart(number: int) -> timedelta:
    """Those of so many lines begin at an hour of their own."""
    lines, ordinal = divmod(number, NUMBERS)
    return timedelta(hours=lines, minutes=ordinal // len(PATIENTS))


async def _sent(quiescence: Quiescence, processes: Processes, lines: int, messages: Sequence[bytes]) -> Sent:
    """The seconds end with the last acknowledgement, the CPU counts until all is done."""
    host, _, port = str(quiescence.hub.services["testing"].mllp).rpartition(":")
    left, took = iter(messages), list[float]()

    async def line() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for message in left:
            begun = ticks()
            writer.write(START + message + END)
            if b"MSA|AA|" not in await reader.readuntil(END):
                raise AssertionError("a report was not accepted")
            took.append((ticks() - begun) * 1000)
        writer.close()

    started = processes.read()
    await asyncio.gather(*(line() for _ in range(lines)))
    seconds = ticks() - started.at
    await settled(quiescence)
    return Slice(len(messages), seconds, processes.read().since(started)), took


async def _floor(quiescence: Quiescence, processes: Processes, lines: int, messages: Sequence[bytes]) -> Sent:
    involved = processes.only("PostgreSQL", **{PARSER: os.getpid()})
    left, most = iter(messages), min(lines, 8)
    async with asyncpg.create_pool(quiescence.hub.postgres["testing"], min_size=most, max_size=most) as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS bare_reports (body text NOT NULL)")

        async def line() -> None:
            for message in left:
                text = message.decode()
                hl7.parse(text)
                await pool.execute("INSERT INTO bare_reports VALUES ($1)", text)

        started = involved.read()
        await asyncio.gather(*(line() for _ in range(lines)))
        ended = involved.read()
    return Slice(len(messages), ended.at - started.at, ended.since(started)), ()

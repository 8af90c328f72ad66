"""`python -m bench`: measure everything and say it; `--quick` measures too little to mean anything, in a minute.

`--json FILE` keeps what was found; `--compare A.json B.json` measures nothing and shows what a unit cost in both.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench import (
    accepting,
    answering,
    comparing,
    consuming,
    growing,
    hub,
    peer,
    reading,
    relaying,
    report,
    reporting,
    results,
    table,
)
from bench.processes import Processes, others_share
from bench.results import Figure, Result
from bench.servers import Servers, servers
from bench.slices import FULL, QUICK, Scale
from bench.workloads import workloads
from deploy import token as tokens
from deploy.hubfile import Hub
from deploy.quiescence import Quiescence
from shared.path.inbound.polled import SIDE_BY_SIDE

SECTIONS = ("consumer", "lane", "bundles", "reports", "latencies", "reading", "memory")
CONSUMER, LANE, BUNDLES, REPORTS, LATENCIES, READING, _ = SECTIONS
OF_A_HUB = frozenset(SECTIONS) - {CONSUMER, LANE}
RATES = (50, 100, 200)


def main() -> None:
    arguments = _arguments()
    if arguments.compare:
        comparing.compare(*arguments.compare)
        return
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Asked to stop, it still stops its servers and removes its folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = results.begin(os.cpu_count() or 1, os.getloadavg()[0], others_share())
    report.heading(run)
    wanted = (arguments.only,) if arguments.only else () if arguments.peer else SECTIONS
    scale = QUICK if arguments.quick else FULL
    if CONSUMER in wanted or LANE in wanted:
        run.results.extend(_consumer_and_lane(wanted, scale))
    if arguments.peer or OF_A_HUB & set(wanted):
        run.results.extend(_whole_hub(wanted, scale, arguments.peer, arguments.long))
    if arguments.table:
        table.write(run, arguments.table)
    if arguments.json:
        results.write(run, arguments.json)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a few hundred of everything: does it run at all?")
    arguments.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    arguments.add_argument("--peer", metavar="URL", help="Bundles against another FHIR server's base address instead")
    arguments.add_argument("--table", type=Path, metavar="FILE", help="the document whose table is written again")
    arguments.add_argument("--long", type=int, nargs="+", default=(), metavar="EVENTS", help="memory after so many too")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where to store what was found")
    arguments.add_argument("--compare", type=Path, nargs=2, metavar=("A.json", "B.json"), help="two files of --json")
    return arguments.parse_args()


def _consumer_and_lane(wanted: tuple[str, ...], scale: Scale) -> list[Result]:
    with servers() as running:
        found = _consumer(running, scale) if CONSUMER in wanted else []
        if LANE in wanted:
            report.section("Rows a second, outbox to Kafka in order; floor: bare produce of the same records")
            found.append(_shown(_run(relaying.measure(running, workloads(running.folder)[0], scale))))
        return found


def _consumer(running: Servers, scale: Scale) -> list[Result]:
    report.section(
        "Events a second, Kafka to PostgreSQL, one process; "
        f"floor: the same statements prebuilt, on {SIDE_BY_SIDE} connections as the consumer"
    )
    found, profiles = [], []
    for workload in workloads(running.folder):
        taken, stages = _run(consuming.measure(running, workload, scale))
        found.append(_shown(taken))
        profiles.append((workload.service.name, stages))
    report.section("Where the consumer's time goes")
    for name, stages in profiles:
        report.stages(name, stages)
    return found


def _whole_hub(wanted: tuple[str, ...], scale: Scale, peers_url: str | None, events: Sequence[int]) -> list[Result]:
    with (
        tempfile.TemporaryDirectory(prefix="iop-bench-") as name,
        hub.running(Path(name) / "hub") as (found, processes),
    ):
        report.section("Memory of the services at start, MB")
        for each in growing.at_start(growing.held(found)):
            report.line(each)
        taken: list[Result] = _run(_on_hub(found, processes, Path(name) / "hub", wanted, scale, peers_url))
        if events:
            report.section("Memory of the services, MB; floor: the first of them")
            for each in _run(_grown(found, Path(name) / "hub", events)):
                report.line(each)
        return taken


async def _grown(found: Hub, data: Path, events: Sequence[int]) -> list[Figure]:
    async with Quiescence(found) as quiescence:
        return await growing.grown(quiescence, data, events)


async def _on_hub(
    found: Hub, processes: Processes, data: Path, wanted: tuple[str, ...], scale: Scale, peers_url: str | None
) -> list[Result]:
    taken = []
    token = tokens.fetch(found.issuer, data / "keys", "ehr")
    async with Quiescence(found) as quiescence:
        if peers_url:
            report.section(f"Bundles of nine entries, 8.8 KB; floor: {peers_url}")
            for connections in peer.CONNECTIONS:
                taken.append(_shown(await peer.measure(quiescence, peers_url, token, connections, scale)))
        if BUNDLES in wanted:
            report.section(
                "Bundles accepted a second and core (POST /fhir on intake); floor: fhir.resources and one INSERT"
            )
            for kind in accepting.KINDS:
                taken.append(_shown(await accepting.measure(quiescence, processes, token, kind, scale)))
        if REPORTS in wanted:
            report.section("ORU^R01 accepted a second over MLLP; floor: parsed, and one INSERT")
            await reporting.identify(quiescence, token)
            for lines in reporting.LINES:
                taken.append(_shown(await reporting.measure(quiescence, processes, lines, scale)))
        taken += await _answers(quiescence, processes, token, data, wanted, scale)
    return taken


async def _answers(
    quiescence: Quiescence, processes: Processes, token: str, data: Path, wanted: tuple[str, ...], scale: Scale
) -> list[Result]:
    """How long a client waits, for a POST and for a page."""
    taken = []
    if LATENCIES in wanted:
        report.section("Milliseconds from a POST's due time to its record on Kafka read; floor: INSERT and send")
        for rate in RATES:
            measured = answering.measure(quiescence, processes, token, workloads(data)[0], rate, scale)
            taken += [_shown(each) for each in await measured]
    if READING in wanted:
        report.section("Milliseconds to a page of attendance's, with a year of history; floor: nobody checks in")
        taken.append(_shown(await reading.measure(quiescence, processes, token, data, scale)))
    return taken


def _shown(found: Result) -> Result:
    report.result(found)
    return found


def _run(measured: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measured)


if __name__ == "__main__":
    main()

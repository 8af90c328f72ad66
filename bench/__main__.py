"""`python -m bench`: measure everything and say it; `--quick` measures too little to mean anything, in seconds."""

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bench import accepting, answering, consuming, hub, relaying, report
from bench.report import Goal
from bench.servers import servers
from bench.workloads import Workload, workloads
from deploy import token as tokens
from deploy.hubfile import Hub


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a few hundred of everything: does it run at all?")
    quick = arguments.parse_args().quick
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Asked to stop, it still stops its servers and removes its folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report.heading()
    _consumer_and_relay(quick)
    _whole_hub(quick)


def _consumer_and_relay(quick: bool) -> None:
    events, passes = (300, 1) if quick else (12_000, 3)
    with servers() as running:
        found = workloads(running.folder)
        report.section("Events a second, Kafka to PostgreSQL, one process; floor: the same statements prebuilt")
        profiles = []
        for workload in found:
            taken = _run(consuming.measure(running, workload, events, passes))
            what = f"{workload.service.name} hears {workload.name} ({taken.emitted:.1f} events said an event)"
            report.line(what, taken.rate, taken.floor, Goal(10_000), Goal(0.5, is_ratio=True))
            profiles.append((workload.service.name, taken.stages))
        report.section("Rows a second, outbox to Kafka in order; floor: bare produce of the same records")
        sent = _run(relaying.measure(running, found[0], events, passes))
        report.line("a topic lane", sent.rate, sent.floor, Goal(30_000))
    report.section("Where the consumer's time goes")
    for name, stages in profiles:
        report.stages(name, stages)


def _whole_hub(quick: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="iop-bench-") as name, hub.running(Path(name) / "hub") as found:
        data = Path(name) / "hub"
        token = tokens.fetch(found.issuer, data / "keys", "ehr")
        report.section(
            "Bundles accepted a second and core (POST /fhir on intake); floor: fhir.resources and one INSERT"
        )
        accepted, floor = _run(accepting.measure(found, token, 40 if quick else 1_000))
        report.line("an intake of eight entries, per core", accepted.a_core, floor.a_core, Goal(0.9, is_ratio=True))
        report.line("the same, per second of the wall", accepted.a_second, floor.a_second)
        _latencies(found, token, workloads(data)[0], quick)
        report.section("Memory of the services, MB: resident (and proportional)")
        for service, each in found.services.items():
            resident, proportional = hub.memory_megabytes(each.pid)
            report.line(f"{service}{f' ({proportional:.0f} proportional)' if proportional else ''}", resident, None)


def _latencies(found: Hub, token: str, signals: Workload, quick: bool) -> None:
    seconds = 1.0 if quick else 10.0
    report.section("Milliseconds from a POST's due time to its record on Kafka read; floor: one INSERT and one send")
    for rate in (50, 200):
        floor = _run(answering.baseline(found, rate, seconds))
        quiet = _run(answering.posted(found, token, rate, seconds))
        report.line(f"{rate} a second, quiet, p50", quiet.p50, floor.p50)
        report.line(f"{rate} a second, quiet, p99", quiet.p99, floor.p99, Goal(20, at_most=True))
        busy = _run(answering.in_backlog(found, token, signals, rate, seconds, 500 if quick else 40_000))
        report.line(f"{rate} a second, {busy.drained:,.0f} others heard a second, p50", busy.p50, floor.p50)
        report.line(f"{rate} a second, meanwhile, p99", busy.p99, floor.p99, Goal(50, at_most=True))
        _run(answering.until_drained(found))


def _run(measured: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measured)


if __name__ == "__main__":
    main()

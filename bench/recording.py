"""`python -m bench.recording`: what a consumed event costs while traces are recorded, beside one without.

By turns, so that the machine's mood meets each: intake's signals with no collector, with one request in fifty recorded
(what a hub does), with one in ten, with every one. Their traces were begun by the service before, which decides what is
recorded, or begin here: a service before that has no collector. What the process, PostgreSQL and Kafka use counts,
sending the spans included, as a hub sends them: 512 together, or what 5 s brought, and here what is left at the end of
a slice. An export costs a millisecond before its first span. What the collector uses does not count.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from statistics import median

import uvloop
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from bench.consuming import CONSUMER, caught_up, consume
from bench.servers import Servers, servers
from bench.slices import Scale, Slice, alternate, ratio
from bench.workloads import Record, Workload, patients, workloads
from deploy.demo.serving import Taking, serving
from shared.platform import trace_export, tracing


@dataclass(frozen=True)
class Way:
    """Who records, and which share of the requests the service before does; None: there no trace has begun."""

    name: str
    recorder: trace_export.Spans | None = None
    share: float | None = None


class Traced(Workload):
    """Its events as a service before sends them that records this share of the requests."""

    share = 0.0

    def records(self, patients: Sequence[str]) -> list[Record]:
        chance = random.Random(len(patients))
        found = super().records(patients)
        for each in found:
            trace, span = chance.getrandbits(128), chance.getrandbits(64)
            each.headers["traceparent"] = f"00-{trace:032x}-{span:016x}-{chance.random() < self.share:02x}"
        return found


def of_share(workload: Workload, share: float | None) -> Workload:
    if share is None:
        return workload
    traced = Traced(**{each.name: getattr(workload, each.name) for each in fields(workload)})
    object.__setattr__(traced, "share", share)
    return traced


class CollectorHandler(Taking):
    def do_POST(self) -> None:
        self.body()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _collect(opened: Connection) -> None:
    with serving(CollectorHandler) as address:
        opened.send(address)
        opened.recv()


@contextmanager
def collector() -> Iterator[str]:
    """The address of one that takes spans and keeps none, in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,))
    process.start()
    try:
        yield str(ours.recv())
    finally:
        ours.send(None)
        process.join()


async def measure(running: Servers, ways: Sequence[Way], scale: Scale) -> None:
    """Print each way's cost of an event, and how much more than without."""
    workload = workloads(running.folder)[0]
    dsn = await running.database("recording")
    await caught_up(running.kafka, workload.service, dsn)
    a_patient = len(workload.events("00000000-0000-4000-8000-000000000000", workload.keys))
    size, seeds = scale.units(workload.slice_events) // a_patient, count()

    async def consumed(way: Way) -> Slice:
        tracing.record(way.recorder)
        counted, _ = await consume(running, of_share(workload, way.share), dsn, patients(size, next(seeds)), None)
        return counted.slice if way.recorder is None else _with_the_rest_sent(counted.slice, way.recorder)

    await consumed(ways[0])
    found = await alternate(scale, *(partial(consumed, each) for each in ways))
    without = found[0]
    for way, slices in zip(ways, found, strict=True):
        ours = median(each.cpu[CONSUMER] / each.units for each in slices) * 1e6
        whole = median(each.cpu_a_unit for each in slices) * 1e6
        own = ratio(slices, without, lambda each: each.cpu[CONSUMER] / each.units) - 1
        more = ratio(slices, without, lambda each: each.cpu_a_unit) - 1
        print(f"{way.name:26} {ours:7.0f} µs an event ({own:+.1%}); with the servers {whole:7.0f} µs ({more:+.1%})")
    print(f"{len(without)} rounds of {without[0].units} events; load {os.getloadavg()[0]:.1f}")


def _with_the_rest_sent(found: Slice, recorder: trace_export.Spans) -> Slice:
    began = time.process_time()
    recorder.flush()
    sent = time.process_time() - began
    return replace(found, cpu={**found.cpu, CONSUMER: found.cpu[CONSUMER] + sent})


def _recorder(address: str, share: float) -> trace_export.Spans:
    os.environ[f"{trace_export.SAMPLER}_ARG"] = str(share)
    return trace_export.recorder("intake", "bench", OTLPSpanExporter(f"{address}/v1/traces"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=300.0, help="after which no further round begins")
    asked = parser.parse_args()
    with collector() as address, servers() as running, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        fiftieth, every = (_recorder(address, share) for share in (trace_export.SHARE, 1.0))
        ways = [
            Way("off"),
            Way("one in fifty, begun before", fiftieth, trace_export.SHARE),
            Way("one in fifty, begun here", fiftieth),
            Way("one in ten, begun before", fiftieth, 0.1),
            Way("every one, begun before", every, 1.0),
        ]
        runner.run(measure(running, ways, Scale(asked.rounds, asked.seconds)))


if __name__ == "__main__":
    main()

"""Traces recorded into memory, through the guard that every span passes. The SDK is loaded by who asks for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import Tracer

from shared.platform import tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "b3ce929d0e0e47364bf92f3577b34da6"
CALLER = "00f067aa0ba902b7"
RECORDED = f"00-{TRACE}-{CALLER}-01"
"""The standard's own example."""


class Traces:
    """What was let out; `tracer` records past `shared/platform/tracing.py`, as a library would."""

    def __init__(self, exporter: "InMemorySpanExporter", tracer: Tracer) -> None:
        self._exporter = exporter
        self.tracer = tracer

    @property
    def spans(self) -> "list[ReadableSpan]":
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> "list[ReadableSpan]":
        return [each for each in self.spans if each.name == name]

    def forget(self) -> None:
        self._exporter.clear()


@pytest.fixture
def traces() -> Iterator[Traces]:
    """Until the test ends."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from shared.platform.trace_export import AllowedOnly, Spans

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    tracing.record(Spans(provider, SimpleSpanProcessor(AllowedOnly(exporter))))
    yield Traces(exporter, provider.get_tracer("iop"))
    tracing.record(None)


def trace_of(span: "ReadableSpan") -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def linked(span: "ReadableSpan") -> list[str]:
    """The traces it is linked to."""
    return [f"{each.context.trace_id:032x}" for each in span.links]

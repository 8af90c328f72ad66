"""A collector of traces on loopback: it takes OTLP over HTTP, and whatever a partner is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.demo.serving import Taking, serving

TRACES = "/v1/traces"


@dataclass(frozen=True)
class Collected:
    """One span, as it came."""

    service: str
    name: str
    trace_id: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """Each request's path, its `traceparent` and its body, in their order."""

    address: str
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def bytes(self) -> bytes:
        """All that came of traces."""
        return b"\n".join(body for path, _, body in self.requests if path == TRACES)

    @property
    def spans(self) -> list[Collected]:
        return [
            each
            for path, _, body in self.requests
            if path == TRACES
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for each in _spans(resource)
        ]


def _spans(resource: Any) -> Iterator[Collected]:
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    for scope in resource.scope_spans:
        for span in scope.spans:
            yield Collected(
                named["service.name"],
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                tuple(each.trace_id.hex() for each in span.links),
                {each.key: each.value.string_value or each.value.int_value for each in span.attributes},
            )


@contextmanager
def collecting() -> Iterator[Collector]:
    """Until the block ends."""

    class CollectorHandler(Taking):
        def do_POST(self) -> None:
            collector.requests.append((self.path, self.headers.get("traceparent", ""), self.body()))
            self.send_response(200)
            self.end_headers()

    with serving(CollectorHandler) as address:
        collector = Collector(address)
        yield collector

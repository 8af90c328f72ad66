"""The SDK of OpenTelemetry, loaded only where a collector is named: who records spans, and what may leave.

Spans leave over HTTP from a thread of its own, in batches; while the collector is away they are dropped, and nothing
waits for it.
"""

import os
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, Sampler
from opentelemetry.trace import Tracer

from shared.platform import log
from shared.platform.build import build
from shared.platform.tracing import KEYS

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SHARE: Final = 0.1
"""What it costs is measured by `bench/recording.py`: docs/decisions/0029-traces.md."""
_ALLOWED = frozenset(KEYS.values())


def tracer(service: str, replica: str, exporter: SpanExporter | None = None) -> Tracer:
    """A tracer of this service; without an exporter by OTLP, as the environment says. Where that says nothing else, a
    share of the requests begins a trace that is recorded, and whatever a caller records is."""
    named = {"service.name": f"iop-{service}", "service.instance.id": replica, "service.version": build()}
    provider = TracerProvider(_sampler(), Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(AllowedOnly(exporter or OTLPSpanExporter())))
    return provider.get_tracer("iop")


def _sampler() -> Sampler | None:
    """None: the SDK's, as the environment names it."""
    return None if SAMPLER in os.environ else ParentBasedTraceIdRatio(float(os.environ.get(f"{SAMPLER}_ARG", SHARE)))


class AllowedOnly(SpanExporter):
    """Lets out spans that hold nothing but what is listed. Others are refused whole: what they hold is not known."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        allowed = [each for each in spans if _is_allowed(each)]
        if len(allowed) < len(spans):
            log.seldom("spans refused: they hold what no span may", count=len(spans) - len(allowed))
        return self._exporter.export(allowed) if allowed else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _is_allowed(span: ReadableSpan) -> bool:
    """No other attribute, none on a link, no event (an exception would be one), no sentence about what went wrong."""
    is_plain = not span.events and not span.status.description and not any(each.attributes for each in span.links)
    return is_plain and (span.attributes or {}).keys() <= _ALLOWED

"""The SDK of OpenTelemetry, loaded only where a collector is named: what is recorded, and what may leave.

Spans leave over HTTP from a thread of its own, in batches; while the collector is away they are dropped, and nothing
waits for it.
"""

import os
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, ParentBasedTraceIdRatio, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.events import traceparent
from shared.platform import log
from shared.platform.build import build
from shared.platform.tracing import KEYS, Recording

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SHARE: Final = 0.02
"""What it costs is measured by `bench/recording.py`: docs/decisions/0029-traces.md."""
_ALLOWED = frozenset(KEYS.values())
_KINDS = {"edge": SpanKind.SERVER, "send": SpanKind.PRODUCER}
_SCOPE = InstrumentationScope("iop")
_OK, _FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
_FLAGS = {False: TraceFlags(), True: TraceFlags(TraceFlags.SAMPLED)}


class Spans:
    """Chooses as the sampler of this provider does, and hands what is over to this processor."""

    def __init__(self, provider: TracerProvider, processor: SpanProcessor) -> None:
        provider.add_span_processor(processor)
        self._sampler = provider.sampler
        self._follows = isinstance(provider.sampler, ParentBased)
        self._resource = provider.resource
        self._processor = processor

    def chooses(self, trace_id: str, *, begins: bool) -> bool:
        if self._follows and not begins:
            return True
        return self._sampler.should_sample(None, int(trace_id, 16), "").decision is Decision.RECORD_AND_SAMPLE

    def flush(self) -> None:
        """Send what is over by now, and wait for it."""
        self._processor.force_flush()

    def take(self, ended: Recording) -> None:
        self._processor.on_end(
            ReadableSpan(
                ended.name,
                _context(ended.traceparent),
                None if ended.parent is None else _context(ended.parent, is_remote=ended.is_remote),
                self._resource,
                ended.attributes,
                links=[Link(_context(each, is_remote=True)) for each in ended.links],
                kind=_KINDS.get(ended.name, SpanKind.INTERNAL),
                status=_FAILED if ended.failed else _OK,
                start_time=ended.began,
                end_time=ended.ended,
                instrumentation_scope=_SCOPE,
            )
        )


def _context(text: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(text[3:35], 16), int(text[36:52], 16), is_remote, _FLAGS[traceparent.is_recorded(text)])


def recorder(service: str, replica: str, exporter: SpanExporter | None = None) -> Spans:
    """Who records for this service; without an exporter by OTLP, as the environment says. Where that says nothing else,
    a share of the requests begins a trace that is recorded, and whatever a caller records is."""
    named = {"service.name": f"iop-{service}", "service.instance.id": replica, "service.version": build()}
    provider = TracerProvider(_sampler(), Resource.create(named))
    return Spans(provider, BatchSpanProcessor(AllowedOnly(exporter or OTLPSpanExporter())))


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

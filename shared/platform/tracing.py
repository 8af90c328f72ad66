"""Traces: where the time of one request goes, through every service and out to a partner.

A context travels as text (`traceparent`, W3C): in a request's header, with a delivery, in the headers of a row and of
its record. It is passed on whether traces are recorded or not. They are where `OTEL_EXPORTER_OTLP_ENDPOINT` names a
collector; only then the SDK is loaded (`trace_export`). A span holds what `KEYS` lists, and never an error's text.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, TypedDict, Unpack

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from shared.events import traceparent
from shared.platform.settings import ConfigurationError, configuration

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
Name = Literal["edge", "submission", "batch", "decide", "store", "lane", "send"]
KEYS: Final = {
    "route": "http.route",
    "method": "http.request.method",
    "status": "iop.status",
    "event": "iop.event",
    "outcome": "iop.outcome",
    "lane": "iop.lane",
    "count": "iop.count",
}
"""What a span may hold, and as what: technical names and counts. No id, no address, nothing of a patient."""
_KINDS = {"edge": SpanKind.SERVER, "send": SpanKind.PRODUCER}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Attributes(TypedDict, total=False):
    """`route` as the table of routes writes it, `status` the class of an answer (`2xx`), `event` or first command, what
    came of it, its lane, and how many met in a batch."""

    route: str
    method: str
    status: str
    event: str
    outcome: str
    lane: str
    count: int


_tracer: trace.Tracer | None = None


def start(service: str, replica: str) -> None:
    """Record traces from now on, where the environment names a collector. Raises ConfigurationError."""
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint:
        return
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(f"{ENDPOINT}: must be http(s)://host[:port], a collector of OTLP over HTTP.")
    from shared.platform import trace_export

    with configuration("OTEL_TRACES_SAMPLER_ARG"):
        record(trace_export.tracer(service, replica))


def record(tracer: trace.Tracer | None) -> None:
    """By this tracer, or no more."""
    global _tracer
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


def present() -> str | None:
    """The context of the span that is open here, or of whoever asked us."""
    return _text(trace.get_current_span().get_span_context())


def trace_id() -> str | None:
    """Of the trace that is open here: for the log."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


class Span:
    """An open span, or one that nobody records."""

    def __init__(self, recorded: trace.Span) -> None:
        self._recorded = recorded

    @property
    def traceparent(self) -> str | None:
        return _text(self._recorded.get_span_context())

    def ended(self, *, failed: bool = False, **attributes: Unpack[Attributes]) -> None:
        """What came of it."""
        if self._recorded.is_recording():
            self._recorded.set_attributes(_named(attributes))
            if failed:
                self._recorded.set_status(StatusCode.ERROR)


_UNRECORDED = Span(INVALID_SPAN)


@contextmanager
def span(
    name: Name, of: str | None = None, links: Iterable[str | None] = (), **attributes: Unpack[Attributes]
) -> Iterator[Span]:
    """A span of this trace: below the one that is open here, where that is of the same trace, else below `of`; a new
    trace where there is neither. Where nothing is recorded, `of` is passed on."""
    if _tracer is None:
        with _passed_on(of):
            yield _UNRECORDED
        return
    if _is_unrecorded(of):
        with _passed_on(of):
            yield Span(trace.get_current_span())
        return
    with _tracer.start_as_current_span(
        name,
        _above(of),
        _KINDS.get(name, SpanKind.INTERNAL),
        _named(attributes),
        [Link(_context(each)) for each in links if each is not None],
        record_exception=False,
        set_status_on_exception=False,
    ) as recorded:
        try:
            yield Span(recorded)
        except Exception:
            recorded.set_status(StatusCode.ERROR)
            raise


@contextmanager
def meeting(
    name: Name, causes: Sequence[str | None], links: Sequence[str | None] = (), **attributes: Unpack[Attributes]
) -> Iterator[None]:
    """One span where several causes meet: of the first of them that is recorded, linked to the others. None where all
    their traces are recorded by nobody."""
    if _tracer is None:
        yield
        return
    recorded = _recorded(causes)
    if causes and not recorded and None not in causes:
        with _passed_on(causes[0]):
            yield
        return
    first, others = (recorded[0], recorded[1:]) if recorded else (None, [])
    with span(name, first, [*others, *links], **attributes):
        yield


@contextmanager
def part(name: Name, own: str | None, before: str | None = None, **attributes: Unpack[Attributes]) -> Iterator[Span]:
    """A span of one of those that met, in its own trace, linked to where they met; with `before` also to where it was
    tried before."""
    if _tracer is None:
        yield _UNRECORDED
        return
    here = present()
    with span(name, own, [before, here if own and here and here[:35] != own[:35] else None], **attributes) as made:
        yield made


def sent(lane: str, began: int, causes: Sequence[str | None]) -> None:
    """What has left by this lane since `began` (nanoseconds since 1970): a span for the lane, and one for each of them
    whose trace is recorded."""
    recorded = _recorded(causes)
    if _tracer is None or not recorded:
        return
    met = _tracer.start_span(
        "lane",
        _below(recorded[0]),
        attributes=_named({"lane": lane, "count": len(causes)}),
        links=[Link(_context(each)) for each in recorded[1:]],
        start_time=began,
    )
    for each in recorded:
        _tracer.start_span(
            "send", _below(each), SpanKind.PRODUCER, _named({"lane": lane}), [Link(met.get_span_context())], began
        ).end()
    met.end()


def _recorded(causes: Iterable[str | None]) -> list[str]:
    """Each once, in their order."""
    return [each for each in dict.fromkeys(causes) if each is not None and traceparent.is_recorded(each)]


def _named(attributes: Attributes) -> dict[str, str | int]:
    return {KEYS[name]: value for name, value in attributes.items()}  # type: ignore[misc]


def _is_unrecorded(of: str | None) -> bool:
    """Whether the trace has begun, and whoever began it does not record it: most of them, so they cost nothing more."""
    if of is not None:
        return not traceparent.is_recorded(of)
    here = trace.get_current_span().get_span_context()
    return here.is_valid and not here.trace_flags.sampled


def _above(of: str | None) -> Context | None:
    """Below which a span stands; None: below the one that is open here, if any."""
    if of is None:
        return None
    context = _context(of)
    here = trace.get_current_span().get_span_context()
    return None if here.trace_id == context.trace_id else trace.set_span_in_context(NonRecordingSpan(context))


def _below(of: str) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(_context(of)))


@contextmanager
def _passed_on(of: str | None) -> Iterator[None]:
    if of is None:
        yield
        return
    token = attach(_below(of))
    try:
        yield
    finally:
        detach(token)


def _context(text: str) -> SpanContext:
    flags = _SAMPLED if traceparent.is_recorded(text) else TraceFlags()
    return SpanContext(int(text[3:35], 16), int(text[36:52], 16), True, flags)


def _text(context: SpanContext) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"

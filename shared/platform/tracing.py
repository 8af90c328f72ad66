"""Traces: where the time of one request goes, through every service and out to a partner.

A context travels as text (`traceparent`, W3C): in a request's header, with a delivery, in the headers of a row and of
its record. It is passed on whether traces are recorded or not. They are where `OTEL_EXPORTER_OTLP_ENDPOINT` names a
collector; only then the SDK is loaded (`trace_export`). A span holds what `KEYS` lists, and never an error's text.
"""

import os
from collections.abc import Iterable, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal, Self, TypedDict, Unpack

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

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
    return _here.get().traceparent


def trace_id() -> str | None:
    """Of the trace that is open here: for the log."""
    here = present()
    return None if here is None else _trace_of(here)


class Span:
    """Open within its `with`, and recorded or not: `traceparent` is where what is caused in it goes on."""

    __slots__ = ("_recorded", "_token", "traceparent")

    def __init__(self, traceparent: str | None, recorded: trace.Span | None = None) -> None:
        self.traceparent = traceparent
        self._recorded = recorded
        self._token: Token[Span] | None = None

    def __enter__(self) -> Self:
        if self.traceparent is not None:
            self._token = _here.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            _here.reset(self._token)
        if self._recorded is not None:
            if isinstance(error, Exception):
                self._recorded.set_status(StatusCode.ERROR)
            self._recorded.end()

    @property
    def below(self) -> Context:
        """Where OpenTelemetry begins a span of the same trace."""
        assert self.traceparent is not None
        return trace.set_span_in_context(self._recorded or NonRecordingSpan(_context(self.traceparent)))

    def ended(self, *, failed: bool = False, **attributes: Unpack[Attributes]) -> None:
        """What came of it."""
        if self._recorded is not None:
            self._recorded.set_attributes(_named(attributes))
            if failed:
                self._recorded.set_status(StatusCode.ERROR)


_NONE = Span(None)
_here: ContextVar[Span] = ContextVar("span", default=_NONE)
"""Not OpenTelemetry's own context: most traces are recorded by nobody, and to pass a text on costs next to nothing."""


def span(name: Name, of: str | None = None, links: Iterable[str | None] = (), **attributes: Unpack[Attributes]) -> Span:
    """A span of this trace: below the one that is open here, where that is of the same trace, else below `of`; a new
    trace where there is neither. Where nothing is recorded, `of` is passed on."""
    here = _here.get()
    own = of or here.traceparent
    if _tracer is None or (own is not None and not traceparent.is_recorded(own)):
        return Span(own)
    recorded = _tracer.start_span(
        name,
        None if own is None else here.below if _is_same(own, here.traceparent) else Span(own).below,
        _KINDS.get(name, SpanKind.INTERNAL),
        _named(attributes),
        [Link(_context(each)) for each in links if each is not None],
    )
    return Span(_text(recorded.get_span_context()), recorded if recorded.is_recording() else None)


def meeting(
    name: Name, causes: Sequence[str | None], links: Sequence[str | None] = (), **attributes: Unpack[Attributes]
) -> Span:
    """One span where several causes meet: of the first of them that is recorded, linked to the others. None where all
    their traces are recorded by nobody."""
    if _tracer is None:
        return _NONE
    recorded = _recorded(causes)
    if causes and not recorded and None not in causes:
        return Span(causes[0])
    first, others = (recorded[0], recorded[1:]) if recorded else (None, [])
    return span(name, first, [*others, *links], **attributes)


def part(name: Name, own: str | None, before: str | None = None, **attributes: Unpack[Attributes]) -> Span:
    """A span of one of those that met, in its own trace, linked to where they met; with `before` also to where it was
    tried before."""
    here = present()
    return span(name, own, (before, here if own and here and not _is_same(own, here) else None), **attributes)


def sent(lane: str, began: int, causes: Sequence[str | None]) -> None:
    """What has left by this lane since `began` (nanoseconds since 1970): a span for the lane, and one for each of them
    whose trace is recorded."""
    recorded = _recorded(causes)
    if _tracer is None or not recorded:
        return
    met = _tracer.start_span(
        "lane",
        Span(recorded[0]).below,
        attributes=_named({"lane": lane, "count": len(causes)}),
        links=[Link(_context(each)) for each in recorded[1:]],
        start_time=began,
    )
    for each in recorded:
        _tracer.start_span(
            "send", Span(each).below, SpanKind.PRODUCER, _named({"lane": lane}), [Link(met.get_span_context())], began
        ).end()
    met.end()


def _recorded(causes: Iterable[str | None]) -> list[str]:
    """Each once, in their order."""
    return [each for each in dict.fromkeys(causes) if each is not None and traceparent.is_recorded(each)]


def _named(attributes: Attributes) -> dict[str, str | int]:
    return {KEYS[name]: value for name, value in attributes.items()}  # type: ignore[misc]


def _trace_of(text: str) -> str:
    return text[3:35]


def _is_same(own: str, here: str | None) -> bool:
    """Whether both are of one trace."""
    return here is not None and _trace_of(here) == _trace_of(own)


def _context(text: str) -> SpanContext:
    flags = _SAMPLED if traceparent.is_recorded(text) else TraceFlags()
    return SpanContext(int(text[3:35], 16), int(text[36:52], 16), True, flags)


def _text(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"

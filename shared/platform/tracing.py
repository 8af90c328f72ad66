"""Traces: where the time of one request goes, through every service and out to a partner.

A context travels as text (`traceparent`, W3C): in a request's header, with a delivery, in the headers of a row and of
its record. It is passed on whether traces are recorded or not. They are where `OTEL_EXPORTER_OTLP_ENDPOINT` names a
collector (`collector`); only then OpenTelemetry is loaded (`trace_export`). A span holds what `KEYS` lists, never an
error's text.

What is recorded is written down here in few steps and made a span of OpenTelemetry's when it leaves: one event in fifty
runs through code that no cache holds any more, and there the SDK's span cost three times what it does in a row.
"""

import secrets
from collections.abc import Iterable, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypedDict, Unpack

import msgspec

from shared.events import traceparent
from shared.platform.clock import nanoseconds

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
LINKS_MOST = 128
"""Of a span; OpenTelemetry's own limit."""


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


class Recording(msgspec.Struct, kw_only=True):
    """A recorded span: contexts as text, times in nanoseconds since 1970. `is_remote`: another process has what is
    above it, or another batch of this one."""

    name: Name
    traceparent: str
    parent: str | None
    is_remote: bool
    links: Sequence[str]
    attributes: dict[str, str | int]
    began: int
    ended: int = 0
    failed: bool = False


class Recorder(Protocol):
    """Who chooses what is recorded, and takes it."""

    def chooses(self, trace_id: str, *, begins: bool) -> bool:
        """Whether this trace is recorded: one that `begins` here, or one that its caller records."""

    def take(self, ended: Recording) -> None:
        """What is over now. Waits for nothing."""


_recorder: Recorder | None = None


def record(recorder: Recorder | None) -> None:
    """By this one, or no more."""
    global _recorder
    _recorder = recorder


def is_on() -> bool:
    return _recorder is not None


def present() -> str | None:
    """The context of the span that is open here, or of whoever asked us."""
    return _here.get().traceparent


def trace_id() -> str | None:
    """Of the trace that is open here: for the log."""
    here = present()
    return None if here is None else _trace_of(here)


class Span:
    """Open within its `with`, and recorded or not: `traceparent` is where what is caused in it goes on."""

    __slots__ = ("_token", "recorded", "traceparent")

    def __init__(self, traceparent: str | None, recorded: Recording | None = None) -> None:
        self.traceparent = traceparent
        self.recorded = recorded
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
        if self.recorded is not None:
            self.recorded.failed |= isinstance(error, Exception)
            self.recorded.ended = nanoseconds()
            if _recorder is not None:
                _recorder.take(self.recorded)

    def ended(self, *, failed: bool = False, **attributes: Unpack[Attributes]) -> None:
        """What came of it."""
        if self.recorded is not None:
            self.recorded.attributes |= _named(attributes)
            self.recorded.failed |= failed


_NONE = Span(None)
_here: ContextVar[Span] = ContextVar("span", default=_NONE)
"""Not OpenTelemetry's own context: most traces are recorded by nobody, and to pass a text on costs next to nothing."""


def span(name: Name, of: str | None = None, links: Iterable[str | None] = (), **attributes: Unpack[Attributes]) -> Span:
    """A span of this trace: below the one that is open here, where that is of the same trace, else below `of`; a new
    trace where there is neither. Where nothing is recorded, `of` is passed on."""
    here = _here.get()
    own = of or here.traceparent
    if _recorder is None or (own is not None and not traceparent.is_recorded(own)):
        return Span(own)
    if own is not None and _is_same(own, here.traceparent):
        return _begun(name, here.traceparent, links, attributes, is_remote=here.recorded is None)
    return _begun(name, own, links, attributes)


def _begun(
    name: Name,
    parent: str | None,
    links: Iterable[str | None],
    attributes: Attributes,
    *,
    is_remote: bool = True,
    began: int | None = None,
) -> Span:
    """Recorded where its trace is chosen."""
    assert _recorder is not None
    trace_id = secrets.token_hex(16) if parent is None else _trace_of(parent)
    is_chosen = _recorder.chooses(trace_id, begins=parent is None)
    here = f"00-{trace_id}-{secrets.token_hex(8)}-{is_chosen:02x}"
    if not is_chosen:
        return Span(here)
    recorded = Recording(
        name=name,
        traceparent=here,
        parent=parent,
        is_remote=is_remote,
        links=[each for each in links if each is not None][:LINKS_MOST],
        attributes=_named(attributes),
        began=nanoseconds() if began is None else began,
    )
    return Span(here, recorded)


def meeting(
    name: Name, causes: Sequence[str | None], links: Sequence[str | None] = (), **attributes: Unpack[Attributes]
) -> Span:
    """One span where several causes meet: of the first of them that is recorded, linked to the others. None where all
    their traces are recorded by nobody."""
    if _recorder is None:
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
    if _recorder is None or not recorded:
        return
    with _begun("lane", recorded[0], recorded[1:], {"lane": lane, "count": len(causes)}, began=began) as met:
        for each in recorded:
            with _begun("send", each, [met.traceparent], {"lane": lane}, began=began):
                pass


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

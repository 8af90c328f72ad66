"""Each request observed: an id of its own, how long its answer took, and what was refused.

The id is the hub's own, in the answer's header and its OperationOutcome: what a client quotes leads to the log's line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.edge.json import MutableJson
from shared.edge.outcome import Issue, outcome
from shared.events import traceparent
from shared.platform import log, metrics, tracing
from shared.platform.clock import ticks

FOR_MACHINES = ("/health/", "/metrics")
"""What is asked every few seconds, and has its own way to tell what is wrong."""
HEADER = b"x-request-id"
_KEY = "observed"
_OTHER = "other"
"""What has no route here, and what is no method."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class Observed:
    """What is known of one request: `route` as the table of routes writes it, `client` once it has shown its token."""

    service: str
    route: str
    id: str = field(default_factory=lambda: str(uuid4()))
    client: str = ""
    status: int = 0


def observed(request: Request) -> Observed:
    known: Observed = request.scope[_KEY]
    return known


def refused(request: Request, issues: Sequence[Issue]) -> MutableJson:
    """The OperationOutcome of a refusal, counted."""
    known = observed(request)
    metrics.REFUSED.labels(known.service, known.route, issues[0].code).inc()
    return {**outcome(issues), "id": known.id}


class Observing:
    """Around everything else: whatever is answered passes here."""

    def __init__(self, app: ASGIApp, service: str, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._service = service
        self._routes = [each for each in routes if isinstance(each, Route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope[_KEY] = Observed(self._service, self._route(scope["path"]))
        began = ticks()

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER, known.id.encode())]
                known.status = message["status"]
                _answered(known, scope["method"], message["status"], ticks() - began)
            await send(message)

        if known.route.startswith(FOR_MACHINES):
            await self._app(scope, receive, answering)
            return
        with tracing.span("edge", _context(scope), route=known.route, method=_method(scope)) as span:
            await self._app(scope, receive, answering)
            span.ended(failed=known.status >= 500, status=f"{known.status // 100}xx")

    def _route(self, path: str) -> str:
        return next((each.path for each in self._routes if each.path_regex.match(path)), _OTHER)


def _context(scope: Scope) -> str | None:
    """The caller's trace, if it names one."""
    named = [value for name, value in scope["headers"] if name == b"traceparent"]
    return traceparent.read(named[0].decode("latin-1")) if len(named) == 1 else None


def _method(scope: Scope) -> str:
    """Anything may stand where a method does."""
    return scope["method"] if scope["method"] in METHODS else _OTHER


def _answered(known: Observed, method: str, status: int, seconds: float) -> None:
    metrics.EDGE.labels(known.service, known.route, status).observe(seconds)
    is_wrong = status >= 400 and not known.route.startswith(FOR_MACHINES)
    line = log.get().info if is_wrong else log.get().debug
    client = {"client": known.client} if known.client else {}
    line("answered", id=known.id, method=method, route=known.route, status=status, seconds=round(seconds, 4), **client)

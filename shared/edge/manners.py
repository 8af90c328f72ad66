"""HTTP manners: who calls, what they may send, how an answer looks. What it means stands elsewhere."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from shared.edge import fhir
from shared.edge.clients import Caller, Door
from shared.edge.desk import Desk
from shared.edge.fhir import Limits
from shared.edge.outcome import refuse
from shared.edge.search import Reader
from shared.path.inbox import Inbox

FHIR_JSON = "application/fhir+json"
FHIR_TYPES = (FHIR_JSON, "application/json", "application/json+fhir")
Handler = Callable[[Request], Awaitable[Response]]
Health = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True)
class Front:
    """Everything the routes need. `ready` says what is wrong, or None."""

    desk: Desk
    door: Door
    reader: Reader
    inbox: Inbox
    issuer: str
    ready: Health
    limits: Limits = field(default_factory=Limits)
    more: Sequence[BaseRoute] = ()


def answer(resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(fhir.encode(resource), status, headers, FHIR_JSON)


async def received(front: Front, request: Request) -> tuple[Caller, bytes, dict[str, Any]]:
    """Who calls, the body as it came, and the resource in it, valid R4."""
    caller = await front.door.caller(request.headers.get("authorization"))
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind not in FHIR_TYPES:
        raise refuse(415, "not-supported", "", f"Send {FHIR_JSON}.")
    body = await read_body(request, front.limits)
    resource = fhir.parse(body, front.limits).resource
    fhir.require_valid(resource)
    return caller, body, resource


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, stopped at the limit: a sender without a Content-Length is counted as it sends."""
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > limits.body_bytes_max:
            raise refuse(413, "too-long", "", f"The body is longer than {limits.body_bytes_max} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def base_of(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/fhir"

"""The HTTP side of a service: FHIR, health, metrics. Manners once; what it means stands in the service's own edge."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.edge import fhir
from shared.edge.clients import Caller, Door
from shared.edge.desk import Desk, Done
from shared.edge.fhir import Entry, Limits
from shared.edge.outcome import Issue, Refusal, outcome, refuse
from shared.edge.resolving import Submission, cause_of, digest_of
from shared.edge.search import Reader
from shared.path import db, log
from shared.path.deliberation import CODE
from shared.path.inbox import Inbox
from shared.path.parked import redrive

FHIR_JSON = "application/fhir+json"
_MADE_AT = datetime(2026, 11, 24, tzinfo=UTC)
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


def build(front: Front) -> Starlette:
    """The Starlette application of one service."""
    routes: list[BaseRoute] = [
        Route("/fhir", _transaction(front), methods=["POST"]),
        Route("/fhir/metadata", _metadata(front), methods=["GET"]),
        Route("/fhir/.well-known/smart-configuration", _smart(front), methods=["GET"]),
        Route("/.well-known/smart-configuration", _smart(front), methods=["GET"]),
        Route("/fhir/{type}", _create(front), methods=["POST"]),
        Route("/fhir/{type}", _search(front), methods=["GET"]),
        Route("/fhir/{type}/_search", _search(front), methods=["POST"]),
        Route("/fhir/{type}/{id}", _read(front), methods=["GET"]),
        Route("/fhir/{type}/{id}", _update(front), methods=["PUT"]),
        Route("/admin/redrive", _redrive(front), methods=["POST"]),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", _ready(front), methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        *front.more,
    ]
    if front.desk.edge.messages:
        routes.insert(0, Route("/fhir/$process-message", _message(front), methods=["POST"]))
    handlers: dict[Any, Any] = {Refusal: _refused, HTTPException: _http_error, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers)


def answer(resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(fhir.encode(resource), status, headers, FHIR_JSON)


def _transaction(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await _received(front, request)
        entries = fhir.transaction(bundle)
        cause, repeatable = cause_of(bundle, caller)
        done = await front.desk.submit(Submission("transaction", entries, cause, repeatable, digest_of(body)), caller)
        return _bundle_answer(done)

    return handle


def _message(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await _received(front, request)
        header, entries = fhir.message(bundle)
        if not entries:
            raise refuse(
                422, "required", "Bundle.entry", "A message says something: it has a resource besides its header."
            )
        cause, repeatable = cause_of(bundle, caller)
        done = await front.desk.submit(Submission("message", entries, cause, repeatable, digest_of(body)), caller)
        return answer(_message_answer(header, done), 202 if done.incomplete else 200)

    return handle


def _create(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await _single(front, request, "POST", None)

    return handle


def _update(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await _single(front, request, "PUT", request.path_params["id"])

    return handle


async def _single(front: Front, request: Request, method: Any, identity: str | None) -> Response:
    caller, body, resource = await _received(front, request)
    entry: Entry = fhir.single(method, request.path_params["type"], identity, resource, request.headers)
    bundle = resource if entry.type == "Bundle" else None
    cause, repeatable = cause_of(bundle, caller)
    done = await front.desk.submit(Submission("single", (entry,), cause, repeatable, digest_of(body)), caller)
    (answered,) = done.answered
    headers = {"Location": f"{_base(request)}/{answered.location}"}
    if answered.version:
        headers["ETag"] = fhir.etag(answered.version)
    if done.incomplete:
        return answer(outcome([_INCOMPLETE]), 202, headers)
    kind, name = str(answered.location).split("/")[:2]
    status = int(answered.status.split(" ", 1)[0])
    try:
        return answer(await front.reader.one(kind, name, caller), status, headers)
    except Refusal:
        return answer(outcome([]), status, headers)


def _read(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller = await front.door.caller(request.headers.get("authorization"))
        kind = request.path_params["type"]
        _require_readable(front, kind)
        caller.require(kind, "r")
        resource = await front.reader.one(kind, request.path_params["id"], caller)
        tag = fhir.etag(resource["meta"]["versionId"])
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return answer(resource, headers={"ETag": tag})

    return handle


def _search(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller = await front.door.caller(request.headers.get("authorization"))
        kind = request.path_params["type"]
        _require_readable(front, kind)
        caller.require(kind, "s")
        parameters = list(request.query_params.multi_items())
        if request.method == "POST":
            parameters += [(name, str(value)) for name, value in (await request.form()).multi_items()]
        found, total, following = await front.reader.search(kind, parameters, caller)
        own = f"{_base(request)}/{kind}"
        asked = [(name, value) for name, value in parameters if name != "_offset"]
        return answer(fhir.searchset(found, total, _url(own, parameters), _next(own, asked, following)))

    return handle


def _require_readable(front: Front, kind: str) -> None:
    """Only what the service says it reads: aftercare keeps a Patient for its partner form alone."""
    edge = front.desk.edge
    taken = edge.takes.get(kind)
    if taken is None and edge.accepts_any and fhir.is_resource_type(kind):
        return
    if taken is None or "read" not in taken.interactions:
        raise refuse(404, "not-supported", "", "This service reads no such resource type.")


def _next(own: str, asked: list[tuple[str, str]], following: int | None) -> str | None:
    return None if following is None else _url(own, [*asked, ("_offset", str(following))])


def _url(base: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{base}?{urlencode(parameters)}" if parameters else base


def _metadata(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        edge = front.desk.edge
        return answer(
            fhir.capability(
                front.inbox.service.name,
                CODE,
                edge.takes,
                url=_base(request),
                at=_MADE_AT,
                transaction=True,
                process_message=edge.messages,
            )
        )

    return handle


def _smart(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        said = {
            "issuer": front.issuer,
            "jwks_uri": f"{front.issuer}/jwks.json",
            "token_endpoint": f"{front.issuer}/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.cruds"],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        }
        return Response(fhir.encode(said), media_type="application/json")

    return handle


def _redrive(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller = await front.door.caller(request.headers.get("authorization"))
        caller.require("iop-parked", "u")
        key, dry = request.query_params.get("key", ""), request.query_params.get("dry_run") in ("true", "1")
        redriven = await redrive(front.inbox, key, dry_run=dry)
        said = {"decided": redriven.decided, "parked": redriven.parked, "dry_run": dry}
        return Response(fhir.encode(said), media_type="application/json")

    return handle


async def _live(_: Request) -> Response:
    return Response("live\n", media_type="text/plain")


def _ready(front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def handle(_: Request) -> Response:
        wrong = await front.ready()
        return Response(f"{wrong or 'ready'}\n", 503 if wrong else 200, media_type="text/plain")

    return handle


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _received(front: Front, request: Request) -> tuple[Caller, bytes, dict[str, Any]]:
    """Who calls, the body as it came, and the resource in it, valid R4."""
    caller = await front.door.caller(request.headers.get("authorization"))
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind not in (FHIR_JSON, "application/json", "application/json+fhir"):
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


_INCOMPLETE = Issue(
    "information", "incomplete", (), "Accepted and kept; it is decided once earlier words of this patient are."
)


def _bundle_answer(done: Done) -> Response:
    answered = fhir.response_bundle("transaction-response", done.answered)
    if done.incomplete:
        answered["entry"][0]["response"]["outcome"] = outcome([_INCOMPLETE])
        for each in answered["entry"]:
            each["response"]["status"] = "202 Accepted"
    return answer(answered, 202 if done.incomplete else 200)


def _message_answer(header: dict[str, Any], done: Done) -> dict[str, Any]:
    """The response message: that the request was taken, which one it was, and where each resource now stands."""
    identity, details = str(uuid4()), str(uuid4())
    kept = [Issue("information", "informational", (), _unversioned(each.location)) for each in done.answered]
    said: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": identity,
        **{name: header[name] for name in ("eventCoding", "eventUri") if name in header},
        "source": {"endpoint": "urn:iop-hub:intake"},
        "response": {
            "identifier": header.get("id", "unknown"),
            "code": "ok",
            "details": {"reference": f"urn:uuid:{details}"},
        },
    }
    told = {**outcome(kept), "id": details}
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "entry": [
            {"fullUrl": f"urn:uuid:{identity}", "resource": said},
            {"fullUrl": f"urn:uuid:{details}", "resource": told},
        ],
    }


def _unversioned(location: str | None) -> str:
    return (location or "").partition("/_history/")[0]


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/fhir"


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return answer(outcome(refusal.issues), refusal.status, refusal.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code: Any = "not-found" if error.status_code == 404 else "not-supported"
    return answer(outcome([Issue("error", code, (), str(error.detail))]), error.status_code, dict(error.headers or {}))


async def _failed(_: Request, error: Exception) -> Response:
    """The one place for what nobody foresaw: logged by its place, answered without any detail of it."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)
    if db.is_trouble(error):
        issue = Issue("error", "transient", (), "The service can't reach its database.")
        return answer(outcome([issue]), 503, {"Retry-After": "5"})
    log.get().error("request failed", place=log.place_of(error))
    return answer(outcome([Issue("error", "exception", (), "Something went wrong here; it is logged.")]), 500)

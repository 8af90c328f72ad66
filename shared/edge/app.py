"""The HTTP side of a service: FHIR, health, metrics, and the one place for what nobody foresaw."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.edge import fhir, routes
from shared.edge.manners import Front, Handler, answer, base_of
from shared.edge.outcome import Issue, Refusal, outcome
from shared.path import db, log
from shared.path.deliberation import CODE
from shared.path.parked import redrive

_MADE_AT = datetime(2026, 11, 24, tzinfo=UTC)
"""When this version's CapabilityStatement was made."""


def build(front: Front) -> Starlette:
    """The Starlette application of one service."""
    served: list[BaseRoute] = [
        Route("/fhir", routes.transaction(front), methods=["POST"]),
        Route("/fhir/metadata", _metadata(front), methods=["GET"]),
        Route("/fhir/.well-known/smart-configuration", _smart(front), methods=["GET"]),
        Route("/.well-known/smart-configuration", _smart(front), methods=["GET"]),
        Route("/fhir/{type}", routes.create(front), methods=["POST"]),
        Route("/fhir/{type}", routes.search(front), methods=["GET"]),
        Route("/fhir/{type}/_search", routes.search(front), methods=["POST"]),
        Route("/fhir/{type}/{id}", routes.read(front), methods=["GET"]),
        Route("/fhir/{type}/{id}", routes.update(front), methods=["PUT"]),
        Route("/admin/redrive", _redrive(front), methods=["POST"]),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", _ready(front), methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        *front.more,
    ]
    if front.desk.edge.messages:
        served.insert(0, Route("/fhir/$process-message", routes.message(front), methods=["POST"]))
    handlers: dict[Any, Any] = {Refusal: _refused, HTTPException: _http_error, Exception: _failed}
    return Starlette(routes=served, exception_handlers=handlers)


def _metadata(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        edge = front.desk.edge
        return answer(
            fhir.capability(
                front.inbox.service.name,
                CODE,
                edge.takes,
                url=base_of(request),
                at=_MADE_AT,
                transaction=True,
                process_message=edge.messages,
            )
        )

    return handle


def _smart(front: Front) -> Handler:
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


def _redrive(front: Front) -> Handler:
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


def _ready(front: Front) -> Handler:
    async def handle(_: Request) -> Response:
        wrong = await front.ready()
        return Response(f"{wrong or 'ready'}\n", 503 if wrong else 200, media_type="text/plain")

    return handle


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


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

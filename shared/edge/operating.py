"""What no clinician asks: health and metrics for machines, and what an operator may do."""

from pathlib import Path
from uuid import UUID

import msgspec
from msgspec.structs import asdict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.http import EdgeDependencies, Handler, caller_of
from shared.edge.outcome import refuse
from shared.path.inbound.readiness import wrong
from shared.path.inbound.redrive import NotUnreadable, Operator, Quarantine, redrive
from shared.path.service import PATIENT

NAME_CHARACTERS_MOST = 64
ASYNCAPI = Path(__file__).resolve().parents[2] / "docs" / "asyncapi.json"


def for_machines(dependencies: EdgeDependencies) -> tuple[BaseRoute, ...]:
    """Health, metrics and the contract of the topics: on both ports, for who watches may reach one of them only."""
    return (
        Route("/asyncapi.json", _asyncapi, methods=["GET"]),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", _ready(dependencies), methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
    )


def for_operators(dependencies: EdgeDependencies) -> tuple[BaseRoute, ...]:
    """On the admin port alone."""
    return (Route("/admin/redrive", _redrive(dependencies), methods=["POST"]),)


def _redrive(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        caller = await caller_of(dependencies, request)
        caller.require("iop-parked", "u")
        asked = request.query_params
        key, kind, dry = asked.get("key", ""), asked.get("kind", PATIENT), asked.get("dry_run") in ("true", "1")
        if "key" not in asked or "\0" in key:
            text = "The parameter key is required: the key whose deliveries are redriven, empty for those without one."
            raise refuse(400, "required", "", text)
        if kind not in dependencies.inbox.service.deciders:
            raise refuse(400, "value", "", "The parameter kind must be a kind of key of this service, like patient.")
        operator = _operator(caller, asked)
        try:
            identity = asked.get("quarantine")
            quarantine = Quarantine(UUID(identity), operator.by) if identity else None
            redriven = await redrive(
                dependencies.inbox,
                key,
                caller.program,
                dry_run=dry,
                quarantine=quarantine,
                kind=kind,
                operator=operator,
            )
        except (ValueError, NotUnreadable) as error:
            text = "quarantine must be the id of a delivery of this key that is parked as unreadable."
            raise refuse(404, "not-found", "", text) from error
        return Response(fhir.encode({**asdict(redriven), "dry_run": dry}), media_type="application/json")

    return handle


def _operator(caller: Caller, asked: QueryParams) -> Operator:
    """The client, and the person that it names. Raises HttpRefusal 400."""
    by = asked.get("by") or caller.name
    if len(by) > NAME_CHARACTERS_MOST or not by.isprintable():
        text = f"The parameter by must be a person's name of at most {NAME_CHARACTERS_MOST} printable characters."
        raise refuse(400, "value", "", text)
    return Operator(caller.name, by)


async def _live(_: Request) -> Response:
    return Response("live\n", media_type="text/plain")


def _ready(dependencies: EdgeDependencies) -> Handler:
    async def handle(_: Request) -> Response:
        checks = await dependencies.ready()
        found = wrong(checks)
        body = msgspec.json.encode({"ready": not found, "checks": checks})
        later = {"Retry-After": "5"} if found and all(each.by_itself for each in found) else {}
        return Response(body, 503 if found else 200, later, media_type="application/json")

    return handle


async def _asyncapi(_: Request) -> Response:
    """What stands on the topics. It holds no data, so nobody has to say who they are."""
    if not ASYNCAPI.exists():
        raise refuse(404, "not-found", "", "docs/asyncapi.json is not installed here.")
    return FileResponse(ASYNCAPI, media_type="application/json")


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

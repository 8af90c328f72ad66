"""The HTTP side of a service: FHIR, what machines and operators ask, and the one place for what nobody foresaw."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.edge import fhir, operating, routes
from shared.edge.canonicals import CANONICALS
from shared.edge.contract import Edge
from shared.edge.explaining import why
from shared.edge.http import (
    COUNTING,
    WHOLE,
    EdgeDependencies,
    Handler,
    answer,
    base_of,
    caller_of,
    presented,
    require_acceptable,
    require_presentable,
)
from shared.edge.json import MutableJson
from shared.edge.observing import FOR_MACHINES, METHODS, Observing, observed, refused
from shared.edge.outcome import Code, HttpRefusal, Issue, refuse
from shared.edge.state_views import ledger_view, view
from shared.platform import db, log
from shared.platform.build import VERSION
from shared.platform.settings import LOOPBACK

_MADE_AT = datetime(2026, 11, 24, tzinfo=UTC)
"""When this version's CapabilityStatement was made."""
_NO_ADDRESS = "There is no such address; what a service answers to stands in its /fhir/metadata."
_STORED_AS_RECEIVED = (
    "Resources of types not listed here are stored as received, decide nothing and can be read: those submitted with a"
    " listed one in a transaction or message, and those for whose type the token has a scope."
)


def build(dependencies: EdgeDependencies) -> Starlette:
    """The Starlette application of one service."""
    fhir_route = partial(_fhir, dependencies)
    served: list[BaseRoute] = [
        *dependencies.more,
        *(fhir_route(base, POST=routes.transaction(dependencies)) for base in ("/fhir", "/fhir/")),
        *(
            [fhir_route("/fhir/$process-message", POST=routes.message(dependencies))]
            if "messages" in dependencies.submissions.edge.also
            else []
        ),
        fhir_route("/fhir/metadata", GET=_metadata(dependencies)),
        Route("/fhir/.well-known/smart-configuration", _smart(dependencies), methods=["GET"]),
        Route("/.well-known/smart-configuration", _smart(dependencies), methods=["GET"]),
        fhir_route(
            "/fhir/{type}",
            GET=routes.search(dependencies),
            POST=routes.create(dependencies),
            PUT=routes.update_by_condition(dependencies),
            searched_by=("GET", "HEAD"),
        ),
        fhir_route(
            f"/fhir/{{type}}{routes.SEARCH}",
            GET=routes.search(dependencies),
            POST=routes.search(dependencies),
            searched_by=METHODS,
        ),
        *_views(dependencies),
        fhir_route(
            "/fhir/{type}/{id}",
            GET=routes.read(dependencies),
            PUT=routes.update(dependencies),
            PATCH=routes.patch(dependencies),
        ),
        fhir_route("/fhir/Task/{id}/$why", GET=why(dependencies)),
        fhir_route("/fhir/{type}/{id}/_history/{version}", GET=routes.read(dependencies)),
        *operating.for_machines(dependencies),
    ]
    service = dependencies.inbox.service.name
    return _answering(service, served, *([] if dependencies.public_url else [Middleware(_loopback_only)]))


def _views(dependencies: EdgeDependencies) -> list[Route]:
    edge = dependencies.submissions.edge
    of_state = {place: view(dependencies, place[0], made) for place, made in edge.views.items()}
    of_ledger = {place: ledger_view(dependencies, place[0], made) for place, made in edge.ledger_views.items()}
    return [
        _fhir(dependencies, f"/fhir/{kind}/${name}", GET=handler)
        for (kind, name), handler in {**of_state, **of_ledger}.items()
    ]


def build_admin(dependencies: EdgeDependencies) -> Starlette:
    """What an operator may do, on a port of its own. Its answers hold no links, so any Host will do."""
    served = [*operating.for_operators(dependencies), *operating.for_machines(dependencies)]
    return _answering(dependencies.inbox.service.name, served)


def _answering(service: str, served: Sequence[BaseRoute], *more: Middleware) -> Starlette:
    """Whatever goes wrong is an OperationOutcome."""
    handlers = {HttpRefusal: _refused, HTTPException: _http_error}
    observing = Middleware(Observing, service=service, routes=served)
    middleware = [observing, Middleware(_last_resort), *more]
    return Starlette(routes=served, exception_handlers=handlers, middleware=middleware)


def _loopback_only(app: ASGIApp) -> ASGIApp:
    """Who asks for another host was led here by somebody else's name, and would follow links to it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if Request(scope).url.hostname in LOOPBACK or scope["path"].startswith(FOR_MACHINES):
            await app(scope, receive, send)
            return
        issue = Issue("error", "security", (), "Host must be loopback; IOP_PUBLIC_URL names another address.")
        await answer(refused(Request(scope), [issue]), 421)(scope, receive, send)

    return call


def _last_resort(app: ASGIApp) -> ASGIApp:
    """A handler of Exception is not enough: Starlette raises it again behind the answer, and the connection is lost."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            await _failed(Request(scope), error)(scope, receive, send)

    return call


def _fhir(dependencies: EdgeDependencies, path: str, *, searched_by: Sequence[str] = (), **handlers: Handler) -> Route:
    """One address and all its methods, so that a 405 names each that is allowed, to whom it knows."""
    allowed = ", ".join([*handlers, *(["HEAD"] if "GET" in handlers else [])])

    async def handle(request: Request) -> Response:
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            await caller_of(dependencies, request)
            raise refuse(405, "not-supported", "", "This address does not support this method.", Allow=allowed)
        require_acceptable(request)
        summaries = COUNTING if request.method in searched_by else WHOLE
        require_presentable(request.query_params.multi_items(), summaries)
        return presented(await handler(request), request.query_params.multi_items())

    return Route(path, handle, methods=METHODS)


def statement(name: str, edge: Edge, base: str) -> MutableJson:
    """The CapabilityStatement of a service whose FHIR is served at `base`."""
    defined = {kind: fhir.ResourceSupport(("read", "search-type"), CANONICALS) for kind, _ in edge.definitions}
    content = fhir.capability(
        name,
        VERSION,
        {**defined, **edge.takes},
        url=base,
        at=_MADE_AT,
        transaction=True,
        process_message="messages" in edge.also,
    )
    if "any-type" in edge.also:
        content["rest"][0]["documentation"] = _STORED_AS_RECEIVED
    return content


def _metadata(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        return answer(
            statement(dependencies.inbox.service.name, dependencies.submissions.edge, base_of(dependencies, request))
        )

    return handle


def _smart(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        content = {
            "issuer": dependencies.issuer,
            "jwks_uri": f"{dependencies.issuer}/jwks.json",
            "token_endpoint": f"{dependencies.issuer}/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.crus", "user/*.crus"],
            "capabilities": ["client-confidential-asymmetric", "permission-user", "permission-v2"],
        }
        return Response(fhir.encode(content), media_type="application/json")

    return handle


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HttpRefusal)
    content = answer(refused(request, refusal.issues), refusal.status, refusal.headers)
    return presented(content, request.query_params.multi_items())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code: Code = "not-found" if error.status_code == 404 else "not-supported"
    issue = Issue("error", code, (), _NO_ADDRESS if error.status_code == 404 else str(error.detail))
    return answer(refused(request, [issue]), error.status_code, dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> Response:
    """The one place for what nobody foresaw: logged by its place, answered without any detail of it."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)
    if db.is_trouble(error):
        issue = Issue("error", "transient", (), "The service can't reach its database; try again.")
        return answer(refused(request, [issue]), 503, {"Retry-After": "5"})
    log.get().error("request failed", place=log.place_of(error), id=observed(request).id)
    issue = Issue("error", "exception", (), "Internal error; the service has logged its place.")
    return answer(refused(request, [issue]), 500)

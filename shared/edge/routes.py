"""The FHIR routes: what is submitted or read, and the answer in FHIR's shape."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from shared.edge import canonicals, fhir, patching
from shared.edge.answering import Done
from shared.edge.clients import Caller
from shared.edge.contract import Edge
from shared.edge.fhir import Answered, BundleEntry, Interaction
from shared.edge.fhir.responses import JSON_PATCH
from shared.edge.http import (
    EdgeDependencies,
    Handler,
    answer,
    asked_by,
    base_of,
    caller_of,
    named_in,
    preferred,
    presented,
    read_resource,
    require_content,
    version_headers,
)
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import HttpRefusal, Issue, outcome, refuse
from shared.edge.paging import CURSOR, NAMES, PRESENTING, as_carried_out
from shared.edge.resolving import Submission, cause_of, digest_of
from shared.edge.search import PARAMETERS
from shared.edge.search_values import not_searched_by
from shared.platform.clock import machine_now

SEARCH = "/_search"
_INTERACTIONS: Mapping[str, Interaction] = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_INCOMPLETE = Issue(
    "information", "incomplete", (), "Stored; it is decided once the earlier events of this patient are."
)


def transaction(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await read_resource(dependencies, request)
        entries = fhir.transaction(bundle)
        cause, repeatable = cause_of(bundle, caller)
        done = await dependencies.submissions.submit(
            Submission("transaction", entries, cause, repeatable, digest_of(body), len(body)), caller
        )
        return _bundle_answer(done)

    return handle


def message(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await read_resource(dependencies, request)
        header, entries = fhir.message(bundle)
        if not entries:
            raise refuse(422, "required", "Bundle.entry", "A resource besides the MessageHeader is required.")
        cause, repeatable = cause_of(bundle, caller)
        done = await dependencies.submissions.submit(
            Submission("message", entries, cause, repeatable, digest_of(body), len(body)), caller
        )
        return answer(_message_answer(header, done, dependencies.inbox.service.name), 202 if done.incomplete else 200)

    return handle


def create(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        return await _single(dependencies, request, "POST", None)

    return handle


def update(dependencies: EdgeDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        return await _single(dependencies, request, "PUT", request.path_params["id"])

    return handle


def update_by_condition(dependencies: EdgeDependencies) -> Handler:
    """`PUT Type?identifier=system|value`: what has the identifier is updated, or created where nothing has it."""

    async def handle(request: Request) -> Response:
        asked = [each for each in request.query_params.multi_items() if each[0] not in PRESENTING]
        return await _single(dependencies, request, "PUT", None, urlencode(asked))

    return handle


async def _single(
    dependencies: EdgeDependencies,
    request: Request,
    method: Literal["POST", "PUT"],
    identity: str | None,
    condition: str | None = None,
) -> Response:
    await caller_of(dependencies, request)
    _require_taken(dependencies, request.path_params["type"], method)
    caller, body, resource = await read_resource(dependencies, request)
    entry = fhir.single(method, request.path_params["type"], identity, resource, request.headers, condition)
    return await _submitted(dependencies, request, caller, entry, body)


def patch(dependencies: EdgeDependencies) -> Handler:
    """`PATCH Task/{id}`, decided as the update that it comes to: of the Task as it stands, read again where somebody
    changed it meanwhile and the client has named no version."""

    async def handle(request: Request) -> Response:
        caller = await caller_of(dependencies, request)
        _require_taken(dependencies, request.path_params["type"], "PATCH")
        caller.require("Task", "u")
        identity = named_in(request)
        require_content(request, (JSON_PATCH,))
        body, steps = await patching.read_operations(request, caller)
        for attempt in range(patching.ATTEMPTS_MOST):
            task = await dependencies.reader.one("Task", identity, caller)
            entry = patching.update(task, steps, request.headers.get("if-match"))
            try:
                return await _submitted(dependencies, request, caller, entry, body)
            except HttpRefusal as refusal:
                if refusal.status != 412 or "if-match" in request.headers or attempt == patching.ATTEMPTS_MOST - 1:
                    raise
        raise AssertionError("the last attempt answers or is refused")

    return handle


async def _submitted(
    dependencies: EdgeDependencies, request: Request, caller: Caller, entry: BundleEntry, body: bytes
) -> Response:
    bundle = entry.resource if entry.type == "Bundle" else None
    cause, repeatable = cause_of(bundle, caller)
    done = await dependencies.submissions.submit(
        Submission("single", (entry,), cause, repeatable, digest_of(body), len(body)), caller
    )
    (answered,) = done.answered
    headers = {"Location": f"{base_of(dependencies, request)}/{answered.location}"}
    if answered.version:
        headers["ETag"] = fhir.etag(answered.version)
    if done.incomplete:
        return answer(outcome([_INCOMPLETE]), 202, headers)
    return await _represented(dependencies, request, caller, answered, headers)


async def _represented(
    dependencies: EdgeDependencies, request: Request, caller: Caller, answered: Answered, headers: dict[str, str]
) -> Response:
    """What was created or updated, as the client prefers: without a preference how it was read, where that was said
    (R4 http.html, Managing Return Content: the server's choice), else the resource as it now is."""
    status, wish = int(answered.status.split(" ", 1)[0]), preferred(request)
    if wish == "minimal":
        return Response(b"", status, headers)
    kind, name = str(answered.location).split("/")[:2]
    if wish == "OperationOutcome" or (wish == "" and answered.outcome is not None):
        return answer(answered.outcome or outcome([]), status, headers)
    try:
        resource = await dependencies.reader.one(kind, name, caller)
    except HttpRefusal:
        return answer(outcome([]), status, headers)
    return answer(resource, status, {**version_headers(resource), **headers})


def read(dependencies: EdgeDependencies) -> Handler:
    """A resource, or one version of it: only the current one is stored, so an older one is not found."""

    async def handle(request: Request) -> Response:
        kind = request.path_params["type"]
        resource = await _defined(dependencies, request, kind) or await readable(dependencies, request, kind)
        if request.path_params.get("version", resource["meta"]["versionId"]) != resource["meta"]["versionId"]:
            raise refuse(404, "not-found", "", "Only the current version is stored; read it without its version.")
        headers = version_headers(resource)
        if headers["ETag"] in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return answer(resource, headers=headers)

    return handle


async def _defined(dependencies: EdgeDependencies, request: Request, kind: str) -> Json | None:
    """What the service's resources speak of; it is about nobody, so whoever is known may read it."""
    edge = dependencies.submissions.edge
    found = edge.definitions.get((kind, request.path_params["id"]))
    alone = _is_defined_alone(edge, kind)
    if found is not None or alone:
        await caller_of(dependencies, request)
    if found is None and alone:
        raise refuse(404, "not-found", "", "No resource of this type has this id.")
    return found


def _is_defined_alone(edge: Edge, kind: str) -> bool:
    """Whether all there is of this type here is what the service's resources speak of: nobody sends any."""
    return kind not in edge.takes and "any-type" not in edge.also and any(each == kind for each, _ in edge.definitions)


async def readable(dependencies: EdgeDependencies, request: Request, kind: str) -> MutableJson:
    """The resource that is named, of this type, if the caller may read it. Raises HttpRefusal."""
    caller = await caller_of(dependencies, request)
    _require_readable(dependencies, kind)
    if not caller.may(kind, "r"):
        await dependencies.reader.refused_read(kind, named_in(request), caller)
    caller.require(kind, "r")
    return await dependencies.reader.read(kind, named_in(request), caller)


def search(dependencies: EdgeDependencies) -> Handler:
    """A page of a search. The links of a posted one hold what stood in the address, never its form in the clear: `next`
    is followed with GET, as client libraries do, or the same form is posted to it again."""

    async def handle(request: Request) -> Response:
        caller = await caller_of(dependencies, request)
        kind, definitions = request.path_params["type"], dependencies.submissions.edge.definitions
        alone = _is_defined_alone(dependencies.submissions.edge, kind)
        if not alone:
            _require_readable(dependencies, kind, "search-type")
        asked = await asked_by(dependencies, request)
        parameters = [*asked.form, *asked.address]
        posted = request.url.path.endswith(SEARCH)
        own = f"{base_of(dependencies, request)}/{kind}{SEARCH if posted else ''}"
        if alone or canonicals.are_asked(definitions, kind, parameters):
            found, total = canonicals.search(definitions, kind, parameters)
            return presented(answer(fhir.searchset(found, total, _url(own, asked.address))), parameters)
        if not caller.may(kind, "s"):
            await dependencies.reader.refused_search(kind, asked, caller)
        caller.require(kind, "s")
        _require_claimed(dependencies, kind, parameters)
        page = await dependencies.reader.search(kind, asked, caller)
        address = as_carried_out(asked.address, kind)
        shown = fhir.searchset(page.resources, page.total, _url(own, address), _next(own, address, page.following))
        return presented(answer(shown), parameters)

    return handle


def _require_taken(dependencies: EdgeDependencies, kind: str, method: str) -> None:
    """404 for what is no resource type here, 405 for one that can't be created or updated by itself."""
    edge = dependencies.submissions.edge
    taken = edge.takes.get(kind)
    if taken is None and not ("any-type" in edge.also and fhir.is_resource_type(kind)):
        raise refuse(404, "not-supported", "", "Must be a resource type that this service accepts; see /fhir/metadata.")
    wanted = _INTERACTIONS[method]
    if wanted not in (taken.interactions if taken else ("create",)):
        raise refuse(
            405,
            "not-supported",
            "",
            f"This service does not support {wanted} of this resource type; see /fhir/metadata.",
            Allow="GET, HEAD",
        )


def _require_readable(dependencies: EdgeDependencies, kind: str, interaction: Interaction = "read") -> None:
    """Only what the service states that it reads: aftercare stores a Patient for its partner form alone, and a Binary
    is found by what refers to it."""
    edge = dependencies.submissions.edge
    taken = edge.takes.get(kind)
    if taken is None and "any-type" in edge.also and fhir.is_resource_type(kind):
        return
    if taken is None or interaction not in taken.interactions:
        raise refuse(404, "not-supported", "", "Must be a resource type that this service reads; see /fhir/metadata.")


def _require_claimed(dependencies: EdgeDependencies, kind: str, parameters: Sequence[tuple[str, str]]) -> None:
    """Refuse (400) what this type is not searched by: nothing would be found, or all of it."""
    taken = dependencies.submissions.edge.takes.get(kind)
    claimed = PARAMETERS if taken is None else taken.search
    if any(re.split("[:.]", name)[0] not in (*claimed, *NAMES) for name, _ in parameters):
        raise not_searched_by()


def _next(own: str, address: Sequence[tuple[str, str]], following: str | None) -> str | None:
    again = [(name, value) for name, value in address if name != CURSOR]
    return None if following is None else _url(own, [*again, (CURSOR, following)])


def _url(base: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{base}?{urlencode(parameters)}" if parameters else base


def _bundle_answer(done: Done) -> Response:
    answered = fhir.response_bundle("transaction-response", done.answered)
    if done.incomplete:
        first, incomplete = answered["entry"][0]["response"], outcome([_INCOMPLETE])
        incomplete["issue"] += first.get("outcome", {}).get("issue", [])
        first["outcome"] = incomplete
        for each in answered["entry"]:
            each["response"]["status"] = "202 Accepted"
    return answer(answered, 202 if done.incomplete else 200)


def _message_answer(header: Json, done: Done, service: str) -> MutableJson:
    """The response message: that the request was taken, which one it was, and where each resource now stands."""
    identity, details = str(uuid4()), str(uuid4())
    places = [Issue("information", "informational", (), _unversioned(each.location)) for each in done.answered]
    remarks = [issue for each in done.answered for issue in (each.outcome or {}).get("issue", ())]
    header_out: MutableJson = {
        "resourceType": "MessageHeader",
        "id": identity,
        **{name: header[name] for name in ("eventCoding", "eventUri") if name in header},
        "source": {"endpoint": f"urn:iop-hub:{service}"},
        "response": {
            "identifier": header.get("id", "unknown"),
            "code": "ok",
            "details": {"reference": f"urn:uuid:{details}"},
        },
    }
    details_out: MutableJson = {**outcome(places), "id": details}
    details_out["issue"] = [*details_out["issue"], *remarks]
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": f"{machine_now():%Y-%m-%dT%H:%M:%SZ}",
        "entry": [
            {"fullUrl": f"urn:uuid:{identity}", "resource": header_out},
            {"fullUrl": f"urn:uuid:{details}", "resource": details_out},
        ],
    }


def _unversioned(location: str | None) -> str:
    return (location or "").partition("/_history/")[0]

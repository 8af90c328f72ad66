"""The FHIR routes: what is asked, told to the desk or read, and the answer in FHIR's shape."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from shared.edge import fhir
from shared.edge.desk import Done
from shared.edge.fhir import Entry
from shared.edge.manners import Front, Handler, answer, base_of, received
from shared.edge.outcome import Issue, Refusal, outcome, refuse
from shared.edge.resolving import Submission, cause_of, digest_of

_INCOMPLETE = Issue(
    "information", "incomplete", (), "Accepted and kept; it is decided once earlier words of this patient are."
)


def transaction(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await received(front, request)
        entries = fhir.transaction(bundle)
        cause, repeatable = cause_of(bundle, caller)
        done = await front.desk.submit(Submission("transaction", entries, cause, repeatable, digest_of(body)), caller)
        return _bundle_answer(done)

    return handle


def message(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        caller, body, bundle = await received(front, request)
        header, entries = fhir.message(bundle)
        if not entries:
            raise refuse(
                422, "required", "Bundle.entry", "A message says something: it has a resource besides its header."
            )
        cause, repeatable = cause_of(bundle, caller)
        done = await front.desk.submit(Submission("message", entries, cause, repeatable, digest_of(body)), caller)
        return answer(_message_answer(header, done), 202 if done.incomplete else 200)

    return handle


def create(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        return await _single(front, request, "POST", None)

    return handle


def update(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        return await _single(front, request, "PUT", request.path_params["id"])

    return handle


async def _single(front: Front, request: Request, method: Any, identity: str | None) -> Response:
    caller, body, resource = await received(front, request)
    entry: Entry = fhir.single(method, request.path_params["type"], identity, resource, request.headers)
    bundle = resource if entry.type == "Bundle" else None
    cause, repeatable = cause_of(bundle, caller)
    done = await front.desk.submit(Submission("single", (entry,), cause, repeatable, digest_of(body)), caller)
    (answered,) = done.answered
    headers = {"Location": f"{base_of(request)}/{answered.location}"}
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


def read(front: Front) -> Handler:
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


def search(front: Front) -> Handler:
    async def handle(request: Request) -> Response:
        caller = await front.door.caller(request.headers.get("authorization"))
        kind = request.path_params["type"]
        _require_readable(front, kind)
        caller.require(kind, "s")
        parameters = list(request.query_params.multi_items())
        if request.method == "POST":
            parameters += [(name, str(value)) for name, value in (await request.form()).multi_items()]
        found, total, following = await front.reader.search(kind, parameters, caller)
        own = f"{base_of(request)}/{kind}"
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

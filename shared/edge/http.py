"""HTTP: who calls, what they may send, how an answer looks. What a resource means stands elsewhere."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from shared.edge import fhir, large_bodies
from shared.edge.body import read_body
from shared.edge.clients import Caller, TokenVerifier
from shared.edge.fhir import Limits
from shared.edge.json import Json, MutableJson
from shared.edge.observing import observed
from shared.edge.outcome import HttpRefusal, refuse
from shared.edge.paging import Asked
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.path.inbound.readiness import Check
from shared.path.transaction.inbox import Inbox
from shared.platform.settings import Sourced

FHIR_JSON = "application/fhir+json"
FHIR_TYPES = (FHIR_JSON, "application/json", "application/json+fhir")
RELEASE = "4.0"
RELEASES = (RELEASE, "4.0.0", "4.0.1")
"""R4 as `fhirVersion` names it, and as those do who give its whole version."""
FORM = "application/x-www-form-urlencoded"
PARAMETERS_MOST = 100
VALUES_MOST = 500
"""Of one parameter of a search."""
WHOLE = ("false",)
COUNTING = ("false", "count")
"""What `_summary` may ask of a search."""
_ACCEPTED = {"", "*/*", "application/*", *FHIR_TYPES}
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_NO_FORMAT = "none"
"""An empty `_format` names nothing; an empty Accept anything."""
Parameters = Sequence[tuple[str, str]]
Handler = Callable[[Request], Awaitable[Response]]
Health = Callable[[], Awaitable[Sequence[Check]]]


@dataclass(frozen=True)
class EdgeDependencies:
    """Everything the routes need. `ready` gives the checks of readiness."""

    submissions: Submissions
    token_verifier: TokenVerifier
    reader: ResourceReader
    inbox: Inbox
    issuer: str
    ready: Health
    limits: Limits = field(default_factory=Limits)
    more: Sequence[BaseRoute] = ()
    public_url: str = ""
    sources: Mapping[str, Sourced] = field(default_factory=dict)
    """Per program, each number its decisions read, with unit and source."""


def answer(resource: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(fhir.encode(resource), status, headers, FHIR_JSON)


def presented(response: Response, parameters: Parameters) -> Response:
    """The answer indented where `_pretty` asks for it, every digit kept; twice is as good as once."""
    if ("_pretty", "true") in parameters and response.body:
        response.body = msgspec.json.format(bytes(response.body), indent=2)
        response.headers["Content-Length"] = str(len(response.body))
    return response


async def caller_of(dependencies: EdgeDependencies, request: Request) -> Caller:
    """Who calls, before anything else is said. Raises HttpRefusal 401."""
    caller = await dependencies.token_verifier.caller(request.headers.get("authorization"))
    observed(request).client = caller.name
    return caller


def named_in(request: Request) -> str:
    """The id in the address. Raises HttpRefusal 404 for what can be none: a database takes no NUL."""
    name: str = request.path_params["id"]
    if not _ID.fullmatch(name):
        raise refuse(404, "not-found", "", "No resource of this type has this id.")
    return name


async def read_resource(dependencies: EdgeDependencies, request: Request) -> tuple[Caller, bytes, MutableJson]:
    """Who calls, the body as it came, and the resource in it, valid R4."""
    caller = await caller_of(dependencies, request)
    require_content(request, FHIR_TYPES)
    body = await read_body(request, dependencies.limits.body_bytes_max)
    return caller, body, await large_bodies.apart(len(body), _valid, body, dependencies.limits)


def _valid(body: bytes, limits: Limits) -> MutableJson:
    resource = fhir.parse(body, limits)
    fhir.require_valid(resource)
    return resource


async def asked_by(dependencies: EdgeDependencies, request: Request) -> Asked:
    """What a search asks: in its address, and in the form that a POST brings."""
    address, form = request.query_params.multi_items(), list[tuple[str, str]]()
    if request.method == "POST":
        require_content(request, (FORM,))
        form = await _form(request, dependencies.limits)
        require_presentable([*form, *address], summaries=COUNTING)
    _require_searchable([*form, *address])
    return Asked(address, form)


def _require_searchable(parameters: Parameters) -> None:
    if len(parameters) > PARAMETERS_MOST:
        raise _too_many_parameters()
    if any(value.count(",") >= VALUES_MOST for _, value in parameters):
        raise refuse(400, "too-costly", "", f"A parameter must have at most {VALUES_MOST} values.")
    if any("\0" in value for _, value in parameters):
        raise refuse(400, "invalid", "", "A parameter must not contain NUL characters.")


async def _form(request: Request, limits: Limits) -> list[tuple[str, str]]:
    """The parameters of a posted search, counted before they are read."""
    form = await read_body(request, limits.form_bytes_max, code="too-costly")
    if form.count(b"&") >= PARAMETERS_MOST:
        raise _too_many_parameters()
    return parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True)


def require_acceptable(request: Request) -> None:
    """Refuse (406) who can't read JSON."""
    if not any(each in _ACCEPTED for each in media_ranges(request)):
        raise refuse(
            406, "not-supported", "", f"Accept must allow {FHIR_JSON}, of fhirVersion {RELEASE} where it names one."
        )


def prefers_own(request: Request, own: str) -> bool:
    """Whether a Binary is answered as what it holds (`own`, a media type), or as FHIR: what is named first of the two
    (R4 binary.html). Refuse (406) who can read neither."""
    kind = own.partition("/")[0]
    for each in media_ranges(request):
        if each in ("", "*/*", own, f"{kind}/*"):
            return True
        if each in _ACCEPTED:
            return False
    raise refuse(406, "not-supported", "", f"Accept must allow {own} or {FHIR_JSON}.")


def media_ranges(request: Request) -> Sequence[str]:
    """What the client can read, in its own order. `_format` wins over Accept, as FHIR asks."""
    stated = request.query_params.get("_format")
    if stated is not None:
        named = _media_type(stated).replace(" ", "+")  # an unescaped + arrives as a space
        readable = named and not _is_of_another_release(stated)
        return [FHIR_JSON if named == "json" else named if readable else _NO_FORMAT]
    ranges = request.headers.get("accept", "").split(",")
    return [_media_type(each) for each in ranges if not _is_unwanted(each) and not _is_of_another_release(each)]


def require_presentable(parameters: Parameters, summaries: Sequence[str] = WHOLE) -> None:
    """Refuse (400) another `_summary` than these (client libraries add `false`), and a `_pretty` that is neither."""
    for name, value in parameters:
        if name == "_pretty" and value not in ("true", "false"):
            raise refuse(400, "invalid", "", "_pretty must be true or false.")
        if name == "_summary" and value not in summaries:
            raise refuse(
                400, "not-supported", "", "_summary must be false, or count in a search; resources are answered whole."
            )


def preferred(request: Request) -> str:
    """What `Prefer: return=` asks for: minimal, representation or OperationOutcome; empty without a preference."""
    wishes = [each.strip() for each in request.headers.get("prefer", "").replace(";", ",").split(",")]
    return next((each.partition("=")[2] for each in wishes if each.startswith("return=")), "")


def version_headers(resource: Json) -> dict[str, str]:
    """ETag and Last-Modified of a resource as it was read; of a definition, which comes with a release, its ETag."""
    headers = {"ETag": fhir.etag(resource["meta"]["versionId"])}
    if "lastUpdated" in resource["meta"]:
        updated = datetime.fromisoformat(resource["meta"]["lastUpdated"]).astimezone(UTC)
        headers["Last-Modified"] = format_datetime(updated, usegmt=True)
    return headers


def base_of(dependencies: EdgeDependencies, request: Request) -> str:
    """The address of the FHIR base in links: the public one, else the one on loopback that was asked."""
    return f"{dependencies.public_url or f'{request.url.scheme}://{request.url.netloc}'}/fhir"


def require_content(request: Request, types: Sequence[str]) -> None:
    """Refuse (415) another media type, and what is compressed: a small body may hide a huge one."""
    if _media_type(request.headers.get("content-type", "")) not in types:
        raise refuse(415, "not-supported", "", f"Content-Type must be {types[0]}.")
    if _is_of_another_release(request.headers.get("content-type", "")):
        raise refuse(415, "not-supported", "", f"fhirVersion must be {RELEASE}: what is sent is read as FHIR R4.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise refuse(415, "not-supported", "", "The body must not be compressed.", Accept_Encoding="identity")


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _is_unwanted(media_range: str) -> bool:
    """`q=0`: not acceptable."""
    return any(each.startswith("q=0") and not each.strip("q=0.") for each in _media_parameters(media_range))


def _is_of_another_release(media_type: str) -> bool:
    """Whether it names a release of FHIR that is not R4 (R4 versioning.html, the MIME-type parameter fhirVersion)."""
    named = [each.partition("=") for each in _media_parameters(media_type)]
    return any(name.strip() == "fhirversion" and value.strip(' "') not in RELEASES for name, _, value in named)


def _media_parameters(media_type: str) -> list[str]:
    return [each.strip().lower() for each in media_type.split(";")[1:]]


def _too_many_parameters() -> HttpRefusal:
    return refuse(400, "too-costly", "", f"A search must have at most {PARAMETERS_MOST} parameters.")

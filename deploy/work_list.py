"""The work list of escalations: read and answered at the services that own them, over FHIR with a token, never in a
database. Each service has its own; together they are what a person has to do."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args
from urllib.parse import quote, urlencode

import httpx
import msgspec

from deploy.failure import CannotContinueError
from shared.events.audit import PROVED
from shared.events.codes import ACTS, CLIENT, ESCALATION, HANDLING, INPUT, STAFF
from shared.events.escalation import PRIORITY, STEPS, Category

PAGE = 200
SECONDS_MOST = 10.0
OPEN = ("requested", "accepted", "in-progress", "on-hold")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
FHIR_JSON, JSON_PATCH = "application/fhir+json", "application/json-patch+json"
Owners = Mapping[str, httpx.AsyncClient]
"""A client for each service that owns escalations, by its name: of its FHIR base, with a token."""
T = TypeVar("T")
Operation = dict[str, object]
"""Of a JSON Patch."""


class _Element(msgspec.Struct, frozen=True, rename="camel"):
    """Part of a Task; what else it has is nobody's business here."""


class _Coding(_Element, frozen=True):
    system: str
    code: str


class _Concept(_Element, frozen=True):
    coding: tuple[_Coding, ...]


class _Identifier(_Element, frozen=True):
    value: str


class _Owner(_Element, frozen=True):
    identifier: _Identifier


class _Patient(_Element, frozen=True):
    reference: str


class _Input(_Element, frozen=True):
    type: _Concept
    value_integer: int | None = None
    value_instant: datetime | None = None


class _Period(_Element, frozen=True):
    end: datetime


class _Restriction(_Element, frozen=True):
    period: _Period


class _Task(_Element, frozen=True):
    id: str
    status: str
    code: _Concept
    reason_code: _Concept
    owner: _Owner
    restriction: _Restriction
    input: tuple[_Input, ...]
    patient: _Patient = msgspec.field(name="for")
    business_status: _Concept | None = None

    @property
    def acted(self) -> str:
        stated = self.business_status.coding if self.business_status is not None else ()
        return next((each.code for each in stated if each.code in ACTS), "")

    def named(self, name: str) -> _Input:
        return next(each for each in self.input if each.type.coding[0] == _Coding(INPUT, name))


class Listed(msgspec.Struct, frozen=True, rename="camel"):
    """An escalation as its Task says it. `due` is what comes next: until it is acknowledged that, then the act; `acted`
    is what was done about it last; once that has handled it, it is not overdue."""

    id: str
    tier: int
    category: str
    reason: str
    owner: str
    status: str
    due: datetime
    acknowledge_by: datetime
    act_by: datetime
    patient: str
    service: str
    acted: str = ""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def is_overdue(self, now: datetime) -> bool:
        return self.is_open and self.acted not in HANDLING and self.due < now


class Act(msgspec.Struct, frozen=True, rename="camel"):
    """What a person did about an escalation, as its AuditEvent says it. `code` is why, or what was done; `to` whom it
    was handed over to. `person` is empty where a client did it by itself; `proved` by their own token or link."""

    at: datetime
    step: str
    person: str
    client: str
    code: str = ""
    to: str = ""
    proved: bool = False


def read_act(audit: Mapping[str, Any]) -> Act:
    agents = {each["who"]["identifier"]["system"]: each["who"]["identifier"]["value"] for each in audit["agent"]}
    details = {each["type"]: each["valueString"] for entity in audit["entity"] for each in entity.get("detail", ())}
    return Act(
        at=datetime.fromisoformat(audit["recorded"]).astimezone(UTC),
        step=audit["subtype"][0]["code"],
        person=agents.get(STAFF, ""),
        client=agents.get(CLIENT, ""),
        code=details.get("reason") or details.get("act", ""),
        to=details.get("to", ""),
        proved=details.get("person") == PROVED,
    )


def read(task: Mapping[str, Any], service: str) -> Listed:
    """Raises CannotContinueError: it is no escalation."""
    try:
        found = msgspec.convert(task, type=_Task)
        tier, acknowledge_by = found.named("tier").value_integer, found.named("acknowledge-by").value_instant
        code = found.code.coding[0]
    except (msgspec.ValidationError, StopIteration, IndexError):
        raise CannotContinueError("this Task is no escalation; `iop why` says what it is") from None
    if code.system != ESCALATION or tier is None or acknowledge_by is None:
        raise CannotContinueError("this Task is no escalation; `iop why` says what it is")
    act_by = found.restriction.period.end
    return Listed(
        id=found.id,
        tier=tier,
        category=code.code,
        reason=found.reason_code.coding[0].code,
        owner=found.owner.identifier.value,
        status=found.status,
        due=acknowledge_by if found.status == "requested" else act_by,
        acknowledge_by=acknowledge_by,
        act_by=act_by,
        patient=found.patient.reference.removeprefix("Patient/"),
        service=service,
        acted=found.acted,
    )


def query(*, tiers: Sequence[int] = (), owner: str = "", only_open: bool = False) -> dict[str, str]:
    """The search that finds these."""
    asked = {"code": ",".join(f"{ESCALATION}|{each}" for each in get_args(Category))}
    if only_open:
        asked["status"] = ",".join(OPEN)
    if tiers:
        asked["priority"] = ",".join(PRIORITY[each] for each in tiers)
    if owner:
        asked["owner"] = owner
    return {**asked, "_sort": "period,-priority", "_count": str(PAGE)}


async def listed(owners: Owners, asked: Mapping[str, str]) -> tuple[list[Listed], list[str]]:
    """What is due first, of one time the graver first; and which services could not be asked, and why."""
    found, silent = await of_each(owners, lambda name, client: _of_service(name, client, asked))
    return sorted(found, key=lambda each: (each.due, -each.tier, each.id)), silent


async def of_each(
    owners: Owners, ask: Callable[[str, httpx.AsyncClient], Awaitable[list[T]]]
) -> tuple[list[T], list[str]]:
    """What all services answer, in their order; and which could not be asked, and why."""
    asked = (ask(name, client) for name, client in owners.items())
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found, silent = list[T](), list[str]()
    for name, answer in zip(owners, answers, strict=True):
        match answer:
            case CannotContinueError():
                silent.append(str(answer) if str(answer).startswith(name) else f"{name}: {answer}")
            case BaseException():
                raise answer
            case _:
                found += answer
    return found, silent


async def _of_service(name: str, client: httpx.AsyncClient, asked: Mapping[str, str]) -> list[Listed]:
    return [read(each, name) for each in await pages(name, client, "Task", asked)]


async def pages(name: str, client: httpx.AsyncClient, type_: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """The resources on every page of a search. Of `next` only the query is taken: no answer sends the token to another
    address. Raises CannotContinueError."""
    found, parameters = list[dict[str, Any]](), urlencode(asked)
    while parameters:
        page = _answered(name, await _ask(name, client, "GET", f"{type_}?{parameters}"))
        found += [each["resource"] for each in page.get("entry", ())]
        following = [each["url"] for each in page.get("link", ()) if each["relation"] == "next"]
        parameters = httpx.URL(following[0]).query.decode() if following else ""
    return found


async def resource(name: str, client: httpx.AsyncClient, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """What one address answers. Raises CannotContinueError."""
    return _answered(name, await _ask(name, client, "GET", f"{path}?{urlencode(asked)}"))


async def create(name: str, client: httpx.AsyncClient, resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource as it was created. Raises CannotContinueError."""
    headers = {"Content-Type": FHIR_JSON, "Prefer": "return=representation"}
    body = msgspec.json.encode(resource)
    return _answered(name, await _ask(name, client, "POST", resource["resourceType"], content=body, headers=headers))


async def operate(name: str, client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """What an operation without any input answers. Raises CannotContinueError."""
    return _answered(name, await _ask(name, client, "POST", path))


async def update(name: str, client: httpx.AsyncClient, resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource as it stands after the update. Raises CannotContinueError."""
    headers = {"Content-Type": FHIR_JSON, "Prefer": "return=representation"}
    path, body = f"{resource['resourceType']}/{quote(resource['id'])}", msgspec.json.encode(resource)
    return _answered(name, await _ask(name, client, "PUT", path, content=body, headers=headers))


async def one(owners: Owners, identity: str) -> Listed:
    """The escalation with this id, at whichever service owns it. Raises CannotContinueError."""
    asked = [_ask(name, client, "GET", f"Task/{quote(identity)}") for name, client in owners.items()]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found = dict(zip(owners, answers, strict=True))
    for name, answer in found.items():
        if isinstance(answer, httpx.Response) and answer.status_code == httpx.codes.OK:
            return read(_answered(name, answer), name)
    for name, answer in found.items():
        if isinstance(answer, BaseException):
            raise answer
        if answer.status_code != httpx.codes.NOT_FOUND:
            _answered(name, answer)
    raise CannotContinueError("no service has an escalation with this id")


async def acts(owners: Owners, escalation: Listed) -> list[Act]:
    """What was done about it, the first act first; who acts on what nobody had takes it on in the same instant. Raises
    CannotContinueError."""
    asked = {
        "patient": escalation.patient,
        "entity": f"Task/{escalation.id}",
        "subtype": ",".join(f"{ESCALATION}|{each}" for each in STEPS),
        "_sort": "date",
    }
    service = escalation.service
    found = [read_act(each) for each in await pages(service, owners[service], "AuditEvent", asked)]
    return sorted(found, key=lambda each: (each.at, STEPS.index(each.step)))


async def take(owners: Owners, identity: str, steps: Sequence[Operation]) -> Listed:
    """A person's step at an escalation, as a JSON Patch of its Task. Raises CannotContinueError: it is refused, in the
    words of the service."""
    service = (await one(owners, identity)).service
    headers = {"Content-Type": JSON_PATCH, "Prefer": "return=representation"}
    body = msgspec.json.encode(steps)
    answer = await _ask(service, owners[service], "PATCH", f"Task/{quote(identity)}", content=body, headers=headers)
    return read(_answered(service, answer), service)


async def _ask(name: str, client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    try:
        return await client.request(method, path, timeout=SECONDS_MOST, **more)
    except httpx.HTTPError as failure:
        raise CannotContinueError(f"{name} does not answer ({type(failure).__name__})") from None


def _answered(name: str, answer: httpx.Response) -> dict[str, Any]:
    """The resource in an answer. Raises CannotContinueError with what the service says against it."""
    try:
        resource: dict[str, Any] = answer.json()
        kind = resource["resourceType"]
    except (ValueError, KeyError, TypeError):
        raise CannotContinueError(f"{name} answers {answer.status_code} without FHIR: is this its address?") from None
    if answer.is_success and kind != "OperationOutcome":
        return resource
    against = [str(each["diagnostics"]) for each in resource.get("issue", ()) if each.get("diagnostics")]
    raise CannotContinueError("; ".join(against) or f"{name} answers {answer.status_code}")

"""`GET Type/$name?patient=...&date=...`: what a service makes of one patient's state, for a day or for now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from shared.edge.clients import Caller
from shared.edge.contract import Context, StateView
from shared.edge.http import EdgeDependencies, Handler, answer, caller_of
from shared.edge.outcome import refuse
from shared.edge.paging import PRESENTING, Asked
from shared.edge.search_values import between, not_searched_by, require_value
from shared.path.transaction import aliases, states

_NAMES = frozenset({"patient", "date"})


def view(dependencies: EdgeDependencies, kind: str, made: StateView) -> Handler:
    """For whoever may search this type. That is recorded as a search for the patient, also where it is refused."""

    async def handle(request: Request) -> Response:
        caller = await caller_of(dependencies, request)
        asked = request.query_params.multi_items()
        if not caller.may(kind, "s"):
            await dependencies.reader.refused_search(kind, Asked(asked), caller)
        caller.require(kind, "s")
        named = _named(asked)
        settings, now = dependencies.inbox.settings[caller.program], dependencies.inbox.clock.now()
        at = _at(named["date"], ZoneInfo(settings.timezone)) if "date" in named else now
        patient, state = await _state(dependencies, named["patient"], caller)
        dependencies.reader.record(kind, "search-type", {patient}, caller)
        return answer(made(state, Context(caller, patient, caller.program, settings, now), at))

    return handle


def _named(asked: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    named = [each for each in asked if each[0] not in PRESENTING]
    if not {name for name, _ in named} <= _NAMES:
        raise not_searched_by()
    for _, value in named:
        require_value(value)
    if len(dict(named)) < len(named) or "patient" not in dict(named):
        raise refuse(400, "required", "", "Must name one patient, and at most one date: patient=...&date=2026-01-31.")
    return dict(named)


def _at(day: str, zone: ZoneInfo) -> datetime:
    since, until = between(day, zone)
    if since is None or until is None:
        raise refuse(400, "invalid", "", "Must be one day, without a prefix: 2026-01-31.")
    return since


async def _state(dependencies: EdgeDependencies, patient: str, caller: Caller) -> tuple[str, object]:
    """The one patient of the caller's program who is named so. Raises HttpRefusal 404."""
    named = await dependencies.reader.patients(patient, caller)
    inbox = dependencies.inbox
    async with inbox.pool.acquire() as connection:
        known = await aliases.known(connection, caller.program, named)
        if len(known) != 1:
            raise refuse(404, "not-found", "", "Must be one patient whom this program knows, by the hub's id.")
        (found,) = known
        return found, await states.of_patient(connection, inbox.service, caller.program, found)

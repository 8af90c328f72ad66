"""`GET Type/$name?patient=...&date=...`: what a service makes of one patient's state, or of their consents, for a day
or for now."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from shared.edge.clients import Caller
from shared.edge.contract import Context, LedgerView, StateView
from shared.edge.http import EdgeDependencies, Handler, answer, caller_of
from shared.edge.json import MutableJson
from shared.edge.outcome import refuse
from shared.edge.paging import PRESENTING, Asked
from shared.edge.search_values import between, not_searched_by, require_value
from shared.path.transaction import aliases, consent_ledger, states
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.platform.clock import machine_now
from shared.platform.db import Connection

Seen = TypeVar("Seen")
_NAMES = frozenset({"patient", "date"})


def view(dependencies: EdgeDependencies, kind: str, made: StateView) -> Handler:
    """Of the patient's state."""
    return _view(dependencies, kind, partial(_state, dependencies), made)


def ledger_view(dependencies: EdgeDependencies, kind: str, made: LedgerView) -> Handler:
    """Of what the consent gate knows of the patient."""
    return _view(dependencies, kind, _ledger, made)


def _view(
    dependencies: EdgeDependencies,
    kind: str,
    load: Callable[[Connection, str, str], Awaitable[Seen]],
    made: Callable[[Seen, Context, datetime], MutableJson],
) -> Handler:
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
        async with dependencies.inbox.pool.acquire() as connection:
            patient = await _patient(dependencies, connection, named["patient"], caller)
            seen = await load(connection, caller.program, patient)
        dependencies.reader.record(kind, "search-type", {patient}, caller)
        return answer(made(seen, Context(caller, patient, caller.program, settings, now), at))

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


async def _patient(dependencies: EdgeDependencies, connection: Connection, named: str, caller: Caller) -> str:
    """The one patient of the caller's program who is named so. Raises HttpRefusal 404."""
    known = await aliases.known(connection, caller.program, await dependencies.reader.patients(named, caller))
    if len(known) != 1:
        raise refuse(404, "not-found", "", "Must be one patient whom this program knows, by the hub's id.")
    (found,) = known
    return found


async def _state(dependencies: EdgeDependencies, connection: Connection, program: str, patient: str) -> object:
    return await states.of_patient(connection, dependencies.inbox.service, program, patient)


async def _ledger(connection: Connection, program: str, patient: str) -> LedgerSnapshot:
    return await consent_ledger.read(connection, program, patient, machine_now())

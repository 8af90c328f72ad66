"""Reading: one resource, or a search over what this service emitted and accepted. Every query is of one program."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from shared.edge import fhir, paging, partner_tasks, report_searches, session_searches, work_lists
from shared.edge.clients import Caller
from shared.edge.fhir.responses import SearchType
from shared.edge.json import MutableJson
from shared.edge.moments import TimeSettings
from shared.edge.outcome import HttpRefusal, refuse
from shared.edge.paging import Asked, Cursor, Total
from shared.edge.search_values import (
    between,
    identifiers,
    not_searched_by,
    require_reference,
    require_value,
    statuses,
    tokens,
)
from shared.events.audit import Interaction
from shared.path.transaction import aliases, reads, resources, sealed
from shared.path.transaction.audits import AuditSearch
from shared.path.transaction.ordering import Position
from shared.path.transaction.reads import NotRecordable, ReadRecords
from shared.path.transaction.search import CARRYING, Search
from shared.platform.db import Connection, Pool, Row
from shared.platform.keys import Identifier, Keys

PARAMETERS: Mapping[str, SearchType] = {
    "_id": "token",
    "_lastUpdated": "date",
    "patient": "reference",
    "subject": "reference",
    "status": "token",
    "date": "date",
}
TASKS: Mapping[str, SearchType] = {
    **PARAMETERS,
    "owner": "reference",
    "code": "token",
    "priority": "token",
    "authored-on": "date",
    "modified": "date",
    "period": "date",
}
"""Of work lists; `period` is when a Task is due, the end of its restriction."""
APPOINTMENTS: Mapping[str, SearchType] = {**PARAMETERS, "actor": "reference", "group": "token"}
"""`group` is a name of the program's own, and a parameter of the hub's own."""
ENCOUNTERS: Mapping[str, SearchType] = {**PARAMETERS, "appointment": "reference"}
SLOTS: Mapping[str, SearchType] = {
    **{name: kind for name, kind in PARAMETERS.items() if name not in ("patient", "subject")},
    "schedule": "reference",
    "service-type": "token",
    "start": "date",
}
"""Of a group's sessions; `start` is FHIR's name of `date`."""
FINDINGS: Mapping[str, SearchType] = {**PARAMETERS, "code": "token", "identified": "date"}
"""Of DetectedIssues; `identified` is FHIR's name of `date`."""
AUDITS: Mapping[str, SearchType] = {
    **{name: kind for name, kind in PARAMETERS.items() if name != "status"},
    "agent": "reference",
    "entity": "reference",
    "type": "token",
    "subtype": "token",
}
"""Who did, or read, what: `agent` is a client, or the person for whom it acted; `entity` what it was done to."""
DOCUMENTS: Mapping[str, SearchType] = {**PARAMETERS, "type": "token", "related": "reference"}
IDENTIFIED: Mapping[str, SearchType] = {**PARAMETERS, "identifier": "token"}
REPORTS: Mapping[str, SearchType] = {**IDENTIFIED, "code": "token", "specimen": "reference"}
SPECIMENS: Mapping[str, SearchType] = {**IDENTIFIED, "type": "token", "collected": "date"}
"""`collected` is FHIR's name of `date`."""
WITHOUT_STATUS: Mapping[str, SearchType] = {name: kind for name, kind in PARAMETERS.items() if name != "status"}
DIRECTORY: Mapping[str, SearchType] = {name: PARAMETERS[name] for name in ("_id", "_lastUpdated")}
"""Of what is about no patient, and has neither a status nor a time."""
GROUPS: Mapping[str, SearchType] = {**DIRECTORY, "identifier": "token", "member": "reference"}
SCHEDULES: Mapping[str, SearchType] = {**DIRECTORY, "identifier": "token"}
"""Of groups; a program has few."""
PATIENTS: Mapping[str, SearchType] = {**DIRECTORY, "identifier": "token"}

_NAMED_PATIENT = re.compile(r'"reference":"Patient/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')


@dataclass(frozen=True)
class Page:
    """Resources of a search, how many it has in all where that was asked, and the cursor of the next page."""

    resources: list[MutableJson]
    total: int | None = None
    following: str | None = None


@dataclass(frozen=True)
class ResourceReader:
    """Reads `resources`, the only read model. What was emitted is what can be read."""

    pool: Pool
    keys: Keys
    settings: Mapping[str, TimeSettings]
    """Per program: a day is the program's day."""

    reads: ReadRecords
    service: str

    async def one(self, type_: str, identity_: str, caller: Caller) -> MutableJson:
        """A resource with its version and time, for whoever has written it or is about to. Raises HttpRefusal 404,
        absent or of another program."""
        return partner_tasks.as_read(self._resource(await self._row(type_, identity_, caller)), caller)

    async def read(self, type_: str, identity_: str, caller: Caller) -> MutableJson:
        """Likewise, for whoever wants to know it: that is recorded."""
        row = await self._row(type_, identity_, caller)
        resource = partner_tasks.as_read(self._resource(row), caller)
        self.record(type_, "read", _about(row), caller)
        return resource

    async def refused_read(self, type_: str, identity_: str, caller: Caller) -> None:
        """Record that a client without the scope wanted to know it."""
        with suppress(HttpRefusal):
            row = await self._row(type_, identity_, caller)
            self.record(type_, "read", _about(row), caller, refused=True)

    async def refused_search(self, type_: str, asked: Asked, caller: Caller) -> None:
        """Record of whom a client without the scope wanted to know something."""
        query = self._query(type_, caller)
        with suppress(HttpRefusal):
            for name, value in [*asked.form, *asked.address]:
                if name.startswith(("patient", "subject", "actor", "appointment", "member")):
                    await self._narrow(query, type_, name, value, caller)
        async with self.pool.acquire() as connection:
            named = await aliases.known(connection, caller.program, query.named)
        self.record(type_, "search-type", named, caller, refused=True)

    async def _row(self, type_: str, identity_: str, caller: Caller) -> Row:
        async with self.pool.acquire() as connection:
            row = await resources.one(connection, caller.program, (type_, identity_))
            if row is None and type_ == "AuditEvent":
                row = await reads.one(connection, caller.program, identity_, self.service)
        if row is None:
            raise refuse(404, "not-found", "", "No resource of this type has this id.")
        return row

    def record(
        self, type_: str, interaction: Interaction, patients: set[str], caller: Caller, *, refused: bool = False
    ) -> None:
        """Raises HttpRefusal 503: nobody could say afterwards who has read this."""
        try:
            self.reads.add(
                caller.program,
                patients - {""},
                client=caller.name,
                person=caller.person,
                type_=type_,
                interaction=interaction,
                refused=refused,
            )
        except NotRecordable as error:
            raise refuse(503, "throttled", "", "Who reads this can't be recorded now.", Retry_After="5") from error

    async def search(self, type_: str, asked: Asked, caller: Caller) -> Page:
        """One page. Its patients are recorded, and those that it was asked for. An unknown parameter is refused, never
        ignored."""
        parameters, cursor = paging.resumed(self.keys, asked, type_, caller)
        query, paged = self._query(type_, caller), paging.read(parameters, type_)
        partner_tasks.narrow(query, type_, [name for name, _ in parameters if name not in paging.NAMES], caller)
        for name, value in parameters:
            if name not in paging.NAMES:
                require_value(value)
                await self._narrow(query, type_, name, value, caller)
        async with self.pool.acquire() as connection:
            total = await _total(connection, query, paged.total, cursor)
            after = cursor.after if cursor else None
            rows, ended = (
                await query.page(connection, paged.order, after, paged.count + 1) if paged.count else ([], None)
            )
            shown, following = rows[: paged.count], None
            about = {patient for row in shown for patient in _about(row)}
            about |= await aliases.known(connection, caller.program, query.named - about)
        self.record(type_, "search-type", about, caller)
        if len(rows) > len(shown):
            ended = Position.of(shown[-1], paged.order)
        if ended is not None:
            following = paging.following(self.keys, asked, parameters, type_, caller, ended, total)
        return Page([partner_tasks.as_read(self._resource(row), caller) for row in shown], total, following)

    def _query(self, type_: str, caller: Caller) -> Search:
        if type_ == "AuditEvent":
            return AuditSearch(caller.program, type_, service=self.service)
        return Search(caller.program, type_)

    async def _narrow(self, query: Search, type_: str, name: str, value: str, caller: Caller) -> None:
        match name:
            case "_id":
                query.ids(value.split(","))
            case "patient" | "subject" | "patient:Patient" | "subject:Patient":
                query.patients(await self.patients(value, caller))
            case "patient:missing" | "subject:missing" if value in ("true", "false"):
                query.without_patient(value == "true")
            case "patient.identifier" | "subject.identifier":
                query.patients(await self._owners(value, caller))
            case "identifier" if type_ == "Patient":
                query.ids(await self._owners(value, caller))
            case "identifier" if type_ in CARRYING:
                query.carrying(identifiers(value))
            case "status":
                query.statuses(statuses(type_, value))
            case "date":
                query.happened(*between(value, self._zone(caller)))
            case "_lastUpdated":
                query.changed(*between(value, self._zone(caller)))
            case _ if type_ == "Task":
                work_lists.narrow(query, name, value, self._zone(caller))
            case _ if type_ in report_searches.NARROWED:
                report_searches.narrow(query, name, value, self._zone(caller))
            case _ if type_ in session_searches.NARROWED:
                patients = partial(self.patients, caller=caller)
                await session_searches.narrow(query, name, value, patients, self.pool, self._zone(caller))
            case _ if isinstance(query, AuditSearch):
                _narrow_audits(query, name, value)
            case _:
                raise not_searched_by()

    async def patients(self, value: str, caller: Caller) -> list[str]:
        """`Patient/x` or `x`: the hub's id, or the client's own reference to its Patient; with an address before it,
        the one or the other."""
        own, theirs = list[str](), list[Identifier]()
        for each in value.split(","):
            base, _, identity = each.rpartition("Patient/")
            require_value(identity)
            is_the_clients = base.rstrip("/") == caller.client.base_url.rstrip("/")
            if not base or not is_the_clients:
                own.append(identity)
            if not base or is_the_clients:
                theirs.append(Identifier(caller.client.base_url, f"Patient/{identity}"))
        return own + await self._known(theirs, caller)

    async def _owners(self, value: str, caller: Caller) -> list[str]:
        named = [Identifier(system, number) for system, number in tokens(value) if system is not None]
        if len(named) < len(tokens(value)):
            raise refuse(400, "invalid", "", "Must be an identifier with its system: system|value.")
        return await self._known(named, caller)

    async def _known(self, named: Sequence[Identifier], caller: Caller) -> list[str]:
        async with self.pool.acquire() as connection:
            digests = self.keys.digests(caller.program, named)
            return sorted(await aliases.resolve(connection, caller.program, digests))

    def _zone(self, caller: Caller) -> ZoneInfo:
        return ZoneInfo(self.settings[caller.program].timezone)

    def _resource(self, row: Row) -> MutableJson:
        body = sealed.opened(self.keys, row) if row["sealed"] else row["body"].encode()
        resource = fhir.parse(body, fhir.STORED)
        updated = row["updated_at"].isoformat(timespec="milliseconds")
        meta = {"versionId": str(row["version"]), "lastUpdated": updated}
        head = {"resourceType": row["type"], "id": row["id"], "meta": {**meta, **resource.get("meta", {})}}
        return head | {name: value for name, value in resource.items() if name not in head}


def _about(row: Row) -> set[str]:
    """Of whom a resource tells: its patient, or where it is none's those that it names (a Group its members)."""
    return {row["patient"]} if row["patient"] else set(_NAMED_PATIENT.findall(row["body"]))


def _narrow_audits(query: AuditSearch, name: str, value: str) -> None:
    match name:
        case "agent" | "agent:identifier":
            query.agents(identifiers(value))
        case "entity":
            query.entities([require_reference(each) for each in value.split(",")])
        case "type":
            query.types(identifiers(value))
        case "subtype":
            query.subtypes(identifiers(value))
        case _:
            raise not_searched_by()


async def _total(connection: Connection, query: Search, wanted: Total, cursor: Cursor | None) -> int | None:
    """Counted for the first page; the pages behind it show the same."""
    if wanted == "none" or (cursor is not None and cursor.total is not None):
        return cursor.total if cursor is not None and wanted != "none" else None
    return await (query.total if wanted == "accurate" else query.estimate)(connection)

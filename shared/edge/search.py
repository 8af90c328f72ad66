"""Reading: one resource, or a search over what this service emitted and accepted. Every query is of one program."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from shared.edge import fhir, paging, work_lists
from shared.edge.clients import Caller
from shared.edge.fhir.responses import SearchType
from shared.edge.json import MutableJson
from shared.edge.moments import TimeSettings
from shared.edge.outcome import refuse
from shared.edge.paging import Asked, Cursor, Total
from shared.edge.search_values import between, codes, identifiers, not_searched_by, require_value, tokens
from shared.path.transaction import aliases, resources
from shared.path.transaction.ordering import Position
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
IDENTIFIED: Mapping[str, SearchType] = {**PARAMETERS, "identifier": "token"}
WITHOUT_STATUS: Mapping[str, SearchType] = {name: kind for name, kind in PARAMETERS.items() if name != "status"}
DIRECTORY: Mapping[str, SearchType] = {name: PARAMETERS[name] for name in ("_id", "_lastUpdated")}
"""Of what is about no patient, and has neither a status nor a time."""
PATIENTS: Mapping[str, SearchType] = {**DIRECTORY, "identifier": "token"}


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

    async def one(self, type_: str, identity_: str, caller: Caller) -> MutableJson:
        """A resource with its version and time. Raises HttpRefusal 404, absent or of another program."""
        async with self.pool.acquire() as connection:
            row = await resources.one(connection, caller.program, (type_, identity_))
        if row is None:
            raise refuse(404, "not-found", "", "No resource of this type has this id.")
        return self._resource(row)

    async def search(self, type_: str, asked: Asked, caller: Caller) -> Page:
        """One page. An unknown parameter is refused, never ignored."""
        parameters, cursor = paging.resumed(self.keys, asked, type_, caller)
        query, paged = Search(caller.program, type_), paging.read(parameters, type_)
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
        if len(rows) > len(shown):
            ended = Position.of(shown[-1], paged.order)
        if ended is not None:
            following = paging.following(self.keys, asked, parameters, type_, caller, ended, total)
        return Page([self._resource(row) for row in shown], total, following)

    async def _narrow(self, query: Search, type_: str, name: str, value: str, caller: Caller) -> None:
        match name:
            case "_id":
                query.ids(value.split(","))
            case "patient" | "subject" | "patient:Patient" | "subject:Patient":
                query.patients(await self._patients(value, caller))
            case "patient:missing" | "subject:missing" if value in ("true", "false"):
                query.without_patient(value == "true")
            case "patient.identifier" | "subject.identifier":
                query.patients(await self._owners(value, caller))
            case "identifier" if type_ == "Patient":
                query.ids(await self._owners(value, caller))
            case "identifier" if type_ in CARRYING:
                query.carrying(identifiers(value))
            case "status":
                query.statuses(codes(value))
            case "date":
                query.happened(*between(value, self._zone(caller)))
            case "_lastUpdated":
                query.changed(*between(value, self._zone(caller)))
            case _ if type_ == "Task":
                work_lists.narrow(query, name, value, self._zone(caller))
            case _:
                raise not_searched_by()

    async def _patients(self, value: str, caller: Caller) -> list[str]:
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
        body = self.keys.decrypt(b64decode(row["body"])) if row["sealed"] else row["body"].encode()
        resource = fhir.parse(body)
        updated = row["updated_at"].isoformat(timespec="milliseconds")
        meta = {"versionId": str(row["version"]), "lastUpdated": updated}
        head = {"resourceType": row["type"], "id": row["id"], "meta": {**meta, **resource.get("meta", {})}}
        return head | {name: value for name, value in resource.items() if name not in head}


async def _total(connection: Connection, query: Search, wanted: Total, cursor: Cursor | None) -> int | None:
    """Counted for the first page; the pages behind it show the same."""
    if wanted == "none" or (cursor is not None and cursor.total is not None):
        return cursor.total if cursor is not None and wanted != "none" else None
    return await (query.total if wanted == "accurate" else query.estimate)(connection)

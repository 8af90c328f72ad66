"""Reading: one resource, or a search over what this service emitted and accepted. Every query is of one program."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.fhir import elements
from shared.edge.fhir.responses import SearchType
from shared.edge.json import MutableJson
from shared.edge.moments import TimeSettings
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction import aliases, resources
from shared.path.transaction.resources import Search
from shared.platform.db import Pool, Row
from shared.platform.keys import Identifier, Keys

COUNT_DEFAULT = 50
COUNT_MOST = 500
PARAMETERS: Mapping[str, SearchType] = {
    "_id": "token",
    "_lastUpdated": "date",
    "patient": "reference",
    "subject": "reference",
    "status": "token",
    "date": "date",
}
IDENTIFIED: Mapping[str, SearchType] = {**PARAMETERS, "identifier": "token"}
IDENTIFIERS_MOST = 50
OFFSET_MOST = 10_000
"""Every row before it is read and thrown away."""
_BY_BODY = frozenset({"DiagnosticReport", "Observation", "Specimen"})
"""Types whose identifiers name no patient: they stand in the body as they came."""
_ESCAPED = re.compile(r"\\([\\,|$])")
_HIDDEN = 0xDC00
"""Where escaped signs wait while the others part the text: lone surrogates, which no request can hold."""
_SHOWN = {_HIDDEN + ord(sign): sign for sign in "\\,|$"}
PRESENTING = ("_format", "_pretty", "_summary")
"""Parameters about how an answer looks: no part of what is looked for."""
_DATE = re.compile(r"(eq|ge|gt|le|lt)?([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T.+)?)?)?)")
_NUMBER = re.compile(r"[0-9]{1,9}")


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

    async def search(
        self, type_: str, parameters: Sequence[tuple[str, str]], caller: Caller
    ) -> tuple[list[MutableJson], int, int | None]:
        """One page, the total, and the offset of the next page. An unknown parameter is refused, never ignored."""
        query = Search(caller.program, type_)
        count, offset = COUNT_DEFAULT, 0
        for name, value in parameters:
            if name == "_count":
                count = min(_number(value, name), COUNT_MOST)
            elif name == "_offset":
                offset = _offset(_number(value, name))
            elif name not in PRESENTING:
                await self._narrow(query, type_, name, value, caller)
        async with self.pool.acquire() as connection:
            rows, total = await query.page(connection, count, offset)
        following = offset + count if count and offset + count < total else None
        return [self._resource(row) for row in rows], total, following

    async def _narrow(self, query: Search, type_: str, name: str, value: str, caller: Caller) -> None:
        match name:
            case "_id":
                query.ids(value.split(","))
            case "patient" | "subject":
                query.patients(await self._patients(value, caller))
            case "patient:missing" | "subject:missing" if value in ("true", "false"):
                query.without_patient(value == "true")
            case "patient.identifier" | "subject.identifier":
                query.patients(await self._owners(value, caller))
            case "identifier" if type_ == "Patient":
                query.ids(await self._owners(value, caller))
            case "identifier" if type_ in _BY_BODY:
                _carrying(query, value)
            case "status":
                query.statuses([each.rpartition("|")[2] for each in value.split(",")])
            case "date":
                query.happened(*_between(value, self._zone(caller)))
            case "_lastUpdated":
                query.changed(*_between(value, self._zone(caller)))
            case _:
                raise refuse(400, "not-supported", "", "Must use only the search parameters in /fhir/metadata.")

    async def _patients(self, value: str, caller: Caller) -> list[str]:
        """`Patient/x` or `x`: the hub's id, or the client's own reference to its Patient."""
        own = [each.rpartition("Patient/")[2] for each in value.split(",")]
        named = [Identifier(caller.client.base_url, f"Patient/{each}") for each in own]
        digests = self.keys.digests(caller.program, named)
        async with self.pool.acquire() as connection:
            return own + sorted(await aliases.resolve(connection, caller.program, digests))

    async def _owners(self, value: str, caller: Caller) -> list[str]:
        system, bar, name = value.partition("|")
        if not bar:
            raise refuse(400, "invalid", "", "Must be an identifier: system|value.")
        digests = self.keys.digests(caller.program, [Identifier(system, name)])
        async with self.pool.acquire() as connection:
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


def _number(value: str, name: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise refuse(400, "invalid", "", f"{name} must be a whole number, 0 or more.")
    return int(value)


def _offset(number: int) -> int:
    if number > OFFSET_MOST:
        raise refuse(400, "too-costly", "", f"_offset must be at most {OFFSET_MOST}; narrow the search instead.")
    return number


def _carrying(query: Search, value: str) -> None:
    """One of these identifiers: `system|value`, `|value` without a system, `value` of any system or none."""
    sought = _identifiers(value)
    if len(sought) > IDENTIFIERS_MOST:
        raise refuse(400, "too-costly", "", f"A search must name at most {IDENTIFIERS_MOST} identifiers.")
    query.carrying(sought)


def _identifiers(value: str) -> list[tuple[str | None, str]]:
    """System (None for any) and value of each token; signs of the search that stand escaped are part of them."""
    sought: list[tuple[str | None, str]] = []
    hidden = _ESCAPED.sub(lambda found: chr(_HIDDEN + ord(found[1])), value)
    for token in hidden.split(","):
        before, bar, after = (each.translate(_SHOWN) for each in token.partition("|"))
        sought.append((before, after) if bar else (None, before))
    if not all(number.strip() for _, number in sought):
        raise refuse(400, "invalid", "", "Must be an identifier: system|value, |value or value.")
    return sought


def _between(value: str, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """A FHIR date with its prefix as [since, until): a bare day, month or year means the whole of it."""
    found = _DATE.fullmatch(value)
    if found is None:
        raise refuse(400, "invalid", "", "Must be a date with an optional prefix eq, ge, gt, le or lt: ge2026-01-31.")
    start, end = _span(found[2], zone)
    match found[1] or "eq":
        case "eq":
            return start, end
        case "ge":
            return start, None
        case "gt":
            return end, None
        case "le":
            return None, end
        case _:
            return None, start


def _span(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    try:
        return elements.span(text.replace(" ", "+"), zone)  # an unescaped + arrives as a space
    except HttpRefusal as wrong:
        raise refuse(400, "invalid", "", "Must be a date of the years 1900 to 9998.") from wrong

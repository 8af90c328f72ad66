"""Forms that a client sends of its own (Questionnaires): about nobody, each version known by its canonical, so that
what names it later is read by it."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import msgspec

from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.contract import StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.path.transaction import resources
from shared.path.transaction.resources import Name
from shared.platform.db import Connection

QUESTIONNAIRE = "Questionnaire"
_PARTS = re.compile(r"[0-9]+|[^0-9]+")


def id_of(entry: BundleEntry, caller: Caller) -> str:
    """The id that this form has or gets. Raises HttpRefusal 422 where an update would make it another one."""
    found = identity(entry.resource, caller)
    if entry.method == "PUT" and entry.id != found:
        raise refuse(422, "business-rule", f"{entry.place}.version", "Another url or version is another form: POST it.")
    if entry.if_none_exist is not None:
        place = entry.place.replace(".resource", ".request.ifNoneExist")
        raise refuse(422, "not-supported", place, "Leave it out: the same url and version is the same form.")
    return found


def identity(form: Json, caller: Caller) -> str:
    """The id of this version of the client's form. One without a canonical is found by nothing that names a form."""
    if "url" not in form:
        return str(uuid5(NAMESPACE_URL, fhir.encode(form).decode()))
    return _id(str(form["url"]), str(form.get("version", "")), caller)


def _id(url: str, version: str, caller: Caller) -> str:
    return str(uuid5(NAMESPACE_URL, f"{caller.name}|{caller.program}|{QUESTIONNAIRE}|{url}|{version}"))


async def store(
    connection: Connection, entries: Sequence[BundleEntry], caller: Caller, now: datetime
) -> dict[Name, StoredResource]:
    """The forms among these, as they are stored then; the same again keeps its version."""
    forms = [each for each in entries if each.type == QUESTIONNAIRE]
    if not forms:
        return {}
    names = [(caller.program, QUESTIONNAIRE, str(each.id)) for each in forms]
    rows = [(str(each.id), caller.program, fhir.encode(each.resource).decode()) for each in forms]
    await resources.publish(connection, QUESTIONNAIRE, rows, now)
    found = await resources.versions(connection, names)
    return {
        (each.type, str(each.id)): StoredResource("", each.resource, found[name])
        for each, name in zip(forms, names, strict=True)
    }


async def require_current(connection: Connection, entries: Sequence[BundleEntry], caller: Caller) -> None:
    """What is updated exists, in the version that was read. Raises HttpRefusal 404, 412."""
    names = [(caller.program, QUESTIONNAIRE, str(each.id)) for each in entries]
    versions = await resources.versions(connection, names)
    for entry, name in zip(entries, names, strict=True):
        if entry.method == "PUT" and name not in versions:
            raise refuse(404, "not-found", f"{entry.place}.id", "No resource has this id; the hub assigns ids.")
        if entry.if_match is not None and entry.if_match != str(versions[name]):
            place = f"{entry.place}.meta.versionId"
            raise refuse(412, "conflict", place, "The resource has changed since this version; read it again.")


async def named(connection: Connection, canonicals: Collection[str], caller: Caller) -> dict[str, Json]:
    """The client's forms by the canonicals that name them (`url|version`); by a `url` alone the newest version."""
    by_id = {(QUESTIONNAIRE, _id(*_parted(each), caller)): each for each in canonicals}
    stored = await resources.stored(connection, caller.program, list(by_id))
    found = {by_id[name]: _form(row["body"]) for name, row in stored.items()}
    for canonical in sorted(each for each in canonicals if "|" not in each):
        written = f'"url":{msgspec.json.encode(canonical).decode()}'
        bodies = await resources.of_nobody_with(connection, caller.program, QUESTIONNAIRE, written)
        own = [form for row in bodies if identity(form := _form(row["body"]), caller) == row["id"]]
        versions = [each for each in own if each.get("url") == canonical]
        if versions:
            found[canonical] = newest(versions)
    return found


def newest(versions: Collection[Json]) -> Json:
    """That of the highest business version; a retired one only where there is no other."""
    return max(versions, key=lambda each: (each.get("status") != "retired", _rank(str(each.get("version", "")))))


def _rank(version: str) -> list[tuple[int, int, str]]:
    """1.10 is above 1.9: numbers count as numbers, and above words."""
    return [(1, int(each), "") if each.isdecimal() else (0, 0, each) for each in _PARTS.findall(version)]


def _parted(canonical: str) -> tuple[str, str]:
    url, _, version = canonical.partition("|")
    return url, version


def _form(body: str) -> Json:
    return fhir.parse(body.encode())

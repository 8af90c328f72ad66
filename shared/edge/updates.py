"""The same update again: whoever sends it learns what the first one got, and nothing is decided.

A PUT says how a resource shall be. Where it is so already, or where the same was asked for last and nothing has changed
since, the hub has nothing to do: an EHR sends what it has as often as it likes.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import Issue
from shared.edge.resolving import Resolved, Submission, stored
from shared.path.transaction import puts as stored_puts
from shared.path.transaction.delivery import Put
from shared.path.transaction.puts import Repeated
from shared.path.transaction.resources import Name
from shared.platform.db import Connection

_OURS = ("versionId", "lastUpdated")
"""What the hub itself writes into `meta` when a resource is read."""
_OF_NOBODY = frozenset({"Organization", "Practitioner", "PractitionerRole", "Medication"})
"""They are about no patient, whoever they first came with."""


def turns(submission: Submission, caller: Caller) -> set[str]:
    """What is updated: two that update the same take turns, each looks and stores before the next one looks."""
    entries = submission.entries
    return {
        f"{caller.program}|{each.type}/{each.id}" for each in entries if each.method == "PUT" and each.id is not None
    }


async def repeated(connection: Connection, resolved: Resolved, caller: Caller) -> dict[Name, Repeated]:
    """The updates that change nothing, with what stands."""
    updated = {(each.type, str(each.id)): each for each in resolved.entries if (each.type, each.id) in resolved.stored}
    same = {
        name: Repeated(resolved.stored[name].version)
        for name, entry in updated.items()
        if _content(entry.resource) == _content(resolved.stored[name].body)
    }
    return same | await stored_puts.repeated(connection, caller.program, puts(list(updated.values()), {}))


async def unchanged(
    connection: Connection, resolved: Resolved, repeated: Mapping[Name, Repeated], caller: Caller
) -> tuple[BundleEntry, ...]:
    """The entries by which nothing is decided: those repeated, and what exists already, as it is stored."""
    there = await stored(connection, caller.program, list(resolved.existing)) if resolved.existing else {}
    bodies = {
        name: dict(each.body)
        for name, each in there.items()
        if name[0] in _OF_NOBODY or each.patient in ("", resolved.patient)
    }
    named = [((each.type, str(each.id)), each) for each in resolved.entries]
    return tuple(
        msgspec.structs.replace(each, resource=bodies[name]) if name in bodies else each
        for name, each in named
        if name in repeated or name in bodies
    )


def puts(entries: Sequence[BundleEntry], remarked: Mapping[str, tuple[Issue, ...]]) -> tuple[Put, ...]:
    """The updates among these, by their content, with what is said of each."""
    return tuple(
        Put(each.type, str(each.id), _digest(each), msgspec.json.encode(remarked.get(str(each.id), ())).decode())
        for each in entries
        if each.method == "PUT"
    )


def remarks(repeated: Repeated) -> tuple[Issue, ...]:
    """What was said of the first one."""
    return msgspec.json.decode(repeated.remarks, type=tuple[Issue, ...])


def _digest(entry: BundleEntry) -> str:
    return hashlib.sha256(fhir.encode(_content(entry.resource))).hexdigest()


def _content(resource: Mapping[str, object]) -> dict[str, object]:
    """The resource without what the hub adds when it is read."""
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return dict(resource)
    own = {name: value for name, value in meta.items() if name not in _OURS}
    rest = {name: value for name, value in resource.items() if name != "meta"}
    return {**rest, "meta": own} if own else rest

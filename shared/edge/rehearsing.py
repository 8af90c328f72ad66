"""What a sample of FHIR would be understood as, entry by entry: read as a submission is, with nothing stored and nobody
asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec

from shared.edge import fhir, patients
from shared.edge.clients import Caller
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.fhir import BundleEntry
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import HttpRefusal, Issue
from shared.platform.clients import RegisteredClient
from shared.platform.settings import ConfigurationError


class Sample(msgspec.Struct, frozen=True):
    """A file of FHIR, and the client (clients.toml) that would send it; empty for one without a code map."""

    file: str
    client: str = ""


class Rehearsed(msgspec.Struct, frozen=True):
    """One entry: what its outcome would say, each line with its place. `refused`: with it the whole is."""

    place: str
    type: str
    lines: tuple[str, ...]
    refused: bool = False


def rehearse(
    edge: Edge, sample: Sample, clients: Mapping[str, RegisteredClient], settings: Mapping[str, object], now: datetime
) -> list[Rehearsed]:
    """As this client would send it, for its first program. Raises ConfigurationError where nobody knows the client."""
    if sample.client and sample.client not in clients:
        raise ConfigurationError("The client must be registered in clients.toml.")
    client = clients.get(sample.client) or RegisteredClient(programs=tuple(settings), base_url="")
    program = client.programs[0]
    caller = Caller(sample.client, client, program, ())
    context = Context(caller, str(uuid4()), program, settings[program], now)
    return rehearsed(edge, Path(sample.file).read_bytes(), context)


def rehearsed(edge: Edge, body: bytes, context: Context) -> list[Rehearsed]:
    """Of a Bundle of whatever type, or of one resource, as if it were sent as a transaction. What would be refused is
    said, and the rest is read without it."""
    try:
        bundle = _as_transaction(fhir.parse(body))
        fhir.require_valid(bundle)
        sent = fhir.transaction(bundle)
        entries = fhir.resolve(sent, lambda entry: str(uuid5(NAMESPACE_URL, entry.place)))
    except HttpRefusal as refusal:
        return [Rehearsed("", "", tuple(map(_line, refusal.issues)), refused=True)]
    patients.rewrite(entries, context.patient)
    meant, refused = _read(edge, entries, context)
    return [refused.get(each.place) or _rehearsed(edge, each, meant) for each in entries] + [
        each for place, each in refused.items() if not place
    ]


def _as_transaction(resource: Json) -> MutableJson:
    """What was read from another server, or is alone, as it would be sent."""
    alone = resource.get("resourceType") != "Bundle"
    entries = [{"resource": resource}] if alone else resource.get("entry", [])
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {name: value for name, value in each.items() if name in ("fullUrl", "resource")}
            | {"request": _request(each)}
            for each in entries
        ],
    }


def _request(entry: Json) -> Json:
    return entry.get("request") or {"method": "POST", "url": entry.get("resource", {}).get("resourceType", "")}


def _read(edge: Edge, entries: Sequence[BundleEntry], context: Context) -> tuple[Interpretation, dict[str, Rehearsed]]:
    """What is understood without those that would be refused, and those by their place; empty for the whole."""
    try:
        return edge.read(entries, context), {}
    except HttpRefusal as refusal:
        lines = tuple(map(_line, refusal.issues))
        wrong = {each.place: each.type for each in entries if _is_named(each, refusal)}
    if not wrong:
        return Interpretation(()), {"": Rehearsed("", "", lines, refused=True)}
    meant, refused = _read(edge, [each for each in entries if each.place not in wrong], context)
    return meant, {place: Rehearsed(place, type_, lines, refused=True) for place, type_ in wrong.items()} | refused


def _is_named(entry: BundleEntry, refusal: HttpRefusal) -> bool:
    places = (place for issue in refusal.issues for place in issue.expression)
    return any(f"{place}.".startswith(f"{entry.place}.") for place in places)


def _rehearsed(edge: Edge, entry: BundleEntry, meant: Interpretation) -> Rehearsed:
    issues = meant.remarks.get(str(entry.id), ())
    plain = "read" if entry.type in edge.takes else "not read: stored as it came"
    return Rehearsed(entry.place, entry.type, tuple(map(_line, issues)) or (plain,))


def _line(issue: Issue) -> str:
    """What is said, and where in the entry."""
    places = ", ".join(issue.expression)
    return f"{issue.diagnostics} ({places})" if places else issue.diagnostics

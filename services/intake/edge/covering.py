"""A Coverage as the hub reads it: whose it is by the program's table of payers, and from when until when."""

from collections.abc import Iterator, Mapping, Sequence

from services.intake.coverage import LAST
from services.intake.messages import RecordCoverage
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings, literal, planned, planned_until
from shared.edge.json import Json
from shared.path.transaction.resources import Name

_NOT_IN_FORCE = frozenset({"draft", "entered-in-error"})


def coverage(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> RecordCoverage:
    """What it says now. Raises HttpRefusal 422."""
    resource, place = entry.resource, f"{entry.place}.period"
    bounds = resource.get("period", {})
    since, end = bounds.get("start"), bounds.get("end")
    is_withdrawn = resource["status"] in _NOT_IN_FORCE
    until = planned_until(end, f"{place}.end", context.time) if end and not is_withdrawn else None
    is_ended = resource["status"] == "cancelled" and (until is None or until > context.now)
    return RecordCoverage(
        coverage_id=str(entry.id),
        payer="" if is_withdrawn else _payer(resource, entries, context),
        place=min(resource.get("order", LAST), LAST),
        since=planned(since, f"{place}.start", context.time) if since and not is_withdrawn else None,
        until=until,
        cancelled_at=context.now if is_ended else None,
        is_withdrawn=is_withdrawn,
    )


def behind(entries: Sequence[BundleEntry]) -> list[Name]:
    """The organizations that came before and are payors now."""
    payors = (each for entry in entries if entry.type == "Coverage" for each in entry.resource.get("payor", ()))
    named = (literal(each).rpartition("/") for each in payors)
    return [("Organization", identity) for kind, _, identity in named if kind.rpartition("/")[2] == "Organization"]


def read_as(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> list[str]:
    """What its sender learns: which payer it is, or why it is nobody's."""
    if entry.resource["status"] in _NOT_IN_FORCE:
        return ["not in force: it says nothing of who pays"]
    found = _payer(entry.resource, entries, context)
    if found:
        return [f"read as covered by {found}"]
    if not any(each.codes for each in context.settings.payers.values()):
        return ["not read: the program tells no payers apart (payers of program.toml)"]
    return ["not read: no code of it is one payer's (payers of program.toml); a person is asked"]


def _payer(resource: Json, entries: Sequence[BundleEntry], context: Context) -> str:
    """By what names it most precisely: who its payor is, else a class, else its type. Empty where these name nobody, or
    could be two."""
    organizations = _organizations(resource, entries, context)
    named = (
        {each for payor in resource.get("payor", ()) for each in _identifiers(payor, organizations)},
        {
            f"{each.get('code', '')}|{one['value']}"
            for one in resource.get("class", ())
            for each in codings(one["type"])
        },
        {f"{each.get('system', '')}|{each.get('code', '')}" for each in codings(resource.get("type"))},
    )
    found = ([name for name, payer in context.settings.payers.items() if each & set(payer.codes)] for each in named)
    first: list[str] = next((each for each in found if each), [])
    return first[0] if len(first) == 1 else ""


def _organizations(resource: Json, entries: Sequence[BundleEntry], context: Context) -> Mapping[str, Json]:
    """What a payor may refer to: contained, along, or stored before."""
    contained = resource.get("contained", ())
    return {
        **{f"{kind}/{id}": each.body for (kind, id), each in context.stored.items() if kind == "Organization"},
        **{f"{each.type}/{each.id}": each.resource for each in entries if each.type == "Organization"},
        **{f"#{each.get('id')}": each for each in contained if each["resourceType"] == "Organization"},
    }


def _identifiers(payor: Json, organizations: Mapping[str, Json]) -> Iterator[str]:
    found = organizations.get(literal(payor), {})
    for each in (payor.get("identifier", {}), *found.get("identifier", ())):
        if each.get("system") and each.get("value"):
            yield f"{each['system']}|{each['value']}"

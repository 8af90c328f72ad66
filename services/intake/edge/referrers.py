"""Who referred, as a ServiceRequest or its Task says it: a partner that may be answered, or nobody outside."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, literal, target
from shared.edge.json import Json
from shared.edge.staff import is_of_staff
from shared.events import codes
from shared.path.transaction.resources import Name
from shared.platform.keys import Keys
from shared.rules.consent import as_referrer

NUMBERS_MOST = 2
NUMBER_CHARACTERS_MOST = 120
"""Of one number of a referral, its system included."""
_NAMED_BY = ("Organization", "Practitioner", "PractitionerRole")
PLACER = "PLAC"
"""A number that whoever orders gave (v2-0203; FHIR R4, ServiceRequest.identifier: Placer and Filler)."""


def partner(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> str:
    """The name of the partner that its requester is; empty where it is none, or could be two."""
    found = _partners(entry, entries, context)
    return found[0] if len(found) == 1 else ""


def number(entry: BundleEntry, keys: Keys) -> str:
    """How the referrer calls its referral, sealed for aftercare: no number of a referral stands on a topic."""
    return keys.seal("aftercare", {"identifier": _numbers(entry.resource)})


def corrected(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> str | None:
    """The partner that an update names anew, empty for none any more; None where it says of that what it said."""
    before = context.stored[entry.type, str(entry.id)].body
    return partner(entry, entries, context) if entry.resource.get("requester") != before.get("requester") else None


def is_numbered_anew(entry: BundleEntry, context: Context) -> bool:
    """Whether an update calls the referral otherwise."""
    return _numbers(entry.resource) != _numbers(context.stored[entry.type, str(entry.id)].body)


def read_as(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> Iterator[str]:
    """What its sender learns of whoever is answered, or why nobody outside is."""
    requester = _requester(entry, entries)
    found = _partners(entry, entries, context)
    match found:
        case []:
            if requester and not is_of_staff(requester, context):
                yield "its requester is no partner (refers_as in partners.toml): nobody outside the program is answered"
        case [name]:
            permits = " or ".join(_answered(name, context))
            yield f"its requester is the partner {name}: answered where a consent permits it {permits}"
            if not _numbers(entry.resource):
                yield f"it has no number of {name}'s (identifier of type PLAC, or of none): they may not recognise it"
        case _:
            yield f"its requester is more than one partner ({', '.join(found)}): none of them is answered"


def _answered(name: str, context: Context) -> list[str]:
    """The fields by which this partner may be answered."""
    known = (each for each in context.settings.partners if each.name == name)
    return sorted({field for each in known for field in as_referrer(each).fields})


def behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    """The organizations and persons that came before and are requesters now."""
    requests = (each for each in entries if each.type == "ServiceRequest")
    referred = (literal(_requester(each, entries)).rpartition("/") for each in requests)
    named = ((before.rpartition("/")[2], identity) for before, _, identity in referred)
    return [(kind, identity) for kind, identity in named if kind in _NAMED_BY]


def _requester(entry: BundleEntry, entries: Sequence[BundleEntry]) -> Json:
    """Its own, else that of the Task that came with it."""
    tasks = (each.resource for each in entries if each.type == "Task")
    tracking = (each for each in tasks if target(each.get("focus"), "ServiceRequest") == entry.id)
    found = (each["requester"] for each in (entry.resource, *tracking) if each.get("requester"))
    return next(found, {})


def _partners(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> list[str]:
    known = _resources(entry, entries, context)
    named = set(_identifiers(_requester(entry, entries), known))
    return [each.name for each in context.settings.partners if named & set(each.refers_as)]


def _resources(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> Mapping[str, Json]:
    """What a requester may refer to: contained, along, or stored before."""
    contained = entry.resource.get("contained", ())
    return {
        **{f"{kind}/{identity}": each.body for (kind, identity), each in context.stored.items() if kind in _NAMED_BY},
        **{f"{each.type}/{each.id}": each.resource for each in entries if each.type in _NAMED_BY},
        **{f"#{each.get('id')}": each for each in contained if each["resourceType"] in _NAMED_BY},
    }


def _identifiers(reference: Json, known: Mapping[str, Json]) -> Iterator[str]:
    """By which it is named, `system|value`; a role also by its organization and its person."""
    yield from _written([reference.get("identifier", {})])
    found = known.get(literal(reference), {})
    yield from _written(found.get("identifier", ()))
    if found.get("resourceType") == "PractitionerRole":
        for each in ("organization", "practitioner"):
            within = found.get(each, {})
            yield from _written([within.get("identifier", {})])
            yield from _written(known.get(literal(within), {}).get("identifier", ()))


def _written(identifiers: Iterable[Json]) -> Iterator[str]:
    return (f"{each['system']}|{each['value']}" for each in identifiers if each.get("system") and each.get("value"))


def _numbers(request: Json) -> list[dict[str, str]]:
    """Those that the referrer gave: of type Placer, else of no type."""
    given = [each for each in request.get("identifier", ()) if each.get("value")]
    placed = [each for each in given if code_in(each.get("type"), codes.IDENTIFIER_TYPE) == PLACER]
    own = placed or [each for each in given if not each.get("type")]
    plain = ({name: str(each[name]) for name in ("system", "value") if each.get(name)} for each in own)
    return [each for each in plain if sum(map(len, each.values())) <= NUMBER_CHARACTERS_MOST][:NUMBERS_MOST]

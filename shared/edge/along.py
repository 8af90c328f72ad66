"""What comes along with a report as context: it names whom and what the report is about, and is itself not stored.

A laboratory's Bundle usually carries its Patient, Organization, Practitioner and ServiceRequest. The Patient there
creates and changes nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.edge import patients
from shared.edge.clients import Caller
from shared.edge.contract import Edge
from shared.edge.fhir import BundleEntry, references
from shared.edge.json import Json, MutableJson
from shared.edge.outcome import refuse
from shared.platform.keys import Identifier
from shared.platform.traits import NOBODY, Person, of_patient


@dataclass(frozen=True)
class Along:
    """The entries without their context, and what names the Patient in it, and how they are called; `ordinals` are the
    places of the context."""

    entries: tuple[BundleEntry, ...]
    named: tuple[Identifier, ...]
    ordinals: frozenset[int]
    person: Person = NOBODY


def apart(entries: tuple[BundleEntry, ...], asked: Sequence[BundleEntry], edge: Edge, caller: Caller) -> Along:
    """References to the context become logical ones, in place. `asked` are the same entries as their sender wrote them.

    Raises HttpRefusal for a second Patient.
    """
    types = edge.context_of(entries)
    ordinals = frozenset(ordinal for ordinal, each in enumerate(entries) if each.type in types)
    if not ordinals:
        return Along(entries, (), ordinals)
    named = _named(asked, edge, caller)
    context = {f"{each.type}/{each.id}": each for each in entries if each.type in types}
    rest = tuple(each for each in entries if each.type not in types)
    for entry in rest:
        _point_outside(entry, context, named)
    person = next((of_patient(each.resource) for each in asked if each.type == "Patient" and named), NOBODY)
    return Along(rest, named, ordinals, person)


def _named(asked: Sequence[BundleEntry], edge: Edge, caller: Caller) -> tuple[Identifier, ...]:
    """What names the one Patient along."""
    along = [each for each in asked if each.type == "Patient" and "Patient" in edge.context]
    if len(along) > 1:
        raise refuse(422, "business-rule", along[1].place, "A transaction must be about one patient.")
    return tuple(name for each in along for name in patients.identifiers(each.resource, caller, each.full_url))


def _point_outside(entry: BundleEntry, context: Mapping[str, BundleEntry], named: Sequence[Identifier]) -> None:
    for _, reference in references(entry.resource, entry.place):
        target = context.get(str(reference.get("reference", "")))
        if target is not None:
            _make_logical(reference, target, named)


def _make_logical(reference: MutableJson, target: BundleEntry, named: Sequence[Identifier]) -> None:
    del reference["reference"]
    reference["type"] = target.type
    own = [{"system": each.system, "value": each.value} for each in named[:1]]
    identifier = next(iter(own), None) if target.type == "Patient" else _identifier(target.resource)
    if identifier:
        reference["identifier"] = identifier


def _identifier(resource: Json) -> Json:
    """The first one with a value; a few types have one alone."""
    written = resource.get("identifier", [])
    for each in written if isinstance(written, list) else [written]:
        if each.get("value"):
            return {name: each[name] for name in ("system", "value") if name in each}
    return {}

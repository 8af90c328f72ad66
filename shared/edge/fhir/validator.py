"""One walk over the decoded tree beside R4B's tables: JSON types, formats, codes, reference targets, cardinality, laws.

Places are put together on the way back up and only where something is wrong, so a valid tree pays for none.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.edge.fhir.definitions import ANY_RESOURCE, Field, Shape, is_resource_type, shape
from shared.edge.outcome import Issue, fault

ISSUES_MAX = 50  # a reader mends ten at a time; a hostile body must not cost a list of a million

_typed = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_searched = re.compile(r"([A-Z][A-Za-z]+)\?")


def walk(resource: dict[str, Any]) -> list[Issue]:
    """Everything wrong with a resource of a known type, with expressions from its root."""
    name = resource["resourceType"]
    return _under(name, _resource(resource, _bundled(resource) if name == "Bundle" else {}))


def _bundled(bundle: dict[str, Any]) -> dict[str, str]:
    """The type behind each fullUrl of a Bundle."""
    entries = bundle.get("entry")
    found: dict[str, str] = {}
    if not isinstance(entries, list):
        return found
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(url := entry.get("fullUrl"), str):
            found[url] = str(resource.get("resourceType"))
    return found


def _resource(resource: dict[str, Any], known: Mapping[str, str]) -> list[Issue]:
    if "resourceType" not in resource:
        return [fault("structure", "", "A resource tells its resourceType.")]
    name = resource["resourceType"]
    if not isinstance(name, str) or not is_resource_type(name):
        return [fault("not-supported", "", "This resource type is not one of FHIR R4.")]
    contained = resource.get("contained")
    if isinstance(contained, list):
        known = {**known, **_contained(contained)}
        if any("contained" in one for one in contained if isinstance(one, dict)):
            return [fault("invariant", ".contained", "A contained resource contains no other (dom-2).")]
    return _element(resource, shape(name), known)


def _contained(contained: list[Any]) -> dict[str, str]:
    resources = [one for one in contained if isinstance(one, dict)]
    return {f"#{one.get('id')}": str(one.get("resourceType")) for one in resources}


def _element(element: dict[str, Any], form: Shape, known: Mapping[str, str]) -> list[Issue]:
    if not element:
        return [fault("structure", "", "An element is never empty.")]
    found: list[Issue] = []
    fields = form.fields
    for name, value in element.items():
        field = fields.get(name)
        if field is None:
            wrong = [fault("structure", "", "A property stands here that FHIR R4 does not define.")]
        elif field.many:
            wrong = _list(value, field, known, name[0] == "_" or f"_{name}" in element)
        elif not field.element and type(value) in field.types and (field.passes is None or field.passes(value)):
            continue
        else:
            wrong = _value(value, field, known)
        if wrong:
            found += _under(f".{field.label}", wrong) if field else wrong
            if len(found) >= ISSUES_MAX:
                return found
    if not found:
        for law in form.laws:
            found += law(element)
    if form.demands or form.choices:
        found += _incomplete(element, form)
    return found


def _incomplete(element: dict[str, Any], form: Shape) -> list[Issue]:
    """What is missing, or chosen twice."""
    found: list[Issue] = []
    for demand in form.demands:
        if demand.name not in element and not _is_explained(element.get(demand.extension)):
            found.append(fault("required", f".{demand.label}", "A required element is missing."))
    for choice in form.choices:
        chosen = len(choice.names.intersection(element))
        if chosen > 1:
            found.append(fault("structure", f".{choice.label}", "Only one of the types of this choice may stand here."))
        elif choice.required and not chosen:
            found.append(fault("required", f".{choice.label}", "A required element is missing."))
    return found


def _is_explained(extensions: Any) -> bool:
    """Whether an extension stands in place of a primitive; it must say why, or what else."""
    places = extensions if type(extensions) is list else [extensions]
    return any(type(one) is dict and "extension" in one for one in places)


def _list(value: Any, field: Field, known: Mapping[str, str], gaps: bool) -> list[Issue]:
    """A repeating element. Gaps (null) keep the values of a primitive in step with their extensions."""
    if type(value) is not list:
        return [fault("structure", "", "A list is expected here.")]
    if not value:
        return [fault("structure", "", "A list is never empty.")]
    found: list[Issue] = []
    for place, item in enumerate(value):
        if item is None and gaps:
            continue
        if wrong := _value(item, field, known):
            found += _under(f"[{place}]", wrong)
            if len(found) >= ISSUES_MAX:
                break
    return found


def _value(value: Any, field: Field, known: Mapping[str, str]) -> list[Issue]:
    if not field.element:
        return _primitive(value, field)
    if type(value) is not dict:
        return [fault("structure", "", "An object is expected here.")]
    if field.element == ANY_RESOURCE:
        return _resource(value, known)
    found = _element(value, shape(field.element), known)
    if field.element == "Reference" and not found:
        return _reference(value, field.targets, known)
    return found


def _primitive(value: Any, field: Field) -> list[Issue]:
    if type(value) not in field.types:
        return [fault("structure", "", "The JSON type is not the one of this element.")]
    if field.passes is None or field.passes(value):
        return []
    if field.codes:
        return [fault("code-invalid", "", "The code is not in the required value set.")]
    return [fault("value", "", "The value does not have the form of this element.")]


def _reference(reference: dict[str, Any], targets: frozenset[str] | None, known: Mapping[str, str]) -> list[Issue]:
    """ref-1, and that the type pointed to is one the element allows and the one `Reference.type` tells."""
    address = reference.get("reference", "")
    declared = reference.get("type", "").rpartition("/")[2] or None
    if address[:1] == "#" and address != "#" and address not in known:
        return [fault("not-found", ".reference", "No contained resource has this id (ref-1).")]
    pointed = known.get(address) or _type_of(address)
    if declared and pointed and declared != pointed:
        return [fault("value", ".type", "The type is not the one that the reference points to.")]
    target = pointed or declared
    if target and not is_resource_type(target):
        place = ".reference" if pointed else ".type"
        return [] if "://" in address else [fault("value", place, "This is no resource type of FHIR R4.")]
    if target and targets is not None and target not in targets:
        place = ".reference" if pointed else ".type"
        return [fault("value", place, "A reference to this type is not allowed here.")]
    return []


def _type_of(address: str) -> str | None:
    found = _searched.match(address) or _typed.search(address)
    return found[1] if found else None


def _under(place: str, issues: list[Issue]) -> list[Issue]:
    return [msgspec.structs.replace(one, expression=(place + (one.expression or ("",))[0],)) for one in issues]

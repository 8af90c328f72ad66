"""Foreign FHIR, validated once: one walk over the decoded tree beside R4B's tables.

It checks JSON types, formats, codes, reference targets, cardinality and invariants. Places are put together on the way
back up and only where something is wrong, so a valid tree pays for none.
"""

import re
from collections.abc import Mapping

import msgspec

from shared.edge.fhir.definitions import ANY_RESOURCE, Field, Shape, is_resource_type, shape
from shared.edge.json import Json
from shared.edge.outcome import HttpRefusal, Issue, fault

ISSUES_MAX = 50  # a reader mends ten at a time; a hostile body must not cost a list of a million

_typed = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_searched = re.compile(r"([A-Z][A-Za-z]+)\?")


def validate(resource: Json) -> tuple[Issue, ...]:
    """Everything wrong with a resource as FHIR R4, entries of a Bundle included; empty when it is valid.

    At most 50 issues are listed.
    """
    if not is_resource_type(resource.get("resourceType")):
        return (fault("not-supported", "", "The body must be a resource of FHIR R4."),)
    return tuple(walk(resource)[:ISSUES_MAX])


def require_valid(resource: Json) -> None:
    """Raises HttpRefusal 400 with every issue of `validate`, if there is one."""
    if issues := validate(resource):
        raise HttpRefusal(400, issues)


def walk(resource: Json) -> list[Issue]:
    """Everything wrong with a resource of a known type, with expressions from its root."""
    name = resource["resourceType"]
    return _under(name, _resource(resource, _bundled(resource) if name == "Bundle" else {}))


def _bundled(bundle: Json) -> dict[str, str]:
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


def _resource(resource: Json, known: Mapping[str, str]) -> list[Issue]:
    if "resourceType" not in resource:
        return [fault("structure", "", "A resourceType is required.")]
    name = resource["resourceType"]
    if not isinstance(name, str) or not is_resource_type(name):
        return [fault("not-supported", "", "Must be a resource type of FHIR R4.")]
    contained = resource.get("contained")
    if isinstance(contained, list):
        known = {**known, **_contained(contained)}
        if any("contained" in one for one in contained if isinstance(one, dict)):
            return [fault("invariant", ".contained", "A contained resource must contain no other (dom-2).")]
    return _element(resource, shape(name), known)


def _contained(contained: list[object]) -> dict[str, str]:
    resources = [one for one in contained if isinstance(one, dict)]
    return {f"#{one.get('id')}": str(one.get("resourceType")) for one in resources}


def _element(element: Json, form: Shape, known: Mapping[str, str]) -> list[Issue]:
    if not element:
        return [fault("structure", "", "Must not be empty.")]
    found: list[Issue] = []
    fields = form.fields
    for name, value in element.items():
        field = fields.get(name)
        if field is None:
            found.append(fault("structure", "", "Must have no properties that FHIR R4 does not define."))
        elif field.many or field.element or not _is_sound(value, field):
            found += _property(element, name, field, known)
        if len(found) >= ISSUES_MAX:
            return found
    return found + _whole(element, form, not found) if form.invariants or form.demands or form.choices else found


def _is_sound(value: object, field: Field) -> bool:
    """Whether this primitive has the JSON type and the form of its element."""
    return type(value) in field.types and (field.passes is None or bool(field.passes(value)))


def _property(element: Json, name: str, field: Field, known: Mapping[str, str]) -> list[Issue]:
    """One property that repeats, has properties of its own, or is wrong."""
    wrong = _list(element, name, field, known) if field.many else _value(element[name], field, known)
    return _under(f".{field.label}", wrong) if wrong else wrong


def _whole(element: Json, form: Shape, sound: bool) -> list[Issue]:
    """What the element lacks, and which invariants it breaks; these see only what is sound in itself."""
    broken = [issue for invariant in form.invariants for issue in invariant(element)] if sound else []
    return broken + _incomplete(element, form) if form.demands or form.choices else broken


def _incomplete(element: Json, form: Shape) -> list[Issue]:
    """What is missing, or chosen twice."""
    found: list[Issue] = []
    for demand in form.demands:
        if demand.name not in element and not _is_explained(element.get(demand.extension)):
            found.append(fault("required", f".{demand.label}", "This element is required."))
    for choice in form.choices:
        chosen = len(choice.names.intersection(element))
        if chosen > 1:
            found.append(fault("structure", f".{choice.label}", "At most one type of this choice is allowed."))
        elif choice.required and not chosen:
            found.append(fault("required", f".{choice.label}", "This element is required."))
    return found


def _is_explained(extensions: object) -> bool:
    """Whether an extension stands in place of a primitive; it must say why, or what else."""
    places = extensions if type(extensions) is list else [extensions]
    return any(type(one) is dict and "extension" in one for one in places)


def _list(element: Json, name: str, field: Field, known: Mapping[str, str]) -> list[Issue]:
    """A repeating element. Gaps (null) keep the values of a primitive in step with their extensions."""
    value = element[name]
    if type(value) is not list:
        return [fault("structure", "", "Must be a list.")]
    if not value:
        return [fault("structure", "", "A list must not be empty.")]
    found: list[Issue] = []
    for place, item in enumerate(value):
        if item is None and (name[0] == "_" or f"_{name}" in element):
            continue
        if wrong := _value(item, field, known):
            found += _under(f"[{place}]", wrong)
            if len(found) >= ISSUES_MAX:
                break
    return found


def _value(value: object, field: Field, known: Mapping[str, str]) -> list[Issue]:
    if not field.element:
        return _primitive(value, field)
    if type(value) is not dict:
        return [fault("structure", "", "Must be an object.")]
    if field.element == ANY_RESOURCE:
        return _resource(value, known)
    found = _element(value, shape(field.element), known)
    if field.element == "Reference" and not found:
        return _reference(value, field.targets, known)
    return found


def _primitive(value: object, field: Field) -> list[Issue]:
    if type(value) not in field.types:
        return [fault("structure", "", "Must have the JSON type of this element.")]
    if field.passes is None or field.passes(value):
        return []
    if field.codes:
        return [fault("code-invalid", "", "Must be a code of the required value set.")]
    return [fault("value", "", "Must have the form of this element's data type.")]


def _reference(reference: Json, targets: frozenset[str] | None, known: Mapping[str, str]) -> list[Issue]:
    """ref-1, and that the type pointed to is one the element allows and the one `Reference.type` names."""
    address = reference.get("reference", "")
    if address[:1] == "#" and address != "#" and address not in known:
        return [fault("not-found", ".reference", "Must be the id of a contained resource (ref-1).")]
    pointed = known.get(address) or _type_of(address)
    declared = reference.get("type", "").rpartition("/")[2] or None
    if pointed and declared and declared != pointed:
        return [fault("value", ".type", "Must be the type that the reference points to.")]
    if pointed:
        return _targeted(pointed, targets, ".reference", "://" in address)
    return _targeted(declared, targets, ".type", "://" in address) if declared else []


def _targeted(target: str, targets: frozenset[str] | None, place: str, absolute: bool) -> list[Issue]:
    """Whether the element may point to this type. What an absolute address ends with may be no type at all."""
    if not is_resource_type(target):
        return [] if absolute else [fault("value", place, "Must name a resource type of FHIR R4.")]
    if targets is not None and target not in targets:
        return [fault("value", place, "Must refer to a resource type that this element allows.")]
    return []


def _type_of(address: str) -> str | None:
    found = _searched.match(address) or _typed.search(address)
    return found[1] if found else None


def _under(place: str, issues: list[Issue]) -> list[Issue]:
    return [msgspec.structs.replace(one, expression=(place + (one.expression or ("",))[0],)) for one in issues]

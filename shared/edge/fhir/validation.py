"""Foreign FHIR, validated once: our walk over R4B's tables, then R4B's models."""

from typing import Any

from shared.edge.fhir.models import ANY_RESOURCE, is_resource_type, judged, shape
from shared.edge.fhir.walking import ISSUES_MAX, walk
from shared.edge.outcome import Code, Issue, Refusal, fault, refuse

_SAID: dict[str, tuple[Code, str]] = {
    "missing": ("required", "A required element is missing."),
    "model_field_validation.missing": ("required", "A required element is missing."),
    "list_type": ("structure", "A list is expected here."),
}
_ANYTHING_ELSE: tuple[Code, str] = ("value", "The value does not have the form of this element.")
_ELEMENT: tuple[Code, str] = ("required", "A required choice is missing, or more than one is made.")


def validate(resource: dict[str, Any]) -> tuple[Issue, ...]:
    """Everything wrong with a resource as FHIR R4, entries of a Bundle included; empty when it is valid.

    A Bundle with an unknown resource type or a broken structure is not handed to the models: they would raise a
    KeyError or read elements out of strings. At most 50 issues are told.
    """
    name = resource.get("resourceType")
    if not is_resource_type(name):
        return (fault("not-supported", "", "The body is not a resource of FHIR R4."),)
    found = walk(resource)
    if not any(one.code in ("structure", "not-supported") for one in found):
        places = {one.expression for one in found}
        found += [one for one in _objections(resource) if one.expression not in places]
    return tuple(found[:ISSUES_MAX])


def require_valid(resource: dict[str, Any]) -> None:
    """Raises Refusal 400 with every issue of `validate`, if there is one."""
    if issues := validate(resource):
        raise Refusal(400, issues)


def require_type(resource: dict[str, Any], types: frozenset[str], place: str) -> str:
    """The resource type, or Refusal 422 when it is none of those that this service takes."""
    name = str(resource.get("resourceType"))
    if name not in types:
        raise refuse(422, "not-supported", place, "This service does not take this resource type.")
    return name


def _objections(resource: dict[str, Any]) -> list[Issue]:
    name = resource["resourceType"]
    said = []
    for place, kind in judged(name, resource):
        expression, is_element = _expression(place, name, resource)
        code, text = _SAID.get(kind) or (_ELEMENT if is_element else _ANYTHING_ELSE)
        said.append(fault(code, expression, text))
    return said


def _expression(place: tuple[str | int, ...], name: str, resource: dict[str, Any]) -> tuple[str, bool]:
    """FHIRPath of a pydantic location, and whether an element stands there rather than a primitive.

    The tail that R4B's validators add (`root`, `resource_type`) names nothing and is dropped.
    """
    expression, element = name, name
    value: Any = resource
    for step in place:
        value = _at(value, step)
        element = _named(element, value)
        if isinstance(step, int):
            expression += f"[{step}]"
            continue
        field = shape(element).fields.get(step) if element else None
        if field is None:
            break
        expression += f".{field.label}"
        element = _named(field.element, value)
    return expression, bool(element)


def _named(element: str, value: Any) -> str:
    """The type of a polymorphic resource, once the walk has come to it."""
    return str(value["resourceType"]) if element == ANY_RESOURCE and isinstance(value, dict) else element


def _at(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None

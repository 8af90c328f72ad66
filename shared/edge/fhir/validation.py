"""Foreign FHIR, validated once: one walk beside R4B's tables."""

from typing import Any

from shared.edge.fhir.definitions import is_resource_type
from shared.edge.fhir.validator import ISSUES_MAX, walk
from shared.edge.outcome import HttpRefusal, Issue, fault, refuse


def validate(resource: dict[str, Any]) -> tuple[Issue, ...]:
    """Everything wrong with a resource as FHIR R4, entries of a Bundle included; empty when it is valid.

    At most 50 issues are told.
    """
    if not is_resource_type(resource.get("resourceType")):
        return (fault("not-supported", "", "The body is not a resource of FHIR R4."),)
    return tuple(walk(resource)[:ISSUES_MAX])


def require_valid(resource: dict[str, Any]) -> None:
    """Raises Refusal 400 with every issue of `validate`, if there is one."""
    if issues := validate(resource):
        raise HttpRefusal(400, issues)


def require_type(resource: dict[str, Any], types: frozenset[str], place: str) -> str:
    """The resource type, or Refusal 422 when it is none of those that this service takes."""
    name = str(resource.get("resourceType"))
    if name not in types:
        raise refuse(422, "not-supported", place, "This service does not take this resource type.")
    return name

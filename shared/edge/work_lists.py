"""Searches for Tasks as work lists: whose, about what, how urgent, since when, due when."""

from zoneinfo import ZoneInfo

from shared.edge.outcome import refuse
from shared.edge.search_values import between, codes, identifiers, not_searched_by
from shared.path.transaction.search import Search, Token

URGENCIES = {"stat": 1, "asap": 2, "urgent": 3, "routine": 4}
"""FHIR's request priorities, as the read model ranks them."""


def narrow(query: Search, name: str, value: str, zone: ZoneInfo) -> None:
    """A parameter that only Tasks are searched by. Raises HttpRefusal 400."""
    match name:
        case "owner" | "owner:identifier":
            query.naming("owner.identifier", "value", _owners(value), _ASSIGNED)
        case "code":
            query.naming("code.coding[*]", "code", identifiers(value))
        case "priority":
            query.urgent([URGENCIES[each] for each in codes(value) if each in URGENCIES])
        case "authored-on":
            query.happened(*between(value, zone))
        case "modified":
            query.changed(*between(value, zone))
        case "period":
            query.falls_due(*between(value, zone))
        case _:
            raise not_searched_by()


_ASSIGNED = "owner.extension[*].valueReference.identifier"
"""Who of the patient's team has the role."""


def _owners(value: str) -> list[Token]:
    """A role or a person's id, with or without its system. A reference would find nothing, and hide what is due."""
    owners = identifiers(value)
    if any(system is None and "/" in owner for system, owner in owners):
        raise refuse(400, "invalid", "", "Must be a role or the hub's id of a member of staff: value or system|value.")
    return owners

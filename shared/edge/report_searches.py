"""Searches for what laboratories report: reports and rows by code and specimen, specimens by what was collected,
documents by what they are and what they are about."""

import re
from zoneinfo import ZoneInfo

from shared.edge.outcome import refuse
from shared.edge.search_values import IDENTIFIERS_MOST, between, identifiers, not_searched_by
from shared.path.transaction.search import Search

NARROWED = ("DiagnosticReport", "Observation", "Specimen", "DocumentReference")
_SPECIMEN = re.compile(r"(?:.*/)?Specimen/([A-Za-z0-9\-.]{1,64})|([A-Za-z0-9\-.]{1,64})")
_RELATED = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})")


def narrow(query: Search, name: str, value: str, zone: ZoneInfo) -> None:
    """A parameter that only these types are searched by. Raises HttpRefusal 400."""
    match query.type, name:
        case "DiagnosticReport" | "Observation", "code":
            query.naming("code.coding[*]", "code", identifiers(value))
        case "DiagnosticReport" | "Observation", "specimen" | "specimen:Specimen":
            query.naming("specimen", "reference", [(None, f"Specimen/{each}") for each in _specimens(value)])
        case "DocumentReference", "related":
            query.naming("context.related[*]", "reference", [(None, each) for each in _related(value)])
        case "Specimen" | "DocumentReference", "type":
            query.naming("type.coding[*]", "code", identifiers(value))
        case "Specimen", "collected":
            query.happened(*between(value, zone))
        case _:
            raise not_searched_by()


def _specimens(value: str) -> list[str]:
    """Their ids, each with its type and an address before it or without."""
    found = [_SPECIMEN.fullmatch(each) for each in value.split(",")]
    if not all(found) or len(found) > IDENTIFIERS_MOST:
        rule = f"Must be at most {IDENTIFIERS_MOST} references to Specimens: Specimen/id or id."
        raise refuse(400, "invalid", "", rule)
    return [each[1] or each[2] for each in found if each]


def _related(value: str) -> list[str]:
    """References with their types, whatever address stands before them."""
    found = [_RELATED.fullmatch(each) for each in value.split(",")]
    if not all(found) or len(found) > IDENTIFIERS_MOST:
        raise refuse(400, "invalid", "", f"Must be at most {IDENTIFIERS_MOST} references: Type/id.")
    return [each[1] for each in found if each]

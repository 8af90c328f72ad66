"""Pieces of a foreign Observation or DiagnosticReport: status, codes, value in whatever form, times. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from services.testing.reading.figures import Cutoff, cutoff_in, figure_in, unit_of
from services.testing.reading.laboratory import Code, Component, Status
from shared.edge.json import Json
from shared.events.codes import HUB

REPORT = f"{HUB}/NamingSystem/laboratory-report"
"""Tag of an Observation as stored: the report it came with, so that a later version of it alone meets that one."""

STATUS: Mapping[str, Status] = {
    "registered": "registered",
    "partial": "preliminary",
    "preliminary": "preliminary",
    "final": "final",
    "appended": "final",
    "amended": "corrected",
    "corrected": "corrected",
    "cancelled": "cancelled",
    "entered-in-error": "entered-in-error",
}


def tagged(resource: Json, system: str, code: str) -> dict[str, Any]:
    """With this tag in the place of another of its system."""
    meta = resource.get("meta", {})
    tags = [each for each in meta.get("tag", ()) if each.get("system") != system]
    return {**resource, "meta": {**meta, "tag": [*tags, {"system": system, "code": code}]}}


def report_of(stored: Json) -> str | None:
    """The report that this Observation came with, where it was not alone."""
    tags = stored.get("meta", {}).get("tag", ())
    return next((str(each["code"]) for each in tags if each.get("system") == REPORT), None)


def component_of(measured: Json, status: str, place: str) -> Component:
    quantity, concept = measured.get("valueQuantity", {}), measured.get("valueCodeableConcept", {})
    number = quantity.get("value", measured.get("valueInteger"))
    text = measured.get("valueString", concept.get("text", ""))
    if "valueBoolean" in measured:
        text = "positive" if measured["valueBoolean"] else "negative"
    figure = figure_in(str(text)) if number is None else None
    unit = unit_of(str(quantity.get("code", "")), figure.unit if figure else str(quantity.get("unit", "")))
    cutoff = _cutoff(measured.get("referenceRange", ()), unit)
    return Component(
        codes=codes_of(measured["code"]),
        status=STATUS.get(status, "unknown"),
        values=tuple(_coded(each) for each in concept.get("coding", ())),
        text=str(text),
        number=None if number is None else Decimal(number),
        comparator=str(quantity.get("comparator", "")),
        unit=unit,
        cutoff=cutoff and cutoff.number,
        at_cutoff=cutoff.at_limit if cutoff else "positive",
        flags=tuple(flag for each in measured.get("interpretation", ()) for flag in _flags(each)),
        place=f"{place}.value",
    )


def _cutoff(ranges: Sequence[Json], unit: str) -> Cutoff | None:
    """The laboratory's own: what lies below `high` is negative, where nothing lies below `low`."""
    for each in ranges:
        if (found := cutoff_in(str(each.get("text", "")), unit)) is not None:
            return found
        high, low = each.get("high", {}), each.get("low", {}).get("value", 0)
        if high.get("value") is not None and Decimal(low) == 0:
            written = f"0-{high['value']} {high.get('code', high.get('unit', ''))}"
            return cutoff_in(written, unit)
    return None


def codes_of(concept: Json) -> tuple[Code, ...]:
    """Its codings; the text of the concept is the title of those that have none."""
    text = str(concept.get("text", ""))
    named = [each for each in concept.get("coding", ()) if each.get("code") or each.get("display")]
    coded = tuple(_coded({"display": text, **each}) for each in named)
    return coded or ((Code(text, "", text),) if text else ())


def _coded(coding: Json) -> Code:
    display = str(coding.get("display", ""))
    return Code(str(coding.get("code", display)), str(coding.get("system", "")), display)


def _flags(interpretation: Json) -> tuple[str, ...]:
    """Its codes, or its words where it has none."""
    codes = tuple(str(each["code"]) for each in interpretation.get("coding", ()) if "code" in each)
    return codes or (str(interpretation.get("text", "")),)

"""What is coarse of the part of a patient that is sealed for aftercare: it alone enters the state."""

from collections.abc import Mapping
from typing import Any

from services.aftercare.zip_codes import ZipCode, zip_code
from shared.events.internal import ContactKnown

_UNITED_STATES = frozenset({"", "us", "usa", "united states", "united states of america"})
GENDERS = frozenset({"female", "male"})
"""Of the record; any other tells nothing about which meetings are meant for them."""


def known(part: Mapping[str, Any]) -> ContactKnown:
    """By the part as it was opened: city and state, language, the centre of the ZIP code with its zone, and gender."""
    found = _zip_code(part)
    return ContactKnown(
        area=part.get("area"),
        language=part.get("language"),
        state=found.state if found is not None else None,
        place=found.place if found is not None else None,
        zone=found.zone if found is not None else None,
        gender=part["gender"] if part.get("gender") in GENDERS else None,
    )


def _zip_code(part: Mapping[str, Any]) -> ZipCode | None:
    """Of the first address in the United States that has one and is where they live now."""
    addresses = part.get("patient", {}).get("address", ())
    codes = (
        zip_code(each["postalCode"])
        for each in addresses
        if each.get("use") not in ("old", "billing", "work") and isinstance(each.get("postalCode"), str)
        if str(each.get("country", "")).strip().casefold() in _UNITED_STATES
    )
    return next((each for each in codes if each is not None), None)

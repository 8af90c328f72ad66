"""Where a meeting of a feed can be gone to: a place is offered only with a door (domain 6.4).

A door is an exact address, or coordinates that are stated to be exact. Never a city alone, an approximate place, one
that is closed for now, or an online meeting's placeholder.
"""

import re
from collections.abc import Iterable
from typing import Any

CLOSED_FOR_NOW, ONLINE = "TC", "ONL"
_NO_PLACE = re.compile(r"\b(online|virtual|zoom|telephone|phone)\b", re.IGNORECASE)
_NOT_ATTENDED = frozenset({"online", "inactive"})
_AREAS = ("city", "region", "sub_region", "regions", "state", "country")


def address(entry: dict[str, Any]) -> str | None:
    """The exact address; None where the entry has none."""
    street = _text(entry.get("address"))
    if street and not _is_area(street, entry) and not _NO_PLACE.search(street):
        return ", ".join(each for each in (street, _text(entry.get("city"))) if each)
    whole = _text(entry.get("formatted_address"))
    first = whole.split(",")[0].strip()
    is_exact = bool(re.search(r"\d", first)) and not _is_area(first, entry) and not _NO_PLACE.search(whole)
    return whole if is_exact else None


def is_attended_in_person(entry: dict[str, Any], types: Iterable[str]) -> bool:
    approximate = _is_yes(entry.get("approximate"))
    attendance = _text(entry.get("attendance_option")).casefold()
    if approximate or CLOSED_FOR_NOW in types or attendance in _NOT_ATTENDED:
        return False
    if _NO_PLACE.search(_text(entry.get("location"))):
        return False
    return address(entry) is not None or (ONLINE not in types and _has_exact_coordinates(entry))


def _has_exact_coordinates(entry: dict[str, Any]) -> bool:
    stated = entry.get("approximate") is False or _text(entry.get("approximate")).casefold() == "no"
    return stated and all(_is_number(entry.get(member)) for member in ("latitude", "longitude"))


def _is_number(value: Any) -> bool:
    """A coordinate; 0 stands for none."""
    return re.fullmatch(r"-?\d{1,3}(\.\d+)?", _text(value)) is not None and float(_text(value)) != 0


def _is_area(text: str, entry: dict[str, Any]) -> bool:
    """A city or region stated as if it were a street."""
    named = [each for member in _AREAS for each in _values(entry.get(member))]
    return text.casefold() in {_text(each).casefold() for each in named}


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_yes(value: Any) -> bool:
    return value is True or _text(value).casefold() in ("yes", "true", "1")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split())

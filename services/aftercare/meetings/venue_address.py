"""Where a meeting of a feed can be gone to: a place is offered only with a door (domain 6.4).

A door is an exact address, or coordinates that are stated to be exact, where nothing says closed, online or
approximate. What can't be read is never better than what is absent: it closes the door.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from services.aftercare.meetings import street
from services.aftercare.meetings.reading import is_absent, whole_text

CLOSED_FOR_NOW, ONLINE = "TC", "ONL"
_ATTENDED = frozenset({"in person", "inperson", "hybrid"})
_EXACT = frozenset({"no", "false", "0"})
LINE_CHARACTERS_MOST = 255
"""Of a text that names a place; a longer one can't be read."""
_PLACE = ("location", "address", "formatted_address")
_TEXTS = ("name", "notes", "location_notes", "group_notes")
_AREAS = ("city", "region", "sub_region", "regions", "state", "postal_code", "country")
_COUNTRIES = frozenset({"usa", "us", "united states", "canada", "mexico", "puerto rico"})
_NOT_NOW = re.compile(
    r"\b("
    r"(temporarily|currently|permanently) (closed|online|virtual|suspended)|closed (temporarily|until|for now)"
    r"|(online|virtual|zoom|phone) only|only (online|on zoom)|no longer meet\w*|not meeting|no in[- ]person"
    r"|(cerrad[oa]|suspendid[oa]) (temporalmente|hasta)|temporalmente (cerrad[oa]|suspendid[oa])"
    r"|s[oó]lo (en l[ií]nea|por zoom)|ferm[eé]e? temporairement|temporairement ferm[eé]e?"
    r"|vor[uü]bergehend geschlossen"
    r")\b"
    r"|[(\[*]\s*(suspended|cancell?ed|inactive|paused|on hiatus|suspendid[oa]|cancelad[oa])\b"
)
"""Said anywhere, also in a name or a note, where "closed" alone means for members only, and "cancelled" what is no more
only where it stands in brackets."""
_NO_PLACE = re.compile(
    r"\b("
    r"online|on[- ]line|virtual\w*|remote\w*|closed|cancell?ed|suspended|inactive"
    r"|zoom|webex|skype|google (meet|hangouts?)|(microsoft|ms) teams|gotomeeting|jitsi|discord|whatsapp|facebook"
    r"|facetime|(tele)?phone(?! r(oa)?d\b)|conference call|(tele|video)conferenc\w*"
    r"|tb[ad]|n/a|to be (announced|determined)|(call|contact|e?mail|text) (for|us|to)"
    r"|en l[ií]nea|tel[eé]fono|cerrad[oa]|suspendid[oa]|cancelad[oa]|en ligne|téléphone|fermée?|annul[eé]e?"
    r"|fechad[oa]|suspens[oa]|geschlossen|virtuell|chius[oa]|sospes[oa]|gesloten|st[äa]ngd|zamkni[eę]t[ey]"
    r"|онлайн|закрыт\w*"
    r")\b|https?:|オンライン|온라인|休会|휴회|线上|網上"
)
"""Said of the place itself."""


def address(entry: dict[str, Any]) -> str | None:
    """The exact address; None where the entry has none."""
    areas, place = _areas(entry), _line(entry.get("location"))
    line, whole = _line(entry.get("address")), _line(entry.get("formatted_address"))
    if line and not _NO_PLACE.search(_folded(line)) and street.is_exact(line, areas, place):
        return ", ".join(each for each in (line, whole_text(entry.get("city"))) if each)
    return whole if street.is_exact(whole, areas, place) and not _NO_PLACE.search(_folded(whole)) else None


def is_attended_in_person(entry: dict[str, Any], at: str | None) -> bool:
    """Whether one can go there: it has a door `at` its address, or coordinates, and no member closes it or can't
    be read."""
    types = _types(entry.get("types"))
    if types is None or CLOSED_FOR_NOW in types or not _is_attended(entry.get("attendance_option")):
        return False
    if not _is_exact_or_absent(entry.get("approximate")) or _has_no_place(entry):
        return False
    return at is not None or (ONLINE not in types and _has_exact_coordinates(entry))


def _types(value: Any) -> set[str] | None:
    """The codes, however separated and spelled; None where they can't be read."""
    values = _several(value)
    if not all(is_absent(each) or re.search(r"\w", whole_text(each)) for each in values):
        return None
    words = [whole_text(each) for each in values]
    if any(map(_is_not_now, words)):
        return None
    return {code for each in words for code in re.split(r"\W+", each.upper())}


def _is_attended(value: Any) -> bool:
    """Only the known words for in person and hybrid; an entry that has no such member is attended."""
    return is_absent(value) or " ".join(re.split(r"[\s_-]+", _folded(whole_text(value)))) in _ATTENDED


def _is_exact_or_absent(value: Any) -> bool:
    return is_absent(value) or _is_exact(value)


def _is_exact(value: Any) -> bool:
    return value is False or _folded(whole_text(value)) in _EXACT


def _has_no_place(entry: dict[str, Any]) -> bool:
    """Whether a text says so, or can't be read: all that names the place, or may close it, must be text."""
    named = [whole_text(each) for each in _naming(entry)]
    remarks = [whole_text(entry.get(member)) for member in _TEXTS]
    if not all(re.search(r"\w", each) for each in named) or not _is_readable(entry):
        return True
    return any(map(_is_no_place, named)) or any(map(_is_not_now, remarks))


def _is_readable(entry: dict[str, Any]) -> bool:
    lines = [entry.get(member) for member in _PLACE]
    remarks = [entry.get(member) for member in _TEXTS]
    return all(is_absent(each) or _line(each) for each in lines) and all(
        is_absent(each) or whole_text(each) for each in remarks
    )


def _naming(entry: dict[str, Any]) -> list[Any]:
    """What is stated to name the place or its area; regions may be several."""
    stated = (each for member in (*_PLACE, *_AREAS) for each in _several(entry.get(member)))
    return [each for each in stated if not is_absent(each)]


def _has_exact_coordinates(entry: dict[str, Any]) -> bool:
    limits = {"latitude": 90, "longitude": 180}
    return _is_exact(entry.get("approximate")) and all(
        _is_coordinate(entry.get(member), most) for member, most in limits.items()
    )


def _is_coordinate(value: Any, most: int) -> bool:
    """A number of degrees in its range; 0 stands for none."""
    text = whole_text(value)
    return re.fullmatch(r"-?\d{1,3}(\.\d+)?", text, re.ASCII) is not None and 0 < abs(float(text)) <= most


def _areas(entry: dict[str, Any]) -> frozenset[str]:
    """City, region and the like, which may be stated as if they were a street."""
    named = {_folded(whole_text(each)) for member in _AREAS for each in _several(entry.get(member))}
    return _COUNTRIES | named - {""}


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=16_384)
def _is_no_place(text: str) -> bool:
    return _NO_PLACE.search(_folded(text)) is not None or _is_not_now(text)


@lru_cache(maxsize=4096)
def _is_not_now(text: str) -> bool:
    return _NOT_NOW.search(_folded(text)) is not None


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def _line(value: Any) -> str:
    text = whole_text(value) if isinstance(value, str) else ""
    return text if len(text) <= LINE_CHARACTERS_MOST else ""

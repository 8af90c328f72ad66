"""City, state and ZIP code of an entry, from its own members or from the end of its formatted address. Pure."""

import re
from functools import lru_cache
from typing import Any

import msgspec

from services.aftercare.meetings.reading import text


def _states(pairs: str) -> dict[str, str]:
    words = [each.replace("_", " ") for each in pairs.split()]
    return dict(zip(words[::2], words[1::2], strict=True))


STATES = _states(
    "alabama AL alaska AK arizona AZ arkansas AR california CA colorado CO connecticut CT delaware DE florida FL "
    "georgia GA hawaii HI idaho ID illinois IL indiana IN iowa IA kansas KS kentucky KY louisiana LA maine ME "
    "maryland MD massachusetts MA michigan MI minnesota MN mississippi MS missouri MO montana MT nebraska NE nevada NV "
    "new_hampshire NH new_jersey NJ new_mexico NM new_york NY north_carolina NC north_dakota ND ohio OH oklahoma OK "
    "oregon OR pennsylvania PA rhode_island RI south_carolina SC south_dakota SD tennessee TN texas TX utah UT "
    "vermont VT virginia VA washington WA west_virginia WV wisconsin WI wyoming WY district_of_columbia DC "
    "puerto_rico PR virgin_islands VI guam GU american_samoa AS northern_mariana_islands MP"
)
"""Of the USA with its territories: name to code."""
_CODES = frozenset(STATES.values())
_USA = frozenset({"usa", "us", "u.s.", "u.s.a.", "united states", "united states of america"})
_ZERO_FIRST = frozenset({"CT", "MA", "ME", "NH", "NJ", "RI", "VT", "PR", "VI"})
"""Whose ZIP codes begin with a zero, which a sheet drops."""
_ENDING = re.compile(r"(?P<state>[A-Za-z. ]*?)\s*(?P<zip>\d{5})?(-\d{4})?", re.ASCII)


class Area(msgspec.Struct, frozen=True):
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None


def of(entry: dict[str, Any]) -> Area:
    """What the entry states, and where it states nothing, what its formatted address ends with."""
    ending = _ending(text(entry.get("formatted_address")) or "")
    stated, country = text(entry.get("state")), text(entry.get("country"))
    state = _state(stated or "") or (ending.state if stated is None else None)
    is_usa = country.casefold() in _USA if country else state in _CODES or (stated is None and state is None)
    zip_code = _zip(text(entry.get("postal_code")), state) or ending.postal_code
    return Area(text(entry.get("city")) or ending.city, state, zip_code if is_usa else None)


def _state(stated: str) -> str | None:
    if re.fullmatch(r"[A-Za-z]{2}", stated):
        return stated.upper()
    return STATES.get(stated.casefold())


def _zip(stated: str | None, state: str | None) -> str | None:
    if stated is not None and re.fullmatch(r"\d{4}", stated, re.ASCII) and state in _ZERO_FIRST:
        return f"0{stated}"
    found = re.fullmatch(r"(\d{5})(-?\d{4})?", stated or "", re.ASCII)
    return found[1] if found else None


@lru_cache(maxsize=8192)
def _ending(address: str) -> Area:
    """ "..., Riverbend, NY 12345, USA": of an address of the USA alone."""
    parts = [part for each in address.split(",") if (part := each.strip())]
    if parts and parts[-1].casefold() in _USA:
        parts.pop()
    found = _ENDING.fullmatch(parts[-1]) if parts else None
    state = _state(found["state"]) if found else None
    if found is None or state not in _CODES:
        return Area()
    city = parts[-2] if len(parts) > 1 and not any(each.isdigit() for each in parts[-2]) else None
    return Area(city, state, found["zip"])

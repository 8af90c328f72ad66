"""Whether a line of a feed names a door: a house number and its street, a corner, or a named place on a street.

The words are data. A line that is none of these is no door, whatever else it is.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from itertools import takewhile


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE = _words(
    "autopista av ave avenida boulevard blvd bulevar calle camino carr carrera carretera chemin highway hwy interstate "
    "paseo plaza praca road route rt rte rua rue strada via viale"
)
"""Words that stand before a street's name."""
_AFTER = _words(
    "alley av ave avenue blvd boulevard bowery broadway cir circle close court crescent crossing ct dr drive "
    "embarcadero expressway expy freeway highway hwy lane ln loop parkway path pike pkwy pl place plaza quay rd road "
    "row sq square st street ter terrace trail trl turnpike way"
)
"""Words that stand behind a street's name."""
_JOINED = re.compile(r"\w{2,}(straße|strasse|str|straat|gatan|gata|gade|vej|weg)")
_UNITS = _words(
    "apartment apt area bldg box building district door exit fl floor gate po rm room station ste suite unit ward zone"
)
"""A number beside these is no house number, nor one right behind a street's own word."""
_AREAS = _words(
    "district county region area zone ward usa us uk canada mexico minutes min miles mi km am pm hours days"
)
_COUNTED = _words(
    "block blocks building buildings car cars door doors entrance entrances feet floor floors ft group groups house "
    "houses light lights location locations lot lots meeting meetings meter meters metre metres minute minutes people "
    "places room rooms session sessions site sites space spaces step steps stop stops streets venue venues yard yards"
)
"""What a number before them counts: a note on the way, or on how many there are."""
_RELATIVE = _words("from past away behind beyond before after near off opposite across toward towards")
"""Words that lead to another street than the one a number would be of."""
_LEADING = _RELATIVE | _words("of on down up to")
"""The same behind what is counted: "2 blocks north of"."""
_ONE = re.compile(r"(one|two)\s+(?!mile\b|notch\b|rod\b|way\b|\w+s\s)(?=\S)", re.IGNORECASE)
"""A house number in a word, as of an office tower; not the beginning of a name: "Two Rivers Rd", "One Mile Rd"."""
_KILOMETRE = re.compile(r"(km|k|kil[oó]metro|mile ?post|mile ?marker|mp)\.?\s?\d+(\.\d+)?", re.IGNORECASE)
"""The house number of a road across the country."""
_VENUES = _words(
    "abbey alano armory bank biblioteca building cafe cathedral center centre centro chapel church clinic club "
    "clubhouse college eglise escuela fellowship gym hall hospital house iglesia igreja library lodge lutheran "
    "methodist ministries ministry mission mosque museum parish presbyterian rectory school shelter synagogue temple "
    "university ymca ywca"
)
"""Words that make a name the name of a place."""
_HOUSE = re.compile(
    r"(#?\s?\d{1,6}(-?[a-z])?(-\d{1,4}[a-z]?)?|[nsew]\d{1,5}(\s?[nsew]\d{1,5})?)(\s\d/\d|\s?[½¼¾])?\s+(?=\S)",
    re.IGNORECASE,
)
_OWN_NUMBER = re.compile(r"(#|\bno\.?|\bn[º°]|\bkm\.?)\s?\d", re.IGNORECASE)
_ORDINAL = re.compile(r"\d+(st|nd|rd|th)", re.IGNORECASE)
_JOINT = re.compile(r"\s*(?:&|@|/|\band\b|\bat\b|\by\b|\bet\b|\bund\b)\s*", re.IGNORECASE)
_CORNER = re.compile(r"\s*(?:(?:on |at )?(?:the )?corner of|esquina(?: de)?|intersection of)\s+", re.IGNORECASE)
_POSTAL = re.compile(r"(\s|^)([A-Z]{2}\s+)?\d{5}(-\d{4})?$")
_SHORT_NUMBER = re.compile(r"\d{1,4}[a-z]?")


@lru_cache(maxsize=8192)
def is_exact(line: str, areas: frozenset[str], place: str) -> bool:
    """Whether `line` names a door. `areas` are the entry's city, state and the like, casefolded; `place` the venue's
    name, which makes a street without a number a door."""
    parts = [part for each in re.split(r"[,;\n]", line) if (part := _without_area(each, areas))]
    if any(_is_numbered(each) or _is_corner(each) for each in parts) or _is_kilometre_of_a_road(parts):
        return True
    named = any(_is_venue(each) for each in (place, *parts))
    return named and any(_is_street(each) and not _is_venue(each) for each in parts)


def _is_kilometre_of_a_road(parts: Collection[str]) -> bool:
    """ "Carretera 2, Km 45.6"."""
    return any(map(_KILOMETRE.fullmatch, parts)) and any(_BEFORE & set(_tokens(each)[:-1]) for each in parts)


def _without_area(part: str, areas: Collection[str]) -> str:
    """Without the city, state and postal code that a line may end with."""
    part = " ".join(part.split())
    while True:
        shorter = _POSTAL.sub("", part)
        lowered = f" {shorter.casefold()}"
        ending = next((each for each in areas if lowered.endswith(f" {each}")), "")
        shorter = shorter[: len(shorter) - len(ending)].strip()
        if shorter == part:
            return part
        part = shorter


def _is_numbered(part: str) -> bool:
    """A house number before its street, or behind it."""
    house = _HOUSE.match(part)
    if house is not None:
        return _is_street_name(part[house.end() :], is_long=len(re.sub(r"\D", "", house[1])) > 4)
    if (spelled := _ONE.match(part)) is not None:
        name = part[spelled.end() :]
        return _is_street(name) and not _is_on_the_way(_tokens(name))
    tokens = _tokens(part)
    is_first = bool(_BEFORE & set(tokens[:-1])) or any(map(_JOINED.fullmatch, tokens))
    return is_first and (_OWN_NUMBER.search(part) is not None or _ends_in_house_number(tokens))


def _is_street_name(name: str, *, is_long: bool) -> bool:
    """What follows a house number; without a street's word it is a name of capitals, and its number no postal code."""
    tokens = _tokens(name)
    if not any(re.search(r"[^\W\d_]{2}", each) for each in tokens) or _is_on_the_way(tokens):
        return False
    if _is_street(name) or _is_street(f"x {name}"):
        return True
    return (
        not is_long
        and not (_AREAS | _UNITS | _COUNTED) & set(tokens)
        and all(_is_capital(each) for each in name.split())
    )


def _is_on_the_way(tokens: list[str]) -> bool:
    """Whether the number before these counts what lies on the way: "blocks from Main St", but not "Meeting St"."""
    before = list(takewhile(lambda each: each not in _AFTER | _BEFORE, tokens))
    if tokens[0] in _COUNTED and (before == tokens or _LEADING & set(before)):
        return True
    return bool(_RELATIVE & set(before))


def _is_capital(text: str) -> bool:
    return not text[0].islower()


def _ends_in_house_number(tokens: list[str]) -> bool:
    return _SHORT_NUMBER.fullmatch(tokens[-1]) is not None and tokens[-2] not in _UNITS | _BEFORE | _AFTER


def _is_corner(part: str) -> bool:
    """Two streets that meet; of one of them the kind is written."""
    corner = _CORNER.match(part)
    sides = _JOINT.split(part[corner.end() :] if corner else part)
    if len(sides) < 2 or not all(re.search(r"\w", each) for each in sides) or _is_area(part):
        return False
    return corner is not None or any(_is_street(each) or _ORDINAL.fullmatch(each) for each in sides)


def _is_area(part: str) -> bool:
    return bool(_AREAS & set(_tokens(part)))


def _is_street(part: str) -> bool:
    """Whether a street's word stands where such a word stands: "Main St" and "Rue X", but not "St Paul"."""
    tokens = _tokens(part)
    return bool(
        _BEFORE & set(tokens[:-1]) or _AFTER & set(tokens[1:]) or any(_JOINED.fullmatch(each) for each in tokens)
    )


def _is_venue(name: str) -> bool:
    return bool(_VENUES & set(_tokens(name))) and not _is_numbered(name)


def _tokens(part: str) -> list[str]:
    return re.findall(r"[\w½'’]+", part.casefold())

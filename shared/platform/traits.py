"""Family name and birth date as keyed digests: whether what a result says of its patient contradicts what is known.

They find nobody. Who is found by an identifier is compared, no more: a missing or unreadable value contradicts nothing.
Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

import msgspec

from shared.events.intake import Digest
from shared.platform.keys import Identifier, Keys

FAMILY, BORN = "urn:iop-hub:family-name", "urn:iop-hub:birth-date"
NOT_LEGAL = frozenset({"anonymous", "temp"})
"""Uses of a FHIR name that need not be the patient's."""
EARLIEST_BIRTH_YEAR = 1901
"""What lies before is a date that systems fill in where they know none."""
_APOSTROPHES = re.compile(r"['’‘`ʼ´.]")
_PART = re.compile(r"[^\W_]+")
_LATIN = re.compile("[a-z]+")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"})
_PASSED_OVER = re.compile(
    "jr|sr|ii|iii|iv|de|da|do|das|dos|del|della|di|du|la|le|los|las|van|von|der|den|ter|y|e|el|al|bin|ibn"
)
"""Suffixes and particles: who shares no more than one of them shares no name."""
_NO_NAME = frozenset({"unknown", "anonymous", "confidential", "withheld"})
_DATE = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?(?:[T\d].*)?")


class Person(NamedTuple):
    """Names and birth date as received: in memory only, while a message is read."""

    families: tuple[str, ...] = ()
    born: str = ""
    """As FHIR or HL7 v2 write it: a year, with a month, with a day, whatever time follows."""


NOBODY = Person()


class Traits(msgspec.Struct, frozen=True, array_like=True):
    """Digests of the whole and of each part of every family name; of the birth date's year, month and day, as far as
    it is known."""

    families: tuple[Digest, ...] = ()
    born: tuple[tuple[Digest, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.families or self.born)


NO_TRAITS = Traits()
BOTH = 2
"""Contradictions, so that a person says whose it is."""


def of_patient(patient: Mapping[str, Any]) -> Person:
    """Of a FHIR Patient: every name it goes by, former ones too."""
    names = (each for each in patient.get("name", ()) if each.get("use") not in NOT_LEGAL)
    return Person(tuple(str(each.get("family", "")) for each in names), str(patient.get("birthDate", "")))


def digested(keys: Keys, program: str, person: Person) -> Traits:
    """Under every key held, as identifiers are."""
    families = sorted({part for each in person.families for part in folded(each)})
    return Traits(
        keys.digests(program, [Identifier(FAMILY, each) for each in families]),
        tuple(keys.digests(program, [Identifier(BORN, each)]) for each in dates(person.born)),
    )


def folded(family: str) -> set[str]:
    """A family name as it may be written elsewhere: in one piece and in parts, without case, accents, apostrophes,
    suffixes and particles; an umlaut also as two letters. Nothing where no part is in Latin letters."""
    lower = _APOSTROPHES.sub("", unicodedata.normalize("NFC", family).casefold())
    return {each for written in {lower, lower.translate(_SPELLED)} for each in _forms(written)} - _NO_NAME


def _forms(written: str) -> Iterator[str]:
    bare = "".join(
        each for each in unicodedata.normalize("NFKD", written.translate(_PLAIN)) if not unicodedata.combining(each)
    )
    every = [each for each in _PART.findall(bare) if _LATIN.fullmatch(each)]
    parts = [each for each in every if not _PASSED_OVER.fullmatch(each)] or every
    yield from parts
    if every:
        yield "".join(every)
        yield "".join(parts)


def dates(born: str) -> tuple[str, ...]:
    """The year, the month and the day of birth, as far as they are given; nothing of what is no date of anybody's."""
    found = _DATE.fullmatch(born.strip())
    if found is None or int(found[1]) < EARLIEST_BIRTH_YEAR:
        return ()
    with suppress(ValueError):
        date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
        given = [each for each in found.groups() if each]
        return tuple("-".join(given[:count]) for count in range(1, len(given) + 1))
    return ()


def contradictions(known: Traits, sent: Traits) -> int:
    """How many of family name and birth date contradict: 0 to 2.

    A name does where it shares no part with any that is known. Of dates, what both give is compared. Where no key is
    common to both, nothing is.
    """
    born = [*zip(known.born, sent.born, strict=False)][-1:]
    return sum(_contradict(*pair) for pair in ((known.families, sent.families), *born))


def _contradict(known: Sequence[Digest], sent: Sequence[Digest]) -> bool:
    keys = _keys(known) & _keys(sent)
    return bool(keys) and {each for each in known if each.key_id in keys}.isdisjoint(sent)


def _keys(digests: Iterable[Digest]) -> set[str]:
    return {each.key_id for each in digests}

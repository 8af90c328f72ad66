"""What a laboratory's words mean, by the phrases of data/phrases.csv: the whole field first, then the longest. Pure.

Words that no phrase covers mean nothing: where no phrase is left, a person reads the row.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from services.testing import tables
from services.testing.reading.figures import looked_at

Sense = Literal["positive", "negative", "indeterminate", "unsatisfactory"]

ANY_TERM, LIMIT = "[word]", "[limit]"
"""Within a phrase: any one word that begins no phrase; any phrase for a laboratory's own limit."""
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_]+(?:'[^\W_]+)?|[<>]=?|[≤≥?]|[.,;:()/|\r\n]")
_CLAUSE_ENDS = frozenset(".,;:()/|\r\n")
_ARTICLE = "the"
_MASS = re.compile(
    r"(?<!off)(?<!limit)(?<!value)(?<!level)(?<!threshold)(?<!lo[dq]): ?\d[\d.,]* ?(mc|[munp])g", re.IGNORECASE
)
"""After a colon that belongs to no limit: another drug's figure (`Negative for amphetamines, fentanyl: 12 ng/mL`)."""

_FEW = 40
"""Letters of what is remembered; a note is long, and is somebody's."""

Phrase = tuple[str, ...]
_WHOLE = {phrase: sense for phrase, (sense, where) in tables.PHRASES.items() if where == "whole"}


def _written(sense: str) -> list[Phrase]:
    return [
        tuple(each.split()) for each, (known, where) in tables.PHRASES.items() if (known, where) == (sense, "within")
    ]


def _spelled_out(phrase: Phrase) -> Iterator[Phrase]:
    """The phrase with each limit that may end it."""
    yield from ((*phrase[:-1], *limit) for limit in _written("limit")) if phrase[-1] == LIMIT else (phrase,)


def _by_first_term() -> dict[str, list[tuple[Phrase, str]]]:
    """The longest first."""
    found: dict[str, list[tuple[Phrase, str]]] = defaultdict(list)
    for sense in {sense for sense, _ in tables.PHRASES.values()} - {"limit"}:
        for phrase in (spelled for written in _written(sense) for spelled in _spelled_out(written)):
            found[phrase[0]].append((phrase, sense))
    return {first: sorted(each, key=lambda known: -len(known[0])) for first, each in found.items()}


_PHRASES = _by_first_term()


def sense_of(text: str) -> Sense | None:
    """What a laboratory's words mean; words that say both, or deny what isn't understood, are indeterminate."""
    return _of_few_words(text) if len(text) <= _FEW else _read(text)


@lru_cache(512)
def _of_few_words(text: str) -> Sense | None:
    """A laboratory says the same few words of nearly all rows."""
    return _read(text)


def _read(text: str) -> Sense | None:
    if not (read := looked_at(text)):
        return "indeterminate" if text else None
    plain = read.casefold().replace("’", "'")
    whole = _WHOLE.get(plain.strip(" .!()\t\r\n"))
    return whole or _together(set(_senses(_TOKEN.findall(plain))), plain)  # type: ignore[return-value]


def _senses(tokens: Sequence[str]) -> Iterator[str]:
    """Of each phrase in its order; `not` takes back what follows it in its clause."""
    terms, place, denied = [each for each in tokens if each != _ARTICLE], 0, False
    while place < len(terms):
        length, sense = _longest(terms, place)
        denied = (denied or sense == "not") and terms[place] not in _CLAUSE_ENDS
        yield "indeterminate" if denied and sense in ("negative", "unsatisfactory") else sense
        place += length


def _longest(terms: Sequence[str], place: int) -> tuple[int, str]:
    for phrase, sense in _PHRASES.get(terms[place], ()):
        if len(phrase) <= len(terms) - place and all(map(_is, phrase, terms[place:])):
            return len(phrase), sense
    return 1, ""


def _is(written: str, term: str) -> bool:
    return written == term or (written == ANY_TERM and term[0].isalpha() and term not in _PHRASES)


def _together(senses: set[str], plain: str) -> str | None:
    """A presence beside anything that speaks against it, and an absence beside anything that leaves it open, are a
    person's to read."""
    if "unsatisfactory" in senses:
        return "indeterminate" if "positive" in senses else "unsatisfactory"
    if "indeterminate" in senses:
        return "indeterminate"
    if "positive" in senses:
        return "indeterminate" if senses & {"negative", "not", "denied"} else "positive"
    if "negative" in senses:
        return "indeterminate" if senses & {"denied", "doubted"} or _MASS.search(plain) else "negative"
    return None

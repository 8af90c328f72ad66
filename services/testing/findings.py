"""What a laboratory found, from the value itself, never from the abnormal flag (domain 4.6).

Order of evidence: coded value, then interpretation code, then number against the laboratory's own cut-off, then text.
An absence that a later one denies is indeterminate, so that no positive is lost behind a flag. What a laboratory judged
is never judged again by cut-offs of our own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

from services.testing.figures import figure_in, looked_at
from services.testing.laboratory import Code, Component
from shared.events.codes import LOINC, SNOMED

Sense = Literal["positive", "negative", "indeterminate", "unsatisfactory"]

CODED: Mapping[tuple[str, str], Sense] = {
    # SNOMED CT qualifiers, domain 4.6 (unverified)
    (SNOMED, "10828004"): "positive",
    (SNOMED, "260373001"): "positive",
    (SNOMED, "260385009"): "negative",
    (SNOMED, "260415000"): "negative",
    (SNOMED, "82334004"): "indeterminate",
    (SNOMED, "419984006"): "indeterminate",
    (SNOMED, "125154007"): "unsatisfactory",
    # LOINC answers (unverified)
    (LOINC, "LA6576-8"): "positive",
    (LOINC, "LA11882-0"): "positive",
    (LOINC, "LA6577-6"): "negative",
    (LOINC, "LA11883-8"): "negative",
    (LOINC, "LA11884-6"): "indeterminate",
}
FLAGS: Mapping[str, Sense] = {
    "POS": "positive",
    "DET": "positive",
    "NEG": "negative",
    "ND": "negative",
    "IND": "indeterminate",
    "E": "indeterminate",
}
"""A, AA, H, HH, N and the like are absent on purpose: laboratories flag any abnormal row (domain 4.6)."""

_LIMIT_WORDS = (
    r"(the )?([ul]?loq|lod|cut-?off|((reporting|detection|quantitation|quantification) )?(limit|level)"
    r"( of (detection|quantitation|quantification))?)"
)
_UNSATISFACTORY = re.compile(
    r"\b(unsatisfactory|rejected|qns|quantity not sufficient|insufficient|not tested|tnp|not performed|not done"
    r"|invalid|adulterated|substituted)\b"
)
_INDETERMINATE = re.compile(r"\b(indeterminate|inconclusive|equivocal|borderline|trace)\b")
_NON_NEGATIVE = re.compile(r"\b(non|not)[ -]*neg(ative)?\b")
_NEGATIVE = re.compile(
    r"\b(neg(ative)?|none?[ -](detected|found|seen|present)|not?[ -]?(detected|present|found|seen)"
    rf"|no \w+ (detected|found)|un-?detected|absent|nd|non-?detect(ed)?|non-?reactive|bdl|blq|bql|bloq|blod)\b"
    rf"|(\bbelow|\bunder|<) ?{_LIMIT_WORDS}\b"
)
_POSITIVE = re.compile(rf"\b(pos(itive)?|detected|present|reactive)\b|(\babove|\bover|>) ?{_LIMIT_WORDS}\b")
_DENIED = re.compile(r"\b(not|no|non|never|false(ly)?|control|excluded|ruled out|(is|was)n't)\b")
"""What takes a presence back (`false positive`, `positive control`): a person is asked, nobody is accused."""
_HEDGED = re.compile(
    r"\b(no longer|can ?not|unable|never|false|fails?|failed|failure|control|exclude[ds]?|unconfirmed|question\w*"
    r"|doubt\w*|suspect\w*|possibl[ey]|probabl[ey]|pending|to follow|repeat\w*|but|however|except|contradict\w*"
    r"|discrepan\w*)\b|n't\b|\?"
    r"|(?<!off)(?<!limit)(?<!value)(?<!level)(?<!threshold)(?<!lo[dq]): ?\d[\d.,]* ?(mc|[munp])g"
)
"""What takes an absence back, or leaves it open (`cannot be reported as negative`); after a colon, a mass."""
_WHOLE: Mapping[str, Sense] = {
    "+": "positive",
    "++": "positive",
    "+++": "positive",
    "-": "negative",
    "none": "negative",
}


def read(component: Component) -> Sense | None:
    """What was found, by this component; None where it does not say, or not in words that are understood."""
    evidence = (
        _by_code(component.values),
        _agreed(_of_flag(each) for each in component.flags),
        _by_number(component.number, component.comparator, component),
        _by_text(component),
    )
    found = [each for each in evidence if each is not None]
    if found and found[0] == "negative" and "positive" in found:
        return "indeterminate"
    return found[0] if found else None


def _of_flag(flag: str) -> Sense | None:
    """A code of the tables above, or a whole word; a letter like A or N says nothing of the analyte."""
    return FLAGS.get(flag.strip().upper()) or CODED.get((SNOMED, flag)) or (sense_of(flag) if len(flag) > 3 else None)


def _agreed(senses: Iterable[Sense | None]) -> Sense | None:
    """What all of them mean; a value that is said twice and differently shows nothing."""
    found = {each for each in senses if each is not None}
    return found.pop() if len(found) == 1 else "indeterminate" if found else None


def _by_code(values: Sequence[Code]) -> Sense | None:
    """By the codes of the tables, a laboratory's own by its words: one that contradicts another is not passed over."""
    return _agreed(_of_code(each) for each in values)


def _of_code(value: Code) -> Sense | None:
    known = CODED.get((value.system, value.code))
    if known is None and "Interpretation" in value.system:
        known = FLAGS.get(value.code)
    return _agreed((known or sense_of(value.code), sense_of(value.display)))


def _by_number(number: Decimal | None, comparator: str, by: Component) -> Sense | None:
    """Below what can be reported is negative; a bare figure is judged only by the laboratory's own cut-off.

    Less than something above the cut-off, or more than something below it, shows nothing.
    """
    if number is None:
        return None
    if number == 0 and not comparator.startswith(">"):
        return "negative"
    match comparator[:1]:
        case "<":
            return "negative" if by.cutoff is None or number <= by.cutoff else "indeterminate"
        case ">":
            return "positive" if by.cutoff is None or number >= by.cutoff else "indeterminate"
        case _ if by.cutoff is None:
            return "indeterminate"
        case _ if number == by.cutoff:
            return by.at_cutoff
        case _:
            return "positive" if number > by.cutoff else "negative"


def _by_text(component: Component) -> Sense | None:
    if figure := figure_in(component.text):
        return _by_number(figure.number, figure.comparator, component)
    return sense_of(component.text)


def sense_of(text: str) -> Sense | None:
    """What a laboratory's words mean; words that say both, or deny what isn't understood, are indeterminate."""
    words = " ".join(looked_at(text).lower().replace("_", " ").split())
    if not words:
        return "indeterminate" if text and not looked_at(text) else None
    if _UNSATISFACTORY.search(words):
        return "unsatisfactory"
    if _INDETERMINATE.search(words):
        return "indeterminate"
    rest, negatives = _NEGATIVE.subn(" ", _NON_NEGATIVE.sub(" positive ", words))
    if negatives and _HEDGED.search(rest):
        return "indeterminate"
    if not _POSITIVE.search(rest):
        return "negative" if negatives else _WHOLE.get(words.rstrip(". "))
    return "indeterminate" if negatives or _DENIED.search(rest) else "positive"

"""What a laboratory found, from the value itself, never from the abnormal flag (domain 4.6).

Order of evidence: coded value, then interpretation code, then number against the laboratory's own cut-off, then text.
An absence that a later one denies is indeterminate, so that no positive is lost behind a flag. What a laboratory judged
is never judged again by cut-offs of our own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from services.testing import tables
from services.testing.reading.figures import figure_in, in_unit
from services.testing.reading.laboratory import Code, Component
from services.testing.reading.phrases import Sense, sense_of
from shared.events.codes import LOINC, SNOMED

_SYSTEMS = {"SCT": SNOMED, "LN": LOINC}
CODED: Mapping[tuple[str, str], Sense] = {
    (_SYSTEMS[system], code): sense for code, (system, sense) in tables.VALUES.items() if system in _SYSTEMS
}
FLAGS: Mapping[str, Sense] = {code: sense for code, (system, sense) in tables.VALUES.items() if system == "flag"}
"""A, AA, H, HH, N and the like are absent on purpose: laboratories flag any abnormal row (domain 4.6)."""

_ABSENCE_AND_FIGURE = re.compile(r"([A-Za-z][A-Za-z -]*?)[\s:,(=-]*([<>]?=?\s*\d[^()]*)\)?")


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
    sense = sense_of(component.text)
    return "indeterminate" if sense == "negative" and _is_denied_by_its_figure(component) else sense


def _is_denied_by_its_figure(component: Component) -> bool:
    """Whether an absence stands before nothing but a figure above the laboratory's own cut-off: `NEGATIVE 5.2 ng/mL`.

    A figure at the cut-off is the cut-off, said again.
    """
    if component.cutoff is None or (found := _ABSENCE_AND_FIGURE.fullmatch(component.text.strip())) is None:
        return False
    phrase, figure = tables.PHRASES.get(" ".join(found[1].casefold().split())), figure_in(found[2])
    if phrase is None or phrase[0] != "negative" or figure is None or figure.comparator.startswith("<"):
        return False
    number = in_unit(figure.number, figure.unit or component.unit, component.unit or figure.unit)
    return number is not None and number > component.cutoff

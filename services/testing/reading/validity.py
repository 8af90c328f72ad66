"""How a specimen (urine) is, row by row: as the laboratory states it, else as the figure shows (domain 4.3). Pure.

What can't be read leaves it unclear: such a specimen shows no absence, and a person is asked. The words are
data/conditions.csv, the names of checks data/validity.csv.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from itertools import chain

from services.testing import tables
from services.testing.reading.contradictions import drugs_named
from services.testing.reading.figures import Figure, looked_at, plain_unit
from services.testing.reading.findings import read
from services.testing.reading.laboratory import TAKEN_BACK, Component
from services.testing.settings import Validity
from services.testing.specimens.checks import GRAVITY, Check, gravest
from shared.events.testing import Condition


def _words_of(conditions: Iterable[str], *where: str) -> Iterator[str]:
    """As patterns: `adulterat*` also within a longer word (`unadulterated` is denied below)."""
    for phrase, (condition, place) in tables.CONDITIONS.items():
        if condition in conditions and place in where:
            plain = re.escape(phrase.removesuffix("*"))
            yield plain if phrase.endswith("*") else rf"\b{plain}\b"


def _pattern(conditions: Iterable[str], *where: str) -> re.Pattern[str]:
    return re.compile("|".join(_words_of(conditions, *where)))


_GRAVE = GRAVITY[GRAVITY.index("dilute") :]
_MEANT = {phrase.removesuffix("*"): condition for phrase, (condition, _) in tables.CONDITIONS.items()}
_OF_A_CHECK = _pattern(_GRAVE, "check", "any")
_OF_A_TEMPERATURE = _pattern(_GRAVE, "check", "any", "temperature")
_OF_ANY_ROW = _pattern(_GRAVE, "any")
_OF_A_REMARK = _pattern(_GRAVE, "any", "remark")
_AS_IT_SHOULD_BE = _pattern(["valid"], "check")
_REMARK = re.compile(
    r"(the )?((specimen|sample|urine)( (is|was|appears|appeared|found|reported))?( to be)?[ :,-]*)?"
    rf"({_OF_A_REMARK.pattern})( (specimen|sample|urine))?[.! ]*"
)
_DENIED_BEFORE = re.compile(r"(\b(no|not|non|none|without)\b[^.;:,]*|\bun)$")
_DENIED_AFTER = re.compile(
    r"(ion|ants?)\W*\b(no|not|none|neg|negative|absent|normal)\b|\w*\s*[:=?]\s*(no|none|n|neg|negative|absent)\W*$"
)
_DENIED = re.compile(r"\b(no|not|non)\b")
_TITLE_DECORATION = re.compile(r"[^a-z]+")


def _naming(analytes: Collection[str]) -> re.Pattern[str]:
    return re.compile(f" ({'|'.join(name for name, each in tables.VALIDITY_TITLES.items() if each in analytes)}) ")


_NAMES_A_CHECK = _naming(frozenset(tables.VALIDITY_TITLES.values()))
_NAMES_AN_OWN_CHECK = _naming((*tables.ADULTERANTS, tables.ANY_CHECK))

_CELSIUS = ("cel", "degc", "[degc]", "°c", "c")
_GRAVITIES = Decimal("0.9"), Decimal("1.1")
"""Between which a specific gravity lies: `1002` is a slip of the pen for 1.002, and can't be read."""
_WITHOUT_UNIT = Decimal(50)
"""A temperature below it and without a unit may be one of either scale, and can't be read."""
_HARDLY = Decimal("0.00001")
"""Less than any of these measures is read to."""


def check_of(analyte: str, component: Component, limits: Validity | None) -> Check:
    """What a row that checks the specimen shows. `limits` are of urine: without them only what is stated counts."""
    words = _OF_A_TEMPERATURE if analyte == "temperature" else _OF_A_CHECK
    stated, figure = _stated(component, words), component.figure
    if stated not in (None, "valid"):
        return stated  # type: ignore[return-value]
    if figure is not None and analyte not in tables.ADULTERANTS:
        return "unclear" if limits is None else _of_figure(analyte, figure, limits)
    return "valid" if stated else _by_sense(analyte, component)


def unmapped_check(component: Component) -> Check:
    """What a row shows that checks the specimen by its name, under a code that nobody knows yet."""
    stated = _stated(component, _OF_A_CHECK)
    return stated if stated not in (None, "valid") else "unmapped"  # type: ignore[return-value]


def stated_by(components: Iterable[Component], remarks: Iterable[str]) -> Condition:
    """What rows that check nothing, and remarks, state of the specimen."""
    standing = (each for each in components if each.status not in (*TAKEN_BACK, "registered"))
    of_rows = (_stated(each, _OF_ANY_ROW) for each in standing)
    of_remarks = (_stated(Component(codes=(), text=each), _OF_A_REMARK) for each in remarks)
    return gravest(each or "valid" for each in chain(of_rows, of_remarks))


def stating_a_condition(remarks: Iterable[str]) -> tuple[str, ...]:
    """Remarks that do nothing but that (`Specimen is dilute.`): in a longer one the same words explain."""
    plain = (" ".join(looked_at(each).casefold().split()) for each in remarks)
    return tuple(each for each in plain if _REMARK.fullmatch(each))


def names_a_check(titles: Iterable[str], *, of_no_other_test: bool = False) -> bool:
    """Whether one of these titles is about how a specimen is, and none of them about a drug (`THC/creatinine`).

    Creatinine, pH and the like are of many tests; adulterants and validity `of_no_other_test`.
    """
    every, named = list(titles), _NAMES_AN_OWN_CHECK if of_no_other_test else _NAMES_A_CHECK
    plain = (f" {' '.join(_TITLE_DECORATION.split(looked_at(each).casefold()))} " for each in every)
    return any(map(named.search, plain)) and not any(map(drugs_named, every))


def _by_sense(analyte: str, component: Component) -> Check:
    """Nitrite alone is no proof without its figure: bacteria make it too."""
    sense, words = read(component), _words(component)
    if sense == "positive" and analyte in tables.ADULTERANTS:
        return "adulterated"
    as_it_should_be = _AS_IT_SHOULD_BE.search(words) and not _DENIED.search(words)
    return "valid" if sense == "negative" or as_it_should_be else "unclear"


def _stated(component: Component, words_of_condition: re.Pattern[str]) -> Condition | None:
    """As the laboratory states it; `valid` where it denies all that it names."""
    words = _words(component)
    named = list(words_of_condition.finditer(words))
    stated = [_MEANT[found[0]] for found in named if not _is_denied(words, found)]
    return gravest(stated) if stated else "valid" if named else None


def _is_denied(words: str, found: re.Match[str]) -> bool:
    """`No adulterants`, `unadulterated`, `Adulteration: none detected`; and never `not normal: adulterated`."""
    return bool(_DENIED_BEFORE.search(words[: found.start()]) or _DENIED_AFTER.match(words[found.end() :]))


def _words(component: Component) -> str:
    return looked_at(" ".join([component.text, *(f"{each.code} {each.display}" for each in component.values)])).lower()


def _of_figure(analyte: str, figure: Figure, limits: Validity) -> Check:
    number, by = _converted(analyte, figure), _BY_FIGURE.get(analyte)
    return "unclear" if number is None or by is None else by(float(number), limits)


def _converted(analyte: str, figure: Figure) -> Decimal | None:
    """In the unit of the limits; `<2` lies below 2 and `>9` above 9."""
    number = figure.number + {"<": -_HARDLY, ">": _HARDLY}.get(figure.comparator, Decimal(0))
    unit = plain_unit(figure.unit)
    if analyte == "specific-gravity" and not _GRAVITIES[0] <= number <= _GRAVITIES[1]:
        return None
    if analyte == "temperature" and unit in _CELSIUS:
        return number * 9 / 5 + 32
    if analyte == "temperature" and not unit and number < _WITHOUT_UNIT:
        return None
    factors = tables.UNITS.get(analyte, {unit: Decimal(1)})
    return number * factors[unit] if unit in factors else None


def _creatinine(mg_dl: float, limits: Validity) -> Check:
    if mg_dl < limits.substituted_creatinine_mg_dl:
        return "very-low"
    return "low" if mg_dl < limits.dilute_creatinine_mg_dl else "valid"


def _specific_gravity(gravity: float, limits: Validity) -> Check:
    if gravity <= limits.substituted_gravity_low:
        return "very-low"
    if gravity >= limits.substituted_gravity_high:
        return "high"
    return "low" if gravity < limits.dilute_gravity else "valid"


def _ph(ph: float, limits: Validity) -> Check:
    if ph < limits.adulterated_ph_low or ph >= limits.adulterated_ph_high:
        return "adulterated"
    return "invalid" if ph < limits.invalid_ph_low or ph >= limits.invalid_ph_high else "valid"


def _nitrite(ug_ml: float, limits: Validity) -> Check:
    return "adulterated" if ug_ml >= limits.adulterated_nitrite_ug_ml else "valid"


def _temperature(fahrenheit: float, limits: Validity) -> Check:
    usual = limits.temperature_low_f <= fahrenheit <= limits.temperature_high_f
    return "valid" if usual else "temperature-out-of-range"


_BY_FIGURE: dict[str, Callable[[float, Validity], Check]] = {
    "creatinine": _creatinine,
    "specific-gravity": _specific_gravity,
    "ph": _ph,
    "nitrite": _nitrite,
    "temperature": _temperature,
}

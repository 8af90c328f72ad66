"""The condition of a specimen (urine): as the laboratory states it, else as its figures show (domain 4.3).

Where neither can be read it is unclear (None): such a specimen shows no absence, and a person is asked.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product

from services.testing import tables
from services.testing.figures import Figure, looked_at, plain_unit
from services.testing.findings import read
from services.testing.laboratory import TAKEN_BACK, Component
from services.testing.settings import Validity
from services.testing.specimens import GRAVITY
from shared.events.codes import LOINC
from shared.events.testing import Condition

_PARTS: tuple[tuple[str, Condition], ...] = (
    ("adulterat", "adulterated"),
    ("substitut", "substituted"),
    ("invalid", "invalid"),
    ("abnormal", "invalid"),
    ("dilut", "dilute"),
)
"""Of words that state a condition; the gravest first."""
_STATED = re.compile("|".join(part for part, _ in _PARTS))
_OF_ANY_ROW = re.compile(r"\b(substituted|adulterated|dilute)\b")
_REMARK = re.compile(
    r"(the )?((specimen|sample|urine)( (is|was|appears|appeared|found|reported))?( to be)?[ :,-]*)?"
    r"(dilute|adulterated|substituted)( (specimen|sample|urine))?[.! ]*"
)
_DENIED_BEFORE = re.compile(r"(\b(no|not|non|none|without)\b[^.;:,]*|\bun)$")
_DENIED_AFTER = re.compile(
    r"(ion|ants?)\W*\b(no|not|none|neg|negative|absent|normal)\b|\w*\s*[:=?]\s*(no|none|n|neg|negative|absent)\W*$"
)
_AS_IT_SHOULD_BE = re.compile(
    r"\b(normal|valid|acceptable|accepted|adequate|ok|pass(ed)?|within|in range|consistent|satisfactory)\b"
)
_DENIED = re.compile(r"\b(no|not|non)\b")

_CELSIUS = ("cel", "degc", "[degc]", "°c", "c")
_GRAVITIES = Decimal("0.9"), Decimal("1.1")
"""Between which a specific gravity lies: `1002` is a slip of the pen for 1.002, and can't be read."""
_HARDLY = Decimal("0.00001")
"""Less than any of these measures is read to."""


def condition_of(
    measured: Iterable[tuple[str, Component]], limits: Validity | None, *, rejected: bool
) -> Condition | None:
    """From the components of a specimen, each with what it measures; None where its validity is unclear.

    `limits` are of urine: without them only what the laboratory states counts.
    """
    if rejected:
        return "rejected-unsatisfactory"
    stated: list[Condition | None] = []
    figures: dict[str, list[Decimal]] = {}
    for analyte, component in measured:
        found = _judged(analyte, component, limits)
        if isinstance(found, Decimal):
            figures.setdefault(analyte, []).append(found)
        else:
            stated.append(found)
    if (condition := _gravest(stated)) not in (None, "valid") or limits is None:
        return condition
    return _gravest([*stated, *_by_all_figures(figures, limits)])


def stating_a_condition(remarks: Iterable[str]) -> tuple[str, ...]:
    """Remarks that do nothing but that (`Specimen is dilute.`): in a longer one the same words explain."""
    plain = (" ".join(looked_at(each).casefold().split()) for each in remarks)
    return tuple(each for each in plain if _REMARK.fullmatch(each))


def may_judge(component: Component) -> bool:
    """Whether a row may say how its specimen is: a check, a row under a code of no table, or one whose words say it."""
    known = [tables.LOINC[each.code] for each in component.codes if each.system == LOINC and each.code in tables.LOINC]
    unknown = not known or any(each.kind == "validity" for each in known)
    return unknown or _OF_ANY_ROW.search(_words(component)) is not None


def _gravest(found: Iterable[Condition | None]) -> Condition | None:
    """The gravest of what is stated; else unclear, where one is."""
    every = set(found)
    gravest: Condition = max((each for each in every if each is not None), key=GRAVITY.index, default="valid")
    return None if gravest == "valid" and None in every else gravest


def _by_all_figures(figures: Mapping[str, Sequence[Decimal]], limits: Validity) -> Iterator[Condition | None]:
    """Of a measure that was taken twice, its lowest and its highest figure, each with each of the others."""
    extremes = [[(name, min(each)), (name, max(each))] for name, each in figures.items()]
    yield from (by_figures(dict(chosen), limits) for chosen in product(*extremes))


def _judged(analyte: str, component: Component, limits: Validity | None) -> Condition | Decimal | None:
    """What one row says of the specimen: a condition, a figure that says it with others, or nothing that is clear."""
    if component.status in (*TAKEN_BACK, "registered"):
        return "valid"
    if tables.family_of(analyte) != "validity":
        return _stated(component, _OF_ANY_ROW) or "valid"
    stated = _stated(component, _STATED)
    if stated in (None, "valid") and analyte not in tables.ADULTERANTS and (figure := component.figure) is not None:
        return None if limits is None else _of_figure(analyte, figure, limits)
    return stated or _by_sense(analyte, component)


def is_unclear(analyte: str, component: Component, limits: Validity | None) -> bool:
    """Whether a check says nothing that is understood."""
    return _judged(analyte, component, limits) is None


def _by_sense(analyte: str, component: Component) -> Condition | None:
    """Nitrite alone is no proof without its figure: bacteria make it too."""
    sense, words = read(component), _words(component)
    if sense == "positive" and analyte in tables.ADULTERANTS:
        return "adulterated"
    as_it_should_be = _AS_IT_SHOULD_BE.search(words) and not _DENIED.search(words)
    return "valid" if sense == "negative" or as_it_should_be else None


def _of_figure(analyte: str, figure: Figure, limits: Validity) -> Condition | Decimal | None:
    number = _converted(analyte, figure)
    if number is None or analyte != "nitrite":
        return number
    return "adulterated" if number >= Decimal(str(limits.adulterated_nitrite_ug_ml)) else "valid"


def _stated(component: Component, words_of_condition: re.Pattern[str]) -> Condition | None:
    """As the laboratory states it; `valid` where it denies all that it names."""
    words = _words(component)
    named = list(words_of_condition.finditer(words))
    stated = [found[0] for found in named if not _is_denied(words, found)]
    gravest = next((condition for part, condition in _PARTS if any(part in each for each in stated)), None)
    return "valid" if named and not stated else gravest


def _is_denied(words: str, found: re.Match[str]) -> bool:
    """`No adulterants`, `unadulterated`, `Adulteration: none detected`; and never `not normal: adulterated`."""
    return bool(_DENIED_BEFORE.search(words[: found.start()]) or _DENIED_AFTER.match(words[found.end() :]))


def _words(component: Component) -> str:
    return looked_at(" ".join([component.text, *(f"{each.code} {each.display}" for each in component.values)])).lower()


def _converted(analyte: str, figure: Figure) -> Decimal | None:
    """In the unit of the limits; `<2` lies below 2 and `>9` above 9."""
    number = figure.number + {"<": -_HARDLY, ">": _HARDLY}.get(figure.comparator, Decimal(0))
    unit = plain_unit(figure.unit)
    if analyte == "specific-gravity" and not _GRAVITIES[0] <= number <= _GRAVITIES[1]:
        return None
    if analyte == "temperature" and unit in _CELSIUS:
        return number * 9 / 5 + 32
    factors = tables.UNITS.get(analyte, {unit: Decimal(1)})
    return number * factors[unit] if unit in factors else None


def by_figures(figures: Mapping[str, Decimal], limits: Validity) -> Condition | None:
    """The gravest of what pH, temperature (degrees Fahrenheit), creatinine (mg/dL) and specific gravity show.

    None where nothing is wrong but one of the latter two, alone, is low.
    """
    temperature = _float(figures, "temperature")
    too_warm_or_cold = (
        temperature is not None and not limits.temperature_low_f <= temperature <= limits.temperature_high_f
    )
    return _gravest(
        (
            _by_ph(_float(figures, "ph"), limits),
            "temperature-out-of-range" if too_warm_or_cold else "valid",
            _by_concentration(_float(figures, "creatinine"), _float(figures, "specific-gravity"), limits),
        )
    )


def _by_concentration(creatinine: float | None, gravity: float | None, limits: Validity) -> Condition | None:
    if creatinine is not None and gravity is not None:
        return _by_both(creatinine, gravity, limits)
    low = creatinine is not None and creatinine < limits.dilute_creatinine_mg_dl
    return None if low or (gravity is not None and gravity < limits.dilute_gravity) else "valid"


def _by_both(creatinine: float, gravity: float, limits: Validity) -> Condition:
    if creatinine < limits.substituted_creatinine_mg_dl:
        outside = gravity <= limits.substituted_gravity_low or gravity >= limits.substituted_gravity_high
        return "substituted" if outside else "invalid"
    if gravity <= limits.substituted_gravity_low:
        return "invalid"
    if creatinine < limits.dilute_creatinine_mg_dl and gravity < limits.dilute_gravity:
        return "dilute"
    return "valid"


def _by_ph(ph: float | None, limits: Validity) -> Condition:
    if ph is None:
        return "valid"
    if ph < limits.adulterated_ph_low or ph >= limits.adulterated_ph_high:
        return "adulterated"
    return "invalid" if ph < limits.invalid_ph_low or ph >= limits.invalid_ph_high else "valid"


def _float(figures: Mapping[str, Decimal], name: str) -> float | None:
    return float(figures[name]) if name in figures else None

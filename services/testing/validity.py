"""The condition of a specimen (urine): as the laboratory states it, else as its figures show (domain 4.3)."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from services.testing.laboratory import Component
from services.testing.settings import Validity
from shared.events.testing import Condition

_WORDS_OF_CONDITION: tuple[tuple[str, Condition], ...] = (
    ("substitut", "substituted"),
    ("adulterat", "adulterated"),
    ("dilut", "dilute"),
    ("invalid", "invalid"),
    ("abnormal", "invalid"),
)


UNITS: Mapping[str, tuple[str, ...]] = {
    "creatinine": ("", "mg/dl"),
    "temperature": ("", "[degf]", "degf", "f"),
}
"""In which the limits are; a figure in any other is not judged, never converted."""
_NEGATED = re.compile(r"\b(no|not|non|without|un(?=adulterat|dilut|substitut))")
_HARDLY = Decimal("0.00001")
"""Less than any of these measures is read to."""


def condition_of(measured: Iterable[tuple[str, Component]], limits: Validity, *, rejected: bool) -> Condition:
    """From the validity measures of a specimen, each with its analyte."""
    if rejected:
        return "rejected-unsatisfactory"
    figures: dict[str, Decimal] = {}
    for analyte, component in measured:
        if (stated := _stated(component)) is not None:
            return stated
        if component.number is not None and component.unit.lower() in UNITS.get(analyte, (component.unit.lower(),)):
            figures[analyte] = _bounded(component.comparator, component.number)
    return by_figures(figures, limits)


def _stated(component: Component) -> Condition | None:
    """As the laboratory states it; where it denies something, the figures judge."""
    words = " ".join([component.text, *(f"{each.code} {each.display}" for each in component.values)]).lower()
    if _NEGATED.search(words):
        return None
    return next((condition for part, condition in _WORDS_OF_CONDITION if part in words), None)


def _bounded(comparator: str, number: Decimal) -> Decimal:
    """`<2` lies below 2 and `>9` above 9."""
    return number + {"<": -_HARDLY, ">": _HARDLY}.get(comparator, Decimal(0))


def by_figures(figures: Mapping[str, Decimal], limits: Validity) -> Condition:
    """Creatinine in mg/dL, specific gravity, pH, temperature in degrees Fahrenheit; what is missing is not judged."""
    creatinine, gravity = _float(figures, "creatinine"), _float(figures, "specific-gravity")
    if (ph := _by_ph(_float(figures, "ph"), limits)) is not None:
        return ph
    temperature = _float(figures, "temperature")
    if temperature is not None and not limits.temperature_low_f <= temperature <= limits.temperature_high_f:
        return "invalid"
    if creatinine is None or gravity is None:
        return "valid"
    return _by_concentration(creatinine, gravity, limits)


def _by_concentration(creatinine: float, gravity: float, limits: Validity) -> Condition:
    if creatinine < limits.substituted_creatinine_mg_dl:
        outside = gravity <= limits.substituted_gravity_low or gravity >= limits.substituted_gravity_high
        return "substituted" if outside else "invalid"
    if gravity <= limits.substituted_gravity_low:
        return "invalid"
    if creatinine < limits.dilute_creatinine_mg_dl and gravity < limits.dilute_gravity:
        return "dilute"
    return "valid"


def _by_ph(ph: float | None, limits: Validity) -> Condition | None:
    if ph is None:
        return None
    if ph < limits.adulterated_ph_low or ph >= limits.adulterated_ph_high:
        return "adulterated"
    return "invalid" if ph < limits.invalid_ph_low or ph >= limits.invalid_ph_high else None


def _float(figures: Mapping[str, Decimal], name: str) -> float | None:
    return float(figures[name]) if name in figures else None

"""The code tables, loaded once: LOINC to analyte, analyte to kin and family, RxNorm to ingredient and what it explains.

They are data with a source on each line; a toxicologist reviews them, a program extends them.
"""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from shared.events.testing import UNMAPPED as UNMAPPED
from shared.events.testing import Condition
from shared.platform.tables import Row, by_key

T = TypeVar("T")
Kind = Literal["presence", "quantitative", "ratio", "absence", "validity", "cutoff", "panel", "method"]
Family = Literal["opioid", "sedative", "alcohol", "stimulant", "cannabinoid", "hallucinogen", "validity"]

AtLimit = Literal["positive", "negative", "indeterminate"]
ValueSense = Literal["positive", "negative", "indeterminate", "unsatisfactory"]
METHODS = ("presumptive", "definitive")
PhraseSense = Literal[
    "positive", "negative", "indeterminate", "unsatisfactory", "limit", "aside", "not", "denied", "doubted"
]
"""What a phrase says of a drug; that it names a laboratory's limit, or speaks of something else; how it takes back."""


class Measure(msgspec.Struct, frozen=True):
    """What a LOINC code measures. `absence` codes name what was not found: only a negative value makes sense there.

    A `ratio` is normalised to creatinine: its rise can show new use where a presence can't.
    """

    analyte: str
    kind: Kind
    definitive: bool
    unit: str = ""
    """Of a check under a laboratory's own code: its figures' unit, where a row has none."""


class Analyte(msgspec.Struct, frozen=True):
    """`kin` share one residual window (a drug and its metabolites); `family` decides the tier of an escalation."""

    metabolite_group: str
    family: Family


class Ingredient(msgspec.Struct, frozen=True):
    """An RxNorm ingredient and the analytes its use explains, metabolites included (domain 4.4)."""

    rxnorm: str
    name: str
    explains: frozenset[str]


class Cover(msgspec.Struct, frozen=True):
    """What a screen, or a LOINC code for several analytes, may have found.

    A definitive method refutes it that looked for all of `analytes` and found none; what few panels hold (`upheld_by`)
    upholds it where it was found.
    """

    analytes: frozenset[str]
    upheld_by: frozenset[str]


def _by_key(name: str, key: str, read: Callable[[Row], T]) -> dict[str, T]:
    return by_key(Path(__file__).parent / "data" / name, key, read)


def _names(column: str) -> Callable[[Row], frozenset[str]]:
    """What stands in this column, one name after the other."""
    return lambda row: frozenset(row[column].split())


def _measure(row: Row) -> Measure:
    measure = {"analyte": row["analyte"], "kind": row["kind"], "definitive": row["method"] == "definitive"}
    return msgspec.convert(measure, Measure)


def _analyte(row: Row) -> Analyte:
    return msgspec.convert({"metabolite_group": row["metabolite_group"], "family": row["family"]}, Analyte)


def _phrase(row: Row) -> tuple[PhraseSense, Literal["whole", "within"]]:
    return msgspec.convert((row["sense"], row["where"]), tuple[PhraseSense, Literal["whole", "within"]])


def _condition(row: Row) -> tuple[Condition, str]:
    return msgspec.convert(
        (row["condition"], row["where"]), tuple[Condition, Literal["any", "remark", "check", "temperature"]]
    )


def _value(row: Row) -> tuple[str, ValueSense]:
    return msgspec.convert((row["system"], row["sense"]), tuple[Literal["SCT", "LN", "flag"], ValueSense])


LOINC: dict[str, Measure] = _by_key("loinc.csv", "code", _measure)
ANALYTES: dict[str, Analyte] = _by_key("analytes.csv", "analyte", _analyte)
COVERS: dict[str, Cover] = _by_key(
    "covers.csv", "name", lambda row: Cover(_names("analytes")(row), _names("upheld_by")(row))
)
"""By the analyte of a screen, or by a LOINC code for several analytes."""
CLASSES = (
    "amphetamines",
    "barbiturates",
    "benzodiazepines",
    "cannabinoids",
    "opiates",
    "cathinone",
    "synthetic-cannabinoid",
)
"""Analytes that stand for any of their metabolite group."""
INGREDIENTS: dict[str, Ingredient] = _by_key(
    "ingredients.csv", "rxnorm", lambda row: Ingredient(row["rxnorm"], row["name"], _names("explains")(row))
)
PRODUCTS: dict[str, tuple[str, ...]] = _by_key("products.csv", "rxnorm", lambda row: tuple(row["ingredients"].split()))
DEPOTS: frozenset[str] = frozenset(_by_key("depots.csv", "rxnorm", lambda row: row["form"]))
"""Products that somebody gives for weeks or months at once: an injection that forms a depot, an implant."""
DEPOT_ROUTES = ("implant", "subcutaneous")
"""Routes of MedicationsRecorded by which buprenorphine is given as a depot."""
ORDINARY: frozenset[str] = frozenset(_by_key("ordinary.csv", "rxnorm", lambda row: row["name"]))
"""Ingredients that no cross-reactivity list cited in these tables names: beside a positive they ask for nothing."""
CROSS_REACTIVE: dict[str, frozenset[str]] = _by_key("cross_reactive.csv", "rxnorm", _names("metabolite_groups"))
"""Ingredients that a published list names, and the metabolite groups that an immunoassay may take them for."""
ORIGINS: dict[str, frozenset[str]] = _by_key("origins.csv", "rxnorm", _names("analytes"))
"""Ingredients that may themselves leave an analyte that is a drug's too, in a way that only a laboratory can tell apart
(isomers, traces): a definitive method that finds it confirms no use."""
TAKEN_FOR_OTHERS: frozenset[str] = frozenset({*CROSS_REACTIVE, *ORIGINS})
"""Ingredients of which it is known what else they may be found as, besides what they explain."""
LEAVES: dict[str, frozenset[str]] = _by_key("leaves.csv", "drug", _names("leaves"))
"""What a drug that nobody prescribes leaves behind for longer than it stays itself."""
FOODS: dict[str, frozenset[str]] = _by_key("foods.csv", "analyte", _names("unless"))
"""Analytes that a food makes urine positive for, and what is found beside them where it was no food."""
VALIDITY_TITLES: dict[str, str] = _by_key("validity.csv", "title", lambda row: row["analyte"])
"""Under which names laboratories write what they check of a specimen, where they have no LOINC code for it."""
PHRASES: dict[str, tuple[PhraseSense, str]] = _by_key("phrases.csv", "phrase", _phrase)
"""What laboratories write, in small letters and without hyphens, and whether it must be the whole field."""
CONDITIONS: dict[str, tuple[Condition, str]] = _by_key("conditions.csv", "phrase", _condition)
"""What laboratories write of a specimen, the condition it means, and in what: `any` row or remark, a `remark`, a row
that is a `check`, or of a `temperature`."""
VALUES: dict[str, tuple[str, ValueSense]] = _by_key("values.csv", "code", _value)
"""Public codes of what was found, with their system (SCT, LN, or `flag` of OBX-8 and of an interpretation)."""
SPOKEN: dict[str, str] = _by_key("spoken.csv", "name", lambda row: row["analyte"])
"""What laboratories write in a title besides the names of the analytes."""
NO_DRUG_TESTS: frozenset[str] = frozenset(_by_key("no_drug_tests.csv", "code", lambda row: row["name"]))
"""LOINC codes of other fields that feeds of laboratories send along, or by mistake."""
RANGES: dict[str, AtLimit] = _by_key("ranges.csv", "form", lambda row: msgspec.convert(row["at_limit"], AtLimit))
"""Forms of a reference range that states a cut-off, `#` for it, and what a figure at the cut-off itself shows."""
MATRICES: dict[str, str] = _by_key("matrices.csv", "written", lambda row: row["matrix"])
"""What a specimen is (urine, oral fluid, hair ...), by the codes and words that laboratories write it with."""
UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "creatinine": {
        "": Decimal(1),
        "mg/dl": Decimal(1),
        "ug/ml": Decimal("0.1"),
        "g/l": Decimal(100),
        "mmol/l": Decimal("11.312"),
        "umol/l": Decimal("0.011312"),
    },
    "nitrite": {
        "": Decimal(1),
        "ug/ml": Decimal(1),
        "mg/dl": Decimal(10),
        "ng/ml": Decimal("0.001"),
        "mg/ml": Decimal(1000),
        "g/l": Decimal(1000),
    },
    "temperature": {"": Decimal(1), "[degf]": Decimal(1), "degf": Decimal(1), "°f": Decimal(1), "f": Decimal(1)},
}
"""What a figure is multiplied by to be in the limits' unit: creatinine in mg/dL (113.12 g/mol), nitrite in mcg/mL,
temperature in degrees Fahrenheit. A figure in any other unit can't be read."""
ANY_CHECK = "specimen-validity"
"""The analyte of a check that is none of the others."""
LONG_LOOK_BACK = ("hair", "nail", "meconium")
"""They show use within months and not when (hair: up to 90 days, domain 4.1), so that no window counts from them."""
ADULTERANTS = ("adulterant", "oxidant")
"""What no urine holds of itself: found, the specimen is adulterated."""

BUPRENORPHINE, METHADONE = "1819", "6813"
MAINTENANCE: dict[str, tuple[str, str]] = {
    BUPRENORPHINE: ("buprenorphine", "norbuprenorphine"),
    METHADONE: ("methadone", "eddp"),
}
"""Medications for opioid use disorder whose absence matters: ingredient to parent drug and metabolite (domain 4.1)."""


def meant(meaning: str) -> Measure | None:
    """What a program maps a laboratory's own code to: a LOINC code, or an analyte with its method, where no LOINC code
    is verified (`xylazine definitive`) or, of a check of the specimen, its unit (`creatinine mg/dL`)."""
    name, _, method = meaning.partition(" ")
    if method and method.casefold().replace("mcg", "ug") in UNITS.get(name, ()):
        return Measure(name, "validity", False, method)
    if name in ANALYTES and method in METHODS:
        return Measure(name, "validity" if family_of(name) == "validity" else "presence", method == "definitive")
    return LOINC.get(meaning)


def ingredients_of(rxnorm: str) -> tuple[str, ...]:
    """The known ingredients of an RxNorm code (an ingredient's own code or a product's); none where it is unknown."""
    return (rxnorm,) if is_known(rxnorm) else PRODUCTS.get(rxnorm, ())


def is_depot(rxnorm: str, route: str | None) -> bool:
    """Whether the product or the route says that it was given as a depot; either is enough not to accuse anybody."""
    return rxnorm in DEPOTS or route in DEPOT_ROUTES


def is_known(ingredient: str) -> bool:
    """Whether it is known what its use explains, or that it is ordinary."""
    return ingredient in INGREDIENTS or ingredient in ORDINARY


def stood_for(code: str, analyte: str) -> frozenset[str]:
    """The analytes that a row of this LOINC code may have found: of a screen, or a code for several, each of them."""
    cover = _cover(code, analyte)
    return cover.analytes if cover else frozenset({analyte})


def upholding(code: str, analyte: str) -> frozenset[str]:
    """The analytes of which any, where a definitive method found it, is what such a row may have found."""
    cover = _cover(code, analyte)
    return cover.analytes | cover.upheld_by if cover else frozenset({analyte})


def _cover(code: str, analyte: str) -> Cover | None:
    return COVERS.get(code) or COVERS.get(analyte)


def looked_for(code: str, analyte: str) -> frozenset[str]:
    """The analytes that a definitive row of this LOINC code looked for."""
    return COVERS[code].analytes if code in COVERS else frozenset({analyte})


def is_absent(code: str, analyte: str, absent: Collection[str]) -> bool:
    """Whether these absences are of all that such a row may have found; a class may be absent as such."""
    return stood_for(code, analyte) <= set(absent) or (analyte in CLASSES and analyte in absent)


def may_explain(ingredient: str, analyte: str) -> bool:
    """Whether a published list says that an immunoassay of this analyte's group may take the ingredient for it."""
    known = ANALYTES.get(analyte)
    return known is not None and known.metabolite_group in CROSS_REACTIVE.get(ingredient, ())


def may_leave(ingredient: str, analyte: str) -> bool:
    """Whether the ingredient may itself leave the analyte, so that finding it by any method does not show a drug."""
    return analyte in ORIGINS.get(ingredient, ())


def is_asked_about(taken: str, analyte: str, *, definitive: bool) -> bool:
    """Whether a person reviews it beside such a positive.

    Of what a table names only where it may leave the analyte, or an immunoassay may take it for that; of what none
    names always, for nobody knows. What was unknown when it was listed may be known by now.
    """
    return any(_may_be_behind(each, analyte, definitive) for each in ingredients_of(taken) or (taken,))


def _may_be_behind(ingredient: str, analyte: str, definitive: bool) -> bool:
    if ingredient not in TAKEN_FOR_OTHERS:
        return not is_known(ingredient)
    return may_leave(ingredient, analyte) or (not definitive and may_explain(ingredient, analyte))


def is_in_food(analyte: str, found: Collection[str]) -> bool:
    """Whether a food may have made urine positive for it, with all that was found in it."""
    unless = FOODS.get(analyte)
    return unless is not None and unless.isdisjoint(found)


def family_of(analyte: str) -> Family | None:
    """None for an unmapped analyte."""
    known = ANALYTES.get(analyte)
    return None if known is None else known.family


def drugs() -> set[str]:
    """The names of all analytes that are drugs or their metabolites."""
    return {name for name, analyte in ANALYTES.items() if analyte.family != "validity"}

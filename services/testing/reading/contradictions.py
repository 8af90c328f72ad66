"""A public code that its own row contradicts: by a title of another drug, or by a result where the code has none. Pure.

Laboratories map their tests to LOINC by hand, and slip by a line. Such a row is a question to a person, once for each
laboratory and code; a positive one counts meanwhile as the graver of the two, and an absence as nothing.
"""

import re
from functools import lru_cache

import msgspec

from services.testing import tables
from services.testing.reading.figures import figure_in
from services.testing.reading.findings import read
from services.testing.reading.laboratory import Component
from services.testing.specimens import groups_of

NO_RESULT = ("cutoff", "panel", "method")
"""Kinds of codes that name no result: a cut-off, a method, a panel's heading."""
_GRAVEST = ("opioid", "sedative", "alcohol")
"""Families in whose favour it is decided which of two a positive is of: what suppresses breathing."""
_RELATED = (
    {"fentanyl", "fentanyl-analogue", "synthetic-opioid", "nitazene"},
    {"opiates", "heroin", "hydrocodone", "oxycodone"},
    {"amphetamine", "mdma", "cathinone"},
    {"cannabinoid", "synthetic-cannabinoid"},
)
"""Metabolite groups whose drugs are named after each other (acetyl fentanyl, methylenedioxy-methamphetamine)."""
_NAMES = {
    re.sub("[ -]", "", name): analyte
    for name, analyte in ({each: each for each in tables.drugs()} | tables.SPOKEN).items()
}
_DRUGS = re.compile(
    rf"\b({'|'.join(sorted(tables.drugs() | set(tables.SPOKEN), key=len, reverse=True)).replace('-', '[ -]?')})s?\b"
)


TITLE_CHARACTERS_MOST = 256
"""Of a title are looked at, and remembered."""


def drugs_named(title: str) -> frozenset[str]:
    """The analytes that a title names."""
    return _drugs_in(title[:TITLE_CHARACTERS_MOST])


@lru_cache(maxsize=4096)
def _drugs_in(title: str) -> frozenset[str]:
    found = _DRUGS.findall(title.lower().replace("_", " "))
    return frozenset(_NAMES[re.sub("[ -]", "", each)] for each in found)


def is_contradicted(component: Component, measure: tables.Measure) -> bool:
    """Whether the row itself says that this is not what it measures."""
    if measure.kind in NO_RESULT:
        return _shows_a_result(component)
    if measure.kind == "validity":
        return False
    found = {_agrees(each.display[:TITLE_CHARACTERS_MOST], measure.analyte) for each in component.codes}
    return False in found and True not in found


def graver(component: Component, measure: tables.Measure) -> tables.Measure | None:
    """What a positive of a contradicted row is taken for; None where it shows no positive."""
    if read(component) != "positive":
        return None
    candidates = [*sorted(_named(component)), measure.analyte]
    families = [*_GRAVEST, *(tables.family_of(each) for each in candidates)]
    analyte = min(candidates, key=lambda each: families.index(tables.family_of(each)))
    return tables.Measure(analyte, "presence", definitive=False)


def _named(component: Component) -> frozenset[str]:
    return frozenset().union(*(drugs_named(each.display) for each in component.codes))


@lru_cache(maxsize=4096)
def _agrees(title: str, analyte: str) -> bool | None:
    """Whether a title names the drug, or another one; None where it names none."""
    named = drugs_named(title)
    return any(_agree(each, analyte) for each in named) if named else None


def _agree(one: str, other: str) -> bool:
    """Of one metabolite group, or of groups whose drugs are named after each other."""
    groups = groups_of([one, other])
    return len(groups) == 1 or any(groups <= related for related in _RELATED)


def _shows_a_result(component: Component) -> bool:
    """In words or codes, or as a figure beside a cut-off of its own: a cut-off itself is a bare figure."""
    if component.figure is not None and component.cutoff is not None:
        return True
    worded = component.text if figure_in(component.text) is None else ""
    return read(msgspec.structs.replace(component, number=None, text=worded)) is not None

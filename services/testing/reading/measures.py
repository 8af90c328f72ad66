"""What a component measures, by its code, and whether a report is about drugs at all (domain 4.5).

A code that no table knows is a question to a person, once for each laboratory and code; nothing is passed over.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from services.testing import tables
from services.testing.reading.contradictions import drugs_named, graver, is_contradicted
from services.testing.reading.laboratory import TAKEN_BACK, Code, Component, LaboratoryReport
from services.testing.reading.validity import names_a_check
from services.testing.settings import WITHOUT_RESULT, Settings
from shared.events.codes import LOINC, SNOMED

CODE_CHARACTERS_MOST = 64
Topic = Literal["drug-test", "other", "unknown"]
"""`other` is certainly no drug test: every code is known to be none. Under any other code it may be one."""

_DRUG_TEST = re.compile(
    r"\b(drugs? (of abuse|screen|test|panel)|toxicology|tox screen|uds|controlled substance|substance abuse)\b"
)
_TITLE_DECORATION = re.compile(r"[^a-z ]|\b(urine|ur|u|specimen|sample|random|level|test|check|total)\b")


class Measured(NamedTuple):
    """The code to store, what it measures (None where no table knows it), and whether the program ignores it.

    `questioned` is a code that its row contradicts: a person is asked whatever it is taken for meanwhile.
    """

    code: Code
    measure: tables.Measure | None
    ignored: bool = False
    questioned: bool = False


def measure_of(component: Component, client: str, settings: Settings) -> Measured:
    """By LOINC code; by the program's map of a laboratory's own; by the table of codes of other fields; by a LOINC code
    without its system; by its title."""
    for code in component.codes:
        if code.system == LOINC and code.code in tables.LOINC:
            measure = tables.LOINC[code.code]
            if not is_contradicted(component, measure):
                return Measured(code, measure)
    for code in component.codes:
        mapped = meaning_of(code.code, client, settings)
        if mapped is not None:
            return Measured(code, tables.meant(mapped), mapped in WITHOUT_RESULT)
    if _is_no_drug_test(component):
        return Measured(component.codes[0], None, ignored=True)
    return _unsystematic(component) or Measured(component.codes[0] if component.codes else Code("unknown"), None)


def meaning_of(code: str, client: str, settings: Settings) -> str | None:
    """What the program's map says of a laboratory's own code: what it measures (`tables.meant`), or WITHOUT_RESULT."""
    own = plain(code)
    return settings.local_codes.get(f"{client}|{own}") or settings.local_codes.get(own)


def _unsystematic(component: Component) -> Measured | None:
    """Some laboratories leave LOINC's name out, and write what they check of a specimen under its plain name."""
    for code in component.codes:
        if code.system != SNOMED and code.code in tables.LOINC:
            measure, public = tables.LOINC[code.code], Code(code.code, LOINC, code.display)
            if is_contradicted(component, measure):
                return Measured(public, graver(component, measure), questioned=True)
            return Measured(public, measure)
    for code in component.codes:
        for title in (code.display, code.code):
            analyte = tables.VALIDITY_TITLES.get(" ".join(_TITLE_DECORATION.sub(" ", title.lower()).split()))
            if analyte is not None and code.system != LOINC:
                return Measured(code, tables.Measure(analyte, "validity", False))
    return None


def is_check(measured: Measured, component: Component) -> bool:
    """Whether the row checks the specimen: by its code, or by its name where nobody knows the code."""
    if measured.measure is not None:
        return measured.measure.kind == "validity"
    return not measured.ignored and names_a_check(
        title for each in component.codes for title in (each.display, each.code)
    )


def topic_of(report: LaboratoryReport, client: str, settings: Settings) -> Topic:
    """By a component, by its panel's code, by the panel's title, or by a drug's name. A panel that is named after the
    validity of a specimen is of a drug test: no other asks for it."""
    measured = [measure_of(each, client, settings) for each in report.components]
    known = (*(each.measure for each in measured), *(tables.LOINC.get(each.code) for each in report.panel))
    if any(each is not None and each.kind != "validity" for each in known) or any(each.questioned for each in measured):
        return "drug-test"
    named = (*report.panel, *(code for each in report.components for code in each.codes))
    titles = [title.lower() for each in report.panel for title in (each.display, each.code)]
    if (
        any(map(_DRUG_TEST.search, titles))
        or _is_of_validity(titles, measured)
        or any(drugs_named(each.display) for each in named)
    ):
        return "drug-test"
    return "unknown" if any(each.measure is None and not each.ignored for each in measured) else "other"


def _is_of_validity(titles: Iterable[str], measured: Iterable[Measured]) -> bool:
    checks = any(each.measure is not None and each.measure.kind == "validity" for each in measured)
    return checks and names_a_check(titles, of_no_other_test=True)


def questions(report: LaboratoryReport, client: str, settings: Settings) -> Iterator[str]:
    """The codes of this report that a person has to say the meaning of."""
    return (code for code, _ in questioned(report, client, settings))


def questioned(report: LaboratoryReport, client: str, settings: Settings) -> Iterator[tuple[str, Component]]:
    """Each row whose code a person has to say the meaning of, with that code."""
    if topic_of(report, client, settings) == "other":
        return
    for component in report.components:
        measured = measure_of(component, client, settings)
        unclear = measured.measure is None or measured.questioned
        if unclear and not measured.ignored and component.status not in TAKEN_BACK:
            yield plain(measured.code.code), component


def _is_no_drug_test(component: Component) -> bool:
    """Whether a public code says so, and no title speaks of a drug."""
    codes = component.codes
    of_another_field = any(each.system in (LOINC, "") and each.code in tables.NO_DRUG_TESTS for each in codes)
    return of_another_field and not any(drugs_named(each.display) for each in codes)


def plain(code: str) -> str:
    """A laboratory's own code as FHIR allows one: single spaces inside, none around, and not a novel."""
    return " ".join(code.split())[:CODE_CHARACTERS_MOST] or "unknown"

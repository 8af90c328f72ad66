"""What a laboratory found: by component, from the value itself, never from the abnormal flag (domain 4.5, 4.6).

Order of evidence: coded value, then interpretation code, then number against the laboratory's own cut-off, then text.
What a laboratory judged is never judged again by cut-offs of our own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

from services.testing import tables
from services.testing.laboratory import Code, Component, LaboratoryReport, report_id, specimen_id
from services.testing.messages import Observed, ReportResult
from services.testing.settings import Settings
from services.testing.validity import condition_of
from shared.events.codes import LOINC
from shared.events.testing import Condition, ResultFinding

CODE_CHARACTERS_MOST = 64
TAKEN_BACK = ("cancelled", "entered-in-error")
COMPONENTS_MOST = 300
"""Of one report: each becomes an Observation of about a kilobyte in one record, and Kafka takes a megabyte."""


class TooManyComponents(Exception):
    """No laboratory measures so much in one specimen; such a record would stop everybody's topic."""


Sense = Literal["positive", "negative", "indeterminate", "unsatisfactory"]

SNOMED = "http://snomed.info/sct"
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

_UNSATISFACTORY = re.compile(r"\b(unsatisfactory|rejected|qns|quantity not sufficient|insufficient|not tested|tnp)\b")
_INDETERMINATE = re.compile(r"\b(indeterminate|inconclusive|equivocal|borderline)\b")
_NEGATIVE = re.compile(
    r"\b(neg(ative)?|none? detected|not? (detected|present|found)|no \w+ detected|un-?detected|absent|nd|non-?detected"
    r"|non-?reactive|below (the )?(cut-?off|limit)( of detection)?)\b"
)
_POSITIVE = re.compile(r"\b(pos(itive)?|detected|present|reactive|above (the )?cut-?off)\b")
_NEGATED = re.compile(r"\b(not|no|non|never)\b")
_NUMBER = re.compile(r"^\s*(<=?|>=?)?\s*(\d+(?:\.\d+)?)\s*([a-z%/]*)\s*$")
_CUTOFF = re.compile(r"^\s*(?:<|cut-?off:?)\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_DRUG_TEST = re.compile(
    r"\b(drugs? (of abuse|screen|test|panel)|toxicology|tox screen|uds|controlled substance|substance abuse)\b"
)


def finding(component: Component) -> ResultFinding:
    """What was found, by this component. `pending` where it does not say."""
    return (
        _by_code(component.values)
        or next((FLAGS[each] for each in component.flags if each in FLAGS), None)
        or _by_number(component.number, component.comparator, component.cutoff)
        or _by_text(component)
        or "pending"
    )


def _by_code(values: Sequence[Code]) -> Sense | None:
    for value in values:
        known = CODED.get((value.system, value.code))
        if known is None and "Interpretation" in value.system:
            known = FLAGS.get(value.code)
        if known is not None:
            return known
    return next((sense for each in values for text in (each.code, each.display) if (sense := sense_of(text))), None)


def _by_number(number: Decimal | None, comparator: str, cutoff: Decimal | None) -> Sense | None:
    """Below what can be reported is negative; a bare figure is judged only by the laboratory's own cut-off.

    Less than something above the cut-off, or more than something below it, shows nothing.
    """
    if number is None:
        return None
    if number == 0 and not comparator.startswith(">"):
        return "negative"
    match comparator[:1]:
        case "<":
            return "negative" if cutoff is None or number <= cutoff else "indeterminate"
        case ">":
            return "positive" if cutoff is None or number >= cutoff else "indeterminate"
        case _:
            return "indeterminate" if cutoff is None else "positive" if number >= cutoff else "negative"


def _by_text(component: Component) -> Sense | None:
    if figure := number_in(component.text):
        return _by_number(figure[1], figure[0], component.cutoff)
    return sense_of(component.text)


def number_in(text: str) -> tuple[str, Decimal] | None:
    """Comparator and number, where the text is nothing else (a unit may follow)."""
    found = _NUMBER.match(text.lower())
    if found is None:
        return None
    try:
        return found[1] or "", Decimal(found[2])
    except InvalidOperation:
        return None


def cutoff_in(reference_range: str) -> Decimal | None:
    """The laboratory's own cut-off, where its reference range states one (`<50`, `cutoff 50`)."""
    found = _CUTOFF.match(reference_range)
    return Decimal(found[1]) if found else None


def sense_of(text: str) -> Sense | None:
    """What a laboratory's words mean; words that say both, or deny what isn't understood, are indeterminate."""
    words = " ".join(text.lower().split())
    if not words:
        return None
    if _UNSATISFACTORY.search(words):
        return "unsatisfactory"
    if _INDETERMINATE.search(words):
        return "indeterminate"
    rest, negatives = _NEGATIVE.subn(" ", words)
    if not _POSITIVE.search(rest):
        return "negative" if negatives else _symbol(words)
    return "indeterminate" if negatives or _NEGATED.search(rest) else "positive"


def _symbol(words: str) -> Sense | None:
    return {"+": "positive", "++": "positive", "+++": "positive", "-": "negative"}.get(words)  # type: ignore[return-value]


def measure_of(component: Component, client: str, settings: Settings) -> tuple[Code, tables.Measure | None, bool]:
    """The code to store, what it measures (None where no table knows it), and whether the program ignores it."""
    for code in component.codes:
        if code.system == LOINC and code.code in tables.LOINC:
            return code, tables.LOINC[code.code], False
    for code in component.codes:
        mapped = settings.local_codes.get(f"{client}|{code.code}") or settings.local_codes.get(code.code)
        if mapped is not None:
            return code, tables.LOINC.get(mapped), mapped == "ignored"
    return component.codes[0] if component.codes else Code("unknown"), None, False


def is_drug_test(report: LaboratoryReport, client: str, settings: Settings) -> bool:
    """Whether the report is about drugs at all: by a component, by its panel's code, or by the panel's title."""
    measures = [measure_of(each, client, settings)[1] for each in report.components]
    if any(each is not None and each.kind != "validity" for each in measures):
        return True
    return any(
        (each.system == LOINC and each.code in tables.LOINC and tables.LOINC[each.code].kind != "validity")
        or bool(_DRUG_TEST.search(each.display.lower()))
        or bool(_DRUG_TEST.search(each.code.lower()))
        for each in report.panel
    )


def interpret(report: LaboratoryReport, program: str, client: str, settings: Settings) -> ReportResult | None:
    """The report as a command, in codes only. None where it is no drug test: stored as it came, never graded.

    Raises TooManyComponents.
    """
    if not is_drug_test(report, client, settings):
        return None
    if len(report.components) > COMPONENTS_MOST:
        raise TooManyComponents
    measured = _validity_measures((*report.components, *report.same_specimen), client, settings)
    condition = condition_of(measured, settings.validity, rejected=report.rejected)
    results = [
        observed for each in report.components if (observed := _observe(each, client, settings, condition)) is not None
    ]
    return ReportResult(
        report_id=report_id(program, client, report.filler),
        specimen_id=specimen_id(program, client, report),
        collected_at=report.collected_at,
        issued_at=report.issued_at,
        status=report.status,
        condition=condition,
        results=tuple(results),
        extent=report.extent,
    )


def _observe(component: Component, client: str, settings: Settings, condition: Condition) -> Observed | None:
    """One component, or None for what is no result (a cut-off, a method's name, a panel's heading, ignored codes)."""
    code, measure, ignored = measure_of(component, client, settings)
    if ignored or (measure is not None and measure.kind in ("cutoff", "panel", "method")):
        return None
    found, cancelled = _finding_of_status(component), component.status in TAKEN_BACK
    stands = component.status == "promoted" and found == "pending"
    if measure is None or component.status == "unknown":
        return Observed(_plain(code.code), code.system, tables.UNMAPPED, found, False, cancelled, stands)
    if measure.kind == "validity":
        found = "valid" if condition == "valid" else "unsatisfactory"
    elif measure.kind == "absence" and found == "positive":
        found = "indeterminate"
    return Observed(_plain(code.code), code.system, measure.analyte, found, measure.definitive, cancelled, stands)


def _finding_of_status(component: Component) -> ResultFinding:
    """What was found, where the component's status lets it stand."""
    match component.status:
        case "cancelled" | "entered-in-error":
            return "unsatisfactory"
        case "registered" | "unknown":
            return "pending"
        case _:
            return finding(component)


def _plain(code: str) -> str:
    """A laboratory's own code as FHIR allows one: single spaces inside, none around, and not a novel."""
    return " ".join(code.split())[:CODE_CHARACTERS_MOST] or "unknown"


def _validity_measures(
    components: Sequence[Component], client: str, settings: Settings
) -> Iterator[tuple[str, Component]]:
    """Each validity measure with its analyte, a figure in its text read out. What was taken back measures nothing."""
    for component in components:
        measure = measure_of(component, client, settings)[1]
        if measure is None or measure.kind != "validity" or component.status in TAKEN_BACK:
            continue
        yield measure.analyte, _with_figure(component)


def _with_figure(component: Component) -> Component:
    figure = number_in(component.text) if component.number is None else None
    if figure is None:
        return component
    unit = component.unit or _NUMBER.sub(r"\3", component.text.lower())
    return msgspec.structs.replace(component, comparator=figure[0], number=figure[1], unit=unit)

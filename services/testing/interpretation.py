"""A laboratory's report as a command, in codes only: what each row found, and whether the specimen can show it.

Every row is graded, left out by a rule, or on a person's list: a final one that can't be read is indeterminate.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from services.testing import tables
from services.testing.contradictions import NO_RESULT
from services.testing.figures import in_unit
from services.testing.findings import read
from services.testing.laboratory import (
    TAKEN_BACK,
    URINE,
    Component,
    LaboratoryReport,
    Status,
    matrix_of,
    report_id,
    specimen_ids,
    specimen_names,
)
from services.testing.measures import measure_of, plain, topic_of
from services.testing.messages import Observed, ReportResult
from services.testing.settings import Settings, Validity
from services.testing.validity import condition_of, is_unclear
from shared.events.testing import Condition, ResultFinding

COMPONENTS_MOST = 300
"""Of one report: each becomes an Observation of about a kilobyte in one record, and Kafka takes a megabyte."""
_WITH_VALUE = ("preliminary", "final", "corrected", "unknown")
MATRIX_CHARACTERS_MOST = 16


class TooManyComponents(Exception):
    """No laboratory measures so much in one specimen; such a record would stop everybody's topic."""


class Interpreted(NamedTuple):
    """A report as it came, as a command, and what each of its components shows; None of what is no result."""

    report: LaboratoryReport
    command: ReportResult
    observed: tuple[Observed | None, ...]


def interpret(report: LaboratoryReport, program: str, client: str, settings: Settings) -> ReportResult | None:
    """The report as a command. None where it is no drug test, or may be none: stored as it came, never graded.

    Raises TooManyComponents.
    """
    found = interpreted(report, program, client, settings)
    return found and found.command


def interpreted(report: LaboratoryReport, program: str, client: str, settings: Settings) -> Interpreted | None:
    """Likewise, with what each of its components shows."""
    if topic_of(report, client, settings) != "drug-test":
        return None
    if len(report.components) > COMPONENTS_MOST:
        raise TooManyComponents
    as_it_came, report = report, _with_rejection(report)
    remarks = (Component(codes=(), text=each) for each in report.remarks)
    measured = _measured((*report.components, *report.same_specimen, *remarks), client, settings)
    matrix = matrix_of(report)
    limits = settings.validity if matrix == URINE else None
    condition = condition_of(measured, limits, rejected=report.rejected)
    observed = tuple(_observe(each, client, settings, condition) for each in report.components)
    specimen = specimen_ids(program, specimen_names(report, client))
    command = ReportResult(
        report_id=report_id(program, client, report.filler),
        specimen_id=specimen[0],
        same_as=specimen[1:],
        to_minute=report.to_minute,
        collected_at=report.collected_at,
        issued_at=report.issued_at,
        status=report.status,
        condition=condition or "valid",
        results=tuple(each for each in observed if each is not None),
        extent=report.extent,
        numbers=report.numbers,
        matrix="" if matrix == URINE else matrix[:MATRIX_CHARACTERS_MOST],
    )
    return Interpreted(as_it_came, command, observed)


def unread(report: LaboratoryReport, client: str, settings: Settings) -> Iterator[str]:
    """The places of values that are in no words or figures we know, under codes that are known: a person reads them."""
    limits = settings.validity if matrix_of(report) == URINE else None
    for component in report.components:
        if component.status in _WITH_VALUE and read(component) is None:
            measure = measure_of(component, client, settings).measure
            if measure is not None and _means_nothing(component, measure, limits):
                yield component.place


def _means_nothing(component: Component, measure: tables.Measure, limits: Validity | None) -> bool:
    """A cut-off's code, or a method's, needs no finding; a check of the specimen may have a figure or a condition."""
    if measure.kind == "validity":
        return is_unclear(measure.analyte, component, limits)
    return measure.kind not in NO_RESULT


def _with_rejection(report: LaboratoryReport) -> LaboratoryReport:
    """A specimen that was refused cancels every row; it is to be collected again, so that the report stands."""
    unsuitable = [each for each in report.components if each.status == "cancelled" and read(each) == "unsatisfactory"]
    if report.status != "cancelled" or not (report.rejected or unsuitable):
        return report
    rows = tuple(_rejected(each) for each in report.components)
    return msgspec.structs.replace(report, status="final", rejected=True, components=rows)


def _rejected(component: Component) -> Component:
    """A row of a refused specimen: not taken back, but without a result."""
    if component.status != "cancelled":
        return component
    final: Status = "final"
    return Component(codes=component.codes, status=final, text="specimen rejected")


def _measured(components: Sequence[Component], client: str, settings: Settings) -> Iterator[tuple[str, Component]]:
    """Each component with its analyte."""
    for component in components:
        measure = measure_of(component, client, settings).measure
        if measure is None:
            yield tables.UNMAPPED, component
        elif measure.unit and not component.unit:
            yield measure.analyte, msgspec.structs.replace(component, unit=measure.unit)
        else:
            yield measure.analyte, component


def _observe(component: Component, client: str, settings: Settings, condition: Condition | None) -> Observed | None:
    """One component, or None for what is no result and for codes that the program ignores."""
    code, measure, ignored, _ = measure_of(component, client, settings)
    if ignored or (measure is not None and measure.kind in NO_RESULT):
        return None
    found, cancelled = _finding(component), component.status in TAKEN_BACK
    stands = component.status == "promoted" and found is None
    analyte = measure.analyte if measure else tables.UNMAPPED
    definitive = measure is not None and measure.definitive and not _is_incidental(analyte, component, settings)
    shown = _shown(found, component, measure, condition) if measure else found or "pending"
    status, sub = component.status, component.sub
    figure = measure is not None and measure.kind == "quantitative"
    return Observed(plain(code.code), code.system, analyte, shown, definitive, cancelled, stands, status, sub, figure)


def _is_incidental(analyte: str, component: Component, settings: Settings) -> bool:
    """So little ethyl glucuronide may come from a mouthwash or a sanitizer: no method confirms drinking by it."""
    figure = component.figure
    found = in_unit(figure.number, figure.unit, "ng/mL") if figure and analyte == "etg" else None
    return found is not None and found < settings.incidental_etg_ng_ml


def _finding(component: Component) -> ResultFinding | None:
    """What was found, where the component's status lets it stand; None where that can't be read."""
    match component.status:
        case "cancelled" | "entered-in-error":
            return "unsatisfactory"
        case "registered":
            return "pending"
        case "unknown":
            return None
        case _:
            return read(component)


def _shown(
    found: ResultFinding | None, component: Component, measure: tables.Measure, condition: Condition | None
) -> ResultFinding:
    """What this can show: no absence where the specimen's validity is unclear, nothing where the row can't be read."""
    if found is None:
        found = "pending" if component.status == "promoted" else "indeterminate"
    if measure.kind == "validity":
        return {None: "indeterminate", "valid": "valid"}.get(condition, "unsatisfactory")  # type: ignore[return-value]
    if condition is None and found == "negative":
        return "indeterminate"
    return "indeterminate" if measure.kind == "absence" and found == "positive" else found

"""A laboratory's report as a command, in codes only: what each row found, and whether the specimen can show it.

Every row is graded, left out by a rule, or on a person's list: a final one that can't be read is indeterminate.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from services.testing import tables
from services.testing.messages import Observed, ReportResult
from services.testing.reading.contradictions import NO_RESULT
from services.testing.reading.figures import in_unit
from services.testing.reading.findings import read
from services.testing.reading.laboratory import (
    TAKEN_BACK,
    URINE,
    Component,
    Extent,
    LaboratoryReport,
    Status,
    matrix_of,
    report_id,
    report_name,
    specimen_ids,
    specimen_names,
)
from services.testing.reading.measures import is_check, measure_of, plain, topic_of
from services.testing.reading.validity import check_of, stated_by, unmapped_check
from services.testing.settings import Settings, Validity
from services.testing.specimens.checks import condition_by, finding_by, gravest
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


def interpret(
    report: LaboratoryReport,
    program: str,
    client: str,
    settings: Settings,
    siblings: Iterable[LaboratoryReport] = (),
) -> ReportResult | None:
    """The report as a command. None where it is no drug test, or may be none: stored as it came, never graded.

    Of one that is none, but is about the specimen of a drug test among its `siblings`, what it says of the specimen.
    Raises TooManyComponents.
    """
    found = interpreted(report, program, client, settings, siblings)
    return found and found.command


def interpreted(
    report: LaboratoryReport,
    program: str,
    client: str,
    settings: Settings,
    siblings: Iterable[LaboratoryReport] = (),
) -> Interpreted | None:
    """Likewise, with what each of its components shows."""
    of_drugs = topic_of(report, client, settings) == "drug-test"
    if not of_drugs and not _is_of_a_drug_test(report, client, settings, siblings):
        return None
    if len(report.components) > COMPONENTS_MOST:
        raise TooManyComponents
    found = Interpreted(report, *_command(_with_rejection(report), program, client, settings))
    return found if of_drugs else _of_the_specimen(found)


def _command(
    report: LaboratoryReport, program: str, client: str, settings: Settings
) -> tuple[ReportResult, tuple[Observed | None, ...]]:
    matrix = matrix_of(report)
    limits = settings.validity if matrix == URINE else None
    rows = (_observe(each, client, settings, limits) for each in report.components)
    observed = tuple(_of_refused(each) if each and report.rejected else each for each in rows)
    results = tuple(each for each in observed if each is not None)
    stated = _stated(report, client, settings)
    checks = ((each.analyte, each.check) for each in results if each.check)
    specimen = specimen_ids(program, specimen_names(report, client))
    status, extent = _of_the_whole(report, results)
    command = ReportResult(
        report_id=report_id(program, client, report_name(report)),
        specimen_id=specimen[0],
        same_as=specimen[1:],
        to_minute=report.to_minute,
        collected_at=report.collected_at,
        issued_at=report.issued_at,
        undated=report.undated,
        status=status,
        condition=gravest([stated, condition_by(checks)]),
        results=results,
        extent=extent,
        numbers=report.numbers,
        panel=next((plain(each.code) for each in report.panel if each.code), ""),
        matrix="" if matrix == URINE else matrix[:MATRIX_CHARACTERS_MOST],
        stated=stated,
    )
    return command, observed


def _of_the_whole(report: LaboratoryReport, results: Sequence[Observed]) -> tuple[Status, Extent]:
    """How final the whole is, and how much of it came. Rows that are no results, alone in their message, take nothing
    back and make nothing final, whatever became of them."""
    by_rows = report.extent != "report" and report.status in ("promoted", *TAKEN_BACK)
    return ("final", "rows") if by_rows and report.components and not results else (report.status, report.extent)


def _of_the_specimen(found: Interpreted) -> Interpreted | None:
    """Without the rows of another field; None where nothing is left."""
    rows = zip(found.report.components, found.observed, strict=True)
    checks = [(sent, row) for sent, row in rows if row and tables.family_of(row.analyte) == "validity"]
    if not checks and found.command.stated == "valid":
        return None
    observed = tuple(row for _, row in checks)
    report = msgspec.structs.replace(found.report, components=tuple(sent for sent, _ in checks))
    return Interpreted(report, msgspec.structs.replace(found.command, results=observed), observed)


def _of_refused(row: Observed) -> Observed:
    """A check that was not made of a refused specimen leaves nothing unclear, nor does a code that nobody knows."""
    if row.check in ("unclear", "unmapped"):
        return msgspec.structs.replace(row, check="", finding="unsatisfactory")
    if row.analyte == tables.UNMAPPED and row.finding == "unsatisfactory":
        return msgspec.structs.replace(row, status="cancelled", cancelled=True)
    return row


def _is_of_a_drug_test(
    report: LaboratoryReport, client: str, settings: Settings, siblings: Iterable[LaboratoryReport]
) -> bool:
    """Whether it shares its specimen with a drug test: how that one is, is often an order of its own."""
    names = set(specimen_names(report, client))
    return any(
        names & set(specimen_names(each, client)) and topic_of(each, client, settings) == "drug-test"
        for each in siblings
        if each is not report
    )


def _stated(report: LaboratoryReport, client: str, settings: Settings) -> Condition:
    """What its laboratory says of the specimen besides its checks."""
    rows = (each for each in report.components if not is_check(measure_of(each, client, settings), each))
    stated = stated_by(rows, report.remarks)
    rejected: Condition = "rejected-unsatisfactory" if report.rejected else "valid"
    return gravest([stated, rejected, "unclear" if report.doubtful else "valid"])


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
        return check_of(measure.analyte, component, limits) == "unclear"
    return measure.kind not in NO_RESULT


def _with_rejection(report: LaboratoryReport) -> LaboratoryReport:
    """A specimen that was refused cancels every row; it is to be collected again, so that the report stands."""
    unsuitable = [each for each in report.components if each.status == "cancelled" and read(each) == "unsatisfactory"]
    if report.status != "cancelled" or not (report.rejected or unsuitable):
        return report
    rows = tuple(_rejected(each) for each in report.components)
    return msgspec.structs.replace(report, status="final", rejected=True, components=rows)


def _rejected(component: Component) -> Component:
    """A row of a refused specimen: not taken back, but without a result; a condition that it states still counts."""
    if component.status != "cancelled":
        return component
    final = msgspec.structs.replace(component, status="final")
    stated = stated_by([final], ()) != "valid"
    return final if stated else Component(codes=component.codes, status="final", text="specimen rejected")


def _observe(component: Component, client: str, settings: Settings, limits: Validity | None) -> Observed | None:
    """One component, or None for what is no result and for codes that the program ignores."""
    measured = measure_of(component, client, settings)
    code, measure, ignored, _ = measured
    if ignored or (measure is not None and measure.kind in NO_RESULT):
        return None
    found, cancelled = _finding(component), component.status in TAKEN_BACK
    stands = component.status == "promoted" and found is None
    analyte = measure.analyte if measure else tables.UNMAPPED
    definitive = measure is not None and measure.definitive and not _is_incidental(analyte, component, settings)
    shown = _shown(found, component, measure) if measure else found or "pending"
    status, sub = component.status, component.sub
    figure = measure is not None and measure.kind == "quantitative"
    row = Observed(plain(code.code), code.system, analyte, shown, definitive, cancelled, stands, status, sub, figure)
    return _checking(row, component, measure, limits) if is_check(measured, component) else row


def _checking(row: Observed, component: Component, measure: tables.Measure | None, limits: Validity | None) -> Observed:
    """With what it shows of the specimen; under a code that nobody knows yet it is a check by its name."""
    analyte = measure.analyte if measure else tables.ANY_CHECK
    if row.cancelled or row.stands or component.status == "registered":
        waits = "unsatisfactory" if row.cancelled else "pending"
        return msgspec.structs.replace(row, analyte=analyte, finding=waits)
    if measure is not None and measure.unit and not component.unit:
        component = msgspec.structs.replace(component, unit=measure.unit)
    check = check_of(analyte, component, limits) if measure else unmapped_check(component)
    if check == "valid" and component.status == "unknown":
        check = "unclear"
    finding = finding_by(check, condition_by([(analyte, check)]))
    return msgspec.structs.replace(row, analyte=analyte, check=check, finding=finding)


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


def _shown(found: ResultFinding | None, component: Component, measure: tables.Measure) -> ResultFinding:
    """What this can show: nothing where the row can't be read."""
    if found is None:
        return "pending" if component.status == "promoted" else "indeterminate"
    return "indeterminate" if measure.kind == "absence" and found == "positive" else found

"""Where each row of what a laboratory sent went: graded, left out by a rule, or on a person's list.

Each is found on its own, so that a row that is nowhere is seen."""

from collections.abc import Iterable
from typing import NamedTuple

from services.testing.reading.contradictions import NO_RESULT
from services.testing.reading.interpretation import interpret, unread
from services.testing.reading.laboratory import LaboratoryReport
from services.testing.reading.measures import measure_of, questioned, topic_of
from services.testing.tables import UNMAPPED
from tests.testing.given import SETTINGS


class Fates(NamedTuple):
    """How many rows came, and how many of them went where; one may be graded and listed: a person looks at it, too."""

    rows: int
    graded: int
    excluded: int
    listed: int
    nowhere: int

    def __add__(self, other: "Fates") -> "Fates":  # type: ignore[override]
        return Fates(*(one + another for one, another in zip(self, other, strict=True)))


NONE = Fates(0, 0, 0, 0, 0)


def fates(reports: Iterable[LaboratoryReport]) -> Fates:
    found = NONE
    for report in reports:
        found += _of(report)
    return found


def _of(report: LaboratoryReport) -> Fates:
    rows = range(len(report.components))
    command = interpret(report, "demo", "lab", SETTINGS)
    read = {each.code for each in command.results if each.analyte != UNMAPPED} if command else set()
    graded = {row for row in rows if _code(report, row) in read}
    excluded = {row for row in rows if _is_left_out(report, row)}
    asked = [component for _, component in questioned(report, "lab", SETTINGS)]
    places = set(unread(report, "lab", SETTINGS)) if command else set()
    listed = {row for row in rows if report.components[row] in asked or report.components[row].place in places}
    return Fates(len(rows), len(graded), len(excluded), len(listed), len(set(rows) - graded - excluded - listed))


def _code(report: LaboratoryReport, row: int) -> str:
    return measure_of(report.components[row], "lab", SETTINGS).code.code


def _is_left_out(report: LaboratoryReport, row: int) -> bool:
    """By a rule: a report of another field, a code that is no drug test or no result, a row that was taken back."""
    component = report.components[row]
    measured = measure_of(component, "lab", SETTINGS)
    no_result = measured.measure is not None and measured.measure.kind in NO_RESULT
    taken_back = component.status in ("cancelled", "entered-in-error")
    return topic_of(report, "lab", SETTINGS) == "other" or measured.ignored or no_result or taken_back

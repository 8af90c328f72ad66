"""A report as it now stands: what a laboratory's next message about it replaces, promotes or takes back. Pure.

HL7's result statuses are of each component, so a message that corrects one leaves the others standing; a FHIR report is
whole each time (domain 4.7).
"""

from collections.abc import Sequence
from itertools import chain

import msgspec

from services.testing import tables
from services.testing.messages import Observed, ReportResult
from services.testing.packing import pack_id, seconds
from services.testing.state import (
    CANCELLED,
    LETTERS,
    Foreign,
    Report,
    analyte_of,
    code_of,
    letter_of,
    measure,
    thinned,
)
from shared.events.envelope import name_id
from shared.events.testing import Condition

VOID = ("cancelled", "entered-in-error")


def of_patient(command: ReportResult, patient: str) -> ReportResult:
    """Under ids of this patient's own: a number reported for the wrong patient, or used again, meets nobody else's."""
    return msgspec.structs.replace(
        command,
        report_id=name_id(command.report_id, patient),
        specimen_id=name_id(command.specimen_id, patient),
    )


def next_version(command: ReportResult, known: Report | None) -> Report | None:
    """The report as it now stands; None where the command is older than what is known."""
    if command.status == "promoted":
        if known is None or known.status != "preliminary":
            return known
        return msgspec.structs.replace(known, status="final", issued_at=seconds(command.issued_at))
    report = _packed(command)
    if known is None:
        return report
    if report.status == "preliminary" and known.status != "preliminary":
        return None
    if command.extent == "component":
        return _with_component(known, report)
    if report.issued_at < known.issued_at:
        return None
    if report.voided and not report.measures:
        return msgspec.structs.replace(known, status=report.status, issued_at=report.issued_at)
    return report if command.extent == "report" else _updated(known, report, command.results)


def same(report: Report, known: Report) -> bool:
    """Sent again with nothing new in it, also where the state has evicted what no longer mattered."""
    again = msgspec.structs.replace(report, issued_at=known.issued_at)
    return known in (again, thinned(again))


def _packed(command: ReportResult) -> Report:
    measures = [
        measure(each.code, each.code_system, each.analyte, _letter(each, command), each.definitive)
        for each in command.results
    ]
    return Report(
        id=pack_id(command.report_id),
        specimen=pack_id(command.specimen_id),
        collected_at=seconds(command.collected_at),
        issued_at=seconds(command.issued_at),
        status="final" if command.status == "unknown" else command.status,
        condition=command.condition,
        measures=_in_place((), measures),
    )


def _letter(observed: Observed, command: ReportResult) -> str:
    """In a report that was taken back, what was unsatisfactory is as good as cancelled: both read the same again."""
    cancelled = observed.cancelled or (command.status in VOID and observed.finding == "unsatisfactory")
    return CANCELLED if cancelled else LETTERS[observed.finding]


def _updated(known: Report, report: Report, reported: Sequence[Observed]) -> Report:
    """The known report with the reported components in their place.

    What was taken back stays so, and a final report leaves behind what was only preliminary.
    """
    standing = _standing(known, reported)
    fresh = tuple(each for each in report.measures if code_of(each) not in standing)
    finished = known.voided or (known.status == "preliminary" and report.status in ("final", "corrected"))
    remaining = tuple(each for each in known.measures if not finished or code_of(each) in standing)
    measures = _in_place(remaining, fresh)
    by_component = report.voided and not _anything_left(fresh)
    status = _partly(known) if by_component and _anything_left(measures) else report.status
    return msgspec.structs.replace(report, status=status, condition=_condition(known, report), measures=measures)


def _standing(known: Report, reported: Sequence[Observed]) -> set[tuple[str, str]]:
    """The codes of the known report that the laboratory made final without sending them again."""
    promoted = {(each.code, each.code_system) for each in reported if each.stands}
    return promoted & {code_of(each) for each in known.measures}


def _with_component(known: Report, report: Report) -> Report:
    """One component of a known report, as final as it was, issued when it was: its next version is not older."""
    reported = msgspec.structs.replace(known, measures=_in_place(known.measures, report.measures))
    if known.voided or known in (reported, thinned(reported)):
        return known
    status = _partly(known) if _anything_left(reported.measures) else report.status
    return msgspec.structs.replace(reported, status=status)


def _partly(known: Report) -> str:
    return "preliminary" if known.status == "preliminary" else "corrected"


def _anything_left(measures: Sequence[str | Foreign]) -> bool:
    return any(letter_of(each) != CANCELLED for each in measures)


def _in_place(remaining: Sequence[str | Foreign], fresh: Sequence[str | Foreign]) -> tuple[str | Foreign, ...]:
    """Code by code, in the order in which each came first, so that the same again is the same."""
    return tuple(chain.from_iterable((_by_code(remaining) | _by_code(fresh)).values()))


def _by_code(measures: Sequence[str | Foreign]) -> dict[tuple[str, str], list[str | Foreign]]:
    grouped: dict[tuple[str, str], list[str | Foreign]] = {}
    for measured in measures:
        grouped.setdefault(code_of(measured), []).append(measured)
    return grouped


def _condition(known: Report, report: Report) -> Condition:
    """A message about other components says nothing of the specimen; whether it was rejected stands in each."""
    judged = any(tables.family_of(analyte_of(each)) == "validity" for each in report.measures)
    rejected = "rejected-unsatisfactory" in (known.condition, report.condition)
    return report.condition if judged or rejected else known.condition

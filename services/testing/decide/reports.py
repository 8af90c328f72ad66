"""A laboratory reports, corrects, promotes or takes back: the report's next version, and what it changes."""

from services.testing.decide.regrading import fields, regrade
from services.testing.grading import Graded, grade
from services.testing.messages import Emits, ReportResult, ResultMatched
from services.testing.packing import pack_id, unpack_id
from services.testing.settings import Settings
from services.testing.state import Report, State, put
from services.testing.versions import next_version, of_patient, same
from shared.rules.decision import Moment, Refused

NOTHING_TO_PROMOTE = Refused(
    "not-found", "Only a known preliminary report becomes final: send the report itself.", "DiagnosticReport.status"
)


def reported(state: State, result: ReportResult, moment: Moment[Settings]) -> list[Emits] | Refused:
    """The report's next version, where this is one; repeated, it emits nothing."""
    command = of_patient(result, moment.patient)
    known = next((each for each in state.reports if each.id == pack_id(command.report_id)), None)
    match command.status:
        case "registered":
            return []
        case "promoted" if known is None:
            return NOTHING_TO_PROMOTE
        case _:
            report = next_version(command, known)
    if report is None or (known is not None and same(report, known)):
        return []
    after = put(state, report)
    emitted = regrade(state, after, _reason(report, known), moment, reported=report)
    graded = grade(after, moment.settings)[report.id]
    return emitted if graded.graded and not command.matched else [_matched(graded, moment), *emitted]


def _reason(report: Report, known: Report | None) -> str:
    """Why an earlier conclusion may be withdrawn."""
    if known is None:
        return "earlier-specimen-reported"
    if report.voided:
        return "result-voided"
    return "result-finalized" if known.status == "preliminary" else "result-corrected"


def _matched(graded: Graded, moment: Moment[Settings]) -> ResultMatched:
    provenance_id = moment.new_id(f"matched:{unpack_id(graded.report.id)}")
    return ResultMatched(**fields(graded), provenance_id=provenance_id, matched_at=moment.now)

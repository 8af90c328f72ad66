"""What testing concludes from a report, a list of medications or an admission.

It grades what is known before and after, and says the difference: results, what is taken back, what asks for a person.
"""

from typing import Any, assert_never

from services.testing.grading import Graded, grade
from services.testing.packing import instant, pack_id, unpack_id
from services.testing.settings import Settings
from services.testing.state import Report, State, evolve, put
from services.testing.triggers import Cause, causes, triggers
from services.testing.versions import next_version, of_patient, same
from services.testing.words import (
    AcknowledgeEscalation,
    Commands,
    DrugTestCorrected,
    DrugTestResulted,
    EpisodeAdmitted,
    EpisodeDischarged,
    Hears,
    MedicationsRecorded,
    PatientIdentified,
    ReportResult,
    ResolveEscalation,
    ResultMatched,
    TimePassed,
)
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.words.envelope import Word
from shared.words.escalation import EscalationWord

Now = Moment[Settings]


def hear(state: State, word: Hears, moment: Now) -> list[Word]:
    match word:
        case PatientIdentified():
            return []
        case MedicationsRecorded():
            return settle(state, evolve(state, word), "medications-recorded", moment)
        case EpisodeAdmitted():
            return settle(state, evolve(state, word), "episode-admitted", moment)
        case EpisodeDischarged():
            return _discharged(state, word, moment)
        case TimePassed():
            return list(escalation.say_overdue(state.open, moment.now))
        case _:
            assert_never(word)


def tell(state: State, command: Commands, moment: Now) -> list[Word] | Refused:
    match command:
        case ReportResult():
            return _reported(state, command, moment)
        case AcknowledgeEscalation(escalation_id=identity):
            return escalation.acknowledge(state.open, identity, moment)
        case ResolveEscalation(escalation_id=identity, because=because):
            return escalation.resolve(state.open, identity, because, moment)
        case _:
            assert_never(command)


def _discharged(state: State, word: EpisodeDischarged, moment: Now) -> list[Word]:
    if state.episode is None or state.episode.id != word.episode_id:
        return []
    return list(escalation.close_all(state.open, "episode-discharged", moment.now))


NOTHING_TO_PROMOTE = Refused(
    "not-found", "no preliminary report is known that could become final", "DiagnosticReport.status"
)


def _reported(state: State, told: ReportResult, moment: Now) -> list[Word] | Refused:
    command = of_patient(told, moment.patient)
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
    said = settle(state, after, _because(report, known), moment, told=report)
    graded = grade(after, moment.settings)[report.id]
    return said if graded.graded and not command.matched else [_matched(graded, moment), *said]


def _because(report: Report, known: Report | None) -> str:
    """Why what stood before may not stand any more."""
    if known is None:
        return "earlier-specimen-reported"
    if report.voided:
        return "result-voided"
    return "result-finalized" if known.status == "preliminary" else "result-corrected"


def settle(before: State, after: State, because: str, moment: Now, told: Report | None = None) -> list[Word]:
    """Say what grading finds different: results first, then what is taken back, then what asks for a person."""
    old, new = grade(before, moment.settings), grade(after, moment.settings)
    said: list[Word] = []
    for key, graded in new.items():
        if graded.graded and (graded != old.get(key)):
            said.append(_said(graded, old.get(key), key == (told.id if told else None)))
    return [*said, *_escalate(before, causes(old, moment.settings), causes(new, moment.settings), because, moment)]


def _said(graded: Graded, before: Graded | None, told: bool) -> Word:
    """Corrected, where a meaning was said before; else, and where a preliminary report became final, resulted."""
    finalized = told and before is not None and before.report.status == "preliminary" and not graded.report.voided
    if before is None or not before.graded or finalized:
        return DrugTestResulted(**_fields(graded))
    return DrugTestCorrected(**_fields(graded))


def _matched(graded: Graded, moment: Now) -> ResultMatched:
    provenance_id = moment.new_id(f"matched:{unpack_id(graded.report.id)}")
    return ResultMatched(**_fields(graded), provenance_id=provenance_id, matched_at=moment.now)


def _fields(graded: Graded) -> dict[str, Any]:
    report = graded.report
    return {
        "report_id": unpack_id(report.id),
        "specimen_id": unpack_id(report.specimen),
        "collected_at": instant(report.collected_at),
        "issued_at": instant(report.issued_at),
        "status": report.status,
        "baseline": graded.baseline,
        "results": graded.results,
        "condition": report.condition,
    }


def _escalate(state: State, before: list[Cause], after: list[Cause], because: str, moment: Now) -> list[EscalationWord]:
    """Withdraw what no longer stands, then raise or update what is new; what stood and stands says nothing."""
    still_open, said = state.open, list[EscalationWord]()
    reasons = {each.reason for each in after}
    for gone in before:
        if gone.signal in (each.signal for each in after if each.reason == gone.reason):
            continue
        concerned = [each for each in still_open if each.escalation.reason == gone.reason]
        withdrawn = escalation.withdraw_evidence(concerned, gone.signal.evidence, reasons, because, moment.now)
        for word in withdrawn:
            still_open = escalation.evolve(still_open, word)
        said.extend(withdrawn)
    fresh = [each for each in after if not any(_covers(known, each) for known in before)]
    said.extend(escalation.raise_or_update(still_open, triggers(fresh), moment, moment.settings.escalation))
    return said


def _covers(known: Cause, cause: Cause) -> bool:
    """Whether this was asked for already, at this tier or a higher one; a person may have resolved it since."""
    return known.reason == cause.reason and known.signal == cause.signal and known.tier >= cause.tier

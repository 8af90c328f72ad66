"""What testing concludes from a report, a list of medications or an admission.

It grades what is known before and after, and emits the difference: results, what is taken back, what asks for a person.
"""

from typing import Any, assert_never

from services.testing.grading import Graded, grade
from services.testing.messages import (
    AcknowledgeEscalation,
    Commands,
    Consumes,
    DrugTestCorrected,
    DrugTestResulted,
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    PatientIdentified,
    ReportResult,
    ResolveEscalation,
    ResultMatched,
    TimePassed,
)
from services.testing.packing import instant, pack_id, unpack_id
from services.testing.settings import Settings
from services.testing.state import Report, State, evolve, put
from services.testing.triggers import Cause, causes, triggers
from services.testing.versions import next_version, of_patient, same
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def react(state: State, event: Consumes, moment: Moment[Settings]) -> list[Event]:
    match event:
        case PatientIdentified():
            return []
        case MedicationsRecorded():
            return regrade(state, evolve(state, event), "medications-recorded", moment)
        case EpisodeAdmitted():
            return regrade(state, evolve(state, event), "episode-admitted", moment)
        case EpisodeDischarged():
            return _discharged(state, event, moment)
        case TimePassed():
            return list(escalation.emit_overdue(state.open, moment.now))
        case _:
            assert_never(event)


def decide(state: State, command: Commands, moment: Moment[Settings]) -> list[Event] | Refused:
    match command:
        case ReportResult():
            return _reported(state, command, moment)
        case AcknowledgeEscalation(escalation_id=identity):
            return escalation.acknowledge(state.open, identity, moment)
        case ResolveEscalation(escalation_id=identity, reason=reason):
            return escalation.resolve(state.open, identity, reason, moment)
        case _:
            assert_never(command)


def _discharged(state: State, event: EpisodeDischarged, moment: Moment[Settings]) -> list[Event]:
    if state.episode is None or state.episode.id != event.episode_id:
        return []
    return list(escalation.close_all(state.open, "episode-discharged", moment.now))


NOTHING_TO_PROMOTE = Refused(
    "not-found", "no preliminary report is known that could become final", "DiagnosticReport.status"
)


def _reported(state: State, reported: ReportResult, moment: Moment[Settings]) -> list[Event] | Refused:
    command = of_patient(reported, moment.patient)
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
    """Why what stood before may not stand any more."""
    if known is None:
        return "earlier-specimen-reported"
    if report.voided:
        return "result-voided"
    return "result-finalized" if known.status == "preliminary" else "result-corrected"


def regrade(
    before: State, after: State, reason: str, moment: Moment[Settings], reported: Report | None = None
) -> list[Event]:
    """Say what grading finds different: results first, then what is taken back, then what asks for a person."""
    old, new = grade(before, moment.settings), grade(after, moment.settings)
    emitted: list[Event] = []
    for key, graded in new.items():
        if graded.graded and (graded != old.get(key)):
            emitted.append(_result_event(graded, old.get(key), key == (reported.id if reported else None)))
    return [*emitted, *_escalate(before, causes(old, moment.settings), causes(new, moment.settings), reason, moment)]


def _result_event(graded: Graded, before: Graded | None, reported: bool) -> Event:
    """Corrected, where a meaning was emitted before; else, and where a preliminary report became final, resulted."""
    finalized = reported and before is not None and before.report.status == "preliminary" and not graded.report.voided
    if before is None or not before.graded or finalized:
        return DrugTestResulted(**_fields(graded))
    return DrugTestCorrected(**_fields(graded))


def _matched(graded: Graded, moment: Moment[Settings]) -> ResultMatched:
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


def _escalate(
    state: State, before: list[Cause], after: list[Cause], reason: str, moment: Moment[Settings]
) -> list[EscalationEvent]:
    """Withdraw what no longer stands, then raise or update what is new; what stood and stands emits nothing."""
    still_open, emitted = state.open, list[EscalationEvent]()
    reasons = {each.reason for each in after}
    for gone in before:
        if gone.signal in (each.signal for each in after if each.reason == gone.reason):
            continue
        concerned = [each for each in still_open if each.escalation.reason == gone.reason]
        withdrawn = escalation.withdraw_evidence(concerned, gone.signal.evidence, reasons, reason, moment.now)
        for event in withdrawn:
            still_open = escalation.evolve(still_open, event)
        emitted.extend(withdrawn)
    fresh = [each for each in after if not any(_covers(known, each) for known in before)]
    emitted.extend(escalation.raise_or_update(still_open, triggers(fresh), moment, moment.settings.escalation))
    return emitted


def _covers(known: Cause, cause: Cause) -> bool:
    """Whether this was asked for already, at this tier or a higher one; a person may have resolved it since."""
    return known.reason == cause.reason and known.signal == cause.signal and known.tier >= cause.tier

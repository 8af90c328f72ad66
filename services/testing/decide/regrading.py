"""What grading finds different after a change: results, what is taken back, what asks for a person."""

from typing import Any

from services.testing.grading import Graded, grade
from services.testing.messages import DrugTestCorrected, DrugTestResulted, Emits, EscalationEvent
from services.testing.packing import instant, unpack_id
from services.testing.settings import Settings
from services.testing.state import Report, State
from services.testing.triggers import Cause, causes, triggers
from shared.rules import escalation
from shared.rules.decision import Moment


def regrade(
    before: State, after: State, reason: str, moment: Moment[Settings], reported: Report | None = None
) -> list[Emits]:
    """Results first, then what is taken back, then what asks for a person."""
    old, new = grade(before, moment.settings), grade(after, moment.settings)
    emitted: list[Emits] = []
    for key, graded in new.items():
        if graded.graded and (graded != old.get(key)):
            emitted.append(_result_event(graded, old.get(key), key == (reported.id if reported else None)))
    return [*emitted, *_escalate(before, causes(old, moment.settings), causes(new, moment.settings), reason, moment)]


def _result_event(graded: Graded, before: Graded | None, reported: bool) -> Emits:
    """Corrected where the report was graded before; resulted where it is new, or a preliminary one became final."""
    finalized = reported and before is not None and before.report.status == "preliminary" and not graded.report.voided
    if before is None or not before.graded or finalized:
        return DrugTestResulted(**fields(graded))
    return DrugTestCorrected(**fields(graded))


def fields(graded: Graded) -> dict[str, Any]:
    """What every drug-test event says of a graded report."""
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
    still_open, emitted = state.escalations, list[EscalationEvent]()
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
    same = (known.reason, known.signal, known.about) == (cause.reason, cause.signal, cause.about)
    return same and known.tier >= cause.tier

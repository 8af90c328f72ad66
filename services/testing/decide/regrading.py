"""What grading finds different after a change: results, what is taken back, what asks for a person."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from msgspec.structs import replace

from services.testing.decide.praising import praised
from services.testing.escalation_packing import rule_of
from services.testing.grading import Graded, grade
from services.testing.grading.triggers import Cause, causes, triggers
from services.testing.messages import (
    DrugTestCorrected,
    DrugTestResulted,
    Emits,
    EscalationEvent,
    SignalsCorrected,
)
from services.testing.settings import Settings
from services.testing.specimens import Row, sub_of
from services.testing.specimens.reporting import UNKNOWN, row_id, row_name
from services.testing.state import State
from shared.events.escalation import COMBINING, Signal
from shared.events.testing import AnalyteResult
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Open
from shared.rules.packing import instant, unpack_id

ADMITTED = "episode-admitted"
"""A new stay looks at what is known anew: what it no longer looks at was not wrong."""


def regrade(before: State, new: Mapping[str, Graded], reason: str, moment: Moment[Settings]) -> list[Emits]:
    """Results first, then what is taken back, then what asks for a person. `new` is the grading after the change."""
    old = grade(before, moment.settings, new)
    emitted = [_withdrawn(each, moment.patient) for key, each in old.items() if key not in new and each.graded]
    for key, graded in new.items():
        if _is_news(graded, old.get(key), reason):
            emitted.append(_result_event(graded, old.get(key), moment.patient))
    stood, stands = causes(old, moment.settings), causes(new, moment.settings)
    emitted += escalate(before.escalations, stood, stands, reason, moment)
    orders = before.orders
    emitted += praised((old, orders), (new, orders), moment, new_stay=reason == ADMITTED)
    return emitted if reason == ADMITTED else [*emitted, *signals_corrected(stood, stands)]


def _is_news(graded: Graded, before: Graded | None, reason: str) -> bool:
    """Also of what is not graded any more, for nothing of it has a result: what was read in it is taken back."""
    known = before is not None and before.graded
    if not graded.graded:
        return known and reason != ADMITTED
    return not known or before is None or (graded != before and _as_read(graded) != _as_read(before))


def _result_event(graded: Graded, before: Graded | None, patient: str) -> Emits:
    """Corrected where the specimen was graded before; resulted where it is new, or became more final than it was."""
    known = before is not None and before.graded
    finalized = before is not None and _finalized(before.specimen.status, graded.specimen.status)
    stated = fields(graded, patient)
    return DrugTestCorrected(**stated) if known and not finalized else DrugTestResulted(**stated)


def _finalized(before: str, now: str) -> bool:
    return before in ("preliminary", "partial") and now in ("final", "corrected")


def _withdrawn(graded: Graded, patient: str) -> Emits:
    """Of a specimen that turned out to be another one: visibly taken back, its rows stand there."""
    stated = fields(graded, patient)
    gone = {"outcome": "cancelled", "status": "entered-in-error", "derived_from": None}
    results = tuple(replace(each, **gone) for each in stated["results"])
    return DrugTestCorrected(**{**stated, "status": "entered-in-error", "results": results, "baseline": False})


def _as_read(graded: Graded) -> dict[str, Any]:
    """What its event says: the same again at another time of issue, or from another report, is no news."""
    return {name: value for name, value in _found(graded).items() if name != "issued_at"}


def fields(graded: Graded, patient: str) -> dict[str, Any]:
    """What every drug-test event says of a graded specimen, each row with what it was read from."""
    rows = zip(graded.results, graded.specimen.rows, strict=True)
    return {**_found(graded), "results": tuple(_derived(result, row, patient) for result, row in rows)}


def _derived(result: AnalyteResult, row: Row, patient: str) -> AnalyteResult:
    sub = sub_of(row.measure)
    if not row.received or sub == UNKNOWN:
        return result
    return replace(result, derived_from=row_id(patient, row.received, row_name(result.code, sub)))


def _found(graded: Graded) -> dict[str, Any]:
    specimen = graded.specimen
    return {
        "report_id": unpack_id(specimen.id),
        "specimen_id": unpack_id(specimen.id),
        "collected_at": instant(specimen.collected_at),
        "issued_at": instant(specimen.issued_at),
        "status": specimen.status,
        "baseline": graded.baseline,
        "results": graded.results,
        "condition": specimen.condition,
        "identity_doubt": specimen.doubted,
    }


def escalate(
    still_open: tuple[Open, ...], before: list[Cause], after: list[Cause], reason: str, moment: Moment[Settings]
) -> list[EscalationEvent]:
    """Update what was confirmed, withdraw what no longer stands, raise what is new; what stood and stands is silent."""
    emitted = _confirmed(still_open, before, after, moment)
    still_open = reduce(escalation.evolve, emitted, still_open)
    withdrawn = _withdraw(still_open, before, after, reason, moment)
    still_open = reduce(escalation.evolve, withdrawn, still_open)
    fresh = [each for each in after if not any(_covers(known, each) for known in before)]
    raised = escalation.raise_or_update(still_open, triggers(fresh), moment, moment.settings.escalation)
    return [*emitted, *withdrawn, *raised]


def _confirmed(
    still_open: Sequence[Open], before: list[Cause], after: list[Cause], moment: Moment[Settings]
) -> list[EscalationEvent]:
    """What a screen raised and a definitive method now confirms is the same escalation, under the reason it has now.

    One that stands on other specimens too, or beside one that has the new reason already, stays as it is.
    """
    emitted: list[EscalationEvent] = []
    for cause in after:
        known = next((each for each in before if _same_evidence(each, cause) and each.becomes == cause.reason), None)
        if known is None or not cause.confirmed or known.confirmed:
            continue
        now_open = {each.escalation.reason: each for each in still_open}
        found = now_open.get(known.reason)
        if found is None or (known.reason != cause.reason and (cause.reason in now_open or _more(found, cause))):
            continue
        renamed = replace(found.escalation, reason=cause.reason, rule=rule_of(cause.reason))
        emitted.append(escalation.updated(found, renamed, moment.now))
    return emitted


def _more(known: Open, cause: Cause) -> bool:
    return any(each.evidence != cause.signal.evidence for each in known.escalation.signals)


def _withdraw(
    still_open: tuple[Open, ...], before: list[Cause], after: list[Cause], reason: str, moment: Moment[Settings]
) -> list[EscalationEvent]:
    """Take back the signals that no cause stands for any more."""
    emitted, reasons = list[EscalationEvent](), {each.reason for each in after}
    for gone in before:
        if any(each.reason == gone.reason and _same_evidence(each, gone) for each in after):
            continue
        concerned = [each for each in still_open if each.escalation.reason == gone.reason]
        withdrawn = escalation.withdraw_evidence(concerned, gone.signal.evidence, reasons, reason, moment.now)
        still_open = reduce(escalation.evolve, withdrawn, still_open)
        emitted.extend(withdrawn)
    return emitted


def signals_corrected(before: list[Cause], after: list[Cause]) -> list[SignalsCorrected]:
    """Emitted once more for whoever combines signals: those that a person has answered are retracted nowhere, and of
    one whose time is known better now nothing else is emitted."""
    stood, stand = _combining(before), _combining(after)
    gone = tuple(each for fact, each in stood.items() if fact not in stand)
    moved = tuple(each for fact, each in stand.items() if fact in stood and each.at != stood[fact].at)
    return [SignalsCorrected(gone=gone, moved=moved)] if gone or moved else []


def _combining(among: list[Cause]) -> dict[tuple[str, str], Signal]:
    """The signals that combine, by what they are."""
    signals = (each.signal for each in among)
    return {(each.code, each.evidence): each for each in signals if each.code in COMBINING}


def _covers(known: Cause, cause: Cause) -> bool:
    """Whether this was asked for already, at this tier or a higher one; a person may have resolved it since."""
    same = (known.reason, known.about) == (cause.reason, cause.about) and _same_evidence(known, cause)
    return same and known.tier >= cause.tier


def _same_evidence(one: Cause, other: Cause) -> bool:
    """A collection time that is known better now makes no other evidence."""
    return (one.signal.code, one.signal.evidence) == (other.signal.code, other.signal.evidence)

"""Which graded results ask a person to act, and how soon (domain 5.1, 5.2). No analyte ever stands in an escalation.

A `Signal` with code `unexpected-positive` marks what may show new use, whatever the reason it stands under: only this
counts where signals are combined. Baseline and residual positives, and what a prescription explains, never carry it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.testing import tables
from services.testing.escalation_packing import OWNERS, evidence_of, rule_of
from services.testing.grading import Graded
from services.testing.settings import Settings
from services.testing.specimens import groups_of
from shared.events.codes import LOINC
from shared.events.escalation import Signal
from shared.events.testing import AnalyteResult
from shared.rules.escalation import SIGNALS_MOST, Trigger
from shared.rules.packing import DAY, instant, unpack_id

UNEXPECTED = ("unexpected-positive-presumptive", "unexpected-positive-confirmed")
NO_NEW_USE = ("baseline", "cannot-show-new-use")
ALTERED = ("substituted", "adulterated")
RECOLLECT = ("dilute", "invalid", "temperature-out-of-range", "rejected-unsatisfactory")
LACKING = ("unexpected-negative-prescribed", "metabolite-absent")
CONFIRMED = {"unexpected-positive-presumptive": "unexpected-positive-confirmed"}
SUPPRESSING = ("sedative", "alcohol")
"""Families that suppress breathing together with an opioid."""
ALCOHOL_MARKER, MORE_OF_ALCOHOL = "etg", ("ets", "ethanol")
"""Mouthwash, hand gel and food may leave ethyl glucuronide; the others beside it make that less likely (domain 4.1)."""


@dataclass(frozen=True)
class Cause:
    """One signal under one reason, with the tier it asks for. `about` tells apart what one signal asks for twice."""

    reason: str
    tier: int
    signal: Signal
    about: str = ""
    confirmed: bool = False
    """Whether a definitive method found it."""

    @property
    def becomes(self) -> str:
        """The reason under which it stands once it is confirmed."""
        return CONFIRMED.get(self.reason, self.reason)


def causes(grading: Mapping[str, Graded], settings: Settings) -> list[Cause]:
    """Everything that asks for a person now, over all graded specimens, in order of collection."""
    standing = [each for each in grading.values() if each.graded and not each.specimen.voided]
    standing.sort(key=lambda each: (each.specimen.collected_at, each.specimen.id))
    found: list[Cause] = []
    asking = [each for each in standing if not each.is_unremarkable]
    for graded in asking:
        found.extend(_provisional(graded))
        found.extend(_of_specimen(graded, standing, settings))
    return found + _repeated(asking, settings) + _reviews(asking)


def _positives(graded: Graded) -> list[AnalyteResult]:
    """Those that stand, whatever they mean."""
    void = ("not-confirmed", "cancelled", "pending")
    return [each for each in graded.results if each.finding == "positive" and each.outcome not in void]


def triggers(found: Sequence[Cause]) -> list[Trigger]:
    """Each reason at its highest tier, with all its signals: in as many triggers as it takes to show each of them."""
    return [each for reason in dict.fromkeys(each.reason for each in found) for each in _of_reason(reason, found)]


def _of_reason(reason: str, found: Sequence[Cause]) -> Iterator[Trigger]:
    here = [each for each in found if each.reason == reason]
    for first in range(0, len(here), SIGNALS_MOST):
        yield Trigger(
            category="drug-test",
            reason=reason,
            tier=max(each.tier for each in here),
            owner=OWNERS[reason],
            rule=rule_of(reason),
            signals=tuple(each.signal for each in here[first : first + SIGNALS_MOST]),
        )


def _cause(graded: Graded, reason: str, tier: int, code: str, about: str = "") -> Cause:
    at, evidence = instant(graded.specimen.collected_at), evidence_of(unpack_id(graded.specimen.id))
    return Cause(reason, tier, Signal(code, at, evidence), about)


def _provisional(each: Graded) -> Iterator[Cause]:
    """A preliminary positive is one tier lower than the final one would be, and never counts as new use."""
    unexpected = [result for result in each.results if result.status == "preliminary" and result.outcome in UNEXPECTED]
    if unexpected:
        yield _cause(each, "provisional-positive", 2 if _opioid(unexpected) else 1, "provisional-positive")


def _of_specimen(each: Graded, standing: Sequence[Graded], settings: Settings) -> Iterator[Cause]:
    settled, positives = each.settled, _positives(each)
    yield from _unexpected(each, [result for result in settled if result.outcome in UNEXPECTED], positives)
    yield from _safety(each, settled, positives)
    yield from _absent(each, positives, standing, settings)
    yield from _condition(each, standing)
    yield from _unclear(each, settled)


def _unexpected(
    each: Graded, unexpected: Sequence[AnalyteResult], positives: Sequence[AnalyteResult]
) -> Iterator[Cause]:
    """One reason for the opioids of a specimen and one for the others, so that a confirmation updates its screen."""
    if _opioid(unexpected):
        found = _cause(each, "unexpected-positive-opioid", 3, "unexpected-positive")
        yield replace(found, confirmed=_opioid(result for result in unexpected if result.confirmed))
    if _together(unexpected, positives):
        yield _cause(each, "opioid-with-sedative", 3, "unexpected-positive")
    others = {result.outcome for result in unexpected if tables.family_of(result.analyte) != "opioid"}
    if others:
        confirmed = "unexpected-positive-confirmed" in others
        reason = "unexpected-positive-confirmed" if confirmed else "unexpected-positive-presumptive"
        yield replace(_cause(each, reason, 2, "unexpected-positive"), confirmed=confirmed)


def _safety(each: Graded, settled: Sequence[AnalyteResult], positives: Sequence[AnalyteResult]) -> Iterator[Cause]:
    """What cannot show new use still asks for the overdose-safety contact."""
    known = [result for result in settled if result.outcome in NO_NEW_USE and result.finding == "positive"]
    if _opioid(known) or _together(known, positives):
        yield _cause(each, "baseline-opioid-safety", 2, "baseline-safety")


def _unclear(each: Graded, final: Sequence[AnalyteResult]) -> Iterator[Cause]:
    """What shows neither presence nor absence, or can't be read, is looked up by a person; an opioid the same day, as
    if it had been found (domain 5.2).

    A definitive method that found it, or did not, in this specimen settles it.
    """
    confirmed = [result for result in final if result.confirmed and result.finding in ("positive", "negative")]
    unclear = [each for each in final if _is_unclear(each, confirmed)]
    if unclear:
        found = _opioid(result for result in unclear if result.finding != "negative")
        yield _cause(each, "result-unclear", 3 if found else 1, "result-unclear")


def _is_unclear(result: AnalyteResult, confirmed: Sequence[AnalyteResult]) -> bool:
    """What was not read; or was, and can't be graded: a parent drug by screens alone, hair that does not tell when.
    Under a code that nobody knows yet nothing is asked of the row, whatever was found: its code's Task asks."""
    if tables.family_of(result.analyte) is None:
        return False
    if result.finding == "indeterminate":
        return result.outcome != "cancelled" and not _is_settled(result, confirmed)
    return result.outcome == "indeterminate" or (result.outcome == "cannot-show-new-use" and _is_ratio(result))


def _is_settled(result: AnalyteResult, confirmed: Sequence[AnalyteResult]) -> bool:
    """Whether definitive methods found any, or none, of what a screen may have found; else the very same analyte."""
    found = {each.analyte for each in confirmed if each.finding == "positive"}
    negative = (tables.looked_for(each.code, each.analyte) for each in confirmed if each.finding == "negative")
    absent = frozenset().union(*negative)
    if result.confirmed:
        return result.analyte in found | absent
    looked_for = groups_of(tables.upholding(result.code, result.analyte))
    return bool(looked_for & groups_of(found)) or tables.is_absent(result.code, result.analyte, absent)


def _is_ratio(result: AnalyteResult) -> bool:
    """Normalised to creatinine: a rise within the window may show new use, which is never decided here (domain 5.2)."""
    known = tables.LOINC.get(result.code) if result.code_system == LOINC else None
    return known is not None and known.kind == "ratio"


def _absent(
    each: Graded, positives: Sequence[AnalyteResult], standing: Sequence[Graded], settings: Settings
) -> Iterator[Cause]:
    """T2 to the prescriber; T3 with an unexpected opioid, with the parent drug alone, or twice within the window."""
    if not _lacks(each):
        return
    earlier = _lacked_before(each, standing, settings.repeat_window_days * DAY)
    opioid = _opioid([result for result in positives if result.outcome in UNEXPECTED])
    parent_alone = any(result.outcome == "metabolite-absent" for result in each.settled)
    tier = 3 if earlier or opioid or parent_alone else 2
    yield _cause(each, "prescribed-medication-absent", tier, "prescribed-medication-absent")


def _lacked_before(graded: Graded, standing: Sequence[Graded], window: int) -> bool:
    """Whether an earlier specimen within the window (seconds) lacked it too."""
    return any(
        _lacks(other)
        and other is not graded
        and 0 <= graded.specimen.collected_at - other.specimen.collected_at <= window
        for other in standing
    )


def _lacks(graded: Graded) -> bool:
    return any(result.outcome in LACKING for result in graded.settled)


def _condition(each: Graded, standing: Sequence[Graded]) -> Iterator[Cause]:
    condition = each.specimen.condition
    rejected = any(result.outcome == "rejected-unsatisfactory" for result in each.settled)
    if condition in ALTERED:
        yield _cause(each, "specimen-substituted-or-adulterated", 3, "specimen-altered")
    elif condition in RECOLLECT or rejected:
        before = [other.specimen for other in standing if other.specimen.collected_at < each.specimen.collected_at]
        again = bool(before) and before[-1].condition in RECOLLECT
        yield _cause(each, "recollection-needed", 2 if again else 1, "specimen-not-valid")


def _repeated(standing: Sequence[Graded], settings: Settings) -> list[Cause]:
    """Two or more specimens with confirmed unexpected positives within the window: T3, the placement is looked at."""
    confirmed, window = [each for each in standing if _confirmed(each)], settings.repeat_window_days * DAY
    return [
        _cause(each, "repeated-unexpected-positive", 3, "unexpected-positive")
        for each in confirmed
        if any(
            other is not each and abs(other.specimen.collected_at - each.specimen.collected_at) <= window
            for other in confirmed
        )
    ]


def _reviews(standing: Sequence[Graded]) -> list[Cause]:
    """Beside an escalation, once for each ingredient: the first specimen with an unexpected positive that it may be
    behind asks for it; and for each with nothing of alcohol but ethyl glucuronide."""
    first: dict[str, Cause] = {}
    for each in standing:
        for ingredient, tier in _asked_about(each):
            first.setdefault(ingredient, _cause(each, "medical-review", tier, "medical-review", ingredient))
    alone = (_cause(each, "medical-review", 1, "medical-review", ALCOHOL_MARKER) for each in standing if _alone(each))
    return [*first.values(), *alone]


def _asked_about(graded: Graded) -> Iterator[tuple[str, int]]:
    """Each ingredient in question beside an unexpected positive of this specimen, with the tier that this asks for."""
    unexpected = [result for result in graded.settled if result.outcome in UNEXPECTED]
    for ingredient in graded.in_question if unexpected else ():
        concerned = [
            each for each in unexpected if tables.is_asked_about(ingredient, each.analyte, definitive=each.confirmed)
        ]
        if concerned:
            yield ingredient, 2 if _opioid(concerned) else 1


def _alone(graded: Graded) -> bool:
    """Whether an unexpected ethyl glucuronide is all that was found of alcohol in this specimen."""
    unexpected = {result.analyte for result in graded.settled if result.outcome in UNEXPECTED}
    found = {result.analyte for result in _positives(graded)}
    return ALCOHOL_MARKER in unexpected and not found & set(MORE_OF_ALCOHOL)


def _confirmed(graded: Graded) -> bool:
    return any(result.outcome == "unexpected-positive-confirmed" for result in graded.settled)


def _opioid(results: Iterable[AnalyteResult]) -> bool:
    return any(tables.family_of(result.analyte) == "opioid" for result in results)


def _together(concerned: Sequence[AnalyteResult], positives: Sequence[AnalyteResult]) -> bool:
    """An opioid with a sedative or alcohol in one specimen, at least one of them among the concerned."""
    families = {tables.family_of(result.analyte) for result in positives}
    mine = {tables.family_of(result.analyte) for result in concerned}
    with_opioid = "opioid" in mine and bool(families & set(SUPPRESSING))
    return with_opioid or (bool(mine & set(SUPPRESSING)) and "opioid" in families)

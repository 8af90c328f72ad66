"""What each result means for this patient: baseline, expected, unexpected, or what it cannot show (domain 4.4, 5.2).

Pure and complete: grading the same state twice gives the same, so what a new fact changed is the difference of two
gradings.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from operator import attrgetter

from services.testing import tables
from services.testing.grading.windows import Windows, depot_days, explained_by, refuted
from services.testing.medications import IngredientPeriod
from services.testing.settings import Settings
from services.testing.specimens import (
    FINDINGS,
    SETTLED,
    VOID,
    Measure,
    Row,
    Specimen,
    analyte_of,
    code_of,
    definitive_of,
    is_check,
    letter_of,
    quantified,
)
from services.testing.specimens.checks import CHECKS, finding_by
from services.testing.specimens.versions import MAINTAINED
from services.testing.state import State
from shared.events.envelope import name_id
from shared.events.testing import AnalyteResult, Condition, ResultFinding, ResultOutcome
from shared.rules.packing import DAY, day_in, unpack_id

USABLE_FOR_BASELINE = ("valid", "dilute")
UNEXPECTED_POSITIVES = ("unexpected-positive-presumptive", "unexpected-positive-confirmed")
UNREMARKABLE: tuple[ResultOutcome, ...] = ("expected-negative", "expected-positive", "not-confirmed", "valid")
"""Outcomes of a row that is as it was to be expected."""
REPORTED = ("preliminary", "final", "corrected")
"""Statuses of a row that has a finding."""
_PLAINLY_NEGATIVE: tuple[ResultOutcome, None] = ("expected-negative", None)
_collected_at = attrgetter("collected_at")


@dataclass(frozen=True)
class Graded:
    """One specimen with all that its rows are judged by; what they mean follows from it, and is computed once.

    `graded` is false while there is no episode it belongs to.
    """

    medications: tuple[IngredientPeriod, ...]
    to_review: tuple[IngredientPeriod, ...]
    specimen: Specimen
    graded: bool
    baseline: bool
    day: date
    residual: frozenset[str]
    depot_days: int

    @cached_property
    def in_question(self) -> tuple[str, ...]:
        """What the patient took on that day and a person may have to review beside a positive: also what explains some
        analytes, and may leave others or be taken for them."""
        also = (each for each in self.medications if each.ingredient in tables.TAKEN_FOR_OTHERS)
        return tuple(each.ingredient for each in (*self.to_review, *also) if each.covers(self.day))

    @cached_property
    def shows_absence(self) -> bool:
        """Whether a negative in it is one: the specimen is valid, and is judged at all."""
        return self.graded and self.specimen.condition == "valid"

    @cached_property
    def outcomes(self) -> tuple[tuple[ResultOutcome, str | None], ...]:
        """Of each row the outcome, and the ingredient that explains it where one does."""
        return tuple(_outcome(row, self) for row in self.specimen.rows)

    @cached_property
    def is_unremarkable(self) -> bool:
        """Whether the specimen is valid, and each row shows what was to be expected."""
        return self.specimen.condition == "valid" and all(outcome in UNREMARKABLE for outcome, _ in self.outcomes)

    @cached_property
    def results(self) -> tuple[AnalyteResult, ...]:
        """Each row with its meaning."""
        return tuple(_results(self))

    @cached_property
    def settled(self) -> tuple[AnalyteResult, ...]:
        """Its final rows; the rest of a partial report waits."""
        return tuple(each for each in self.results if each.status in SETTLED)


NOTHING_GRADED: Mapping[str, Graded] = {}


def grade(state: State, settings: Settings, former: Mapping[str, Graded] = NOTHING_GRADED) -> dict[str, Graded]:
    """Every specimen the state holds, by its id; as in the `former` grading where it is judged by the same facts.

    A decision grades what was known before it and after it: the same but for one specimen.
    """
    first_at, windows, graded = _baseline_at(state, settings), Windows(state, settings), {}
    in_depot = depot_days(state.medications, settings)
    for specimen in state.specimens:
        collected_at = specimen.collected_at
        day = day_in(settings.timezone, collected_at)
        reported = specimen.status != "registered"
        belongs = reported and belongs_to_episode(state, settings, collected_at)
        baseline = belongs and collected_at == first_at
        facts = state.medications, state.to_review, specimen, belongs, baseline
        judged, known = Graded(*facts, day, windows.residual(specimen), in_depot), former.get(specimen.id)
        graded[specimen.id] = known if known is not None and known == judged else judged
    return graded


def belongs_to_episode(state: State, settings: Settings, collected_at: int) -> bool:
    """From some days before admission until discharge."""
    if state.episode is None:
        return False
    since = state.episode.admitted_at - settings.baseline_days_before * DAY
    until = state.episode.discharged_at
    return since <= collected_at and (until is None or collected_at <= until)


def _baseline_at(state: State, settings: Settings) -> int | None:
    """When the episode's first usable specimen was collected. Those collected after it need not be looked at."""
    if state.episode is None:
        return None
    ordered = sorted(state.specimens, key=_collected_at)
    usable = (each.collected_at for each in ordered if _usable(each))
    first = next((each for each in usable if belongs_to_episode(state, settings, each)), None)
    evicted = state.first_evicted_at
    if evicted is None or not belongs_to_episode(state, settings, evicted):
        return first
    return evicted if first is None else min(first, evicted)


def _usable(specimen: Specimen) -> bool:
    found = any(letter_of(each) in ("p", "n") for each in specimen.live)
    return found and specimen.dates_use and specimen.condition in USABLE_FOR_BASELINE


def _results(by: Graded) -> Iterator[AnalyteResult]:
    report_id, seen = unpack_id(by.specimen.id), Counter[tuple[str, str]]()
    for row, (outcome, ingredient) in zip(by.specimen.rows, by.outcomes, strict=True):
        code, system = code_of(row.measure)
        seen[code, system] += 1
        yield AnalyteResult(
            observation_id=name_id(report_id, f"{system}|{code}|{seen[code, system]}"),
            code=code,
            code_system=system,
            analyte=analyte_of(row.measure),
            finding=_finding(row.measure, by.specimen.concentration),
            confirmed=definitive_of(row.measure),
            outcome=outcome,
            explained_by=ingredient,
            status=row.status,
            to_confirm=outcome == "unexpected-positive-presumptive" and _looks_alike(row.measure, by),
            in_food=outcome in UNEXPECTED_POSITIVES and _is_in_food(row.measure, by.specimen),
        )


def _finding(measure: Measure, concentration: Condition) -> ResultFinding:
    letter = letter_of(measure)
    return finding_by(CHECKS[letter], concentration) if is_check(measure) and letter in CHECKS else FINDINGS[letter]


# Of a few thousand measures, and most rows are one of them.
@lru_cache(maxsize=4096)
def _is_plainly_negative(measure: Measure) -> bool:
    """Whether it is the absence of what nobody is treated with: that is expected in each valid specimen."""
    analyte = analyte_of(measure)
    return (
        letter_of(measure) == "n" and tables.family_of(analyte) not in (None, "validity") and analyte not in MAINTAINED
    )


def _outcome(row: Row, by: Graded) -> tuple[ResultOutcome, str | None]:
    """The outcome, and the ingredient that explains it where one does. Most rows are plainly negative: of these nothing
    else is asked, whatever the patient takes."""
    if by.shows_absence and row.status in REPORTED and _is_plainly_negative(row.measure):
        return _PLAINLY_NEGATIVE
    if (outcome := _without_finding(row, by)) is not None:
        return outcome, None
    return _by_finding(row.measure, by)


def _without_finding(row: Row, by: Graded) -> ResultOutcome | None:
    """Of a row that was taken back or is awaited, or that measures what nobody knows; None where it has a finding."""
    if row.status in VOID:
        rejected = row.status == "cancelled" and by.specimen.condition == "rejected-unsatisfactory"
        return "rejected-unsatisfactory" if rejected else "cancelled"
    is_awaited = row.status == "registered" or letter_of(row.measure) == "w"
    is_known = tables.family_of(analyte_of(row.measure)) is not None
    return "pending" if is_awaited or not by.graded or not is_known else None


def _by_finding(measure: Measure, by: Graded) -> tuple[ResultOutcome, str | None]:
    letter, condition = letter_of(measure), by.specimen.condition
    if _finding(measure, by.specimen.concentration) == "indeterminate":
        return "indeterminate", None
    if letter == "v" or tables.family_of(analyte_of(measure)) == "validity":
        return ("valid" if condition == "unclear" else condition), None
    if letter == "u":
        return "rejected-unsatisfactory", None
    return _positive(measure, by) if letter == "p" else _negative(measure, by)


def _positive(measure: Measure, by: Graded) -> tuple[ResultOutcome, str | None]:
    """Explained first, because an expected result is never held against anyone."""
    analyte = analyte_of(measure)
    if (ingredient := explained_by(analyte, by.medications, by.day, by.depot_days)) is not None:
        return "expected-positive", ingredient
    if refuted(measure, by.specimen):
        return "not-confirmed", None
    if not by.specimen.dates_use:
        return "indeterminate", None
    if by.baseline:
        return "baseline", None
    if tables.ANALYTES[analyte].metabolite_group in by.residual:
        return "cannot-show-new-use", None
    confirmed = definitive_of(measure) and not _has_another_origin(measure, by)
    return ("unexpected-positive-confirmed" if confirmed else "unexpected-positive-presumptive"), None


def _looks_alike(measure: Measure, by: Graded) -> bool:
    """Whether something of that day may leave it, or a published list says that an immunoassay may take it for that."""
    analyte = analyte_of(measure)
    return any(tables.may_explain(each, analyte) or tables.may_leave(each, analyte) for each in by.in_question)


def _has_another_origin(measure: Measure, by: Graded) -> bool:
    """Whether something taken on that day, which a person has to review, may leave the same analyte (domain 4.4)."""
    return any(tables.may_leave(each, analyte_of(measure)) for each in by.in_question)


def _is_in_food(measure: Measure, specimen: Specimen) -> bool:
    """Only of urine it is known."""
    found = {analyte_of(each) for each in specimen.positive}
    return not specimen.matrix and tables.is_in_food(analyte_of(measure), found)


def _negative(measure: Measure, by: Graded) -> tuple[ResultOutcome, str | None]:
    """A specimen that is not valid cannot show an absence."""
    if by.specimen.condition != "valid":
        return "indeterminate" if by.specimen.condition == "unclear" else by.specimen.condition, None
    analyte = analyte_of(measure)
    maintaining = _maintaining(analyte, by) if analyte in MAINTAINED else []
    if not maintaining:
        return "expected-negative", None
    prescribed = maintaining[0].ingredient
    if by.specimen.matrix:
        return "indeterminate", prescribed
    if by.baseline:
        return "baseline", prescribed
    outcome = _absence(measure, prescribed, by)
    lacks = outcome in ("unexpected-negative-prescribed", "metabolite-absent")
    if lacks and any(each.depot for each in maintaining):
        return "indeterminate", prescribed
    return outcome, prescribed


def _maintaining(analyte: str, by: Graded) -> list[IngredientPeriod]:
    """The prescribed maintenance medications that should show as this analyte, taken since before that day."""
    return [
        taken
        for taken in by.medications
        if analyte in tables.MAINTENANCE.get(taken.ingredient, ())
        and taken.covers(by.day)
        and (taken.start_on is None or taken.start_on < by.day.toordinal())
    ]


def _absence(measure: Measure, ingredient: str, by: Graded) -> ResultOutcome:
    """Absent when neither drug nor metabolite was found; the metabolite alone only where both were quantified.
    Where it was found, the drug was taken (domain 4.4).
    """
    pair = tables.MAINTENANCE[ingredient]
    found = [each for each in by.specimen.live if analyte_of(each) in pair and letter_of(each) == "p"]
    if not found:
        return "unexpected-negative-prescribed"
    if analyte_of(measure) == pair[0] and any(analyte_of(each) == pair[1] for each in found):
        return "expected-negative"
    parent_only = analyte_of(measure) == pair[1] and all(analyte_of(each) == pair[0] for each in found)
    if parent_only and quantified(measure) and all(quantified(each) for each in found):
        return "metabolite-absent"
    return "indeterminate"

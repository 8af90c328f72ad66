"""What each result means for this patient: baseline, expected, unexpected, or what it cannot show (domain 4.4, 5.2).

Pure and complete: grading the same state twice gives the same, so what a new fact changed is the difference of two
gradings.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from services.testing import tables
from services.testing.packing import instant, unpack_id
from services.testing.settings import Settings
from services.testing.state import (
    CANCELLED,
    FINDINGS,
    MAINTAINED,
    Foreign,
    Report,
    State,
    analyte_of,
    code_of,
    definitive_of,
    letter_of,
    positive_groups,
    quantified,
)
from shared.events.envelope import name_id
from shared.events.testing import AnalyteResult, ResultOutcome

DAY = 86_400
USABLE_FOR_BASELINE = ("valid", "dilute")


@dataclass(frozen=True)
class Graded:
    """One report with its meaning. `graded` is false while there is no episode it belongs to."""

    report: Report
    graded: bool
    baseline: bool
    results: tuple[AnalyteResult, ...]
    in_question: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Circumstances:
    """What the results of one report are judged by."""

    state: State
    settings: Settings
    report: Report
    specimen: tuple[Report, ...]
    graded: bool
    baseline: bool
    day: date

    @property
    def in_question(self) -> tuple[str, ...]:
        """What the patient took on that day and a person has to review beside a positive."""
        return tuple(each.ingredient for each in self.state.to_review if each.covers(self.day))

    @property
    def measures(self) -> list[str | Foreign]:
        """Of the whole specimen, over all reports about it."""
        return [measure for report in self.specimen for measure in report.measures]


def grade(state: State, settings: Settings) -> dict[str, Graded]:
    """Every report the state holds, by its id."""
    zone, first_at = ZoneInfo(settings.timezone), _baseline_at(state, settings)
    baseline_specimens = {each.specimen for each in state.reports if each.collected_at == first_at}
    graded = {}
    for report in state.reports:
        of_specimen = tuple(each for each in state.reports if each.specimen == report.specimen and not each.voided)
        belongs = belongs_to_episode(state, settings, report.collected_at)
        baseline = belongs and (report.collected_at == first_at or report.specimen in baseline_specimens)
        day = instant(report.collected_at).astimezone(zone).date()
        circumstances = _Circumstances(state, settings, report, of_specimen, belongs, baseline, day)
        graded[report.id] = Graded(report, belongs, baseline, _results(circumstances), circumstances.in_question)
    return graded


def belongs_to_episode(state: State, settings: Settings, collected_at: int) -> bool:
    """From some days before admission until discharge."""
    if state.episode is None:
        return False
    since = state.episode.admitted_at - settings.baseline_days_before * DAY
    until = state.episode.discharged_at
    return since <= collected_at and (until is None or collected_at <= until)


def _baseline_at(state: State, settings: Settings) -> int | None:
    """When the episode's first usable specimen was collected."""
    known = [each.collected_at for each in state.reports if _usable(each)]
    if state.first_evicted_at is not None:
        known.append(state.first_evicted_at)
    return min((each for each in known if belongs_to_episode(state, settings, each)), default=None)


def _usable(report: Report) -> bool:
    found = any(letter_of(each) in ("p", "n") for each in report.measures)
    return found and not report.voided and report.condition in USABLE_FOR_BASELINE


def _results(circumstances: _Circumstances) -> tuple[AnalyteResult, ...]:
    report_id, seen = unpack_id(circumstances.report.id), Counter[tuple[str, str]]()
    results = []
    for measure in circumstances.report.measures:
        code, system = code_of(measure)
        seen[code, system] += 1
        outcome, explained_by = _outcome(measure, circumstances)
        results.append(
            AnalyteResult(
                observation_id=name_id(report_id, f"{system}|{code}|{seen[code, system]}"),
                code=code,
                code_system=system,
                analyte=analyte_of(measure),
                finding=FINDINGS[letter_of(measure)],
                confirmed=definitive_of(measure),
                outcome=outcome,
                explained_by=explained_by,
            )
        )
    return tuple(results)


def _outcome(measure: str | Foreign, by: _Circumstances) -> tuple[ResultOutcome, str | None]:
    """The outcome, and the ingredient that explains it where one does."""
    letter, analyte = letter_of(measure), analyte_of(measure)
    if by.report.voided or letter == CANCELLED:
        return "cancelled", None
    if letter == "w" or not by.graded or tables.family_of(analyte) is None:
        return "pending", None
    if letter == "i":
        return "indeterminate", None
    if letter == "v" or tables.family_of(analyte) == "validity":
        return by.report.condition, None
    if letter == "u":
        return "rejected-unsatisfactory", None
    return _positive(measure, by) if letter == "p" else _negative(measure, by)


def _positive(measure: str | Foreign, by: _Circumstances) -> tuple[ResultOutcome, str | None]:
    """Explained first, because an expected result is never held against anyone."""
    analyte = analyte_of(measure)
    if (ingredient := _explained_by(analyte, by)) is not None:
        return "expected-positive", ingredient
    if _refuted(analyte, definitive_of(measure), by.specimen):
        return "not-confirmed", None
    if by.baseline:
        return "baseline", None
    if _residual(analyte, by):
        return "cannot-show-new-use", None
    held = any(tables.may_explain(each, analyte) for each in by.in_question)
    confirmed = definitive_of(measure) and not held
    return ("unexpected-positive-confirmed" if confirmed else "unexpected-positive-presumptive"), None


def _negative(measure: str | Foreign, by: _Circumstances) -> tuple[ResultOutcome, str | None]:
    """A specimen that is not valid cannot show an absence."""
    if by.report.condition != "valid":
        return by.report.condition, None
    analyte = analyte_of(measure)
    prescribed = _maintenance(analyte, by) if analyte in MAINTAINED else None
    if prescribed is None:
        return "expected-negative", None
    if by.baseline:
        return "baseline", prescribed
    return _absence(measure, prescribed, by), prescribed


def _explained_by(analyte: str, by: _Circumstances) -> str | None:
    for taken in by.state.medications:
        if taken.covers(by.day) and analyte in tables.INGREDIENTS[taken.ingredient].explains:
            return taken.ingredient
    return None


def _maintenance(analyte: str, by: _Circumstances) -> str | None:
    """The prescribed maintenance medication that should show as this analyte, taken since before that day."""
    for taken in by.state.medications:
        pair, started = tables.MAINTENANCE.get(taken.ingredient, ()), taken.start_on
        if analyte in pair and taken.covers(by.day) and (started is None or started < by.day.toordinal()):
            return taken.ingredient
    return None


def _absence(measure: str | Foreign, ingredient: str, by: _Circumstances) -> ResultOutcome:
    """Absent when neither drug nor metabolite was found. The metabolite alone only where both were quantified."""
    pair = tables.MAINTENANCE[ingredient]
    found = [each for each in by.measures if analyte_of(each) in pair and letter_of(each) == "p"]
    if not found:
        return "unexpected-negative-prescribed"
    parent_only = analyte_of(measure) == pair[1] and all(analyte_of(each) == pair[0] for each in found)
    if parent_only and quantified(measure) and all(quantified(each) for each in found):
        return "unexpected-negative-prescribed"
    return "indeterminate"


def _refuted(analyte: str, definitive: bool, specimen: tuple[Report, ...]) -> bool:
    """Whether a definitive method looked for the same analyte in the same specimen and did not find it."""
    if definitive:
        return False
    letters = {
        letter_of(each)
        for report in specimen
        for each in report.measures
        if definitive_of(each) and analyte_of(each) == analyte
    }
    return "n" in letters and "p" not in letters


def _residual(analyte: str, by: _Circumstances) -> bool:
    """Whether an earlier positive of the same metabolite group lies within the residual window."""
    metabolite_group, at = tables.ANALYTES[analyte].metabolite_group, by.report.collected_at
    window = by.settings.residual_days.get(metabolite_group, 0) * DAY
    earlier = [
        each.collected_at
        for each in by.state.reports
        if each.specimen != by.report.specimen and metabolite_group in _standing_groups(each, by.state)
    ]
    earlier.extend(when for known, when in by.state.last_positive_by_group if known == metabolite_group)
    return any(0 < at - each <= window for each in earlier)


def _standing_groups(report: Report, state: State) -> set[str]:
    """Metabolite groups positive in a report and not refuted by a definitive method on the same specimen."""
    specimen = tuple(each for each in state.reports if each.specimen == report.specimen and not each.voided)
    standing = tuple(each for each in report.measures if not _refuted(analyte_of(each), definitive_of(each), specimen))
    return positive_groups(msgspec.structs.replace(report, measures=standing))

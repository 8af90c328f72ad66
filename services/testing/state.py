"""What the next decision about a patient needs: the episode, the medications, the reports of its window, what is open.

Nothing graded is kept: grading is a pure function of this state, so what changed is seen by grading twice.
"""

from datetime import datetime, timedelta

import msgspec

from services.testing import tables
from services.testing.medications import Taken, reconciled
from services.testing.packing import instant, pack_id, seconds
from services.testing.watch import Watched, opens, watch
from services.testing.words import EpisodeAdmitted, EpisodeDischarged, MedicationsRecorded, TimePassed
from shared.rules import escalation
from shared.words.codes import LOINC
from shared.words.envelope import Command, Word
from shared.words.escalation import EscalationWord
from shared.words.testing import AnalyteResult, Condition, DrugTestWord, Finding

VERSION = 1
BYTES_MOST = 3900
"""The state sheds what it can do without above this; 4096 is the path's limit."""
CLOSED_DAYS = 30
"""An ended episode leaves the state so long after its last open item."""

LETTERS: dict[Finding, str] = {
    "positive": "p",
    "negative": "n",
    "indeterminate": "i",
    "unsatisfactory": "u",
    "pending": "w",
    "valid": "v",
}
CANCELLED = "x"
FINDINGS: dict[str, Finding] = {letter: found for found, letter in LETTERS.items()} | {CANCELLED: "unsatisfactory"}


class Episode(msgspec.Struct, frozen=True, array_like=True):
    id: str
    admitted_at: int
    discharged_at: int | None = None


class Foreign(msgspec.Struct, frozen=True, array_like=True):
    """A measure under a code that is not in the LOINC table: a laboratory's own, mapped or not."""

    code: str
    system: str
    analyte: str
    letter: str
    definitive: bool


class Report(msgspec.Struct, frozen=True, array_like=True):
    """One report, packed. A measure with a known LOINC code is `<code><letter>`, its analyte stands in the table."""

    id: str
    specimen: str
    collected_at: int
    issued_at: int
    status: str
    condition: Condition
    measures: tuple[str | Foreign, ...]

    @property
    def voided(self) -> bool:
        return self.status in ("cancelled", "entered-in-error")


class State(msgspec.Struct, frozen=True, array_like=True):
    """A patient never heard of has none of it."""

    episode: Episode | None = None
    listed_at: int = 0
    medications: tuple[Taken, ...] = ()
    unmapped: tuple[Taken, ...] = ()
    reports: tuple[Report, ...] = ()
    first_shed_at: int | None = None
    """Collection of the earliest specimen whose report was shed: the baseline stays where it was."""
    residue: tuple[tuple[str, int], ...] = ()
    """Per kin, the last positive among shed reports."""
    watched: tuple[Watched, ...] = ()

    @property
    def open(self) -> tuple[escalation.Open, ...]:
        return opens(self.watched)


def pack(word: DrugTestWord) -> Report:
    return Report(
        id=pack_id(word.report_id),
        specimen=pack_id(word.specimen_id),
        collected_at=seconds(word.collected_at),
        issued_at=seconds(word.issued_at),
        status=word.status,
        condition=word.condition,
        measures=tuple(
            measure(each.code, each.code_system, each.analyte, _letter(each), each.confirmed) for each in word.results
        ),
    )


def _letter(result: AnalyteResult) -> str:
    cancelled = result.outcome == "cancelled" and result.finding == "unsatisfactory"
    return CANCELLED if cancelled else LETTERS[result.finding]


def measure(code: str, system: str, analyte: str, letter: str, definitive: bool) -> str | Foreign:
    if system == LOINC and code in tables.LOINC and analyte != tables.UNMAPPED:
        return f"{code}{letter}"
    return Foreign(code, system, analyte, letter, definitive)


def put(state: State, report: Report) -> State:
    """The state with this report, in order of collection; a later version of one replaces the earlier."""
    others = [each for each in state.reports if each.id != report.id]
    ordered = sorted([*others, report], key=lambda each: (each.collected_at, each.id))
    return msgspec.structs.replace(state, reports=tuple(ordered))


def evolve(state: State, word: Word | Command) -> State:
    match word:
        case MedicationsRecorded():
            return shed(_with_medications(state, word))
        case EpisodeAdmitted():
            return _admitted(state, word)
        case EpisodeDischarged() if state.episode is not None and state.episode.id == word.episode_id:
            closed = msgspec.structs.replace(state.episode, discharged_at=seconds(word.discharged_at))
            return msgspec.structs.replace(state, episode=closed)
        case DrugTestWord():
            return shed(put(state, pack(word)))
        case EscalationWord():
            return shed(msgspec.structs.replace(state, watched=watch(escalation.evolve(state.open, word))))
        case TimePassed():
            return State() if _only_to_leave(state) else state
        case _:
            return state


def _admitted(state: State, word: EpisodeAdmitted) -> State:
    if state.episode is not None and state.episode.id == word.episode_id:
        return state
    again = state.episode is not None
    opened = Episode(word.episode_id, seconds(word.admitted_at))
    return msgspec.structs.replace(state, episode=opened, first_shed_at=None if again else state.first_shed_at)


def due(state: State) -> datetime | None:
    """The next escalation to become overdue, or the day an ended episode leaves the state."""
    overdue, leaves = escalation.due(state.open), _leaves_at(state)
    return min((each for each in (overdue, leaves) if each is not None), default=None)


def _leaves_at(state: State) -> datetime | None:
    if state.episode is None or state.episode.discharged_at is None:
        return None
    last = max([state.episode.discharged_at, *(each.act_by for each in state.watched)])
    return instant(last) + timedelta(days=CLOSED_DAYS)


def _only_to_leave(state: State) -> bool:
    return _leaves_at(state) is not None and escalation.due(state.open) is None


def _with_medications(state: State, word: MedicationsRecorded) -> State:
    """The whole list each time. What is no longer in it was taken until the day of the new list."""
    recorded_at = seconds(word.recorded_at)
    if recorded_at < state.listed_at:
        return state
    known, unknown = reconciled(word.medications, state.medications, state.unmapped, word.recorded_at.date())
    return msgspec.structs.replace(state, listed_at=recorded_at, medications=known, unmapped=unknown)


def shed(state: State) -> State:
    """Within the limit, oldest first: reports that found nothing go, then plain negatives, then whole reports."""
    while len(msgspec.json.encode(state)) > BYTES_MOST and state.reports:
        older = state.reports[:-1]
        empty = next((each for each in older if not thinned(each).measures), None)
        bulky = next((each for each in (*older, state.reports[-1]) if thinned(each) != each), None)
        if empty is None and bulky is not None:
            state = put(state, thinned(bulky))
        else:
            state = _without(state, empty or state.reports[0])
    return state


def thinned(report: Report) -> Report:
    """Without plain negatives and what is pending: what grading others, and later lists of medications, may need."""
    needed = tuple(each for each in report.measures if _still_matters(each))
    return report if len(needed) == len(report.measures) else msgspec.structs.replace(report, measures=needed)


MAINTAINED = {analyte for pair in tables.MAINTENANCE.values() for analyte in pair}


def _still_matters(measure: str | Foreign) -> bool:
    analyte, letter = analyte_of(measure), letter_of(measure)
    return (letter == "p" and analyte != tables.UNMAPPED) or (letter == "n" and analyte in MAINTAINED)


def _without(state: State, gone: Report) -> State:
    """What the report leaves behind: when each kin was last positive, and when the first specimen was collected."""
    residue, first = dict(state.residue), state.first_shed_at
    for kin in positive_kins(gone):
        residue[kin] = max(gone.collected_at, residue.get(kin, gone.collected_at))
    if not gone.voided:
        first = gone.collected_at if first is None else min(gone.collected_at, first)
    kept = tuple(each for each in state.reports if each != gone)
    return msgspec.structs.replace(state, reports=kept, residue=tuple(sorted(residue.items())), first_shed_at=first)


def positive_kins(report: Report) -> set[str]:
    if report.voided:
        return set()
    positives = (analyte_of(each) for each in report.measures if letter_of(each) == "p")
    return {tables.ANALYTES[each].kin for each in positives if each in tables.ANALYTES}


def code_of(measure: str | Foreign) -> tuple[str, str]:
    """Code and system, as they were sent."""
    return (measure[:-1], LOINC) if isinstance(measure, str) else (measure.code, measure.system)


def letter_of(measure: str | Foreign) -> str:
    return measure[-1] if isinstance(measure, str) else measure.letter


def analyte_of(measure: str | Foreign) -> str:
    return tables.LOINC[measure[:-1]].analyte if isinstance(measure, str) else measure.analyte


def definitive_of(measure: str | Foreign) -> bool:
    return tables.LOINC[measure[:-1]].definitive if isinstance(measure, str) else measure.definitive


def quantified(measure: str | Foreign) -> bool:
    return isinstance(measure, str) and tables.LOINC[measure[:-1]].kind == "quantitative"

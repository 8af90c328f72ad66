"""What the next decision about a patient needs: the episode, the medications, the reports of its window, what is open.

Nothing graded is stored: grading is a pure function of this state, so what changed is seen by grading twice.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.testing import tables
from services.testing.escalation_packing import PackedEscalation, pack_escalations, unpack_escalations
from services.testing.medications import IngredientPeriod, reconciled
from services.testing.messages import (
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    RetentionBegan,
    TimePassed,
)
from services.testing.packing import instant, pack_id, seconds
from shared.events.codes import LOINC
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from shared.events.testing import AnalyteResult, Condition, DrugTestEvent, ResultFinding
from shared.rules import escalation

VERSION = 3
BYTES_MOST = 3900
"""Above this the state evicts what it can do without; the path's limit is `STATE_BYTES_MOST`."""

LETTERS: dict[ResultFinding, str] = {
    "positive": "p",
    "negative": "n",
    "indeterminate": "i",
    "unsatisfactory": "u",
    "pending": "w",
    "valid": "v",
}
CANCELLED = "x"
FINDINGS: dict[str, ResultFinding] = {letter: found for found, letter in LETTERS.items()} | {
    CANCELLED: "unsatisfactory"
}


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. An ended one leaves the state `retention_days` after its last open item."""

    id: str
    admitted_at: int
    discharged_at: int | None = None
    retention_days: int = 0


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
    """Of a patient without any event, everything is empty."""

    episode: Episode | None = None
    listed_at: int = 0
    medications: tuple[IngredientPeriod, ...] = ()
    to_review: tuple[IngredientPeriod, ...] = ()
    """Medications that explain nothing, and that a positive beside them asks to review."""
    reports: tuple[Report, ...] = ()
    first_evicted_at: int | None = None
    """Collection of the earliest specimen whose report was evicted: the baseline stays where it was."""
    last_positive_by_group: tuple[tuple[str, int], ...] = ()
    """Per metabolite group, the last positive among evicted reports."""
    packed_escalations: tuple[PackedEscalation, ...] = ()

    @property
    def escalations(self) -> tuple[escalation.Open, ...]:
        return unpack_escalations(self.packed_escalations)


def _with_retention(stored: Any) -> Any:
    """Version 2 adds how long an ended episode stays: 30 days, where it ended before."""
    episode, *others = stored
    return [episode and [*episode, 30 if episode[2] is not None else 0], *others]


UPCAST: dict[int, Callable[[Any], Any]] = {1: _with_retention, 2: lambda stored: stored}
"""Version 3 only adds, at the end of an open escalation: who took it on."""


def pack(event: DrugTestEvent) -> Report:
    return Report(
        id=pack_id(event.report_id),
        specimen=pack_id(event.specimen_id),
        collected_at=seconds(event.collected_at),
        issued_at=seconds(event.issued_at),
        status=event.status,
        condition=event.condition,
        measures=tuple(
            measure(each.code, each.code_system, each.analyte, _letter(each), each.confirmed) for each in event.results
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


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    match event:
        case MedicationsRecorded():
            return evict(_with_medications(state, event))
        case EpisodeAdmitted():
            return _admitted(state, event)
        case EpisodeDischarged() if state.episode is not None and state.episode.id == event.episode_id:
            closed = msgspec.structs.replace(state.episode, discharged_at=seconds(event.discharged_at))
            return msgspec.structs.replace(state, episode=closed)
        case RetentionBegan(retention_days=days) if state.episode is not None:
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, retention_days=days))
        case DrugTestEvent():
            return evict(put(state, pack(event)))
        case EscalationEvent():
            return evict(
                msgspec.structs.replace(
                    state, packed_escalations=pack_escalations(escalation.evolve(state.escalations, event))
                )
            )
        case TimePassed():
            return State() if _only_to_leave(state) else state
        case _:
            return state


def _admitted(state: State, event: EpisodeAdmitted) -> State:
    if state.episode is not None and state.episode.id == event.episode_id:
        return state
    again = state.episode is not None
    opened = Episode(event.episode_id, seconds(event.admitted_at))
    return msgspec.structs.replace(state, episode=opened, first_evicted_at=None if again else state.first_evicted_at)


def due(state: State) -> datetime | None:
    """The next escalation to become overdue, or the day an ended episode leaves the state."""
    overdue, leaves = escalation.due(state.escalations), _leaves_at(state)
    return min((each for each in (overdue, leaves) if each is not None), default=None)


def _leaves_at(state: State) -> datetime | None:
    if state.episode is None or state.episode.discharged_at is None:
        return None
    last = max([state.episode.discharged_at, *(each.act_by for each in state.packed_escalations)])
    return instant(last) + timedelta(days=state.episode.retention_days)


def _only_to_leave(state: State) -> bool:
    return _leaves_at(state) is not None and escalation.due(state.escalations) is None


def _with_medications(state: State, event: MedicationsRecorded) -> State:
    """The whole list each time. What is no longer in it was taken until the day of the new list."""
    recorded_at = seconds(event.recorded_at)
    if recorded_at < state.listed_at:
        return state
    known, in_question = reconciled(event.medications, state.medications, state.to_review, event.recorded_at.date())
    return msgspec.structs.replace(state, listed_at=recorded_at, medications=known, to_review=in_question)


def evict(state: State) -> State:
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
    """What the report leaves behind: when each group was last positive, and when the first specimen was collected."""
    last_positive_by_group, first = dict(state.last_positive_by_group), state.first_evicted_at
    for metabolite_group in positive_groups(gone):
        last_positive_by_group[metabolite_group] = max(
            gone.collected_at, last_positive_by_group.get(metabolite_group, gone.collected_at)
        )
    if not gone.voided:
        first = gone.collected_at if first is None else min(gone.collected_at, first)
    remaining = tuple(each for each in state.reports if each != gone)
    return msgspec.structs.replace(
        state,
        reports=remaining,
        last_positive_by_group=tuple(sorted(last_positive_by_group.items())),
        first_evicted_at=first,
    )


def positive_groups(report: Report) -> set[str]:
    if report.voided:
        return set()
    positives = (analyte_of(each) for each in report.measures if letter_of(each) == "p")
    return {tables.ANALYTES[each].metabolite_group for each in positives if each in tables.ANALYTES}


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

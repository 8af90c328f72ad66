"""What the next decision about a patient needs: episode, medications, the specimens of its window, what is open.

Nothing graded is stored: grading is a pure function of this state, so what changed is seen by grading twice.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from services.testing.escalation_packing import PackedEscalation, packed_after, packed_with, unpack_escalations
from services.testing.medications import IngredientPeriod, reconciled
from services.testing.messages import (
    CareTeamChanged,
    DischargeWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    OrdersChanged,
    RetentionBegan,
    SpecimenReported,
    TimePassed,
)
from services.testing.orders.ordered import Orders
from services.testing.orders.ordered import due as order_due
from services.testing.specimens import OF, Specimen, drugs_of, groups_of, positive_groups
from services.testing.specimens.versions import still_matters, thinned
from services.testing.upcast import UPCAST as UPCAST
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent, SignalsCorrected
from shared.events.testing import AnalyteResult, DrugTestEvent
from shared.rules import escalation
from shared.rules.assigning import Team
from shared.rules.packing import instant, pack_id, seconds

VERSION = 10
BYTES_MOST = 7800
"""Above this the state evicts what it can do without (docs/decisions/0039); the path's limit is `STATE_BYTES_MOST`."""


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. An ended one leaves the state `retention_days` after its last open item."""

    id: str
    admitted_at: int
    discharged_at: int | None = None
    retention_days: int = 0
    closed: tuple[PackedEscalation, ...] = ()
    """What its end closed, of each reason the latest: asked again, if the discharge was wrong."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """Of a patient without any event, everything is empty."""

    episode: Episode | None = None
    listed_at: int = 0
    medications: tuple[IngredientPeriod, ...] = ()
    to_review: tuple[IngredientPeriod, ...] = ()
    """Medications that explain nothing, and that a positive beside them asks to review."""
    specimens: tuple[Specimen, ...] = ()
    first_evicted_at: int | None = None
    """Collection of the earliest specimen that was evicted: the baseline stays where it was."""
    last_positive_by_group: tuple[tuple[str, int], ...] = ()
    """Per metabolite group, and per drug of it (`amphetamine=methamphetamine`), the last positive among evicted
    specimens that could show use."""
    packed_escalations: tuple[PackedEscalation, ...] = ()
    team: Team = ()
    orders: Orders = Orders()

    @property
    def escalations(self) -> tuple[escalation.Open, ...]:
        return unpack_escalations(self.packed_escalations)


def put(state: State, specimen: Specimen, gone: tuple[str, ...] = ()) -> State:
    """The state with this specimen in place of those that turned out to be it, in order of collection."""
    others = [each for each in state.specimens if each.id not in (specimen.id, *gone)]
    ordered = sorted([*others, specimen], key=lambda each: (each.collected_at, each.id))
    return msgspec.structs.replace(state, specimens=tuple(ordered))


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    match event:
        case MedicationsRecorded():
            return _within_limit(with_medications(state, event))
        case EpisodeAdmitted():
            return _admitted(state, event)
        case EpisodeDischarged() if state.episode is not None and state.episode.id == event.episode_id:
            return msgspec.structs.replace(state, episode=_ended(state.episode, event, state.packed_escalations))
        case DischargeWithdrawn() if state.episode is not None and state.episode.id == event.episode_id:
            again = msgspec.structs.replace(state.episode, discharged_at=None, closed=())
            return msgspec.structs.replace(state, episode=again)
        case RetentionBegan(retention_days=days) if state.episode is not None:
            return msgspec.structs.replace(state, episode=msgspec.structs.replace(state.episode, retention_days=days))
        case SpecimenReported(specimen=specimen, gone=gone):
            return _within_limit(put(state, specimen, gone), latest=specimen.id)
        case DrugTestEvent():
            return _graded(state, event)
        case EscalationEvent():
            still_open = packed_after(state.packed_escalations, event)
            return _within_limit(msgspec.structs.replace(state, packed_escalations=still_open))
        case SignalsCorrected():
            now_open = packed_with(state.packed_escalations, event)
            return msgspec.structs.replace(state, packed_escalations=now_open)
        case OrdersChanged(orders=orders):
            return _within_limit(msgspec.structs.replace(state, orders=orders))
        case CareTeamChanged(members=members):
            return msgspec.structs.replace(state, team=members)
        case TimePassed():
            return State(team=state.team) if _only_to_leave(state) else state
        case _:
            return state


def _admitted(state: State, event: EpisodeAdmitted) -> State:
    if state.episode is not None and state.episode.id == event.episode_id:
        return state
    again = state.episode is not None
    opened = Episode(event.episode_id, seconds(event.admitted_at))
    return msgspec.structs.replace(state, episode=opened, first_evicted_at=None if again else state.first_evicted_at)


def _ended(episode: Episode, event: EpisodeDischarged, still_open: Sequence[PackedEscalation]) -> Episode:
    closed = {each.reason: each for each in (*episode.closed, *still_open)}
    discharged_at = seconds(event.discharged_at)
    return msgspec.structs.replace(episode, discharged_at=discharged_at, closed=tuple(closed.values()))


def due(state: State) -> datetime | None:
    """The next escalation to become overdue, the next look at an ordered test, or the day an ended episode leaves the
    state."""
    looks = order_due(state.orders) if in_treatment(state) else None
    overdue, leaves = escalation.due(state.escalations), _leaves_at(state)
    return min((each for each in (overdue, leaves, looks) if each is not None), default=None)


def in_treatment(state: State) -> bool:
    """Whether a stay is open: only then a test is ordered, and waited for."""
    return state.episode is not None and state.episode.discharged_at is None


def lives(state: State) -> bool:
    """Whether a stay has not left the state, or a person is asked something."""
    return state.episode is not None or bool(state.packed_escalations)


def _leaves_at(state: State) -> datetime | None:
    if state.episode is None or state.episode.discharged_at is None:
        return None
    last = max([state.episode.discharged_at, *(each.act_by for each in state.packed_escalations)])
    return instant(last) + timedelta(days=state.episode.retention_days)


def _only_to_leave(state: State) -> bool:
    return _leaves_at(state) is not None and escalation.due(state.escalations) is None


def with_medications(state: State, event: MedicationsRecorded) -> State:
    """The whole list each time. What is no longer in it was taken until the day of the new list."""
    recorded_at = seconds(event.recorded_at)
    if recorded_at < state.listed_at:
        return state
    known, in_question = reconciled(event.medications, state.medications, state.to_review, event.recorded_at.date())
    return msgspec.structs.replace(state, listed_at=recorded_at, medications=known, to_review=in_question)


def _graded(state: State, event: DrugTestEvent) -> State:
    """Which positives could not show new use: once their specimen is evicted, no window counts from them."""
    known = next((each for each in state.specimens if each.id == pack_id(event.report_id)), None)
    if known is None:
        return state
    return _with(state, msgspec.structs.replace(known, residual=residual(event.results)))


def residual(results: Iterable[AnalyteResult]) -> tuple[str, ...]:
    """The metabolite groups whose positive could not show new use."""
    return tuple(sorted(groups_of(each.analyte for each in results if each.outcome == "cannot-show-new-use")))


def _within_limit(state: State, latest: str = "") -> State:
    """What was reported last stays, and so does the evidence of every open escalation."""
    evidence = {report for each in state.packed_escalations for _, _, report in each.signals}
    while (smaller := _smaller(state, evidence | {latest})) is not None:
        state = smaller
    return state


def _smaller(state: State, needed: Collection[str]) -> State | None:
    """The state after one step, None where it is small enough. `needed` are the ids of specimens that go last.

    Plain rows go before whole specimens, and the oldest first.
    """
    if len(msgspec.json.encode(state)) <= BYTES_MOST or not state.specimens:
        return None
    free = [each for each in state.specimens if each.id not in needed]
    empty = next((each for each in free[:-1] if _leaves_nothing(each)), None)
    if empty is not None:
        return _without(state, empty)
    thin = _thinner(free) or (None if free else _thinner(state.specimens))
    if thin is not None:
        return _with(state, thin)
    return _without(state, (free or state.specimens)[0])


def _leaves_nothing(specimen: Specimen) -> bool:
    """Whether nothing would be live of it without its plain rows: mostly a row of it matters, which is seen at once."""
    matters = any(still_matters(each, beside_a_level=False) for each in specimen.live)
    return not matters and not thinned(specimen).live


def _thinner(specimens: Sequence[Specimen]) -> Specimen | None:
    """The first that has plain rows, without them."""
    return next((thin for each in specimens if (thin := thinned(each)).rows != each.rows), None)


def _with(state: State, specimen: Specimen) -> State:
    specimens = tuple(specimen if each.id == specimen.id else each for each in state.specimens)
    return msgspec.structs.replace(state, specimens=specimens)


def _without(state: State, gone: Specimen) -> State:
    """What it leaves behind: when each group was last positive, and when the first specimen was collected."""
    last, first = dict(state.last_positive_by_group), state.first_evicted_at
    for metabolite_group in positive_groups(gone) - set(gone.residual):
        drugs = drugs_of(gone.final, metabolite_group)
        for name in (metabolite_group, *(f"{metabolite_group}{OF}{drug}" for drug in drugs)):
            last[name] = max(gone.collected_at, last.get(name, gone.collected_at))
    if not gone.voided:
        first = gone.collected_at if first is None else min(gone.collected_at, first)
    return msgspec.structs.replace(
        state,
        specimens=tuple(each for each in state.specimens if each is not gone),
        last_positive_by_group=tuple(sorted(last.items())),
        first_evicted_at=first,
    )

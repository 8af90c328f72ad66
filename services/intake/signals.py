"""The signals of other services that may meet: which stand, by whose escalations, as small as a state must be.

Nothing leaves because it grew old or because newer ones came: what is taken back later leaves the same behind, whatever
the order of arrival.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import msgspec

from shared.events.envelope import is_id
from shared.events.escalation import (
    COMBINING,
    IN_CONTACT,
    EscalationEvent,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    Signal,
    SignalsCorrected,
)
from shared.rules.decision import computed_once
from shared.rules.packing import instant, pack_id, seconds, unpack_id

SIGNALS_MOST = 60
"""Of one stay: five a week for three months. Beyond, the oldest leave, and a person hears of it."""
ESCALATIONS_MOST = 80
MISS = COMBINING[0]
EVIDENCE = {"Appointment/": "A", "DiagnosticReport/": "D", "ServiceRequest/": "S"}

Key = tuple[int, int, str]
"""A signal as it is stored: its kind's place in `COMBINING`, clinical time in seconds, evidence."""


class Naming(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An escalation that names signals, and its tier as it was last emitted."""

    id: str
    tier: int


class StandingSignal(msgspec.Struct, frozen=True, array_like=True):
    """A signal once, with the places of the escalations that name it. `answered`: a person resolved what it had
    combined into."""

    kind: int
    at: int
    evidence: str
    named_by: tuple[int, ...]
    answered: bool = False

    @property
    def key(self) -> Key:
        return self.kind, self.at, self.evidence

    @property
    def fact(self) -> tuple[int, str]:
        """What it is, whenever that was."""
        return self.kind, self.evidence

    @property
    def signal(self) -> Signal:
        return Signal(COMBINING[self.kind], instant(self.at), _unpacked(self.evidence))

    @property
    def clinical_order(self) -> tuple[int, str, str]:
        return self.at, COMBINING[self.kind], _unpacked(self.evidence)


class SignalWindow(msgspec.Struct, frozen=True, array_like=True):
    """Which combining signals stand in this stay, by which escalations: one miss often stands under three of them.
    `lost` counts those that found no room."""

    escalations: tuple[Naming, ...] = ()
    signals: tuple[StandingSignal, ...] = ()
    lost: int = 0

    def tier(self, signal: StandingSignal) -> int:
        """The highest of the escalations that name it."""
        return max(self.escalations[place].tier for place in signal.named_by)

    def named_by(self, signal: StandingSignal) -> tuple[str, ...]:
        return tuple(unpack_id(self.escalations[place].id) for place in signal.named_by)

    def stands(self, signal: Signal) -> bool:
        """Also where its time is known better by now."""
        kind, _, evidence = key_of(signal)
        return (kind, evidence) in {each.fact for each in self.signals}

    def taken_back_by(self, event: EscalationEvent | SignalsCorrected) -> set[Key]:
        """A retraction takes back all that its escalation names, an update what it says is gone, a correction what any
        names. One that newer signals crowd out of the few that are shown still stands, and so does what a person
        resolved."""
        match event:
            case SignalsCorrected(gone=gone, moved=moved):
                concerned = {(kind, evidence) for kind, _, evidence in _keys((*gone, *moved))}
                return {each.key for each in self.signals if each.fact in concerned}
            case EscalationRetracted(escalation=escalation):
                return self._named(escalation.id)
            case EscalationUpdated(gone=gone):
                return _keys(gone)
            case _:
                return set()

    @computed_once
    def after_event(self, event: EscalationEvent | SignalsCorrected) -> "SignalWindow":
        """After an event of another service's."""
        if isinstance(event, SignalsCorrected):
            return self._corrected(event)
        escalation, before = event.escalation, self._named(event.escalation.id)
        named = set[Key]() if _is_contact_again(event) else before - self.taken_back_by(event)
        if not isinstance(event, EscalationRetracted | EscalationResolved):
            named |= _keys(escalation.signals)
        if not named and not before:
            return self
        naming = Naming(pack_id(escalation.id), escalation.tier)
        others = {each: keys for each, keys in self._namings().items() if each.id != naming.id}
        answered = {each.key for each in self.signals if each.answered}
        return _within_limits(window_of({**others, naming: named}, answered, self.lost))

    def with_answer(self, answered: bool) -> "SignalWindow":
        """A person answered what these have combined into, so that they alone shall not raise it again; or as if nobody
        had."""
        signals = tuple(msgspec.structs.replace(each, answered=answered) for each in self.signals)
        return msgspec.structs.replace(self, signals=signals)

    def unanswered(self, named: Iterable[Signal]) -> "SignalWindow":
        """As if nobody had answered what these have combined into; any others stay as they are."""
        facts = {(kind, evidence) for kind, _, evidence in _keys(named)}
        signals = tuple(
            msgspec.structs.replace(each, answered=each.answered and each.fact not in facts) for each in self.signals
        )
        return msgspec.structs.replace(self, signals=signals)

    def _corrected(self, event: SignalsCorrected) -> "SignalWindow":
        now = {(kind, evidence): (kind, at, evidence) for kind, at, evidence in _keys(event.moved)}
        gone = {(kind, evidence) for kind, _, evidence in _keys(event.gone)}
        left = {each.key: now.get(each.fact, each.key) for each in self.signals if each.fact not in gone}
        answered = {left[each.key] for each in self.signals if each.answered and each.key in left}
        namings = {naming: {left[key] for key in keys if key in left} for naming, keys in self._namings().items()}
        return window_of(namings, answered, self.lost)

    def _named(self, escalation_id: str) -> set[Key]:
        identity = pack_id(escalation_id)
        place = next((place for place, each in enumerate(self.escalations) if each.id == identity), None)
        return {each.key for each in self.signals if place in each.named_by}

    def _namings(self) -> dict[Naming, set[Key]]:
        namings = {naming: set[Key]() for naming in self.escalations}
        for each in self.signals:
            for place in each.named_by:
                namings[self.escalations[place]].add(each.key)
        return namings


def window_of(namings: Mapping[Naming, Collection[Key]], answered: Collection[Key], lost: int = 0) -> SignalWindow:
    """Signals in clinical order, escalations by id: the same, whatever came first."""
    escalations = tuple(sorted(each for each, keys in namings.items() if keys))
    places: dict[Key, list[int]] = {}
    for place, naming in enumerate(escalations):
        for key in namings[naming]:
            places.setdefault(key, []).append(place)
    ordered = sorted(places, key=lambda key: (key[1], key[0], key[2]))
    signals = tuple(StandingSignal(*key, tuple(places[key]), key in answered) for key in ordered)
    return SignalWindow(escalations, signals, lost)


def _within_limits(window: SignalWindow) -> SignalWindow:
    """Without the oldest signals, and what named them alone, where there are too many."""
    while len(window.signals) > SIGNALS_MOST or len(window.escalations) > ESCALATIONS_MOST:
        oldest = window.signals[0].key
        namings = {naming: keys - {oldest} for naming, keys in window._namings().items()}
        answered = {each.key for each in window.signals if each.answered}
        window = window_of(namings, answered, window.lost + 1)
    return window


def _is_contact_again(event: EscalationEvent) -> bool:
    """It is over, and tells of no miss that is none by now: those are told by the escalations of each miss."""
    return isinstance(event, EscalationResolved) and event.reason == IN_CONTACT


def key_of(signal: Signal) -> Key:
    return COMBINING.index(signal.code), seconds(signal.at), _packed(signal.evidence)


def _keys(signals: Iterable[Signal]) -> set[Key]:
    return {key_of(each) for each in signals if each.code in COMBINING}


@lru_cache(1024)
def _packed(reference: str) -> str:
    """Of a resource of the hub's own 23 characters; any other reference as it is."""
    prefix, slash, identity = reference.partition("/")
    letter = EVIDENCE.get(prefix + slash)
    return f"{letter}{pack_id(identity)}" if letter and is_id(identity) else reference


@lru_cache(1024)
def _unpacked(reference: str) -> str:
    """Only one that was packed has no slash."""
    if "/" in reference:
        return reference
    prefix = next(prefix for prefix, letter in EVIDENCE.items() if letter == reference[0])
    return f"{prefix}{unpack_id(reference[1:])}"

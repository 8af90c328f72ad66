"""The signals of other services that may meet: which stand, by whose escalations, within the limits of a state."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import msgspec

from shared.events.escalation import EscalationEvent, EscalationResolved, EscalationRetracted, Signal
from shared.rules.decision import computed_once

WINDOW_DAYS = 30
"""Signals this much older than the newest can't meet another any more."""
WINDOW_SIGNALS_MOST = 5
"""Of each kind, the newest: a run of misses must never push out the positive that they meet."""
WINDOW_ESCALATIONS_MOST = 8
COMBINING = ("missed-session", "unexpected-positive")
"""Signals that ask, together, for another look at the placement (domain 5.2)."""


class NamedSignal(msgspec.Struct, frozen=True, array_like=True):
    """A combining signal of another service's escalation. `answered`: a person resolved what it had combined into."""

    escalation_id: str
    signal: Signal
    answered: bool = False


class StandingSignal(msgspec.Struct, frozen=True, array_like=True):
    """A signal once, with the places in the window of all escalations that name it."""

    signal: Signal
    named_by: tuple[int, ...]
    answered: bool


class SignalWindow(msgspec.Struct, frozen=True, array_like=True):
    """Which combining signals stand, by which escalations: one miss often stands under three of them."""

    escalations: tuple[str, ...] = ()
    signals: tuple[StandingSignal, ...] = ()

    def named_signals(self) -> tuple[NamedSignal, ...]:
        """One by one, in clinical order."""
        return tuple(
            NamedSignal(self.escalations[place], each.signal, each.answered)
            for each in self.signals
            for place in each.named_by
        )

    def after(self, escalation_id: str, signals: Sequence[Signal]) -> "SignalWindow":
        """After an escalation's latest event, which carries those of its signals that stand."""
        combining = [each for each in signals if each.code in COMBINING]
        if not combining and escalation_id not in self.escalations:
            return self
        before = self.named_signals()
        answered = {each.signal.evidence for each in before if each.answered}
        others = [each for each in before if each.escalation_id != escalation_id]
        return window_of(
            [*others, *(NamedSignal(escalation_id, each, each.evidence in answered) for each in combining)]
        )

    @computed_once
    def after_event(self, event: EscalationEvent) -> "SignalWindow":
        """After an event of another service's escalation."""
        if isinstance(event, EscalationResolved):
            return self
        stands = () if isinstance(event, EscalationRetracted) else event.escalation.signals
        return self.after(event.escalation.id, stands)

    def after_an_answer(self, evidence: Collection[str]) -> "SignalWindow":
        """A person answered what these had combined into: they alone shall not raise it again."""
        return window_of(
            [
                msgspec.structs.replace(each, answered=True) if each.signal.evidence in evidence else each
                for each in self.named_signals()
            ]
        )


def window_of(named_signals: Sequence[NamedSignal]) -> SignalWindow:
    """The newest signals of each kind, in clinical order whatever the order of arrival."""
    signals = _each_once(named_signals)
    if not signals:
        return SignalWindow()
    newest = _newest_of_each_kind(signals)
    naming = sorted(
        (each for each in named_signals if each.signal in newest),
        key=lambda each: (each.signal.at, each.escalation_id),
        reverse=True,
    )
    escalations = tuple(dict.fromkeys(each.escalation_id for each in naming))[:WINDOW_ESCALATIONS_MOST]
    return SignalWindow(
        escalations, tuple(_standing(each, named_signals, escalations) for each in signals if each in newest)
    )


def _each_once(named_signals: Sequence[NamedSignal]) -> list[Signal]:
    """In clinical order. Equal ones lie side by side: an instant is slow to hash."""
    named = sorted((each.signal for each in named_signals), key=lambda each: (each.at, each.code, each.evidence))
    return [each for place, each in enumerate(named) if place == 0 or each != named[place - 1]]


def _newest_of_each_kind(signals: Sequence[Signal]) -> list[Signal]:
    since = signals[-1].at - timedelta(days=WINDOW_DAYS)
    recent = [each for each in signals if each.at >= since]
    return [each for code in COMBINING for each in [one for one in recent if one.code == code][-WINDOW_SIGNALS_MOST:]]


def _standing(signal: Signal, named_signals: Sequence[NamedSignal], escalations: Sequence[str]) -> StandingSignal:
    naming = [each for each in named_signals if each.signal == signal]
    places = sorted({escalations.index(each.escalation_id) for each in naming if each.escalation_id in escalations})
    return StandingSignal(signal, tuple(places), any(each.answered for each in naming))

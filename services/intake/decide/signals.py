"""Signals of attendance and testing: when they meet, a person looks at the placement again (domain 5.2, 5.3)."""

import msgspec

from services.intake import combined, messages
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.signals import NamedSignal
from services.intake.state import OWN_CATEGORIES, State
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.decision import Moment


def signals_changed(
    state: State,
    event: messages.EscalationRaised
    | messages.EscalationUpdated
    | messages.EscalationRetracted
    | messages.EscalationResolved,
    moment: Moment[Settings],
) -> list[messages.Emits]:
    """Raise, update or retract the combined escalation, and the review that goes with it."""
    if state.episode is None or event.escalation.category in OWN_CATEGORIES:
        return []
    after = state.signals.after_event(event).named_signals()
    stands = combined.together(after, moment.settings.combine_days)
    known = state.escalation_of(combined.REASON)
    gone = _withdrawn(state, event.escalation.id, after, known)
    if stands is not None:
        return _combine(state, state.episode, known, stands, gone, moment)
    if known is None or not gone:
        return []
    retracted = messages.EscalationRetracted(escalation=known.escalation, at=moment.now, reason="signal-withdrawn")
    return [retracted, *withdraw(state.review_of(combined.REASON), "signal-withdrawn", moment)]


def _withdrawn(
    state: State, escalation_id: str, after: tuple[NamedSignal, ...], known: escalation.Open | None
) -> tuple[Signal, ...]:
    """The signals of the open escalation that this event withdrew. One that merely grew old is none of them."""
    if known is None:
        return ()
    named = {each.signal for each in state.signals.named_signals() if each.escalation_id == escalation_id}
    still = {each.signal for each in after}
    return tuple(each for each in known.escalation.signals if each in named and each not in still)


def _combine(
    state: State,
    episode: Episode,
    known: escalation.Open | None,
    stands: escalation.Trigger,
    gone: tuple[Signal, ...],
    moment: Moment[Settings],
) -> list[messages.Emits]:
    if known is None:
        emitted = escalation.raise_or_update((), [stands], moment, moment.settings.escalation)
        return [*emitted, _review(emitted[0].escalation.id, stands, episode, moment)]
    current = msgspec.structs.replace(known.escalation, signals=stands.signals, subsumes=stands.subsumes)
    if current == known.escalation:
        return []
    updated = messages.EscalationUpdated(escalation=current, at=moment.now, accepted=known.accepted, gone=gone)
    review = state.review_of(combined.REASON)
    changed = review is not None and current.subsumes != known.escalation.subsumes
    return [updated, *([_review(current.id, stands, episode, moment)] if changed else [])]


def _review(
    escalation_id: str, stands: escalation.Trigger, episode: Episode, moment: Moment[Settings]
) -> messages.PlacementReviewRequested:
    review_id, focus = name_id(episode.id, "review:combined"), f"EpisodeOfCare/{episode.id}"
    asked = ask_for_review(review_id, combined.REASON, focus, moment, moment.settings.reassess_hours)
    return about(asked, escalations=(escalation_id, *stands.subsumes))

"""Signals of attendance and testing: when they meet, a person looks at the placement again (domain 5.2, 5.3)."""

from datetime import timedelta

import msgspec

from services.intake import combined
from services.intake import state as room
from services.intake import words as w
from services.intake.decide.recording import At, Said, withdraw
from services.intake.ledger import Heard
from services.intake.state import Episode, State
from shared.rules import escalation
from shared.words.envelope import name_id
from shared.words.escalation import Signal


def signals_changed(
    state: State,
    word: w.EscalationRaised | w.EscalationUpdated | w.EscalationRetracted | w.EscalationResolved,
    moment: At,
) -> Said:
    """Raise, update or retract the combined escalation, and the review that goes with it."""
    if state.episode is None or word.escalation.category in room.OWN_CATEGORIES:
        return []
    after = room.after_hearing(state, word).heard()
    stands = combined.together(after, moment.settings.combine_days)
    known = state.open_because(combined.REASON)
    gone = _withdrawn(state, word.escalation.id, after, known)
    if stands is not None:
        return _combine(state, state.episode, known, stands, gone, moment)
    if known is None or not gone:
        return []
    retracted = w.EscalationRetracted(escalation=known.escalation, at=moment.now, because="signal-withdrawn")
    return [retracted, *withdraw(state.review_of(combined.REASON), "signal-withdrawn", moment)]


def _withdrawn(
    state: State, escalation_id: str, after: tuple[Heard, ...], known: escalation.Open | None
) -> tuple[Signal, ...]:
    """The signals of the open escalation that this word withdrew. One that merely grew old is none of them."""
    if known is None:
        return ()
    named = {each.signal for each in state.ledger.heard() if each.escalation_id == escalation_id}
    still = {each.signal for each in after}
    return tuple(each for each in known.escalation.signals if each in named and each not in still)


def _combine(
    state: State,
    episode: Episode,
    known: escalation.Open | None,
    stands: escalation.Trigger,
    gone: tuple[Signal, ...],
    moment: At,
) -> Said:
    if known is None:
        said = escalation.raise_or_update((), [stands], moment, moment.settings.escalation)
        return [*said, _review(said[0].escalation.id, stands, episode, moment)]
    current = msgspec.structs.replace(known.escalation, signals=stands.signals, subsumes=stands.subsumes)
    if current == known.escalation:
        return []
    updated = w.EscalationUpdated(escalation=current, at=moment.now, accepted=known.accepted, gone=gone)
    review = state.review_of(combined.REASON)
    changed = review is not None and current.subsumes != known.escalation.subsumes
    return [updated, *([_review(current.id, stands, episode, moment)] if changed else [])]


def _review(escalation_id: str, stands: escalation.Trigger, episode: Episode, moment: At) -> w.PlacementReviewRequested:
    return w.PlacementReviewRequested(
        review_id=name_id(episode.id, "review:combined"),
        reason=combined.REASON,
        missing=(),
        escalations=(escalation_id, *stands.subsumes),
        focus=f"EpisodeOfCare/{episode.id}",
        requested_at=moment.now,
        act_by=moment.now + timedelta(hours=moment.settings.reassess_hours),
    )

"""Signals of attendance and testing: when they meet, a person looks at the patient, and at the placement again (domain
5.2, 5.3)."""

import msgspec

from services.intake import combined, messages
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.signals import SignalWindow, key_of
from services.intake.state import State, combines
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Open, Trigger, rule_version

UNCOUNTED = "signals-uncounted"
"""More signals stand than are remembered: what the oldest would combine into, a person has to see."""


def signals_changed(state: State, event: messages.OfSignals, moment: Moment[Settings]) -> list[messages.Emits]:
    """Raise, update or retract the combined escalation, and the review that goes with it."""
    if state.episode is None or not combines(event):
        return []
    after = state.signals.after_event(event)
    stands, known = combined.together(after, moment.settings), _combined(state)
    taken_back = state.signals.taken_back_by(event)
    named = _signals(known) if taken_back else ()
    gone = tuple(each for each in named if key_of(each) in taken_back and not after.stands(each))
    emitted: list[messages.Emits] = []
    if stands is not None:
        emitted += _combine(state, state.episode, known, stands, gone, moment)
    elif known is not None and (gone or (taken_back and not after.lost)):
        emitted.append(
            messages.EscalationRetracted(escalation=known.escalation, at=moment.now, reason="signal-withdrawn")
        )
        emitted += withdraw(state.review_of(combined.REASON), "signal-withdrawn", moment)
    return [*emitted, *_uncounted(state, after, moment)]


def combined_again(state: State, episode: Episode, moment: Moment[Settings]) -> list[messages.Emits]:
    """The end of the stay was wrong: what it closed is asked again, where signals still meet."""
    stands = combined.together(state.signals, moment.settings)
    return _combine(state, episode, None, stands, (), moment) if stands is not None else []


def reassessment_stands(state: State, moment: Moment[Settings]) -> bool:
    """Whether a miss and a positive meet, answered or not."""
    stands = combined.together(state.signals.with_answer(False), moment.settings)
    return stands is not None and stands.reason == combined.REASON


def _combined(state: State) -> Open | None:
    found = (state.escalation_of(reason) for reason in combined.REASONS)
    return next((each for each in found if each is not None), None)


def _signals(known: Open | None) -> tuple[Signal, ...]:
    return known.escalation.signals if known is not None else ()


def _combine(
    state: State,
    episode: Episode,
    known: Open | None,
    stands: Trigger,
    gone: tuple[Signal, ...],
    moment: Moment[Settings],
) -> list[messages.Emits]:
    """One combined escalation at a time, by the reason it has now; the review is that of a miss and a positive."""
    reassess = stands.reason == combined.REASON
    if known is None:
        emitted = escalation.raise_or_update((), [stands], moment, moment.settings.escalation)
        review = [_review(emitted[0].escalation.id, stands, episode, None, moment)] if reassess else []
        return [*emitted, *review]
    before = known.escalation
    current = msgspec.structs.replace(
        before, reason=stands.reason, rule=stands.rule, signals=stands.signals, subsumes=stands.subsumes
    )
    if current == before:
        return []
    updated = escalation.updated(known, current, moment.now, gone)
    review_known = state.review_of(combined.REASON)
    if not reassess:
        return [updated, *withdraw(review_known, "signal-withdrawn", moment)]
    if before.reason == stands.reason and (review_known is None or before.subsumes == current.subsumes):
        return [updated]
    return [updated, _review(current.id, stands, episode, review_known, moment)]


def _review(
    escalation_id: str, stands: Trigger, episode: Episode, known: messages.Review | None, moment: Moment[Settings]
) -> messages.PlacementReviewRequested:
    """What else meets gives nobody more time."""
    review_id, focus = name_id(episode.id, "review:combined"), f"EpisodeOfCare/{episode.id}"
    asked = ask_for_review(review_id, combined.REASON, focus, moment, moment.settings.reassess_hours)
    first = known or asked.review
    escalations = (escalation_id, *stands.subsumes)
    return about(
        asked,
        escalations=escalations,
        requested_at=first.requested_at or asked.review.requested_at,
        act_by=first.act_by or asked.review.act_by,
    )


def _uncounted(state: State, after: SignalWindow, moment: Moment[Settings]) -> list[messages.Emits]:
    if after.lost == state.signals.lost or state.escalation_of(UNCOUNTED) is not None:
        return []
    trigger = Trigger(
        category="combined",
        reason=UNCOUNTED,
        tier=1,
        owner="case-manager",
        rule=rule_version("intake", UNCOUNTED, "1"),
        signals=(Signal(UNCOUNTED, moment.now, f"Patient/{moment.patient}"),),
    )
    return [*escalation.raise_or_update((), [trigger], moment, moment.settings.escalation)]

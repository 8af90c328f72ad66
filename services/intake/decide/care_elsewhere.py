"""Care elsewhere during a stay: somebody looks after the patient at once, at the placement again, and follows up."""

from datetime import datetime, timedelta
from functools import reduce
from typing import Any, assert_never

from services.intake import messages
from services.intake.decide.course import Course
from services.intake.decide.placing import about, ask_for_review, withdraw
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.events.intake import FOLLOW_UP
from shared.rules import escalation
from shared.rules.decision import Moment
from shared.rules.escalation import Trigger, rule_version
from shared.rules.packing import instant

REASON = "care-elsewhere"
TIER = 3
RULES_VERSION = "1"
SIGNALS: dict[messages.CareKind, str] = {"emergency": "emergency-visit", "inpatient": "inpatient-stay"}
"""What is escalated; a stay in a residence has been planned."""


def of_care(state: State, command: messages.CareElsewhere, moment: Moment[Settings]) -> list[messages.Emits]:
    """What a sender's Encounter says."""
    match command:
        case messages.ReportCareElsewhere():
            asked = reported(state, command, moment)
        case messages.EndCareElsewhere():
            asked = ended(state, command, moment)
        case messages.WithdrawCareElsewhere():
            asked = withdrawn(state, command, moment)
        case _:
            assert_never(command)
    return [*asked, *_paused_or_resumed(state.episode, command)]


def _paused_or_resumed(episode: Episode | None, command: messages.CareElsewhere) -> list[messages.Emits]:
    """With the first nights elsewhere the stay is paused, with the end of the last it goes on."""
    if episode is None:
        return []
    before, after = episode.elsewhere, episode.elsewhere_after(command)
    if bool(before) == bool(after):
        return []
    at = episode.admitted_at
    if not isinstance(command, messages.WithdrawCareElsewhere):
        at = max(at, command.started_at if isinstance(command, messages.ReportCareElsewhere) else command.ended_at)
    if after:
        return [_paused(episode, at)]
    since = episode.paused_at
    paused_at = since if since is not None and since < at else None  # there was nothing elsewhere
    return [messages.EpisodeResumed(**_stay(episode), at=at, history=episode.history, paused_at=paused_at)]


def followed(course: Course) -> list[messages.Emits]:
    """A stay that begins, or goes on after all, while the patient is elsewhere for nights is paused at once. A person
    is asked as if they had begun during it."""
    if not course.emits(messages.EpisodeAdmitted | messages.DischargeWithdrawn):
        return []
    after, moment = course.after, course.moment
    episode = after.episode
    if episode is None or not after.nights:
        return []
    asked: list[messages.Emits] = []
    for each in after.nights:
        asked += reported(reduce(evolve, asked, after), each.report, moment)
    since = max(episode.status_since, min(each.since for each in after.nights))
    return [*asked, _paused(episode, max(episode.admitted_at, instant(since)))]


def _paused(episode: Episode, at: datetime) -> messages.EpisodePaused:
    return messages.EpisodePaused(**_stay(episode), at=at, history=episode.turned("active", at).history)


def _stay(episode: Episode) -> dict[str, Any]:
    return {
        "episode_id": episode.id,
        "level": episode.level,
        "referral_id": episode.referral_id,
        "admitted_at": episode.admitted_at,
    }


def reported(state: State, command: messages.ReportCareElsewhere, moment: Moment[Settings]) -> list[messages.Emits]:
    """Of care that was over before the stay began nobody is asked: the assessment knew of it."""
    episode = state.episode
    if episode is None or (command.ended_at or moment.now) < episode.admitted_at:
        return []
    code, identity = SIGNALS.get(command.kind), command.encounter_id
    triggers = [trigger(Signal(code, command.started_at, f"Encounter/{identity}"))] if code else []
    emitted: list[messages.Emits] = [
        *escalation.raise_or_update(state.escalations, triggers, moment, moment.settings.escalation),
        *_follow_up_withdrawn(state, identity, moment),
    ]
    if state.review_of(REASON) is None:
        hours = moment.settings.reassess_hours
        emitted.append(ask_for_review(_review_id(identity), REASON, f"EpisodeOfCare/{episode.id}", moment, hours))
    return emitted


def trigger(signal: Signal) -> Trigger:
    return Trigger(
        category="placement",
        reason=REASON,
        tier=TIER,
        owner="primary-therapist",
        rule=rule_version("intake", REASON, RULES_VERSION),
        signals=(signal,),
    )


def ended(state: State, command: messages.EndCareElsewhere, moment: Moment[Settings]) -> list[messages.Emits]:
    """Somebody sees the patient within `elsewhere_follow_up_days` of its end; known later, in the time of a review.
    What was over before the stay began, as becomes known only now, asks no more."""
    episode = state.episode
    if episode is not None and command.ended_at < episode.admitted_at:
        return _taken_back(state, command.encounter_id, moment)
    if episode is None or state.review_of(FOLLOW_UP) is not None:
        return []
    identity, hours = command.encounter_id, moment.settings.review_hours
    asked = ask_for_review(_follow_up_id(identity), FOLLOW_UP, f"Encounter/{identity}", moment, hours)
    by = command.ended_at + timedelta(days=moment.settings.elsewhere_follow_up_days)
    return [about(asked, act_by=max(by, asked.review.act_by or by))]


def withdrawn(state: State, command: messages.WithdrawCareElsewhere, moment: Moment[Settings]) -> list[messages.Emits]:
    """There was none."""
    return _taken_back(state, command.encounter_id, moment)


def _taken_back(state: State, identity: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """All that this Encounter asked. Who else's care is behind the escalation keeps the review, too."""
    known = state.escalation_of(REASON)
    own = (known,) if known is not None else ()
    corrected = escalation.withdraw_evidence(own, f"Encounter/{identity}", {REASON}, WITHDRAWN, moment.now)
    stands = any(isinstance(each, messages.EscalationUpdated) for each in corrected)
    asked = next((each for each in state.reviews if each.id == _review_id(identity)), None)
    return [
        *corrected,
        *([] if stands else withdraw(asked, WITHDRAWN, moment)),
        *_follow_up_withdrawn(state, identity, moment),
    ]


WITHDRAWN = "signal-withdrawn"


def _follow_up_withdrawn(state: State, encounter_id: str, moment: Moment[Settings]) -> list[messages.Emits]:
    asked = next((each for each in state.reviews if each.id == _follow_up_id(encounter_id)), None)
    return withdraw(asked, WITHDRAWN, moment)


def _review_id(encounter_id: str) -> str:
    return name_id(encounter_id, "review")


def _follow_up_id(encounter_id: str) -> str:
    return name_id(encounter_id, "follow-up")

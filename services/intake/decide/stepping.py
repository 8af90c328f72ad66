"""A stay is placed again: its level stays, steps to another one that the program offers, or leads to a discharge."""

from collections.abc import Sequence
from typing import assert_never

from services.intake import messages
from services.intake.combined import REASON as COMBINED
from services.intake.decide import care_elsewhere
from services.intake.decide.placing import NEW_NEEDS, about, ask_for_review, known_of, level_of, withdraw
from services.intake.decide.referrals import joined
from services.intake.offers import offered_by
from services.intake.placement import schedule
from services.intake.placement.levels import is_below
from services.intake.record import Episode, Review
from services.intake.settings import Settings
from services.intake.stages import first_of
from services.intake.state import State
from services.intake.table import TABLE
from shared.events.intake import LAST_STAGE, PREPARES_DISCHARGE, RECERTIFY, SELECT_LEVEL
from shared.rules.decision import Moment, Refused

ABOUT_LEVEL = frozenset(
    {
        COMBINED,
        care_elsewhere.REASON,
        NEW_NEEDS,
        SELECT_LEVEL,
        LAST_STAGE,
        RECERTIFY,
        "R18",
        *(each.id for each in TABLE.rule if each.review),
    }
)
"""Why a person is asked to look whether the level of a stay is still right."""
ANSWERS = ("stays", "step-up", "step-down", "discharge")
"""What such a person finds right."""


def placed_again(
    state: State, episode: Episode, command: messages.SignPlacement, signed: str, moment: Moment[Settings]
) -> list[messages.Emits]:
    """What follows from the level that was signed (in this Task) for a stay. Whatever discharge was prepared is so no
    more, and nobody is asked what follows on the last stage."""
    asked = [each for each in state.asked if each.prepares_discharge or each.reason == LAST_STAGE]
    over = [
        event for each in asked if each.id != command.task_id for event in withdraw(each, "placement-signed", moment)
    ]
    level = level_of(episode, moment.settings)
    if command.level == level:
        return over
    if command.level in moment.settings.offers:
        return [*over, _stepped(state, episode, command, signed, moment), *joined(state, command.level, moment)]
    return [*over, _prepare(episode, direction(level, command.level), command.level, moment)]


def direction(level: str, other: str) -> messages.Direction:
    return "step-up" if is_below(level, other) else "step-down"


def _stepped(
    state: State, episode: Episode, command: messages.SignPlacement, signed: str, moment: Moment[Settings]
) -> messages.EpisodeStepped:
    """With the track, the flags and the week of today."""
    known, settings = known_of(state, moment), moment.settings
    track, flags = schedule.choose(TABLE.track, known) or "general", schedule.flags(known)
    stage = first_of(settings.stages, command.level)
    return messages.EpisodeStepped(
        episode_id=episode.id,
        plan_id=episode.plan_id,
        referral_id=episode.referral_id,
        level=command.level,
        direction=direction(level_of(episode, settings), command.level),
        track=track,
        other_tracks=schedule.other_tracks(track, known),
        flags=flags,
        template=schedule.template(settings.stages[stage], track, flags, settings.sessions),
        admitted_at=episode.admitted_at,
        stepped_at=moment.now,
        signed=signed,
        by=command.by,
        client=moment.by,
        paused_at=(episode.paused_at or episode.admitted_at) if episode.elsewhere else None,
        history=episode.at_level(command.level, moment.now).history,
        stage=stage,
        activities=episode.plan.planned_activities,
    )


def _prepared(state: State) -> list[Review]:
    return [each for each in state.asked if each.reason in PREPARES_DISCHARGE]


def _prepare(episode: Episode, reason: str, level: str, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    """A licensed clinician is asked to discharge: to which level, and who offers it. The hub discharges nobody."""
    focus, hours = f"EpisodeOfCare/{episode.id}", moment.settings.reassess_hours
    asked = ask_for_review(moment.new_id("prepare-discharge"), reason, focus, moment, hours)
    return about(asked, level=level, offers=offered_by(level, moment.settings) if level else ())


def answered(
    state: State, episode: Episode, review: Review, outcome: messages.ReviewOutcome | None, moment: Moment[Settings]
) -> Sequence[messages.Emits] | Refused:
    """What follows from the answer to such a review: where another level is found right and none waits for its
    signature, a licensed clinician selects it; where a discharge is, it is prepared."""
    if review.reason in PREPARES_DISCHARGE:
        return [] if outcome == "stays" else DISCHARGE_FIRST
    match outcome:
        case None:
            return ANSWER_REQUIRED
        case "stays":
            return []
        case "step-up" | "step-down" if review.reason == SELECT_LEVEL:
            return LEVEL_REQUIRED
        case "step-up" | "step-down":
            known = state.recommended is not None or state.review_of(SELECT_LEVEL) is not None
            return [] if known else [_select(episode, moment)]
        case "discharge":
            return [] if _prepared(state) else [_prepare(episode, "discharge", "", moment)]
        case "referral-declined" | "more-information-asked" | "still-true":
            return ANSWER_REQUIRED
        case _:
            assert_never(outcome)


def _select(episode: Episode, moment: Moment[Settings]) -> messages.PlacementReviewRequested:
    focus, hours = f"EpisodeOfCare/{episode.id}", moment.settings.sign_hours
    return ask_for_review(moment.new_id("review:select-level"), SELECT_LEVEL, focus, moment, hours)


ANSWER_REQUIRED = Refused(
    "required",
    f"What was found right is required: {', '.join(ANSWERS)}; or a level in Task.output.",
    "Task.statusReason",
)
LEVEL_REQUIRED = Refused(
    "required", "The level is required: an output of type level, with an output of type reason.", "Task.output"
)
DISCHARGE_FIRST = Refused(
    "business-rule",
    "The discharge itself completes it: put the EpisodeOfCare as finished, with its Encounter. Where the patient stays "
    "after all, complete it with statusReason stays.",
    "Task.status",
)


def completed_by_discharge(
    state: State, command: messages.Discharge, moment: Moment[Settings]
) -> list[messages.PlacementReviewCompleted]:
    """What was prepared is done."""
    return [
        messages.PlacementReviewCompleted(
            review=each, by="", completed_at=moment.now, client=moment.by, answer=command.disposition
        )
        for each in _prepared(state)
    ]

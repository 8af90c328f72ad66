"""How a stay ends, how that is corrected, and how it goes on where it was wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from typing import assert_never

from services.intake import messages
from services.intake.combined import REASON
from services.intake.decide import care_elsewhere, death, stepping
from services.intake.decide.placing import ask_for_review, known_of, place, withdraw_recommendation
from services.intake.decide.referrals import set_aside, withdraw_all
from services.intake.decide.signals import combined_again, reassessment_stands
from services.intake.placement import safety
from services.intake.record import Closed, Ended
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.intake import PREPARES_DISCHARGE, SELECT_LEVEL
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger


def of_stay(
    state: State,
    command: messages.Discharge | messages.CorrectDischarge | messages.WithdrawDischarge,
    moment: Moment[Settings],
) -> list[messages.Emits] | Refused:
    """What a sender says of the end of the stay."""
    match command:
        case messages.Discharge():
            return discharged(state, command, moment)
        case messages.CorrectDischarge():
            return corrected(state, command, moment)
        case messages.WithdrawDischarge():
            return withdrawn(state, command, moment)
        case _:
            assert_never(command)


def discharged(state: State, command: messages.Discharge, moment: Moment[Settings]) -> list[messages.Emits] | Refused:
    """A clinician ends the stay, and with it whatever intake still asked of a person about it."""
    episode, ended = state.episode, state.ended
    if episode is None and ended is not None and ended.episode.id == command.episode_id:
        return _corrected(ended, command.encounter_id, command.disposition, command.at, moment)
    if episode is None or episode.id != command.episode_id:
        return Refused(
            "conflict", "This episode is not open: it is finished, or it never began.", "EpisodeOfCare.status"
        )
    if command.at < episode.admitted_at:
        return BEFORE_ADMISSION
    discharge = messages.EpisodeDischarged(
        episode_id=episode.id,
        encounter_id=command.encounter_id,
        disposition=command.disposition,
        admitted_at=episode.admitted_at,
        discharged_at=command.at,
        plan_id=episode.plan_id,
        level=episode.level,
        referral_id=episode.referral_id,
        history=episode.turned(episode.status, command.at).history,
    )
    done = stepping.completed_by_discharge(state, command, moment)
    return [
        discharge,
        *done,
        *withdraw_recommendation(state, "episode-discharged", moment),
        *withdraw_all(reduce(evolve, done, state), "episode-discharged", moment),
        *escalation.close_all(state.escalations, "episode-discharged", moment.now),
        messages.RetentionBegan.after(command.at, moment.now, moment.settings.retention_days),
    ]


BEFORE_ADMISSION = Refused(
    "business-rule", "The discharge must not lie before the admission.", "EpisodeOfCare.period.end"
)


def corrected(
    state: State, command: messages.CorrectDischarge, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """By its Encounter alone."""
    ended = state.ended
    if ended is None or ended.encounter_id != command.encounter_id:
        return []
    at = command.at or ended.discharged_at
    return _corrected(ended, command.encounter_id, command.disposition, at, moment)


def _corrected(
    ended: Ended, encounter_id: str, disposition: str, at: datetime, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The stay ended otherwise than was known; the same again changes nothing."""
    if (encounter_id, disposition, at) == (ended.encounter_id, ended.disposition, ended.discharged_at):
        return []
    if at < ended.episode.admitted_at:
        return BEFORE_ADMISSION
    discharge = messages.EpisodeDischarged(
        episode_id=ended.episode.id,
        encounter_id=encounter_id,
        disposition=disposition,
        admitted_at=ended.episode.admitted_at,
        discharged_at=at,
        plan_id=ended.episode.plan_id,
        level=ended.episode.level,
        referral_id=ended.episode.referral_id,
        replaced_encounter_id="" if encounter_id == ended.encounter_id else ended.encounter_id,
        history=ended.episode.ended_at(at).history,
    )
    return [discharge, messages.RetentionBegan.after(at, moment.now, moment.settings.retention_days)]


def withdrawn(
    state: State, command: messages.WithdrawDischarge, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The stay goes on, and a person is asked again what its discharge closed; a referral that came since is a second
    one."""
    ended, first = state.ended, state.referral
    if _changes_nothing(state, ended, command):
        return []
    if ended is None or command.episode_id not in ("", ended.episode.id) or _is_too_late(state, ended, moment):
        return NOTHING_TO_WITHDRAW
    withdrawal = messages.DischargeWithdrawn(
        episode_id=ended.episode.id,
        encounter_id=ended.encounter_id,
        plan_id=ended.episode.plan_id,
        admitted_at=ended.episode.admitted_at,
        withdrawn_at=moment.now,
        client=moment.by,
        level=ended.episode.level,
        referral_id=ended.episode.referral_id,
        history=ended.episode.reopened(ended.discharged_at).history,
    )
    combined = combined_again(state, ended.episode, moment)
    without = REASON if combined or not reassessment_stands(state, moment) else ""
    found = [_trigger(state, each, moment) for each in ended.closed]
    triggers = [each for each in found if each is not None]
    aside = set_aside(state, first, "discharge-withdrawn", moment) if first is not None else []
    return [
        *aside,
        withdrawal,
        *escalation.raise_or_update(state.escalations, triggers, moment, moment.settings.escalation),
        *combined,
        *_asked_again(ended, moment, without=without),
        *place(reduce(evolve, (*aside, withdrawal), state), moment),
    ]


NOTHING_TO_WITHDRAW = Refused(
    "conflict",
    "No discharge of this episode can be taken back: it never ended, another stay followed, or it ended too long ago. "
    "A new referral begins another stay.",
    "EpisodeOfCare.status",
)


def _changes_nothing(state: State, ended: Ended | None, command: messages.WithdrawDischarge) -> bool:
    """The episode is open, or the Encounter is not the one of the discharge."""
    if command.encounter_id:
        return ended is None or ended.encounter_id != command.encounter_id
    return state.episode is not None and state.episode.id == command.episode_id


def _is_too_late(state: State, ended: Ended, moment: Moment[Settings]) -> bool:
    """A day before the stay leaves the states of the other services, which could not go on with it."""
    return moment.now > ended.discharged_at + timedelta(days=state.retention_days - 1)


def _trigger(state: State, closed: Closed, moment: Moment[Settings]) -> Trigger | None:
    """What asks again. What is behind it may have been corrected since."""
    if closed.reason == death.REASON:
        return death.to_confirm(moment) if state.death is not None else None
    if closed.reason == care_elsewhere.REASON:
        return care_elsewhere.trigger(closed.newest)
    return safety.still_stands(closed.reason, closed.newest, known_of(state, moment))


def _asked_again(ended: Ended, moment: Moment[Settings], without: str) -> Iterator[messages.PlacementReviewRequested]:
    """Of a discharge that had been prepared a licensed clinician is asked for the level."""
    again = (SELECT_LEVEL if each in PREPARES_DISCHARGE else each for each in ended.reviews if each != without)
    for reason in dict.fromkeys(again):
        focus, hours = f"EpisodeOfCare/{ended.episode.id}", moment.settings.review_hours
        yield ask_for_review(moment.new_id(f"review:{reason}"), reason, focus, moment, hours)

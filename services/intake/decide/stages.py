"""The stages of a stay (domain 1.3): when one has lasted its weeks a person is asked what follows; nothing follows by
itself. Within a level the therapist advances the stay; a stage of another level is a placement, which is reviewed."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from services.intake import messages
from services.intake.decide.course import Course
from services.intake.decide.placing import ask_for_review, level_of, withdraw
from services.intake.placement import schedule
from services.intake.record import OF_STAGE, Episode, InStage, Review
from services.intake.settings import Settings
from services.intake.stages import after as stage_after
from services.intake.stages import first_of
from services.intake.state import State, asks_of_stage
from shared.events.intake import LAST_STAGE, NEXT_STAGE
from shared.rules.decision import Moment, Refused
from shared.rules.staff import refused


def advanced(state: State, command: messages.AdvanceStage, moment: Moment[Settings]) -> list[messages.Emits] | Refused:
    """The therapist's decision: the next stage, an earlier one again, or the present one for longer."""
    episode, review = state.episode, state.review_of(NEXT_STAGE)
    if episode is None or not _is_asked(command, episode, review):
        return NO_STAY if command.episode_id else NOT_ASKED
    refusal = refused(moment.settings.staff, "advance-stage", command.by) or _refusal(episode, command, moment)
    if refusal is not None:
        return refusal
    known = episode.stage
    if known is None or known.code != command.stage:
        return [*_answered(review, command, moment), _advance(episode, known, command, moment)]
    return list(_answered(review, command, moment)) if _is_of(command, review) else []


def _is_asked(command: messages.AdvanceStage, episode: Episode, review: Review | None) -> bool:
    if command.episode_id:
        return command.episode_id == episode.id
    return _is_of(command, review)


def _is_of(command: messages.AdvanceStage, review: Review | None) -> bool:
    return review is not None and review.id == command.task_id


NOT_ASKED = Refused("conflict", "No stage is asked for by this Task: it was answered or withdrawn.", "Task.status")
NO_STAY = Refused("conflict", "Must be the stay of this patient that is open.", "Task.focus")
PAUSED = Refused(
    "conflict", "The stay is paused, for the patient is treated elsewhere: it goes on first.", "Task.focus"
)
ANOTHER_LEVEL = Refused(
    "business-rule",
    "A stage of another level is a placement: send the needs, and a licensed clinician signs it.",
    "Task.output",
)


def _refusal(episode: Episode, command: messages.AdvanceStage, moment: Moment[Settings]) -> Refused | None:
    stages = moment.settings.stages
    if command.stage not in stages:
        return Refused("code-invalid", "Must be a stage of the program (intake.stages).", "Task.output")
    if episode.elsewhere:
        return PAUSED
    return ANOTHER_LEVEL if stages[command.stage].level != level_of(episode, moment.settings) else None


def _answered(
    review: Review | None, command: messages.AdvanceStage, moment: Moment[Settings]
) -> Iterator[messages.Emits]:
    if review is not None and review.id == command.task_id:
        yield messages.PlacementReviewCompleted(
            review=review, by=command.by, completed_at=moment.now, client=moment.by, stage=command.stage
        )
    else:
        yield from withdraw(review, "stage-advanced", moment)


def _advance(
    episode: Episode, known: InStage | None, command: messages.AdvanceStage, moment: Moment[Settings]
) -> messages.StageAdvanced:
    settings, flags = moment.settings, episode.flags or ()
    stage = settings.stages[command.stage]
    return messages.StageAdvanced(
        episode_id=episode.id,
        plan_id=episode.plan_id,
        stage=command.stage,
        former=known.code if known is not None else first_of(settings.stages, level_of(episode, moment.settings)),
        template=schedule.template(stage, episode.track, flags, settings.sessions),
        admitted_at=episode.admitted_at,
        advanced_at=moment.now,
        by=command.by,
        client=moment.by,
        track=episode.track,
        other_tracks=episode.other_tracks,
        flags=flags,
        activities=episode.plan.planned_activities,
    )


CHANGING = (
    messages.EpisodeAdmitted
    | messages.EpisodeStepped
    | messages.StageAdvanced
    | messages.PlacementReviewCompleted
    | messages.EpisodePaused
    | messages.EpisodeResumed
    | messages.DischargeWithdrawn
    | messages.DeathWithdrawn
)


def followed(course: Course) -> list[messages.Emits]:
    """When a person is asked what follows on the stage, and the question once that time has come. While the stay is
    paused nobody is asked."""
    if not isinstance(course.cause, messages.TimePassed) and not course.emits(CHANGING):
        return []
    after, moment = course.after, course.moment
    episode = after.episode
    if episode is None:
        return []
    known, code = episode.stage, _code(episode, moment)
    if known is not None and known.paused_at is not None:
        return [event for each in after.asked if each.reason in OF_STAGE for event in withdraw(each, PAUSE, moment)]
    if not code or not asks_of_stage(after):
        return []
    ask_at = _asks_at(episode, code, course.emitted, moment)
    if ask_at <= moment.now:
        return [_question(episode, code, moment)]
    return [] if ask_at == episode.asks_at else [messages.StageLookedAt(stage=code, ask_at=ask_at)]


PAUSE = "care-elsewhere"


def _asks_at(episode: Episode, code: str, emitted: Sequence[messages.Emits], moment: Moment[Settings]) -> datetime:
    """Once the stage has lasted its weeks; of one that the program has no more at once; after an answer anew."""
    if _goes_on(emitted):
        return (moment.now + timedelta(days=moment.settings.stage_again_days)).replace(microsecond=0)
    if episode.asks_at is not None:
        return episode.asks_at
    stage = moment.settings.stages.get(code)
    since = episode.stage.since_at if episode.stage is not None else episode.admitted_at
    return (since + timedelta(weeks=stage.weeks if stage is not None else 0)).replace(microsecond=0)


def _goes_on(emitted: Sequence[messages.Emits]) -> bool:
    """Whether a person was asked and the stay goes on as it is."""
    answered = (each.review.reason for each in emitted if isinstance(each, messages.PlacementReviewCompleted))
    return not OF_STAGE.isdisjoint(answered) and not any(isinstance(each, messages.StageAdvanced) for each in emitted)


def _question(episode: Episode, code: str, moment: Moment[Settings]) -> messages.Emits:
    """Of the therapist, where a stage of the same level follows; else of a clinician, about the level."""
    stages = moment.settings.stages
    later = stage_after(stages, code)
    reason = NEXT_STAGE if later and stages[later].level == level_of(episode, moment.settings) else LAST_STAGE
    hours = 24 * moment.settings.stage_answer_days
    return ask_for_review(moment.new_id("stage"), reason, f"EpisodeOfCare/{episode.id}", moment, hours)


def _code(episode: Episode, moment: Moment[Settings]) -> str:
    """The stage; of a stay that an older release admitted the first one of its level."""
    return (
        episode.stage.code
        if episode.stage is not None
        else first_of(moment.settings.stages, level_of(episode, moment.settings))
    )

"""The stages of a stay: the calendar asks, the therapist decides."""

from datetime import timedelta

import msgspec
import pytest

from services.intake import messages as w
from services.intake.placement.schedule import template
from services.intake.record import InStage
from shared.events.intake import LAST_STAGE, NEXT_STAGE
from tests.intake.given import IOP_NEEDS, MONDAY, SETTINGS, assessment, referral, settings, sign
from tests.intake.story import Story, admitted, given
from tests.story import only

THERAPIST = "primary-therapist-1"
TWO_WEEKS, WEEK, DAY = timedelta(weeks=2), timedelta(weeks=1), timedelta(days=1)
ENCOUNTER = "5d0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"


def stage(story: Story) -> InStage:
    assert story.state.episode is not None and story.state.episode.stage is not None
    return story.state.episode.stage


def asked(story: Story, reason: str = NEXT_STAGE) -> w.Review:
    review = story.state.review_of(reason)
    assert review is not None
    return review


def answer(story: Story, code: str, by: str = THERAPIST) -> w.AdvanceStage:
    return w.AdvanceStage(task_id=asked(story).id, stage=code, by=by)


def unasked(story: Story, code: str, by: str = THERAPIST) -> w.AdvanceStage:
    assert story.state.episode is not None
    return w.AdvanceStage(task_id=ENCOUNTER, stage=code, by=by, episode_id=story.state.episode.id)


def after_two_weeks() -> Story:
    story = admitted()
    story.until(MONDAY + TWO_WEEKS)
    return story


def in_maintenance() -> Story:
    story = admitted()
    return story.and_then(unasked(story, "maintenance"))


def test_a_stay_begins_in_the_first_stage_of_its_level() -> None:
    story = admitted()
    (admission,) = only(story.all_emitted, w.EpisodeAdmitted)
    assert admission.stage == stage(story).code == "engagement"
    assert story.state.episode is not None and story.state.episode.template == admission.template


def test_a_program_that_offers_outpatient_care_begins_it_in_its_own_stage() -> None:
    story = given(assessment(IOP_NEEDS, "safe-housing"), referral(), offers=("1.5",))
    story.then(sign(story.state, "1.5", "clinical-judgment"))
    assert stage(story).code == "continuing-care"


def test_after_its_weeks_the_therapist_is_asked_for_seven_days_and_nothing_advances() -> None:
    story = admitted()
    assert story.until(MONDAY + TWO_WEEKS - timedelta(seconds=1)) == []
    (request,) = only(story.until(MONDAY + TWO_WEEKS), w.PlacementReviewRequested)
    assert (request.review.reason, request.review.owner) == (NEXT_STAGE, "primary-therapist")
    assert request.review.act_by == MONDAY + TWO_WEEKS + WEEK
    assert only(story.until(MONDAY + timedelta(days=300)), w.StageAdvanced) == []


def test_a_question_that_nobody_answers_is_escalated_to_the_team_once_and_ends_with_the_answer() -> None:
    story = after_two_weeks()
    (raised,) = only(story.until(MONDAY + TWO_WEEKS + WEEK), w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("stage-unanswered", 1)
    assert raised.escalation.owner == THERAPIST.removesuffix("-1")
    story.then(answer(story, "early-recovery"))
    assert story.state.escalation_of("stage-unanswered") is None


def test_the_therapist_advances_the_stay_and_its_plan_has_the_week_of_the_stage() -> None:
    story = after_two_weeks()
    completed, event, looked = story.then(answer(story, "early-recovery"))
    assert isinstance(completed, w.PlacementReviewCompleted) and completed.stage == "early-recovery"
    assert isinstance(event, w.StageAdvanced) and isinstance(looked, w.StageLookedAt)
    assert (event.former, event.stage, event.by) == (
        "engagement",
        "early-recovery",
        THERAPIST,
    )
    assert event.template == template(SETTINGS.stages["early-recovery"], event.track, event.flags, SETTINGS.sessions)
    assert looked.ask_at == event.advanced_at + timedelta(weeks=6)


def test_a_stay_that_goes_on_in_its_stage_is_asked_about_again_in_a_week() -> None:
    story = after_two_weeks()
    assert only(story.then(answer(story, "engagement")), w.StageAdvanced) == []
    assert stage(story).code == "engagement"
    assert only(story.until(story.now + WEEK - DAY), w.PlacementReviewRequested) == []
    assert len(only(story.until(story.now + DAY), w.PlacementReviewRequested)) == 1


def test_an_earlier_stage_is_begun_again_for_its_whole_weeks() -> None:
    story = in_maintenance()
    (event,) = only(story.then(unasked(story, "engagement")), w.StageAdvanced)
    assert (event.former, event.stage) == ("maintenance", "engagement")
    assert stage(story).ask_at == int((story.now + TWO_WEEKS).timestamp())


def test_the_same_stage_unasked_changes_nothing_and_answers_no_question() -> None:
    story = after_two_weeks()
    before = story.state
    assert story.then(unasked(story, "engagement")) == []
    assert story.state == before


def test_an_unasked_advance_withdraws_the_question() -> None:
    story = after_two_weeks()
    withdrawn, event, _ = story.then(unasked(story, "early-recovery"))
    assert isinstance(withdrawn, w.PlacementReviewWithdrawn) and withdrawn.reason == "stage-advanced"
    assert isinstance(event, w.StageAdvanced)


def test_the_last_stage_of_the_level_asks_a_clinician_about_the_level() -> None:
    story = in_maintenance()
    (request,) = only(story.until(MONDAY + timedelta(weeks=4)), w.PlacementReviewRequested)
    assert (request.review.reason, request.review.owner) == (LAST_STAGE, "clinician")
    review = w.CompleteReview(task_id=request.review.id, by="clinician-1", outcome="stays")
    assert only(story.then(review), w.StageAdvanced) == []
    assert len(only(story.until(story.now + WEEK), w.PlacementReviewRequested)) == 1


@pytest.mark.parametrize("by", ["case-manager-1", "nobody", "prescriber-1"])
def test_another_role_does_not_advance(by: str) -> None:
    story = after_two_weeks()
    assert story.refusal(answer(story, "early-recovery", by)).code == "forbidden"
    assert stage(story).code == "engagement"


def test_a_stage_of_another_level_is_a_placement() -> None:
    story = after_two_weeks()
    assert story.refusal(answer(story, "continuing-care")).code == "business-rule"


def test_a_stage_that_the_program_has_not_is_refused() -> None:
    story = after_two_weeks()
    refused = story.refusal(answer(story, "graduation"))
    assert (refused.code, refused.expression) == ("code-invalid", "Task.output")
    assert "graduation" not in refused.reason


def test_a_task_that_was_answered_advances_nothing_again() -> None:
    story = after_two_weeks()
    command = answer(story, "early-recovery")
    story.then(command)
    assert story.refusal(command).code == "conflict"
    another = w.AdvanceStage(task_id=ENCOUNTER, stage="maintenance", by=THERAPIST, episode_id=ENCOUNTER)
    assert story.refusal(another).code == "conflict"


def elsewhere(story: Story) -> w.ReportCareElsewhere:
    return w.ReportCareElsewhere(encounter_id=ENCOUNTER, kind="residential", started_at=story.now)


def test_while_the_stay_is_paused_nobody_is_asked_and_the_weeks_wait() -> None:
    story = admitted()
    story.until(MONDAY + WEEK)
    story.then(elsewhere(story))
    assert [each.review.reason for each in only(story.until(MONDAY + 5 * WEEK), w.PlacementReviewRequested)] == []
    story.then(w.EndCareElsewhere(encounter_id=ENCOUNTER, ended_at=story.now))
    assert story.state.review_of(NEXT_STAGE) is None
    story.until(MONDAY + 6 * WEEK - DAY)
    assert story.state.review_of(NEXT_STAGE) is None
    story.until(MONDAY + 6 * WEEK)
    assert asked(story).act_by == MONDAY + 7 * WEEK


def test_an_open_question_is_withdrawn_by_a_pause_and_asked_again_after_it() -> None:
    story = after_two_weeks()
    task = asked(story).id
    assert task in [each.review.id for each in only(story.then(elsewhere(story)), w.PlacementReviewWithdrawn)]
    assert story.refusal(unasked(story, "early-recovery")).code == "conflict"
    story.now += WEEK
    story.then(w.EndCareElsewhere(encounter_id=ENCOUNTER, ended_at=story.now))
    assert asked(story).id != task


def test_a_discharge_ends_the_question_and_its_withdrawal_asks_it_again() -> None:
    story = after_two_weeks()
    assert story.state.episode is not None
    identity = story.state.episode.id
    story.then(w.Discharge(episode_id=identity, encounter_id=ENCOUNTER, disposition="ama", at=story.now))
    assert story.state.review_of(NEXT_STAGE) is None
    story.then(w.WithdrawDischarge(episode_id=identity))
    assert asked(story).act_by == story.now + WEEK
    assert stage(story).code == "engagement"


def test_an_open_question_is_asked_once_whatever_else_falls_due() -> None:
    story = after_two_weeks()
    assert only(story.then(w.TimePassed()), w.PlacementReviewRequested) == []


def test_of_the_dead_nobody_is_asked_whatever_else_falls_due() -> None:
    story = admitted().and_then(w.ReportDeath(died_at=MONDAY)).at(MONDAY + TWO_WEEKS)
    assert only(story.then(w.TimePassed()), w.PlacementReviewRequested) == []


def test_of_the_dead_nobody_is_asked() -> None:
    story = admitted().and_then(w.ReportDeath(died_at=MONDAY))
    assert NEXT_STAGE not in [
        each.review.reason for each in only(story.until(MONDAY + 9 * WEEK), w.PlacementReviewRequested)
    ]


def test_of_a_stage_that_the_program_has_no_more_a_clinician_is_asked() -> None:
    story = admitted()
    fewer = {name: each for name, each in SETTINGS.stages.items() if name != "engagement"}
    story.settings = settings(stages=fewer)
    story.until(MONDAY + TWO_WEEKS)
    assert asked(story, LAST_STAGE).act_by == story.now + WEEK


def test_a_stay_that_an_older_release_admitted_is_in_the_first_stage_of_its_level() -> None:
    story = admitted()
    assert story.state.episode is not None
    older = msgspec.structs.replace(story.state.episode, stage=None, track="")
    story.state = msgspec.structs.replace(story.state, episode=older)
    story.then(w.TimePassed())
    assert stage(story) == InStage("engagement", int(MONDAY.timestamp()), ask_at=int((MONDAY + TWO_WEEKS).timestamp()))
    (event,) = only(story.then(unasked(story, "maintenance")), w.StageAdvanced)
    assert (event.former, event.track) == ("engagement", "")

"""Who looks after the patient, and what is planned: taken as it comes, and what nobody can read is asked about."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.care import ACTIVITIES_MOST, GOALS_MOST
from shared.events.envelope import name_id
from shared.events.intake import ACTIVITIES, TOPICS
from tests.intake.commands import ACTIVITY, goal
from tests.intake.given import MONDAY, PATIENT, SETTINGS, TUESDAY
from tests.intake.story import Story, admitted, referred
from tests.laws import examples
from tests.story import names, only

EHRS_PLAN, EHRS_TEAM, ANOTHER_TEAM = (name_id(UUID(PATIENT), each) for each in ("plan", "team", "another team"))
GOAL = name_id(UUID(PATIENT), "goal")
WORKSHOP = w.PlannedActivity("workshop", "not-started", "stress")


def planned(*activities: w.PlannedActivity, source: str = EHRS_PLAN, **more: Any) -> w.RevisePlan:
    return w.RevisePlan(source=source, activities=activities, **more)


def team(*members: tuple[str, str], source: str = EHRS_TEAM) -> w.RecordTeam:
    named = (w.NamedMember(*each, f"participant[{place}]") for place, each in enumerate(members))
    return w.RecordTeam(source=source, members=tuple(named))


def people(story: Story) -> list[tuple[str, str]]:
    return [(each.role, each.person) for each in story.state.team]


def unread(story: Story) -> list[tuple[str, str]]:
    review = story.state.review_of("read-plan")
    return [(each.why, each.place) for each in review.unread] if review is not None else []


def test_a_plan_is_revised_whole_with_the_sessions_of_the_week_and_every_goal() -> None:
    story = admitted().and_then(goal(GOAL))
    (first,) = only(story.emitted, w.PlanRevised)
    story.and_then(planned(WORKSHOP))
    (second,) = only(story.emitted, w.PlanRevised)
    (admission,) = only(story.all_emitted, w.EpisodeAdmitted)
    assert first.template == second.template == admission.template
    assert second.goals == (w.PlannedGoal(GOAL, "abstinence", "active"),)
    assert second.activities == (WORKSHOP,)
    plan, *goals = [dict[str, Any](each) for each in second.write(PATIENT)]
    assert (plan["id"], len(plan["activity"])) == (admission.plan_id, len(admission.template) + 1)
    assert [each["resourceType"] for each in goals] == ["Goal"]


def test_what_stands_already_is_emitted_once() -> None:
    story = admitted().and_then(planned(WORKSHOP), goal(GOAL))
    assert story.and_then(planned(WORKSHOP), goal(GOAL)).emitted == []


def test_a_plan_that_came_before_the_stay_begins_with_it() -> None:
    story = referred().and_then(planned(WORKSHOP))
    assert only(story.emitted, w.PlanRevised) == []
    signed = admitted_after(story)
    assert names(signed.emitted)[-3:] == ["EpisodeAdmitted", "StageLookedAt", "PlanRevised"]
    assert signed.state.plan.activities == {}


def admitted_after(story: Story) -> Story:
    assert story.state.recommended is not None
    task_id = story.state.recommended.task_id
    return story.and_then(w.SignPlacement(task_id=task_id, level="2.1", by="clinician-1", proved=True))


def test_an_activity_that_is_planned_no_more_leaves_the_plan() -> None:
    story = admitted().and_then(planned(WORKSHOP), planned())
    (revised,) = only(story.emitted, w.PlanRevised)
    assert revised.activities == () and revised.template


def test_a_goal_that_was_none_is_named_once_more_as_entered_in_error() -> None:
    story = admitted().and_then(goal(GOAL), w.RevisePlan(source=GOAL, is_goal=True))
    (revised,) = only(story.emitted, w.PlanRevised)
    assert [each.status for each in revised.goals] == ["entered-in-error"]
    (after,) = only(story.and_then(planned(WORKSHOP)).emitted, w.PlanRevised)
    assert after.goals == ()


def test_the_plan_of_the_stay_itself_says_the_whole_of_it() -> None:
    story = admitted().and_then(planned(WORKSHOP))
    assert story.state.episode is not None
    done = replace(WORKSHOP, state="completed")
    story.and_then(planned(done, source=story.state.episode.plan_id, is_own=True))
    (revised,) = only(story.emitted, w.PlanRevised)
    assert revised.activities == (done,)


def test_the_plan_of_a_stay_that_is_over_is_not_revised() -> None:
    story = admitted()
    episode = story.state.episode
    assert episode is not None
    story.and_then(w.Discharge(episode_id=episode.id, encounter_id=PATIENT, disposition="ama", at=MONDAY))
    story.and_then(planned(WORKSHOP, source=episode.plan_id, is_own=True))
    assert story.refused is not None and story.refused.code == "conflict"


def test_a_stay_that_goes_on_has_its_plan_and_what_was_planned_since() -> None:
    story = admitted().and_then(planned(WORKSHOP))
    episode = story.state.episode
    assert episode is not None
    story.and_then(w.Discharge(episode_id=episode.id, encounter_id=PATIENT, disposition="ama", at=MONDAY), goal(GOAL))
    assert only(story.emitted, w.PlanRevised) == []
    story.and_then(w.WithdrawDischarge(episode_id=episode.id))
    (revised,) = only(story.emitted, w.PlanRevised)
    assert (revised.activities, [each.goal_id for each in revised.goals]) == ((WORKSHOP,), [GOAL])


def test_the_next_stay_begins_without_the_plan_of_the_last() -> None:
    story = admitted().and_then(planned(WORKSHOP))
    episode = story.state.episode
    assert episode is not None
    over = w.Discharge(episode_id=episode.id, encounter_id=PATIENT, disposition="ama", at=MONDAY)
    another = w.ReceiveReferral(referral_id=GOAL, task_id=EHRS_TEAM, authored_at=MONDAY)
    story.and_then(over, another)
    review = story.state.review_of("R0")
    assert review is not None
    story.and_then(w.SignPlacement(task_id=review.id, level="2.1", reason="clinical-judgment", by="clinician-1"))
    assert names(story.emitted).count("EpisodeAdmitted") == 1 and only(story.emitted, w.PlanRevised) == []


def test_a_goal_too_many_is_asked_about_and_the_others_stand() -> None:
    story = admitted()
    for number in range(GOALS_MOST + 1):
        story.and_then(goal(name_id(UUID(PATIENT), f"goal {number}")))
    assert unread(story) == [("too-many-goals", "description")]
    assert story.state.episode is not None and len(story.state.episode.plan.planned_goals) == GOALS_MOST


def test_of_activities_beyond_forty_a_person_hears() -> None:
    story = admitted().and_then(planned(*[WORKSHOP] * (ACTIVITIES_MOST + 1)))
    assert unread(story) == [("too-many-activities", "activity")]
    (revised,) = only(story.emitted, w.PlanRevised)
    assert len(revised.activities) == ACTIVITIES_MOST


def test_what_nobody_can_read_is_asked_about_once_and_no_more_once_it_can_be_read() -> None:
    strange = w.Unread("unknown-activity", f"CarePlan/{EHRS_PLAN}", "activity[1].detail.code")
    story = admitted().and_then(planned(WORKSHOP, unread=(strange,)))
    (asked,) = only(story.emitted, w.PlacementReviewRequested)
    task: Any = asked.write(PATIENT)[0]
    assert task["code"]["coding"][0]["code"] == "read-plan"
    assert task["input"][0]["valueString"] == f"CarePlan/{EHRS_PLAN}: activity[1].detail.code"
    assert story.and_then(planned(WORKSHOP, unread=(strange,))).emitted == []
    story.and_then(planned(WORKSHOP))
    assert names(story.emitted) == ["PlacementReviewWithdrawn"]


def test_a_long_plan_that_nobody_can_read_makes_no_other_question_forgotten() -> None:
    stranger = w.Unread("unknown-member", f"CareTeam/{EHRS_TEAM}", "participant[0].member")
    strange = [w.Unread("unknown-activity", f"CarePlan/{EHRS_PLAN}", f"activity[{at}].detail.code") for at in range(9)]
    story = admitted().and_then(
        w.RecordTeam(source=EHRS_TEAM, members=(), unread=(stranger,)), planned(unread=tuple(strange))
    )
    asked = unread(story)
    assert asked[0] == ("unknown-member", "participant[0].member")
    assert asked[1:] == [("unknown-activity", f"activity[{at}].detail.code") for at in (6, 7, 8)]
    story.and_then(planned(WORKSHOP))
    assert unread(story) == asked[:1]


def test_whoever_is_there_reads_it() -> None:
    strange = w.Unread("unknown-activity", f"CarePlan/{EHRS_PLAN}", "activity[1].detail.code")
    story = admitted().and_then(planned(unread=(strange,)))
    review = story.state.review_of("read-plan")
    assert review is not None
    story.and_then(w.CompleteReview(task_id=review.id, by="case-manager-1"))
    assert names(story.emitted) == ["PlacementReviewCompleted"]


def test_a_question_that_nobody_answers_is_escalated() -> None:
    strange = w.Unread("unknown-activity", f"CarePlan/{EHRS_PLAN}", "activity[1].detail.code")
    story = admitted().and_then(planned(unread=(strange,)))
    story.until(MONDAY + timedelta(hours=SETTINGS.review_hours + 1))
    assert "review-unanswered" in [each.escalation.reason for each in story.state.escalations]


def test_the_team_is_known_by_role_and_emitted_whole() -> None:
    story = Story().and_then(team(("primary-therapist", "primary-therapist-1")))
    story.and_then(team(("case-manager", "case-manager-1"), source=ANOTHER_TEAM))
    (changed,) = only(story.emitted, w.CareTeamChanged)
    assert [each.role for each in changed.members] == ["case-manager", "primary-therapist"]


def test_a_second_primary_therapist_is_asked_about_and_the_first_stays() -> None:
    story = Story().and_then(team(("primary-therapist", "first")))
    story.and_then(team(("primary-therapist", "second"), source=ANOTHER_TEAM))
    assert people(story) == [("primary-therapist", "first")]
    assert unread(story) == [("second-primary-therapist", "participant[0]")]
    assert only(story.emitted, w.CareTeamChanged) == []


def test_of_two_in_one_team_the_first_stays_in_whatever_order_they_come_again() -> None:
    story = Story().and_then(team(("primary-therapist", "first")))
    story.and_then(team(("primary-therapist", "second"), ("primary-therapist", "first")))
    assert people(story) == [("primary-therapist", "first")]
    assert unread(story) == [("second-primary-therapist", "participant[0]")]


def test_a_team_that_names_another_therapist_instead_has_handed_over() -> None:
    story = Story().and_then(team(("primary-therapist", "first")), team(("primary-therapist", "second")))
    assert people(story) == [("primary-therapist", "second")]
    assert unread(story) == []


def test_a_team_that_names_nobody_any_more_gives_its_roles_back() -> None:
    story = Story().and_then(team(("prescriber", "prescriber-1")), team())
    (changed,) = only(story.emitted, w.CareTeamChanged)
    assert changed.members == ()
    written: Any = changed.write(PATIENT)[0]
    assert written["status"] == "inactive"


def test_team_and_plan_outlast_the_placement_that_has_left() -> None:
    story = admitted().at(TUESDAY).and_then(team(("prescriber", "prescriber-1")))
    episode = story.state.episode
    assert episode is not None
    story.and_then(w.Discharge(episode_id=episode.id, encounter_id=PATIENT, disposition="ama", at=MONDAY))
    story.until(MONDAY + timedelta(days=SETTINGS.retention_days + 2))
    assert story.state.ended is None and people(story) == [("prescriber", "prescriber-1")]


resources = some.lists(
    some.tuples(
        some.sampled_from([name_id(UUID(PATIENT), each) for each in range(6)]), some.lists(ACTIVITY, max_size=5)
    ),
    unique_by=lambda each: each[0],
    max_size=6,
)


@settings(max_examples=examples(100))
@given(resources, some.data())
def test_in_whatever_order_the_same_resources_come_the_plan_is_the_same(
    sent: list[tuple[str, list[w.PlannedActivity]]], data: some.DataObject
) -> None:
    commands = [planned(*each, source=source) for source, each in sent] + [goal(source) for source, _ in sent]
    first, second = admitted().and_then(*commands), admitted().and_then(*data.draw(some.permutations(commands)))
    assert first.state.episode is not None and second.state.episode is not None
    one, other = first.state.episode.plan, second.state.episode.plan
    assert one.planned_goals == other.planned_goals
    assert one.planned_activities == other.planned_activities


def test_the_largest_plan_and_team_stay_small() -> None:
    story = admitted().and_then(planned(*[w.PlannedActivity(ACTIVITIES[-1], "declined", TOPICS[-1])] * ACTIVITIES_MOST))
    for number in range(GOALS_MOST):
        story.and_then(goal(name_id(UUID(PATIENT), f"goal {number}")))
    story.and_then(team(*((each, "p" * 20) for each in ("primary-therapist", "case-manager", "prescriber"))))
    episode = story.state.episode
    assert episode is not None
    size = len(msgspec.json.encode((episode.plan, story.state.team)))
    assert size <= 800
    assert msgspec.json.decode(msgspec.json.encode(episode.plan), type=type(episode.plan)) == episode.plan


def in_a_team() -> Story:
    return admitted().and_then(team(("case-manager", "case-manager-1"), ("primary-therapist", "primary-therapist-1")))


def owner(event: w.EscalationEvent | w.PlacementReviewRequested | w.PlacementReviewWithdrawn) -> tuple[str, str]:
    """The role that its Task is owned by, and who of the team stands beside it."""
    task: Any = event.write(PATIENT)[0]
    named = [each["valueReference"]["identifier"]["value"] for each in task["owner"].get("extension", ())]
    return task["owner"]["identifier"]["value"], "".join(named)


def test_what_is_asked_of_a_role_names_who_of_the_team_has_it_and_stays_the_roles() -> None:
    visit = w.ReportCareElsewhere(encounter_id=GOAL, kind="emergency", started_at=MONDAY)
    story = in_a_team().and_then(visit)
    (raised,) = only(story.emitted, w.EscalationRaised)
    assert owner(raised) == ("primary-therapist", "primary-therapist-1")
    story.and_then(w.EndCareElsewhere(encounter_id=GOAL, ended_at=MONDAY))
    (follow_up,) = only(story.emitted, w.PlacementReviewRequested)
    assert owner(follow_up) == ("case-manager", "case-manager-1")


def test_what_is_asked_of_another_role_names_nobody_of_the_team() -> None:
    story = in_a_team().and_then(w.ReportCareElsewhere(encounter_id=GOAL, kind="residential", started_at=MONDAY))
    (review,) = only(story.emitted, w.PlacementReviewRequested)
    assert owner(review) == ("clinician", "")


def test_a_team_that_comes_later_is_named_with_the_next_that_is_said_of_an_escalation() -> None:
    visit = w.ReportCareElsewhere(encounter_id=GOAL, kind="emergency", started_at=MONDAY)
    story = admitted().and_then(visit)
    (raised,) = only(story.emitted, w.EscalationRaised)
    assert owner(raised) == ("primary-therapist", "")
    story.and_then(team(("primary-therapist", "primary-therapist-1"))).until(MONDAY + timedelta(days=1))
    assert owner(only(story.all_emitted, w.EscalationEvent)[-1]) == ("primary-therapist", "primary-therapist-1")

"""Every command of intake, as it may be asked of any story."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, get_args
from uuid import UUID, uuid5

from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.placement.planned import episode_id
from shared.events.codes import ACTS, HAND_OVER_REASONS
from shared.events.envelope import Command
from shared.events.intake import ACTIVITIES, ACTIVITY_STATES, GOAL_AIMS, GOAL_STATUSES, TEAM_ROLES, TOPICS
from tests.intake.given import MONDAY, PATIENT, sign
from tests.intake.story import Story, admitted, referred
from tests.intake.test_laws import findings, ids, moments, needs, prescribed, stories
from tests.reopening import reopenings

T = TypeVar("T")
ENCOUNTER = str(uuid5(UUID(PATIENT), "encounter"))
SOURCES = some.sampled_from([("Observation/1",), (), ("Condition/1", "Observation/2")])
STAFF = some.sampled_from(["clinician-1", "nobody"])
LEVELS = some.sampled_from(["2.1", "2.5", "3.5", "none", "x"])
REASONS = some.sampled_from([None, "clinical-judgment", "patient-declined"])


def _ended() -> Story:
    """A stay that ended two days after its admission."""
    story = admitted()
    assert story.state.episode is not None
    identity = story.state.episode.id
    ended = w.Discharge(episode_id=identity, encounter_id=ENCOUNTER, disposition="ama", at=MONDAY)
    return story.and_then(ended)


def _planned() -> Story:
    """A start in two days."""
    story = referred()
    return story.and_then(sign(story.state, start=MONDAY + timedelta(days=2)))


def _wait_listed() -> Story:
    story = referred()
    return story.and_then(sign(story.state, waits=True))


STORIES = stories() | some.builds(referred) | some.builds(_planned) | some.builds(_wait_listed)
STORIES |= some.builds(admitted) | some.builds(_ended)
encounters = some.sampled_from([ENCOUNTER, str(uuid5(UUID(PATIENT), "another"))])
dispositions = some.sampled_from(["ama", "completed"])


def _episodes(story: Story) -> some.SearchStrategy[str]:
    known = [each.id for each in (story.state.episode, story.state.ended and story.state.ended.episode) if each]
    return some.sampled_from([*known, PATIENT])


def _tasks(story: Story) -> some.SearchStrategy[str]:
    referral = story.state.referral
    return some.sampled_from(
        [*(each.task_id for each in story.state.waiting), *((referral.review_id,) if referral else ()), PATIENT]
    )


def _referrals(story: Story) -> some.SearchStrategy[str]:
    return some.just(story.state.referral.id) | ids if story.state.referral else ids


def _escalations(story: Story) -> some.SearchStrategy[str]:
    return some.sampled_from([*(each.escalation.id for each in story.state.escalations), PATIENT])


def _deny(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(w.DenyConsent, consent_id=ids, recipients=NOBODY, purposes=NOBODY, denied_at=moments)


def _discharge(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.Discharge, episode_id=_episodes(story), encounter_id=encounters, disposition=dispositions, at=moments
    )


def _end_evidence(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.EndEvidence,
        escalation_id=_escalations(story),
        finding=some.sampled_from(["suicide-risk", "severe-withdrawal", "first-miss"]),
        reason=some.sampled_from(["mistaken", "reassessed-lower-risk"]),
        by=STAFF,
    )


def _assess(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(w.RecordAssessment, needs=several(needs), findings=several(findings), sources=SOURCES)


def _sign(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.SignPlacement,
        task_id=_tasks(story),
        level=LEVELS,
        reason=REASONS,
        by=STAFF,
        start=some.none() | moments,
        waits=some.booleans(),
    )


def _review(story: Story) -> some.SearchStrategy[Command]:
    outcomes = some.sampled_from([None, *get_args(w.ReviewOutcome)])
    return some.builds(
        w.CompleteReview, task_id=_tasks(story), by=STAFF, outcome=outcomes, act_by=some.none() | moments
    )


def _set_plan(story: Story) -> some.SearchStrategy[Command]:
    referral = story.state.referral
    episodes = [*([episode_id(referral.id)] if referral else []), PATIENT]
    return some.builds(
        w.SetPlan,
        episode_id=some.sampled_from(episodes) | _episodes(story),
        status=some.sampled_from(["planned", "waitlist", "active", "cancelled"]),
        start=some.none() | moments,
        reason=some.sampled_from(["", "patient-declined", "not-available"]),
        by=STAFF,
    )


def _team(story: Story) -> some.SearchStrategy[Command]:
    members = some.builds(
        w.NamedMember, some.sampled_from(TEAM_ROLES), some.sampled_from(["a", "b"]), some.just("participant[0]")
    )
    return some.builds(_recorded, ids, several(members), some.booleans(), some.booleans())


def _recorded(source: str, members: tuple[w.NamedMember, ...], is_own: bool, is_unread: bool) -> w.RecordTeam:
    strange = w.Unread("unknown-member", f"CareTeam/{source}", "participant[1].member")
    return w.RecordTeam(source=source, members=members, unread=(strange,) if is_unread else (), is_own=is_own)


def _plan(story: Story) -> some.SearchStrategy[Command]:
    stay = story.state.episode
    own = some.just(stay.plan_id) if stay is not None else ids
    return some.one_of(
        some.builds(goal, ids, some.sampled_from(GOAL_AIMS), some.sampled_from(GOAL_STATUSES)),
        some.builds(w.RevisePlan, source=ids, activities=several(ACTIVITY)),
        some.builds(w.RevisePlan, source=own, activities=several(ACTIVITY), is_own=some.just(True)),
    )


def goal(identity: str, aim: str = "abstinence", status: str = "active") -> w.RevisePlan:
    return w.RevisePlan(source=identity, is_goal=True, goal=w.PlannedGoal(identity, aim, status))


ACTIVITY = some.builds(
    w.PlannedActivity, some.sampled_from(ACTIVITIES), some.sampled_from(ACTIVITY_STATES), some.sampled_from(TOPICS)
)


def _stage(story: Story) -> some.SearchStrategy[Command]:
    stages = some.sampled_from([*story.settings.stages, "renamed-since"])
    by = some.sampled_from(["primary-therapist-1", "clinician-1", "nobody"])
    episode = _episodes(story) | some.just("")
    return some.builds(w.AdvanceStage, task_id=_tasks(story), stage=stages, by=by, episode_id=episode)


def several(one: some.SearchStrategy[T]) -> some.SearchStrategy[tuple[T, ...]]:
    return some.lists(one, max_size=5).map(tuple)


MEDICATIONS = some.lists(prescribed, max_size=5, unique_by=lambda each: each.source).map(tuple)
"""Each resource of a Bundle stands in it once."""
NOBODY: some.SearchStrategy[tuple[str, ...]] = some.just(())
COMMANDS: dict[type[Command], Callable[[Story], some.SearchStrategy[Command]]] = {
    w.RecordPatient: lambda _: some.builds(w.RecordPatient, digests=some.just(()), sealed=NOBODY),
    w.ReportDeath: lambda _: some.builds(w.ReportDeath, died_at=some.none() | moments),
    w.WithdrawDeath: lambda _: some.builds(w.WithdrawDeath),
    w.RecordConsent: lambda _: some.builds(
        w.RecordConsent, consent_id=ids, recipients=NOBODY, purposes=NOBODY, fields=NOBODY, given_at=moments
    ),
    w.DenyConsent: _deny,
    w.RevokeConsent: lambda _: some.builds(w.RevokeConsent, consent_id=ids),
    w.RecordMedications: lambda _: some.builds(w.RecordMedications, medications=MEDICATIONS),
    w.RecordConditions: lambda _: some.builds(w.RecordConditions, findings=several(findings), sources=SOURCES),
    w.RecordCoverage: lambda _: some.builds(
        w.RecordCoverage,
        coverage_id=ids,
        payer=some.sampled_from(["", "medicaid", "medicare"]),
        place=some.sampled_from([1, 2, 1000]),
        since=some.none() | moments,
        until=some.none() | moments,
        cancelled_at=some.none() | moments,
        is_withdrawn=some.booleans(),
    ),
    w.ReportFindings: lambda _: some.builds(w.ReportFindings, findings=several(findings)),
    w.RecordAssessment: _assess,
    w.ReceiveReferral: lambda _: some.builds(
        w.ReceiveReferral,
        referral_id=ids,
        task_id=ids,
        authored_at=moments,
        priority=some.sampled_from(["routine", "urgent", "stat"]),
        level=some.sampled_from(["", "2.1", "3.7"]),
        referrer=some.sampled_from(["", "riverbend-hospital"]),
        number=some.sampled_from(["", "sealed"]),
    ),
    w.CorrectReferral: lambda story: some.builds(
        w.CorrectReferral,
        referral_id=_referrals(story),
        referrer=some.sampled_from([None, "", "riverbend-hospital", "riverbend-court"]),
        number=some.sampled_from(["", "sealed"]),
        priority=some.sampled_from(["routine", "urgent", "stat"]),
        level=some.sampled_from(["", "2.1", "3.7"]),
    ),
    w.RevokeReferral: lambda story: some.builds(
        w.RevokeReferral, referral_id=_referrals(story), reason=some.just("referral-revoked"), at=moments
    ),
    w.SignPlacement: _sign,
    w.SetPlan: _set_plan,
    w.CompleteReview: _review,
    w.AdvanceStage: _stage,
    w.Discharge: _discharge,
    w.CorrectDischarge: lambda _: some.builds(
        w.CorrectDischarge, encounter_id=encounters, disposition=dispositions, at=some.none() | moments
    ),
    w.WithdrawDischarge: lambda story: some.builds(
        w.WithdrawDischarge, episode_id=_episodes(story) | some.just(""), encounter_id=encounters | some.just("")
    ),
    w.ReportCareElsewhere: lambda _: some.builds(
        w.ReportCareElsewhere,
        encounter_id=encounters,
        kind=some.sampled_from(get_args(w.CareKind)),
        started_at=moments,
        ended_at=some.none() | moments,
    ),
    w.RecordCareDays: lambda _: some.builds(
        w.RecordCareDays,
        encounter_id=encounters,
        counts=some.booleans(),
        started_at=moments,
        ended_at=some.none() | moments,
    ),
    w.EndCareElsewhere: lambda _: some.builds(w.EndCareElsewhere, encounter_id=encounters, ended_at=moments),
    w.WithdrawCareElsewhere: lambda _: some.builds(w.WithdrawCareElsewhere, encounter_id=encounters),
    w.RecordTeam: _team,
    w.RevisePlan: _plan,
    w.EndEvidence: _end_evidence,
    w.AcknowledgeEscalation: lambda story: some.builds(w.AcknowledgeEscalation, escalation_id=_escalations(story)),
    w.ActOnEscalation: lambda story: some.builds(
        w.ActOnEscalation, escalation_id=_escalations(story), act=some.sampled_from(sorted(ACTS))
    ),
    w.HandOverEscalation: lambda story: some.builds(
        w.HandOverEscalation,
        escalation_id=_escalations(story),
        to=some.sampled_from(["staff/clinician-1", "staff/prescriber-1", "case-manager"]),
        reason=some.sampled_from(sorted(HAND_OVER_REASONS)),
        by=some.sampled_from(["", "clinician-1"]),
    ),
    w.ReopenEscalation: reopenings,
    w.ResolveEscalation: lambda story: some.builds(
        w.ResolveEscalation, escalation_id=_escalations(story), reason=some.just("done")
    ),
}

"""Referrals beside the one that is being placed: each comes to an end that its own Task and ServiceRequest name."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.state import State
from shared.events.envelope import Command
from tests.intake.given import IOP_NEEDS, MONDAY, REFERRAL, TUESDAY, assessment, referral, sign
from tests.intake.story import Story, admitted, referred
from tests.laws import examples
from tests.story import only

SECOND = "99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"
ENCOUNTER = "77777777-1111-4c5a-9e0e-3f0c5a0e5a0e"


def revoke(identity: str, reason: str = "referral-revoked") -> w.RevokeReferral:
    return w.RevokeReferral(referral_id=identity, reason=reason, at=MONDAY)


def look(story: Story, outcome: w.ReviewOutcome | None = None, by: str = "clinician-1") -> w.CompleteReview:
    review = story.state.review_of("second-referral")
    assert review is not None
    return w.CompleteReview(task_id=review.id, by=by, outcome=outcome, act_by=TUESDAY + timedelta(days=1))


def ends(story: Story) -> list[tuple[str, str]]:
    return [(each.referral_id, each.outcome) for each in only(story.emitted, w.ReferralConcluded)]


@pytest.mark.parametrize("begun", [referred, admitted])
def test_a_referral_that_is_known_asks_nobody_again(begun: type[Story]) -> None:
    story = begun().and_then(referral(SECOND))
    assert story.at(TUESDAY).and_then(referral()).names() == []
    assert story.and_then(referral(SECOND)).names() == []


@pytest.mark.parametrize("reason", ["referral-revoked", "referral-in-error"])
def test_a_referral_that_is_taken_back_ends_by_its_own_task(reason: str) -> None:
    story = referred().and_then(referral(SECOND))
    assert ends(story.and_then(revoke(SECOND, reason))) == [(SECOND, reason)]
    assert ends(story.and_then(revoke(SECOND, reason))) == []
    assert ends(story.and_then(revoke(REFERRAL, reason))) == [(REFERRAL, reason)]


@pytest.mark.parametrize(("outcome", "end"), [(None, "looked-at"), ("referral-declined", "referral-declined")])
def test_a_second_referral_ends_as_the_person_who_looked_answers(outcome: w.ReviewOutcome | None, end: str) -> None:
    story = admitted().and_then(referral(SECOND))
    assert ends(story.and_then(look(story, outcome))) == [(SECOND, end)]
    assert story.state.seconds == () and story.state.reviews == ()


def test_more_information_keeps_a_second_referral_open_and_only_a_clinician_ends_it() -> None:
    story = admitted().and_then(referral(SECOND))
    asked = story.and_then(look(story, "more-information-asked"))
    assert ends(asked) == [] and asked.names() == ["PlacementReviewRequested"]
    assert story.refusal(look(story, by="case-manager-1")).code == "forbidden"


def test_where_the_first_is_taken_back_the_second_is_placed() -> None:
    story = referred().and_then(referral(SECOND), revoke(REFERRAL))
    assert story.names()[-2:] == ["PlacementReviewWithdrawn", "LevelOfCareRecommended"]
    assert story.state.referral is not None and story.state.referral.id == SECOND
    assert story.state.recommended is not None and story.state.recommended.referral_id == SECOND


def test_where_the_first_is_declined_a_person_is_asked_for_what_the_second_lacks() -> None:
    story = referred().and_then(referral(SECOND))
    story.and_then(sign(story.state, "3.5", "clinical-judgment"))
    assert story.state.referral is not None and story.state.referral.id == SECOND
    assert [each.reason for each in story.state.reviews] == ["R0"]


def test_a_referral_that_came_during_the_stay_is_placed_after_the_discharge() -> None:
    story = admitted().and_then(referral(SECOND))
    assert story.state.episode is not None
    story.and_then(w.Discharge(episode_id=story.state.episode.id, encounter_id=ENCOUNTER, disposition="ama", at=MONDAY))
    assert story.state.referral is not None and story.state.referral.id == SECOND
    story.and_then(w.WithdrawDischarge(encounter_id=ENCOUNTER))
    assert [each.id for each in story.state.seconds] == [SECOND]
    assert [each.reason for each in story.state.reviews] == ["second-referral"]


def test_a_death_leaves_a_second_referral_with_the_person_who_was_asked() -> None:
    story = admitted().and_then(referral(SECOND), w.ReportDeath(), w.WithdrawDeath())
    assert [each.reason for each in story.state.reviews] == ["second-referral"]


def test_a_review_of_a_rule_is_asked_again_for_new_evidence_only() -> None:
    story = referred().and_then(assessment(IOP_NEEDS, "pregnant", "active-use", "safe-housing"))
    review = story.state.review_of("R7")
    assert review is not None
    story.and_then(w.CompleteReview(task_id=review.id, by="clinician-1"))
    assert requested(story.and_then(assessment(IOP_NEEDS, "pregnant", "active-use", "safe-housing"))) == []
    assert requested(story.and_then(assessment(IOP_NEEDS | {"biomedical": "1.5"}, "safe-housing"))) == []
    assert requested(story.and_then(assessment({}, "active-use", at=TUESDAY))) == ["R7"]


def requested(story: Story) -> list[str]:
    return [each.review.reason for each in only(story.emitted, w.PlacementReviewRequested)]


def test_what_has_grown_old_since_it_was_recommended_is_not_signed_and_what_holds_now_is_recommended() -> None:
    story = referred().and_then(assessment({}, "stable-remission"))
    old = sign(story.state)
    refused = story.refusal(old, at=MONDAY.replace(day=20))
    assert refused.code == "conflict" and "old" in refused.reason
    assert story.state.recommended is None and story.state.review_of("R0") is not None
    assert story.names()[:2] == ["RecommendationWithdrawn", "PlacementReviewRequested"]


COMMANDS: Sequence[Command] = (
    referral(REFERRAL),
    referral(SECOND),
    referral(ENCOUNTER),
    revoke(REFERRAL),
    revoke(SECOND),
    revoke(ENCOUNTER),
    assessment(IOP_NEEDS, "safe-housing"),
    w.ReportDeath(),
    w.WithdrawDeath(),
)


@settings(max_examples=examples(150))
@given_that(some.lists(some.sampled_from(["sign", "decline", "look", "leave", "return", *range(9)]), max_size=14))
def test_every_referral_is_placed_looked_at_or_concluded(steps: list[str | int]) -> None:
    story = Story()
    for step in steps:
        for command in commands(story.state, step):
            story.and_then(command)
    waiting = {each.id for each in (story.state.referral, *story.state.seconds) if each is not None}
    received = {each.referral_id for each in only(story.all_emitted, w.ReferralReceived)}
    concluded = {each.referral_id for each in only(story.all_emitted, w.ReferralConcluded)}
    placed = {each.referral_id for each in only(story.all_emitted, w.EpisodeAdmitted)}
    placed |= {each.referral_id for each in only(story.all_emitted, w.EpisodeDeclined)}
    assert received <= waiting | concluded | placed
    looked = {each.id for each in story.state.reviews}
    assert all(each.second_review_id in looked for each in story.state.seconds)


def commands(state: State, step: str | int) -> Sequence[Command]:
    second = state.review_of("second-referral")
    match step:
        case int():
            return COMMANDS[step : step + 1]
        case "sign" if state.recommended is not None:
            return [sign(state, reason="clinical-judgment")]
        case "decline" if state.recommended is not None:
            return [sign(state, "3.5", "clinical-judgment")]
        case "look" if second is not None:
            return [w.CompleteReview(task_id=second.id, by="clinician-1")]
        case "leave" if state.episode is not None:
            stay = state.episode.id
            return [w.Discharge(episode_id=stay, encounter_id=ENCOUNTER, disposition="ama", at=MONDAY)]
        case "return" if state.ended is not None:
            return [w.WithdrawDischarge(episode_id=state.ended.episode.id)]
        case _:
            return []

"""The end of a stay."""

from datetime import date, timedelta

from services.intake import messages as w
from services.intake.state import State, due
from shared.rules.packing import seconds
from tests.intake.given import MONDAY, REFERRAL, TUESDAY, assessment, escalated, referral
from tests.intake.story import Story, admitted

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def leave(story: Story, days: int = 80) -> Story:
    assert story.state.episode is not None
    at = MONDAY + timedelta(days=days)
    command = w.Discharge(episode_id=story.state.episode.id, encounter_id=REFERRAL, disposition="completed", at=at)
    return story.at(at).and_then(command)


def test_a_discharge_says_the_disposition_and_closes_what_is_open() -> None:
    story = leave(admitted().and_then(MISS, POSITIVE))
    assert story.names() == ["EpisodeDischarged", "PlacementReviewWithdrawn", "EscalationResolved"]
    assert due(story.state) == MONDAY + timedelta(days=110)


def test_only_the_open_episode_can_be_discharged() -> None:
    story = admitted()
    wrong = w.Discharge(episode_id=REFERRAL, encounter_id=REFERRAL, disposition="completed", at=TUESDAY)
    assert story.and_then(wrong).refused is not None
    leave(story)
    assert story.state.episode is None


def test_nobody_is_discharged_before_being_admitted() -> None:
    assert leave(admitted(), days=-1).refused is not None


def test_a_closed_placement_leaves_after_thirty_days_but_medications_and_lasting_evidence_stay() -> None:
    story = admitted().and_then(assessment({}, "c-ssrs-behavior", "withdrawal-seizure-history"))
    (behaviour,) = story.state.evidence["c-ssrs-behavior"]
    leave(story, days=30).at(MONDAY + timedelta(days=60)).and_then(w.TimePassed())
    assert story.state == State(medications=(), evidence=story.state.evidence, care=story.state.care)
    assert [each.until for each in story.state.care.parts] == [seconds(MONDAY + timedelta(days=30))]
    assert story.state.evidence["c-ssrs-behavior"] == (behaviour,)
    assert set(story.state.evidence) == {"c-ssrs-behavior", "under-18", "withdrawal-seizure-history"}
    assert due(story.state) is None


def test_a_new_referral_after_the_discharge_is_placed_anew() -> None:
    story = leave(admitted())
    story.and_then(referral("99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"))
    asked = story.emitted[-1]
    assert isinstance(asked, w.PlacementReviewRequested)
    assert "withdrawal" in asked.review.missing

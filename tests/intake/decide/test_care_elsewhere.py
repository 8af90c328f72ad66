"""Care elsewhere during a stay: a person looks after the patient, at the placement again, and follows up."""

from datetime import timedelta
from typing import Any

import pytest

from services.intake import messages as w
from shared.events.envelope import name_id
from tests.intake.given import MONDAY, PATIENT, TUESDAY
from tests.intake.story import Story, admitted, referred
from tests.story import names, only

NIGHT, MORNING = MONDAY + timedelta(hours=10), TUESDAY
EMERGENCY = "8b1f5a0e-4444-4c5a-9e0e-3f0c5a0e5a0e"
WARD = "8b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e"


def report(identity: str = EMERGENCY, kind: w.CareKind = "emergency") -> w.ReportCareElsewhere:
    return w.ReportCareElsewhere(encounter_id=identity, kind=kind, started_at=NIGHT)


def end(identity: str = EMERGENCY) -> w.EndCareElsewhere:
    return w.EndCareElsewhere(encounter_id=identity, ended_at=MORNING)


def open_reasons(story: Story) -> list[str]:
    return [
        *(each.escalation.reason for each in story.state.escalations),
        *(each.reason for each in story.state.reviews),
    ]


def test_an_emergency_visit_asks_a_person_at_once_and_for_the_placement_within_three_days() -> None:
    story = admitted().at(NIGHT).and_then(report())
    (raised,) = only(story.emitted, w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("care-elsewhere", 3)
    assert [(each.code, each.evidence) for each in raised.escalation.signals] == [
        ("emergency-visit", f"Encounter/{EMERGENCY}")
    ]
    (review,) = story.state.reviews
    assert (review.reason, review.act_by) == ("care-elsewhere", NIGHT + timedelta(hours=72))


def test_who_was_treated_is_seen_within_seven_days_of_the_end() -> None:
    story = admitted().at(MORNING).and_then(report(), end())
    follow_up = story.state.review_of("follow-up")
    assert follow_up is not None
    assert (follow_up.act_by, follow_up.focus) == (MORNING + timedelta(days=7), f"Encounter/{EMERGENCY}")
    task: Any = only(story.emitted, w.PlacementReviewRequested)[0].write(PATIENT)[0]
    assert task["code"]["coding"][0]["code"] == "follow-up"
    story.until(MORNING + timedelta(days=7))
    assert "review-unanswered" in open_reasons(story)


def test_an_end_that_becomes_known_late_leaves_the_time_of_a_review() -> None:
    late = MORNING + timedelta(days=30)
    story = admitted().at(late).and_then(end())
    follow_up = story.state.review_of("follow-up")
    assert follow_up is not None and follow_up.act_by == late + timedelta(hours=story.settings.review_hours)


def test_admitted_from_the_emergency_department_it_is_one_escalation_and_one_review() -> None:
    story = admitted().at(NIGHT).and_then(report(), report(kind="inpatient"))
    assert names(story.emitted) == ["EscalationUpdated", "EpisodePaused"]
    assert open_reasons(story) == ["care-elsewhere", "care-elsewhere"]


def test_a_residence_asks_for_the_placement_alone() -> None:
    story = admitted().at(NIGHT).and_then(report(kind="residential"))
    assert names(story.emitted) == ["PlacementReviewRequested", "EpisodePaused"]


@pytest.mark.parametrize("story", [Story(), referred()])
def test_without_a_stay_nobody_is_asked(story: Story) -> None:
    assert story.and_then(report(), end()).emitted == []


def test_what_was_over_before_the_stay_began_the_assessment_knew() -> None:
    over = MONDAY - timedelta(days=2)
    before = w.ReportCareElsewhere(encounter_id=EMERGENCY, kind="emergency", started_at=over, ended_at=over)
    story = admitted().and_then(before, w.EndCareElsewhere(encounter_id=EMERGENCY, ended_at=over))
    assert story.emitted == []


def test_what_did_not_take_place_is_withdrawn_with_all_that_it_asked() -> None:
    story = admitted().at(MORNING).and_then(report(), end(), w.WithdrawCareElsewhere(encounter_id=EMERGENCY))
    assert sorted(names(story.emitted)) == [
        "EscalationRetracted",
        "PlacementReviewWithdrawn",
        "PlacementReviewWithdrawn",
    ]
    assert open_reasons(story) == []


def test_another_ones_care_stands_when_one_is_withdrawn() -> None:
    story = admitted().at(NIGHT).and_then(report(), report(WARD, "inpatient"))
    story.and_then(w.WithdrawCareElsewhere(encounter_id=EMERGENCY))
    assert names(story.emitted) == ["EscalationUpdated"]
    assert open_reasons(story) == ["care-elsewhere", "care-elsewhere"]


def test_an_end_that_was_wrong_takes_the_follow_up_back() -> None:
    story = admitted().at(MORNING).and_then(report(), end(), report())
    assert names(story.emitted) == ["PlacementReviewWithdrawn"]
    assert open_reasons(story) == ["care-elsewhere", "care-elsewhere"]


def test_a_thousand_visits_are_one_escalation_one_review_and_one_follow_up() -> None:
    story = admitted().at(MORNING)
    for number in range(1_000):
        visit = name_id(EMERGENCY, number)
        story.and_then(report(visit), end(visit))
    assert sorted(open_reasons(story)) == ["care-elsewhere", "care-elsewhere", "follow-up"]


def test_a_discharge_taken_back_asks_again() -> None:
    story = admitted().at(NIGHT).and_then(report())
    episode = story.state.episode
    assert episode is not None
    over = w.Discharge(episode_id=episode.id, encounter_id="e", disposition="ama", at=MORNING)
    story.at(MORNING).and_then(over)
    assert open_reasons(story) == []
    story.and_then(w.WithdrawDischarge(episode_id=episode.id))
    assert open_reasons(story) == ["care-elsewhere", "care-elsewhere"]


def test_nights_elsewhere_pause_the_stay_until_the_last_of_them_ends() -> None:
    story = admitted().at(NIGHT).and_then(report(WARD, "inpatient"))
    (paused,) = only(story.emitted, w.EpisodePaused)
    assert paused.at == NIGHT
    story.at(MORNING).and_then(report(EMERGENCY, "residential"), end(WARD))
    assert only(story.emitted, w.EpisodeResumed) == []
    story.and_then(end(EMERGENCY))
    (resumed,) = only(story.emitted, w.EpisodeResumed)
    assert resumed.at == MORNING


def test_an_emergency_pauses_nothing() -> None:
    assert only(admitted().at(NIGHT).and_then(report()).emitted, w.EpisodePaused) == []


def test_nights_that_were_none_paused_nothing_since_the_admission() -> None:
    story = admitted().at(NIGHT).and_then(report(kind="inpatient"), w.WithdrawCareElsewhere(encounter_id=EMERGENCY))
    (resumed,) = only(story.emitted, w.EpisodeResumed)
    assert resumed.at == resumed.admitted_at

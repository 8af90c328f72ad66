"""What a person must hear of at once."""

from datetime import date, timedelta

import msgspec
import pytest

from services.intake import messages as w
from services.intake.state import due
from shared.events.escalation import EscalationOverdue, Signal
from tests.intake.given import (
    DIRECTOR,
    IOP_NEEDS,
    MONDAY,
    REFERRAL,
    TUESDAY,
    assessment,
    escalated,
    found,
    referral,
    sign,
)
from tests.intake.story import Story, given

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def test_a_suicidal_finding_is_told_at_once_as_t4() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    escalation = raised.escalation
    assert (escalation.category, escalation.reason, escalation.tier) == ("safety", "suicide-risk", 4)
    assert escalation.acknowledge_by == MONDAY + timedelta(minutes=15)
    assert escalation.signals == (Signal("suicide-risk", MONDAY, "Observation/c-ssrs-q4"),)


def test_the_assessment_that_follows_does_not_say_it_again() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")), assessment(IOP_NEEDS, "c-ssrs-q4"))
    assert story.emitted == []


def test_after_a_person_resolved_it_the_same_finding_sent_again_is_silent() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q4")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    story.and_then(w.ResolveEscalation(escalation_id=raised.escalation.id, reason="safety-plan"))
    assert story.names() == ["EscalationResolved"]
    assert story.and_then(w.ReportFindings(findings=found("c-ssrs-q4"))).emitted == []
    assert story.at(TUESDAY).and_then(w.ReportFindings(findings=found("c-ssrs-q4", at=TUESDAY))).names() == [
        "EscalationRaised"
    ]


def test_an_old_answer_out_of_the_chart_alarms_nobody() -> None:
    years_ago = MONDAY - timedelta(days=900)
    assert given(w.ReportFindings(findings=found("c-ssrs-q4", "phq-9-item-9=3", at=years_ago))).emitted == []


@pytest.mark.parametrize(
    ("facts", "reason", "tier"),
    [
        (("current-overdose",), "medical-emergency", 4),
        (("ciwa-ar=19",), "severe-withdrawal", 4),
        (("withdrawal-seizure-history", "daily-heavy-use"), "complicated-withdrawal-risk", 3),
        (("ciwa-ar=12",), "same-day-medical-evaluation", 3),
        (("cows=25",), "same-day-medical-evaluation", 3),
        (("phq-9-item-9=1",), "suicide-screen", 3),
        (("c-ssrs-q3",), "suicide-screen", 3),
    ],
)
def test_what_a_person_must_hear_of(facts: tuple[str, ...], reason: str, tier: int) -> None:
    (raised,) = given(w.ReportFindings(findings=found(*facts))).emitted
    assert isinstance(raised, w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == (reason, tier)


def test_the_graver_reason_stands_alone() -> None:
    story = given(w.ReportFindings(findings=found("c-ssrs-q3", "c-ssrs-q4")))
    assert [each.escalation.reason for each in story.emitted if isinstance(each, w.EscalationRaised)] == [
        "suicide-risk"
    ]


def test_a_history_meets_what_is_told_later() -> None:
    story = given(assessment({}, "withdrawal-seizure-history"), assessment({}, "daily-heavy-use"))
    assert story.names() == ["EscalationRaised"]


def test_an_escalation_nobody_acknowledged_is_overdue_once() -> None:
    story = given(w.ReportFindings(findings=found("phq-9-item-9")))
    deadline = due(story.state)
    assert deadline == MONDAY + timedelta(hours=1)
    assert story.at(deadline).and_then(w.TimePassed()).names() == ["EscalationOverdue"]
    assert due(story.state) is None


def test_who_acknowledged_an_escalation_has_to_act_in_time_or_it_is_overdue_once() -> None:
    story = given(w.ReportFindings(findings=found("phq-9-item-9")))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    story.and_then(w.AcknowledgeEscalation(escalation_id=raised.escalation.id))
    assert story.names() == ["EscalationAcknowledged"]
    act_by = due(story.state)
    assert act_by == MONDAY + timedelta(hours=4)
    (overdue,) = story.at(act_by).and_then(w.TimePassed()).emitted
    assert isinstance(overdue, EscalationOverdue) and overdue.accepted
    assert due(story.state) is None


def test_an_unknown_escalation_cannot_be_resolved() -> None:
    story = given().and_then(w.ResolveEscalation(escalation_id=REFERRAL, reason="done"))
    assert story.refused is not None
    assert story.refused.code == "conflict"


def test_a_corrected_answer_retracts_what_it_raised() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q4"), referral())
    story.and_then(assessment({}, "not c-ssrs-q4"))
    assert story.names() == ["EscalationRetracted", "RecommendationWithdrawn", "LevelOfCareRecommended"]
    assert story.state.escalations == ()


def test_a_corrected_answer_leaves_what_another_one_still_supports() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q4", "c-ssrs-q5"))
    assert story.and_then(assessment({}, "not c-ssrs-q4")).names() == ["EscalationUpdated"]
    assert [each.evidence for each in story.state.escalations[0].escalation.signals] == ["Observation/c-ssrs-q5"]


def test_a_corrected_score_retracts_what_it_raised() -> None:
    story = given(assessment(IOP_NEEDS, "ciwa-ar=19"))
    assert story.and_then(assessment({}, "ciwa-ar=9")).names() == ["EscalationRetracted"]


def test_half_of_a_reason_is_no_reason() -> None:
    story = given(assessment(IOP_NEEDS, "withdrawal-seizure-history", "daily-heavy-use"))
    assert story.and_then(assessment({}, "not daily-heavy-use")).names() == ["EscalationRetracted"]


def test_a_later_no_of_another_screen_leaves_the_level_and_the_escalation() -> None:
    story = given(assessment(IOP_NEEDS, "c-ssrs-q5"), referral())
    no = w.ReportedFinding("c-ssrs-q5", 0, MONDAY + timedelta(minutes=30), "Observation/another")
    story.at(MONDAY + timedelta(hours=1)).and_then(w.RecordAssessment(findings=(no,)))
    assert story.emitted == []
    assert story.state.recommended is not None and story.state.recommended.level == "4-psych"
    assert story.and_then(sign(story.state, "2.1")).refused is not None


def test_a_mistaken_screen_leaves_the_escalation_that_a_true_one_holds_up() -> None:
    true, mistaken = answer("c-ssrs-q4", "true"), answer("c-ssrs-q4", "mistaken", hours=1)
    story = given(w.RecordAssessment(findings=(true,)), w.RecordAssessment(findings=(mistaken,)))
    story.and_then(w.RecordAssessment(sources=("Observation/mistaken",)))
    (event,) = story.emitted
    assert isinstance(event, w.EscalationUpdated)
    assert [each.evidence for each in event.gone] == ["Observation/mistaken"]
    assert story.and_then(w.RecordAssessment(sources=("Observation/true",))).names() == ["EscalationRetracted"]


def test_a_true_screen_that_no_signal_names_any_more_holds_the_escalation_up_too() -> None:
    screens = [answer("c-ssrs-q4", f"screen-{number}", hours=-number) for number in range(5)]
    story = given(w.RecordAssessment(findings=tuple(screens)))
    named = [each.evidence for each in story.state.escalations[0].escalation.signals]
    story.and_then(w.RecordAssessment(sources=tuple(named)))
    assert story.names() == ["EscalationUpdated"]
    assert story.and_then(w.RecordAssessment(sources=("Observation/screen-4",))).names() == ["EscalationRetracted"]


def test_a_safety_plan_closes_the_task_and_the_evidence_stands() -> None:
    story = in_danger()
    story.and_then(
        w.ResolveEscalation(escalation_id=story.state.escalations[0].escalation.id, reason="safety-plan-made")
    )
    assert story.names() == ["EscalationResolved"]
    assert story.state.recommended is not None and story.state.recommended.level == "4-psych"
    refused = story.and_then(sign(story.state, "2.1")).refused
    assert refused is not None and refused.expression == "Task.output"
    nobody = msgspec.structs.replace(sign(story.state, "2.1", "clinical-judgment"), by="case-manager-1")
    refused = story.and_then(nobody).refused
    assert refused is not None and refused.expression == "Task.owner"
    alone = story.and_then(sign(story.state, "2.1", "clinical-judgment")).refused
    assert alone is not None and (alone.code, alone.expression) == ("required", "Task.input")
    together = sign(story.state, "2.1", "safety-plan-made", second=DIRECTOR)
    assert "EpisodeAdmitted" in story.and_then(together).names()


@pytest.mark.parametrize("reason", ["mistaken", "reassessed-lower-risk"])
def test_a_clinician_ends_what_the_evidence_does_to_the_placement(reason: w.EndReason) -> None:
    story = in_danger()
    command = end_evidence(story, reason)
    assert story.and_then(command).names() == [
        "EscalationResolved",
        "RecommendationWithdrawn",
        "LevelOfCareRecommended",
    ]
    assert story.state.recommended is not None and story.state.recommended.level == "2.1"
    assert story.and_then(command).emitted == []
    assert story.and_then(assessment({}, "c-ssrs-q4")).emitted == []
    assert story.and_then(w.RecordAssessment(findings=(answer("c-ssrs-q4", "new", hours=1),))).names() == [
        "EscalationRaised",
        "RecommendationWithdrawn",
        "LevelOfCareRecommended",
    ]


def test_the_screen_that_was_reassessed_is_not_the_newer_one() -> None:
    story = in_danger()
    command = msgspec.structs.replace(end_evidence(story, "reassessed-lower-risk"), screen="Observation/c-ssrs-q4")
    refused = story.and_then(command).refused
    assert refused is not None and refused.expression == "Task.output"


def in_danger() -> Story:
    return given(assessment(IOP_NEEDS, "c-ssrs-q4"), referral())


def end_evidence(story: Story, reason: w.EndReason) -> w.EndEvidence:
    known = story.state.escalations[0].escalation
    return w.EndEvidence(
        escalation_id=known.id, finding=known.reason, reason=reason, by="clinician-1", screen="Observation/newer"
    )


def answer(code: str, source: str, hours: int = 0) -> w.ReportedFinding:
    return w.ReportedFinding(code, 1, MONDAY + timedelta(hours=hours), f"Observation/{source}")


def test_a_level_of_safety_without_needs_waits_for_no_need_to_grow_old() -> None:
    """A deadline that doesn't move would be asked again for ever."""
    story = given(w.ReportFindings(findings=found("current-overdose", at=MONDAY + timedelta(hours=1))), referral())
    assert story.state.recommended is not None
    assert (story.state.recommended.level, story.state.recommended.expires_at) == ("4", None)
    partly = given(assessment({"withdrawal": "none"}, "current-overdose"), referral())
    assert partly.state.recommended is not None and partly.state.recommended.expires_at is None

"""A screen that nobody could read may have said anything: what is recommended beside it waits for a person."""

from datetime import timedelta

import pytest

from services.intake import messages as w
from tests.intake.given import IOP_NEEDS, MONDAY, TUESDAY, assessment, referral, sign
from tests.intake.story import Story, given, referred

SCREEN = "Observation/a-screen"


def unreadable(source: str = SCREEN, code: str = "screen-unreadable") -> w.RecordAssessment:
    return w.RecordAssessment(findings=(w.ReportedFinding(code, 1, MONDAY, source),))


def readable(code: str, points: int, source: str = SCREEN) -> w.RecordAssessment:
    return w.RecordAssessment(findings=(w.ReportedFinding(code, points, TUESDAY, source),), sources=(source,))


def is_held(story: Story) -> bool:
    """Whether the level of the IOP is recommended only with a reason."""
    recommended = story.state.recommended
    assert recommended is not None and recommended.level == "2.1"
    assert recommended.hold == ("screen-to-be-read" in recommended.conditions)
    return recommended.hold


def test_a_screen_that_nobody_could_read_withdraws_what_was_recommended_and_holds_it() -> None:
    story = referred().and_then(unreadable())
    assert story.names() == ["EscalationRaised", "RecommendationWithdrawn", "LevelOfCareRecommended"]
    assert is_held(story)


def test_one_read_before_the_referral_holds_too() -> None:
    assert is_held(given(unreadable(), assessment(IOP_NEEDS, "safe-housing"), referral()))


def test_a_held_level_is_signed_only_with_a_reason() -> None:
    story = referred().and_then(unreadable())
    assert story.and_then(sign(story.state)).refused is not None
    assert story.and_then(sign(story.state, "2.1", "clinical-judgment")).names()[-2:] == [
        "EpisodeAdmitted",
        "StageLookedAt",
    ]


def test_a_screen_that_was_corrected_holds_no_more_and_decides_by_what_it_says_now() -> None:
    story = referred().and_then(unreadable()).at(TUESDAY)
    assert not is_held(story.and_then(readable("ciwa-ar", 7)))
    story.and_then(readable("ciwa-ar", 19))
    assert story.state.recommended is not None and story.state.recommended.level == "3.7"


def test_one_entered_in_error_holds_no_more() -> None:
    assert not is_held(referred().and_then(unreadable(), w.RecordAssessment(sources=(SCREEN,))))


def test_a_readable_screen_of_another_source_ends_no_hold() -> None:
    story = referred().and_then(unreadable()).at(TUESDAY)
    assert is_held(story.and_then(readable("ciwa-ar", 7, "Observation/another")))


@pytest.mark.parametrize("reason", ["mistaken", "reassessed-lower-risk"])
def test_a_clinician_who_has_read_it_ends_the_hold(reason: w.EndReason) -> None:
    story = referred().and_then(unreadable())
    (known,) = story.state.escalations
    ended = w.EndEvidence(
        escalation_id=known.escalation.id,
        finding="screen-unreadable",
        reason=reason,
        by="clinician-1",
        screen="Observation/another",
    )
    assert not is_held(story.and_then(ended))
    assert not is_held(story.and_then(unreadable()))


@pytest.mark.parametrize(("code", "days"), [("screen-unreadable", 7), ("lasting-screen-unreadable", 90)])
def test_it_holds_as_long_as_an_answer_would_have_counted(code: str, days: int) -> None:
    def after(later: timedelta) -> Story:
        now = MONDAY + later
        return given().at(now).and_then(unreadable(code=code), assessment(IOP_NEEDS, at=now), referral())

    assert is_held(after(timedelta(days=days)))
    assert not is_held(after(timedelta(days=days, minutes=1)))

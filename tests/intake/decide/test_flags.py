"""Attendance grades a miss by the flags of its day: during a stay they are emitted when they change."""

from services.intake import messages as w
from tests.intake.given import IOP_NEEDS, assessment
from tests.intake.story import admitted, referred
from tests.story import only


def test_a_flag_that_comes_up_during_the_stay_is_emitted_with_the_others() -> None:
    (changed,) = only(admitted().then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged)
    assert "opioid-history" in changed.flags and changed.ended == ()


def test_the_same_again_emits_no_flags() -> None:
    story = admitted()
    story.then(assessment(IOP_NEEDS, "primary-opioid"))
    assert only(story.then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged) == []


def test_before_the_admission_and_without_a_change_no_flags_are_emitted() -> None:
    assert only(referred().then(assessment(IOP_NEEDS, "primary-opioid")), w.FlagsChanged) == []
    assert only(admitted().then(assessment(IOP_NEEDS)), w.FlagsChanged) == []

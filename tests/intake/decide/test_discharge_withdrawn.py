"""A discharge that is taken back or corrected."""

from datetime import datetime, timedelta

import msgspec

from services.intake import messages as w
from tests.intake.given import IOP_NEEDS, MONDAY, REFERRAL, TUESDAY, assessment, escalated, referral, retracted, sign
from tests.intake.story import Story, admitted
from tests.story import only

SECOND = "99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"
ENCOUNTER, ANOTHER = REFERRAL, "77777777-1111-4c5a-9e0e-3f0c5a0e5a0e"
DAY = timedelta(days=1)


def discharge(
    story: Story, disposition: str = "completed", at: datetime = TUESDAY, encounter: str = ENCOUNTER
) -> w.Discharge:
    identity = story.state.episode.id if story.state.episode else ended(story).episode_id
    return w.Discharge(episode_id=identity, encounter_id=encounter, disposition=disposition, at=at)


def ended(story: Story) -> w.EpisodeDischarged:
    return only(story.all_emitted, w.EpisodeDischarged)[-1]


def left(story: Story, now: datetime = TUESDAY) -> Story:
    return story.at(now).and_then(discharge(story))


def taken_back(story: Story) -> w.WithdrawDischarge:
    return w.WithdrawDischarge(episode_id=ended(story).episode_id)


def test_taken_back_the_stay_is_as_if_it_had_never_ended() -> None:
    story = admitted()
    before = story.state
    left(story).and_then(taken_back(story))
    (withdrawn,) = only(story.emitted, w.DischargeWithdrawn)
    assert (withdrawn.episode_id, withdrawn.encounter_id) == (ended(story).episode_id, ENCOUNTER)
    assert story.state.care.parts == before.care.parts
    others = {"retention_days": story.state.retention_days, "care": story.state.care}
    assert story.state == msgspec.structs.replace(before, **others)


def test_danger_that_still_stands_is_asked_again_and_what_was_corrected_meanwhile_is_not() -> None:
    story = left(admitted().and_then(assessment({}, "c-ssrs-q4")))
    assert story.state.escalations == ()
    (raised,) = only(story.and_then(taken_back(story)).emitted, w.EscalationRaised)
    assert (raised.escalation.category, raised.escalation.raised_at) == ("safety", TUESDAY)
    corrected = left(admitted().and_then(assessment({}, "c-ssrs-q4")))
    corrected.and_then(w.RecordAssessment(sources=("Observation/c-ssrs-q4",)))
    assert only(corrected.and_then(taken_back(corrected)).emitted, w.EscalationRaised) == []


def test_flags_that_changed_while_the_stay_was_ended_are_emitted_when_it_goes_on() -> None:
    story = left(admitted()).and_then(assessment({}, "c-ssrs-q4", at=TUESDAY))
    assert only(story.emitted, w.FlagsChanged) == []
    (flagged,) = only(story.and_then(taken_back(story)).emitted, w.FlagsChanged)
    assert "suicide-risk" in flagged.flags


def test_reviews_that_the_discharge_withdrew_are_asked_again_with_new_time() -> None:
    story = admitted().and_then(assessment({"withdrawal": "1.7"}, at=MONDAY + timedelta(hours=2)))
    (before,) = story.state.reviews
    left(story).and_then(taken_back(story))
    (again,) = story.state.reviews
    assert (again.reason, again.focus) == (before.reason, before.focus)
    assert again.act_by is not None and again.act_by > story.now


def test_the_encounter_of_the_discharge_takes_it_back_and_any_other_encounter_changes_nothing() -> None:
    story = left(admitted())
    assert story.and_then(w.WithdrawDischarge(encounter_id=ANOTHER)).emitted == []
    assert story.and_then(w.WithdrawDischarge(encounter_id=ENCOUNTER)).names() == ["DischargeWithdrawn"]
    assert story.and_then(w.WithdrawDischarge(encounter_id=ENCOUNTER)).emitted == []
    assert story.and_then(taken_back(story)).emitted == []


def test_of_what_never_ended_or_ended_too_long_ago_nothing_is_taken_back() -> None:
    story = admitted()
    assert story.state.episode is not None
    assert story.refusal(w.WithdrawDischarge(episode_id=ANOTHER)).code == "conflict"
    left(story)
    assert story.refusal(w.WithdrawDischarge(episode_id=ANOTHER)).code == "conflict"
    assert story.refusal(taken_back(story), at=TUESDAY + 30 * DAY).code == "conflict"


def test_what_is_remembered_of_an_ended_stay_takes_less_room_than_what_it_was_made_of() -> None:
    danger = ("c-ssrs-q4", "current-overdose", "pregnant", "active-use")
    story = admitted().and_then(*(assessment({}, *danger, at=MONDAY + number * DAY / 8) for number in range(4)))
    before = len(msgspec.json.encode(story.state))
    left(story)
    ended = story.state.ended
    assert ended is not None and ended.closed
    stay, whole = (len(msgspec.json.encode(each)) for each in (ended.episode, ended))
    assert len(msgspec.json.encode(story.state)) <= before - (whole - stay)


def test_a_discharge_told_late_can_be_taken_back_as_long_as_any_other() -> None:
    story = left(admitted(), now=MONDAY + 60 * DAY)
    story.until(MONDAY + 80 * DAY)
    assert story.and_then(taken_back(story)).names() == ["DischargeWithdrawn", "PlacementReviewRequested"]


def test_a_referral_that_came_since_is_a_second_one_that_a_person_looks_at() -> None:
    story = left(admitted()).and_then(referral(SECOND))
    assert story.state.referral is not None
    story.and_then(taken_back(story))
    assert story.state.referral is None and story.state.recommended is None
    assert [(each.reason, each.focus) for each in story.state.reviews] == [
        ("second-referral", f"ServiceRequest/{SECOND}")
    ]


def test_a_corrected_disposition_is_emitted_and_the_same_again_is_not() -> None:
    story = left(admitted())
    story.and_then(discharge(story, "ama"))
    (again,) = only(story.emitted, w.EpisodeDischarged)
    assert (again.disposition, again.discharged_at, again.replaced_encounter_id) == ("ama", TUESDAY, "")
    assert story.and_then(discharge(story, "ama")).emitted == []
    story.and_then(discharge(story, "ama", encounter=ANOTHER))
    assert ended(story).replaced_encounter_id == ENCOUNTER
    story.and_then(w.CorrectDischarge(encounter_id=ANOTHER, disposition="step-down"))
    assert (ended(story).disposition, ended(story).discharged_at) == ("step-down", TUESDAY)
    assert story.and_then(w.CorrectDischarge(encounter_id=ENCOUNTER, disposition="ama")).emitted == []


def test_a_corrected_discharge_does_not_lie_before_the_admission() -> None:
    story = left(admitted())
    assert story.refusal(discharge(story, at=MONDAY - DAY)).code == "business-rule"


def test_a_stay_that_another_one_followed_is_neither_corrected_nor_taken_back() -> None:
    story = left(admitted())
    first = ended(story).episode_id
    story.and_then(referral(SECOND), assessment({}, at=TUESDAY))
    review = story.state.review_of("R0")
    assert review is not None
    story.and_then(w.SignPlacement(task_id=review.id, level="2.1", reason="clinical-judgment", by="clinician-1"))
    assert story.state.episode is not None and story.state.episode.id != first
    assert story.refusal(w.WithdrawDischarge(episode_id=first)).code == "conflict"
    assert story.and_then(w.WithdrawDischarge(encounter_id=ENCOUNTER)).emitted == []


def test_a_combination_whose_parts_were_answered_comes_again_with_its_reassessment() -> None:
    """Nobody raises the parts again: they are resolved. What they combined into nobody has answered."""
    miss = escalated("a miss", "missed-session", MONDAY)
    positive = escalated("a positive", "unexpected-positive", MONDAY)
    resolved = [
        w.EscalationResolved(escalation=each.escalation, at=MONDAY, reason="reached") for each in (miss, positive)
    ]
    story = left(admitted().and_then(miss, positive, *resolved))
    assert (story.state.escalations, story.state.reviews) == ((), ())

    story.and_then(taken_back(story))

    assert [each.escalation.reason for each in story.state.escalations] == ["miss-and-positive"]
    assert [each.reason for each in story.state.reviews] == ["miss-and-positive"]


def test_a_reassessment_whose_escalation_was_answered_is_asked_for_again_alone() -> None:
    story = admitted().and_then(*(escalated(each, each, MONDAY) for each in ("missed-session", "unexpected-positive")))
    (known,) = story.state.escalations
    left(story.and_then(w.ResolveEscalation(escalation_id=known.escalation.id, reason="reached")))
    assert story.and_then(taken_back(story)).names() == ["DischargeWithdrawn", "PlacementReviewRequested"]


def test_a_part_that_was_wrong_meanwhile_combines_into_nothing() -> None:
    miss = escalated("a miss", "missed-session", MONDAY)
    story = left(admitted().and_then(miss, escalated("a positive", "unexpected-positive", MONDAY)))
    story.and_then(retracted(miss))
    assert story.and_then(taken_back(story)).names() == ["DischargeWithdrawn"]


def test_the_signals_of_one_stay_do_not_meet_those_of_the_next() -> None:
    story = left(admitted().and_then(escalated("a miss", "missed-session", MONDAY)))
    story.and_then(assessment(IOP_NEEDS, "safe-housing", at=TUESDAY), referral(SECOND))
    story.and_then(sign(story.state))
    assert story.state.episode is not None
    assert story.and_then(escalated("a positive", "unexpected-positive", TUESDAY)).emitted == []

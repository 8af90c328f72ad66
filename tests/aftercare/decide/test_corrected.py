"""A discharge that is corrected: only what differs follows, and what a person has done is not asked for again."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    CompleteFollowUp,
    EpisodeDischarged,
    EscalationRetracted,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    ReferralPrepared,
    ReferralWithdrawn,
    ResolveEscalation,
    TimePassed,
)
from shared.events.escalation import EscalationRaised, EscalationUpdated
from tests.aftercare.decide.test_candidates import discharged_with_several
from tests.aftercare.decide.test_discharge_withdrawn import taken_back
from tests.aftercare.given import DISCHARGED, SECOND_EPISODE, admitted, discharged, made, withheld
from tests.aftercare.story import Story, in_care, on_hold_for_alumni, plan_contacts
from tests.laws import examples
from tests.story import names, only

DAY = timedelta(days=1)
LIVING = ["completed", "step-down", "ama", "lost-to-contact", "administrative", "other"]


def corrected(disposition: str = "completed", days: int = 0) -> EpisodeDischarged:
    """The discharge of the first stay, so many days later than first known."""
    return replace(discharged(disposition), discharged_at=DISCHARGED + days * DAY)


def reached(patient: Story, due: FollowUpFellDue, at: datetime) -> None:
    patient.then(CompleteFollowUp(task_id=due.follow_up_id, by="case-manager-1"), at=at)
    assert patient.refused is None


def test_another_disposition_leaves_contacts_and_list_as_they_are() -> None:
    patient, _ = on_hold_for_alumni()
    emitted = patient.then(corrected("ama"), at=DISCHARGED + DAY)
    assert not {"AftercareEnded", "AftercarePlanned", "MeetingListPrepared"} & {*names(emitted)}
    assert {each.partner for each in only(emitted, ReferralWithdrawn)} == {"alumni", "clinic"}
    assert [each.escalation.reason for each in only(emitted, EscalationRaised)] == ["re-engagement"]
    assert patient.then(corrected("ama")) == []
    assert [each.number for each in plan_contacts(patient.until(DISCHARGED + 400 * DAY))] == [*range(1, 8)]


@pytest.mark.parametrize("disposition", LIVING)
def test_a_contact_that_was_made_is_not_asked_for_again(disposition: str) -> None:
    patient = in_care()
    patient.then(corrected())
    (first,) = only(patient.until(DISCHARGED + 3 * DAY), FollowUpFellDue)
    reached(patient, first, DISCHARGED + 4 * DAY)
    patient.then(corrected(disposition), at=DISCHARGED + 5 * DAY)
    patient.then(corrected(disposition, days=1), at=DISCHARGED + 5 * DAY)
    due = only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)
    assert [each.number for each in due] == [2, 3, 4, 5, 6, 7]
    assert due[0].due_at == DISCHARGED + 8 * DAY


def test_a_contact_made_before_the_patient_left_is_none_after_it() -> None:
    patient = in_care()
    patient.then(corrected())
    (first,) = only(patient.until(DISCHARGED + 3 * DAY), FollowUpFellDue)
    reached(patient, first, DISCHARGED + 4 * DAY)
    patient.then(corrected(days=5), at=DISCHARGED + 6 * DAY)
    due = only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)
    assert [(each.number, each.due_at) for each in due][:2] == [(1, DISCHARGED + 8 * DAY), (2, DISCHARGED + 12 * DAY)]


def test_another_day_moves_what_is_ahead_and_leaves_open_what_is_still_due() -> None:
    patient = in_care()
    (before,) = only(patient.then(corrected()), AftercarePlanned)
    first, _ = only(patient.until(DISCHARGED + 7 * DAY), FollowUpFellDue)
    emitted = patient.then(corrected(days=1), at=DISCHARGED + 7 * DAY)
    (ended,), (planned,) = only(emitted, FollowUpCompleted), only(emitted, AftercarePlanned)
    assert (ended.due_at, ended.outcome) == (DISCHARGED + 7 * DAY, "discharge-corrected")
    assert (planned.plan_id, planned.follow_ups[0]) == (before.plan_id, DISCHARGED + 4 * DAY)
    assert only(emitted, MeetingListPrepared) == []
    reached(patient, first, DISCHARGED + 7 * DAY)
    due = only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)
    assert [(each.number, each.due_at) for each in due][:2] == [(2, DISCHARGED + 8 * DAY), (3, DISCHARGED + 15 * DAY)]


def test_when_all_contacts_were_made_a_correction_plans_none() -> None:
    patient = in_care()
    patient.then(corrected())
    for due in only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue):
        reached(patient, due, DISCHARGED + 400 * DAY)
    assert patient.state.plan is None
    for correction in (corrected("other"), corrected("other", days=-1)):
        emitted = names(patient.then(correction, at=DISCHARGED + 401 * DAY))
        assert not {"AftercarePlanned", "MeetingListPrepared"} & {*emitted}
    assert only(patient.until(DISCHARGED + 600 * DAY), FollowUpFellDue) == []


@pytest.mark.parametrize(("disposition", "emitted"), [("lost-to-contact", EscalationUpdated), ("ama", None)])
def test_asking_back_that_still_stands_is_not_asked_anew(
    disposition: str, emitted: type[EscalationUpdated] | None
) -> None:
    patient = in_care()
    (raised,) = only(patient.then(corrected("ama")), EscalationRaised)
    changed = patient.then(corrected(disposition), at=DISCHARGED + DAY)
    assert names(changed) == ([emitted.__name__] if emitted else [])
    (left,) = patient.state.escalations
    assert left.escalation.id == raised.escalation.id
    assert [each.code for each in left.escalation.signals] == [f"discharged-{disposition}"]


def test_asking_back_that_was_wrong_is_retracted_and_one_that_was_answered_is_not_asked_anew() -> None:
    patient = in_care()
    (raised,) = only(patient.then(corrected("ama")), EscalationRaised)
    (retracted,) = only(patient.then(corrected("administrative")), EscalationRetracted)
    assert (retracted.escalation.id, retracted.reason) == (raised.escalation.id, "discharge-corrected")
    (again,) = only(patient.then(corrected("ama")), EscalationRaised)
    patient.then(ResolveEscalation(escalation_id=again.escalation.id, reason="reached", by="case-manager-1"))
    assert only(patient.then(corrected("lost-to-contact")), EscalationRaised) == []


def test_what_a_partner_has_is_not_offered_to_the_next() -> None:
    patient, alumni = discharged_with_several()
    (clinic,) = [each for each in patient.state.on_its_way if each.partner == "clinic"]
    patient.then(made(alumni), made(clinic))
    later = (corrected("ama", days=1), corrected(days=1))
    for correction in (corrected("step-down"), corrected(days=1), corrected("ama"), corrected(), *later):
        assert not {"ReferralPrepared", "ReferralWithdrawn"} & {*names(patient.then(correction))}


def test_what_a_correction_took_back_in_time_is_asked_of_the_same_partner_when_it_is_called_for_again() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(corrected()), ReferralPrepared)
    patient.then(corrected("ama"))
    patient.then(*(withheld(each, reason="referral-withdrawn") for each in (alumni, clinic)))
    assert [each.partner for each in only(patient.then(corrected()), ReferralPrepared)] == ["alumni", "clinic"]


def test_who_was_not_dead_after_all_is_planned_for_with_a_list_chosen_as_before() -> None:
    patient = in_care()
    patient.then(corrected("deceased"))
    emitted = patient.then(corrected("ama"), at=DISCHARGED + DAY)
    assert names(emitted) == [
        "AftercarePlanned",
        "EscalationRaised",
        "ReEngagementBegan",
        "LetterListed",
        "MeetingListPrepared",
        "MeetingListDetailed",
    ]


def test_corrected_to_a_death_everything_ends() -> None:
    patient, _ = on_hold_for_alumni()
    emitted = patient.then(corrected("deceased"), at=DISCHARGED + DAY)
    (over,) = only(emitted, AftercareEnded)
    assert over.reason == "discharge-corrected"
    assert {each.partner for each in only(emitted, ReferralWithdrawn)} == {"alumni", "clinic"}
    assert patient.until(DISCHARGED + 400 * DAY) == []


def test_after_a_discharge_withdrawn_and_given_again_a_contact_made_counts_still() -> None:
    patient = in_care()
    patient.then(corrected())
    (first,) = only(patient.until(DISCHARGED + 3 * DAY), FollowUpFellDue)
    reached(patient, first, DISCHARGED + 4 * DAY)
    patient.then(taken_back(), corrected("ama"), at=DISCHARGED + 5 * DAY)
    assert [each.number for each in plan_contacts(patient.until(DISCHARGED + 8 * DAY))] == [2]


def test_a_new_stay_asks_for_every_contact_anew() -> None:
    patient = in_care()
    patient.then(corrected())
    (first,) = only(patient.until(DISCHARGED + 3 * DAY), FollowUpFellDue)
    reached(patient, first, DISCHARGED + 4 * DAY)
    later = replace(discharged("ama", SECOND_EPISODE), discharged_at=DISCHARGED + 90 * DAY)
    patient.then(admitted(SECOND_EPISODE), later, at=DISCHARGED + 90 * DAY)
    assert [each.number for each in plan_contacts(patient.until(DISCHARGED + 490 * DAY))] == [*range(1, 8)]


def test_when_the_patient_left_after_the_last_contact_all_are_asked_for_anew() -> None:
    patient = in_care()
    patient.then(corrected())
    for due in only(patient.until(DISCHARGED + 180 * DAY), FollowUpFellDue):
        reached(patient, due, DISCHARGED + 180 * DAY)
    patient.then(corrected(days=190), at=DISCHARGED + 191 * DAY)
    assert [each.number for each in only(patient.until(DISCHARGED + 600 * DAY), FollowUpFellDue)] == [*range(1, 8)]


def test_a_contact_that_the_program_asks_for_no_more_ends_when_the_day_is_corrected() -> None:
    patient = in_care()
    patient.then(corrected())
    *_, third = only(patient.until(DISCHARGED + 14 * DAY), FollowUpFellDue)
    patient.settings = replace(patient.settings, follow_up_days=(3, 7), follow_up_window_days=(1, 2))
    emitted = patient.then(corrected(days=-1), at=DISCHARGED + 14 * DAY)
    assert [each.follow_up_id for each in only(emitted, FollowUpCompleted)] == [third.follow_up_id]


steps = some.lists(
    some.one_of(
        some.builds(corrected, some.sampled_from([*LIVING, "deceased"]), some.integers(-2, 2)),
        some.just(taken_back()),
        some.just("made"),
        some.integers(1, 20),
    ),
    max_size=12,
)


@settings(max_examples=examples(60))
@given(steps)
def test_no_contact_is_asked_for_once_a_person_made_it_or_a_later_one_and_nobody_is_asked_back_twice(
    course: list[EpisodeDischarged | str | int],
) -> None:
    """The discharges are of up to two days before or after the first, so each contact was made after all of them."""
    patient, now, highest = in_care(), DISCHARGED + 2 * DAY, 0
    patient.then(corrected(), at=now)
    for each in course:
        if isinstance(each, int):
            now += each * DAY
            emitted = patient.until(now)
        elif isinstance(each, str):
            if (plan := patient.state.plan) is not None and plan.fallen_due:
                number = plan.fallen_due[-1].number
                highest = max(highest, number)
                patient.then(CompleteFollowUp(task_id=plan.follow_up_id(number)), at=now)
            emitted = patient.then(TimePassed(), at=now)
        else:
            emitted = patient.then(each, at=now)
        of_plan = [each for each in only(emitted, FollowUpFellDue) if each.plan_id]
        assert all(due.number > highest for due in of_plan)
        assert patient.state.plan is None or patient.state.plan.left
        reasons = [known.escalation.reason for known in patient.state.escalations]
        assert reasons.count("re-engagement") <= 1


def test_a_correction_of_a_stay_before_the_last_one_changes_nothing_any_more() -> None:
    patient = in_care()
    patient.then(corrected(), admitted(SECOND_EPISODE))
    patient.then(replace(discharged(episode_id=SECOND_EPISODE), discharged_at=DISCHARGED + 5 * DAY))
    assert patient.then(corrected("ama"), at=DISCHARGED + 6 * DAY) == []
    assert [each.number for each in only(patient.until(DISCHARGED + 400 * DAY), FollowUpFellDue)] == [*range(1, 8)]

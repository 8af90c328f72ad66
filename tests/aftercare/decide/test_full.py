"""A partner that takes no more for now: the next candidate has its turn, and whom the patient chose a person is asked
about."""

from datetime import timedelta

from msgspec.structs import replace

from services.aftercare.messages import (
    ConsentGiven,
    DisclosureWithheld,
    ReferralPrepared,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
    WithdrawReferral,
)
from services.aftercare.record import OnItsWay
from shared.events.aftercare import PARTNER_FULL
from shared.events.envelope import Event
from shared.events.escalation import EscalationRaised
from tests.aftercare.decide.test_candidates import SEVERAL
from tests.aftercare.decide.test_choice import EARLY, THIRD_FIRST
from tests.aftercare.decide.test_closed_loop import HOUSE_ASKED
from tests.aftercare.given import (
    DISCHARGED,
    IDENTIFIED,
    NEXT_DAY,
    SETTINGS,
    admitted,
    discharged,
    made,
    refused,
    withheld,
)
from tests.aftercare.story import Story, in_care, raised_for
from tests.story import names, only

DAY = timedelta(days=1)


def full(referral: ReferralPrepared | OnItsWay) -> DisclosureWithheld:
    return withheld(referral, ledger_version=9, reason=PARTNER_FULL)


def discharged_after(*consents: ConsentGiven) -> tuple[Story, ReferralPrepared]:
    """Among three alumni groups; the first candidate's referral."""
    patient = Story(IDENTIFIED, admitted(), *consents, settings=SEVERAL)
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    return patient, alumni


def alumni_of(emitted: list[Event]) -> list[tuple[str, str]]:
    found = [each for each in emitted if isinstance(each, ReferralPrepared | ReferralWithdrawn | ReferralWithheld)]
    return [(type(each).__name__, each.partner) for each in found]


def test_who_is_full_is_passed_over_for_the_next_candidate_and_has_nothing_of_it_left() -> None:
    patient, first = discharged_after()
    emitted = patient.then(full(first))
    assert alumni_of(emitted) == [("ReferralWithdrawn", "alumni"), ("ReferralPrepared", "alumni-2")]
    assert only(emitted, ReferralWithdrawn)[0].reason == PARTNER_FULL
    assert [each.partner for each in patient.state.on_its_way] == ["clinic", "alumni-2"]
    assert (patient.state.on_hold, patient.state.sent) == ((), ())


def test_where_all_are_full_the_last_is_on_hold_and_a_case_manager_is_asked() -> None:
    patient, first = discharged_after()
    (second,) = only(patient.then(full(first)), ReferralPrepared)
    (third,) = only(patient.then(full(second)), ReferralPrepared)
    (held,) = only(patient.then(full(third)), ReferralWithheld)
    assert (held.partner, held.reason, held.until) == ("alumni-3", PARTNER_FULL, DISCHARGED + DAY)
    assert held.answer_by is not None
    assert "requester" in held.write("patient")[0]
    again = only(patient.until(DISCHARGED + DAY), ReferralPrepared)
    assert [(each.referral_id, each.attempt) for each in again] == [(third.referral_id, 2)]
    assert names(patient.then(made(again[0]))) == ["ReferralSent"]


def test_whom_the_patient_chose_nobody_is_asked_in_place_of() -> None:
    patient, first = discharged_after(replace(EARLY, recipients=("second-alumni",)))
    assert alumni_of(patient.then(full(first))) == [("ReferralWithheld", "alumni-2")]
    (again,) = only(patient.until(DISCHARGED + DAY), ReferralPrepared)
    assert alumni_of(patient.then(full(again), at=DISCHARGED + DAY)) == [("ReferralWithheld", "alumni-2")]


def test_but_whom_the_patient_chose_as_well() -> None:
    patient, first = discharged_after(THIRD_FIRST)
    assert alumni_of(patient.then(full(first))) == [("ReferralWithdrawn", "alumni-3"), ("ReferralPrepared", "alumni-2")]


def test_after_the_patients_choice_was_taken_back_by_a_person_the_way_is_free() -> None:
    patient, first = discharged_after(replace(EARLY, recipients=("second-alumni",)))
    patient.then(full(first))
    assert names(patient.then(WithdrawReferral(task_id=first.task_id))) == ["ReferralWithdrawn"]
    assert patient.state.on_hold == ()


def test_what_a_person_asked_for_waits_is_tried_each_day_and_ends_with_its_hold() -> None:
    patient = in_care()
    (house,) = only(patient.then(HOUSE_ASKED), ReferralPrepared)
    assert alumni_of(patient.then(full(house), at=NEXT_DAY)) == [("ReferralWithheld", "house")]
    raised: list[EscalationRaised] = []
    for day in range(1, SETTINGS.hold_days):
        emitted = patient.until(NEXT_DAY + day * DAY)
        raised += only(raised_for(emitted, "referral-on-hold"), EscalationRaised)
        (again,) = only(emitted, ReferralPrepared)
        assert (again.referral_id, again.attempt) == (house.referral_id, day + 1)
        patient.then(full(again), at=NEXT_DAY + day * DAY)
    assert len(raised) == 1
    ended = only(patient.until(NEXT_DAY + (SETTINGS.hold_days + 2) * DAY), ReferralWithdrawn)
    assert [each.reason for each in ended] == ["hold-ended"]
    assert patient.state.on_hold == ()


def test_one_that_was_passed_over_is_no_candidate_of_this_discharge_again() -> None:
    patient, first = discharged_after()
    (second,) = only(patient.then(full(first)), ReferralPrepared)
    (third,) = only(patient.then(refused(second)), ReferralPrepared)
    assert only(patient.then(refused(third)), ReferralPrepared) == []
    assert only(patient.all_emitted, ReferralSent) == []

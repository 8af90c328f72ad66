"""One candidate at a time of each kind, the next after declined, no answer or withheld; and how long one waits."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from services.aftercare.messages import (
    Consumes,
    ReferralPrepared,
    ReferralWithdrawn,
    ReferralWithheld,
    WithdrawReferral,
)
from shared.rules.decision import Refused
from tests.aftercare.given import (
    CONSENT,
    DISCHARGED,
    IDENTIFIED,
    SECOND_EPISODE,
    SETTINGS,
    admitted,
    discharged,
    gave_up,
    made,
    refused,
    withheld,
)
from tests.aftercare.story import Story, on_hold_for_alumni
from tests.shared.rules.partners import ALUMNI, CLINIC
from tests.story import names, only

SECOND = msgspec.structs.replace(ALUMNI, name="alumni-2", identifier="second-alumni")
THIRD = msgspec.structs.replace(ALUMNI, name="alumni-3", identifier="third-alumni")
SEVERAL = msgspec.structs.replace(SETTINGS, partners=(ALUMNI, CLINIC, SECOND, THIRD))


SECOND_STAY = msgspec.structs.replace(
    discharged("completed", SECOND_EPISODE), admitted_at=DISCHARGED + timedelta(days=5)
)


def discharged_with_several() -> tuple[Story, ReferralPrepared]:
    patient = Story(IDENTIFIED, admitted(), settings=SEVERAL)
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    assert (alumni.partner, clinic.partner) == ("alumni", "clinic")
    return patient, alumni


@pytest.mark.parametrize("outcome", [withheld, refused, gave_up])
def test_the_next_candidate_is_asked_after_declined_no_answer_or_withheld(
    outcome: Callable[[ReferralPrepared], Consumes],
) -> None:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(outcome(first)), ReferralPrepared)
    (third,) = only(patient.then(outcome(second)), ReferralPrepared)
    assert (second.partner, third.partner) == ("alumni-2", "alumni-3")
    assert only(patient.then(outcome(third)), ReferralPrepared) == []


def test_once_one_has_it_nobody_waits_for_another_of_its_kind() -> None:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(withheld(first)), ReferralPrepared)
    (withdrawn,) = only(patient.then(made(second)), ReferralWithdrawn)
    assert (withdrawn.partner, withdrawn.reason) == ("alumni", "another-has-it")
    assert [each.partner for each in patient.state.referrals] == ["clinic"]


def test_a_consent_prefers_the_patients_choice_and_sends_one_at_a_time() -> None:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(withheld(first)), ReferralPrepared)
    (third,) = only(patient.then(withheld(second)), ReferralPrepared)
    patient.then(withheld(third))
    choice = msgspec.structs.replace(CONSENT, recipients=("third-alumni", "riverbend-alumni"))
    (chosen,) = only(patient.then(choice), ReferralPrepared)
    assert chosen.partner == "alumni-3"
    assert only(patient.then(choice), ReferralPrepared) == []


def test_what_waits_for_a_phone_or_a_day_asks_no_other_candidate() -> None:
    for reason, until in (("patient-lacks-phone", None), ("consent-not-yet-in-force", DISCHARGED + timedelta(days=9))):
        patient, first = discharged_with_several()
        assert only(patient.then(withheld(first, reason=reason, until=until)), ReferralPrepared) == []


def test_nothing_is_sent_twice_in_thirty_days_unasked() -> None:
    patient, first = discharged_with_several()
    patient.then(made(first))
    patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + timedelta(days=5))
    emitted = patient.then(SECOND_STAY, at=DISCHARGED + timedelta(days=29))
    again = only(emitted, ReferralPrepared)
    assert "alumni" not in [each.partner for each in again] and "alumni-2" in [each.partner for each in again]


def test_thirty_days_later_the_first_is_a_candidate_again() -> None:
    patient, first = discharged_with_several()
    patient.then(made(first))
    patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + timedelta(days=5))
    emitted = patient.then(SECOND_STAY, at=DISCHARGED + timedelta(days=31))
    again = only(emitted, ReferralPrepared)
    assert "alumni" in [each.partner for each in again]


def test_on_hold_ends_after_sixty_days() -> None:
    patient, alumni = on_hold_for_alumni()
    assert only(patient.until(DISCHARGED + timedelta(days=60) - timedelta(seconds=1)), ReferralWithdrawn) == []
    (ended,) = only(patient.until(DISCHARGED + timedelta(days=60)), ReferralWithdrawn)
    assert (ended.referral_id, ended.reason) == (alumni.referral_id, "hold-ended")
    assert only(patient.then(CONSENT), ReferralPrepared) == []


def test_on_hold_ends_by_a_person() -> None:
    patient, alumni = on_hold_for_alumni()
    (ended,) = only(patient.then(WithdrawReferral(task_id=alumni.task_id)), ReferralWithdrawn)
    assert (ended.referral_id, ended.reason) == (alumni.referral_id, "withdrawn-by-staff")
    assert isinstance(patient.refusal(WithdrawReferral(task_id=alumni.task_id)), Refused)


def test_that_it_may_have_been_received_stands_whatever_follows() -> None:
    patient, alumni = on_hold_for_alumni()
    (again,) = only(patient.then(CONSENT), ReferralPrepared)
    tried = msgspec.structs.replace(withheld(again, ledger_version=1), may_have_been_received=True)
    assert names(patient.then(tried)) == ["ReferralWithheld"]
    (waits,) = only(patient.then(CONSENT), ReferralWithheld)
    assert waits.may_have_been_received
    (ended,) = only(patient.then(WithdrawReferral(task_id=alumni.task_id)), ReferralWithdrawn)
    assert ended.may_have_been_received

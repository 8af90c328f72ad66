"""A referral on hold, on its way, sent or refused."""

from datetime import timedelta

import msgspec

from services.aftercare.messages import (
    ContactKnown,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithheld,
)
from tests.aftercare.given import AGAIN, CONSENT, DISCHARGED, REVOKED, discharged, gave_up, made, refused, withheld
from tests.aftercare.story import in_care, on_hold_for_alumni
from tests.story import names, only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def test_a_referral_is_sent_once_its_disclosure_was_made() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    (sent,) = only(patient.then(made(alumni)), ReferralSent)
    assert (sent.referral_id, sent.consent_id, sent.task_id) == (alumni.referral_id, "consent", alumni.task_id)
    assert patient.then(made(alumni)) == []


def test_a_referral_is_on_hold_once_its_disclosure_was_withheld() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    (on_hold,) = only(patient.then(withheld(alumni)), ReferralWithheld)
    assert on_hold.reason == "no-consent-names-this-partner"
    assert [each.referral_id for each in patient.state.on_hold] == [alumni.referral_id]
    assert [each.referral_id for each in patient.state.on_its_way] == [clinic.referral_id]


def test_a_consent_that_names_the_partner_takes_the_referral_off_hold() -> None:
    patient, alumni = on_hold_for_alumni()
    (again,) = only(patient.then(CONSENT), ReferralPrepared)
    assert (again.referral_id, again.attempt, again.asked_at) == (alumni.referral_id, 2, alumni.asked_at)
    assert names(patient.then(made(again))) == ["ReferralSent"]


def test_a_consent_that_names_another_leaves_it_on_hold() -> None:
    patient, _ = on_hold_for_alumni()
    assert patient.then(msgspec.structs.replace(CONSENT, recipients=("riverbend-house", "alumni"))) == []


def test_the_same_consent_again_prepares_nothing_while_one_is_on_its_way() -> None:
    patient, _ = on_hold_for_alumni()
    patient.then(CONSENT)
    assert patient.then(CONSENT) == []


def test_the_outcome_of_an_earlier_attempt_changes_nothing() -> None:
    patient, alumni = on_hold_for_alumni()
    patient.then(CONSENT)
    assert patient.then(made(alumni)) == []
    assert patient.then(withheld(alumni)) == []


def test_a_consent_the_gate_had_not_read_yet_sends_the_referral_to_it_again() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(CONSENT)
    (again,) = only(patient.then(withheld(alumni, ledger_version=0)), ReferralPrepared)
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)
    assert names(patient.then(withheld(again, ledger_version=1))) == ["ReferralWithheld"]


def test_a_referral_waits_for_the_moment_at_which_its_consent_begins() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged("completed")), ReferralPrepared)
    begins = DISCHARGED + timedelta(days=2)
    (on_hold,) = only(patient.then(withheld(alumni, reason="consent-not-yet-in-force", until=begins)), ReferralWithheld)
    assert on_hold.until == begins
    assert patient.until(begins - timedelta(seconds=1)) == []
    (again,) = only(patient.until(begins), ReferralPrepared)
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)
    assert names(patient.then(made(again))) == ["ReferralSent"]


def test_a_consent_revoked_before_it_began_leaves_the_referral_on_hold_for_good() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    begins = DISCHARGED + timedelta(days=2)
    patient.then(withheld(alumni, reason="consent-not-yet-in-force", until=begins))
    patient.then(REVOKED)
    (again,) = only(patient.until(begins), ReferralPrepared)
    assert names(patient.then(withheld(again, ledger_version=1))) == ["ReferralWithheld"]
    assert only(patient.until(DISCHARGED + timedelta(days=400)), ReferralPrepared) == []


def test_contact_data_that_comes_takes_off_hold_what_lacked_it_and_nothing_else() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    patient.then(withheld(alumni, reason="patient-lacks-phone"))
    patient.then(withheld(clinic))
    (again,) = patient.then(ContactKnown(area="Riverbend"))
    assert isinstance(again, ReferralPrepared)
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)


def test_contact_data_the_gate_had_not_read_yet_sends_the_referral_to_it_again_once() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    assert patient.then(ContactKnown()) == []
    (again,) = patient.then(withheld(alumni, reason="patient-lacks-phone"))
    assert isinstance(again, ReferralPrepared)
    assert names(patient.then(withheld(again, reason="patient-lacks-phone"))) == ["ReferralWithheld"]


def test_a_revocation_recalls_nothing_and_says_nothing() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(made(alumni))
    assert patient.then(REVOKED) == []


def test_a_referral_asked_for_after_the_revocation_goes_to_the_gate_like_any_other() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(CONSENT)
    patient.then(made(alumni))
    patient.then(REVOKED)
    (asked,) = only(patient.then(AGAIN), ReferralPrepared)
    assert names(patient.then(withheld(asked, ledger_version=2))) == ["ReferralWithheld"]


def test_the_partners_refusal_and_giving_up_end_the_referral() -> None:
    patient = in_care()
    alumni, clinic = only(patient.then(discharged()), ReferralPrepared)
    (by_partner,) = only(patient.then(refused(alumni)), ReferralRefused)
    (by_hub,) = only(patient.then(gave_up(clinic)), ReferralRefused)
    assert (by_partner.reason, by_hub.reason) == ("http-422", "gave-up")
    assert patient.state.referrals == ()

"""Medications and consents."""

from datetime import date, timedelta

from services.intake import messages as w
from services.intake.state import MEDICATIONS_MOST
from tests.intake.given import MONDAY, REFERRAL, escalated
from tests.intake.story import given

BUPRENORPHINE = w.Prescribed("aaaaaaaa-0000-4000-8000-000000000001", "1819", date(2026, 1, 1), route="sublingual")
ATORVASTATIN = w.Prescribed("bbbbbbbb-0000-4000-8000-000000000002", "83367", date(2025, 1, 1))

MISS = escalated("a miss", "missed-session", MONDAY)
POSITIVE = escalated("a positive", "unexpected-positive", MONDAY + timedelta(days=7))


def test_the_list_of_medications_is_said_whole_each_time() -> None:
    story = given(w.RecordMedications(medications=(BUPRENORPHINE,)))
    story.and_then(w.RecordMedications(medications=(ATORVASTATIN,)))
    (emitted,) = story.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [each.rxnorm for each in emitted.medications] == ["1819", "83367"]
    assert emitted.medications[0].route == "sublingual"


def test_the_same_list_again_is_silent_but_an_empty_first_one_is_said() -> None:
    story = given(w.RecordMedications(medications=()))
    assert story.names() == ["MedicationsRecorded"]
    assert story.and_then(w.RecordMedications(medications=())).emitted == []


def test_a_medication_recorded_in_error_leaves_the_list_and_an_ended_one_stays_a_while() -> None:
    ended = w.Prescribed(ATORVASTATIN.source, "83367", date(2025, 1, 1), date(2026, 1, 4))
    wrong = w.Prescribed(BUPRENORPHINE.source, "1819", taken=False)
    story = given(w.RecordMedications(medications=(BUPRENORPHINE, ATORVASTATIN)))
    story.and_then(w.RecordMedications(medications=(ended, wrong)))
    (emitted,) = story.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [(each.rxnorm, each.end_on) for each in emitted.medications] == [("83367", date(2026, 1, 4))]
    later = story.at(MONDAY + timedelta(days=91)).and_then(w.RecordMedications(medications=(BUPRENORPHINE,)))
    (emitted,) = later.emitted
    assert isinstance(emitted, w.MedicationsRecorded)
    assert [each.rxnorm for each in emitted.medications] == ["1819"]


def test_a_medication_is_never_dropped_silently() -> None:
    many = tuple(w.Prescribed(f"{number:08d}-0", "1819") for number in range(MEDICATIONS_MOST + 1))
    assert given(w.RecordMedications(medications=many)).refused is not None


def test_a_consent_is_said_from_the_command_alone() -> None:
    consent = w.RecordConsent(
        consent_id=REFERRAL,
        recipients=("alumni-1",),
        purposes=("alumni",),
        fields=("name",),
        given_at=MONDAY,
    )
    (emitted,) = given(consent).emitted
    assert isinstance(emitted, w.ConsentGiven)
    assert (emitted.recipients, emitted.fields) == (("alumni-1",), ("name",))
    assert given(w.RevokeConsent(consent_id=REFERRAL)).names() == ["ConsentRevoked"]

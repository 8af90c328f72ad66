"""Medications and consents."""

from datetime import date, timedelta

import msgspec
import pytest

from services.intake import messages as w
from services.intake.listed import MEDICATIONS_MOST
from shared.events.envelope import Command
from tests.intake.given import IOP_NEEDS, MONDAY, REFERRAL, assessment, escalated, referral, sign
from tests.intake.story import Story, given

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


def test_a_medication_that_ended_long_ago_publishes_no_list_however_often_it_is_sent() -> None:
    old = w.RecordMedications(
        medications=tuple(
            w.Prescribed(f"{number:08d}-0", "83367", date(2024, 1, 1), date(2024, 2, 1))
            for number in range(MEDICATIONS_MOST + 1)
        )
    )
    story = given(w.RecordMedications(medications=(BUPRENORPHINE,)))
    assert [story.and_then(old).names() for _ in range(3)] == [[], [], []]
    assert BUPRENORPHINE.rxnorm in [each.rxnorm for each in story.state.medications or ()]
    assert len(story.state.medications or ()) == MEDICATIONS_MOST


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


def flags_of(*commands: Command) -> tuple[str, ...]:
    """The flags of an admission after these."""
    story = Story(*commands, assessment(IOP_NEEDS, "safe-housing"), referral())
    story.and_then(sign(story.state))
    (admission,) = [each for each in story.emitted if isinstance(each, w.EpisodeAdmitted)]
    return admission.flags


def disorder(code: str, source: str) -> w.ReportedFinding:
    return w.ReportedFinding(code, 1, MONDAY, f"Condition/{source}")


def test_one_diagnosis_withdrawn_takes_away_its_own_evidence_only() -> None:
    both = w.RecordConditions(
        findings=(disorder("opioid-use-disorder", "F11.10"), disorder("opioid-use-disorder", "F11.20"))
    )
    one_gone = w.RecordConditions(findings=(), sources=("Condition/F11.10",))
    both_gone = w.RecordConditions(findings=(), sources=("Condition/F11.10", "Condition/F11.20"))
    assert flags_of(both, one_gone) == ("opioid-history",)
    assert flags_of(both, both_gone) == ()


def test_a_disorder_in_the_past_is_still_a_history() -> None:
    assert flags_of(w.RecordConditions(findings=(disorder("opioid-use-disorder-history", "1"),))) == ("opioid-history",)


@pytest.mark.parametrize(
    ("rxnorm", "flags"),
    [
        ("1819", ("moud", "opioid-history")),
        ("351266", ("moud", "opioid-history")),
        ("6813", ("moud", "opioid-history")),
        ("7243", ()),
        ("83367", ()),
    ],
)
def test_a_medication_for_opioid_use_disorder_in_the_list_sets_its_flags(rxnorm: str, flags: tuple[str, ...]) -> None:
    taken = w.Prescribed(BUPRENORPHINE.source, rxnorm, date(2026, 1, 1))
    assert flags_of(w.RecordMedications(medications=(taken,))) == flags
    ended = msgspec.structs.replace(taken, end_on=date(2026, 1, 4))
    assert flags_of(w.RecordMedications(medications=(ended,))) == ()


def test_naltrexone_beside_an_opioid_disorder_sets_moud() -> None:
    naltrexone = w.RecordMedications(medications=(w.Prescribed(BUPRENORPHINE.source, "7243", date(2026, 1, 1)),))
    disorders = w.RecordConditions(findings=(disorder("opioid-use-disorder", "1"),))
    assert flags_of(naltrexone, disorders) == ("moud", "opioid-history")

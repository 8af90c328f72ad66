"""Of a kind the patient's choice is asked first, from the start and when it comes later; else the program's order."""

from datetime import timedelta

import msgspec

from services.aftercare.messages import AskReferral, ConsentGiven, ReferralPrepared, ReferralWithdrawn, ReferralWithheld
from tests.aftercare.decide.test_candidates import SEVERAL, discharged_with_several
from tests.aftercare.given import (
    ADMITTED,
    CONSENT,
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
from tests.aftercare.story import Story
from tests.shared.rules.partners import HOUSE, consent_to
from tests.story import names, only

DAY = timedelta(days=1)
EARLY = msgspec.structs.replace(CONSENT, given_at=ADMITTED)
THIRD_FIRST = msgspec.structs.replace(EARLY, recipients=("third-alumni", "second-alumni"))
SECOND_FIRST = msgspec.structs.replace(EARLY, consent_id="2", recipients=("second-alumni",), given_at=ADMITTED + DAY)
REFERRALS = ("6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11", "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c12")
HOUSES = tuple(msgspec.structs.replace(HOUSE, name=each, identifier=each) for each in ("north", "south"))


def alumni_asked_at_discharge(*consents: ConsentGiven) -> list[str]:
    patient = Story(IDENTIFIED, admitted(), *consents, settings=SEVERAL)
    prepared = only(patient.then(discharged()), ReferralPrepared)
    return [each.partner for each in prepared if each.kind == "alumni"]


def test_a_choice_made_before_the_discharge_is_asked_first() -> None:
    assert alumni_asked_at_discharge(THIRD_FIRST) == ["alumni-3"]


def test_without_a_choice_the_programs_order_counts() -> None:
    assert alumni_asked_at_discharge() == ["alumni"]
    assert alumni_asked_at_discharge(msgspec.structs.replace(EARLY, recipients=("nobody-we-know",))) == ["alumni"]


def test_the_choice_made_last_counts_whichever_came_first() -> None:
    assert alumni_asked_at_discharge(THIRD_FIRST, SECOND_FIRST) == ["alumni-2"]
    assert alumni_asked_at_discharge(SECOND_FIRST, THIRD_FIRST) == ["alumni-2"]


def test_after_the_first_choice_comes_the_second_choice_then_the_programs_order() -> None:
    patient = Story(IDENTIFIED, admitted(), THIRD_FIRST, settings=SEVERAL)
    first, _ = only(patient.then(discharged()), ReferralPrepared)
    (second,) = only(patient.then(refused(first)), ReferralPrepared)
    (third,) = only(patient.then(refused(second)), ReferralPrepared)
    assert [first.partner, second.partner, third.partner] == ["alumni-3", "alumni-2", "alumni"]


def test_a_choice_that_comes_while_the_first_waits_for_a_phone_is_asked_at_once() -> None:
    patient, first = discharged_with_several()
    patient.then(withheld(first, reason="patient-lacks-phone"))
    (chosen,) = only(patient.then(msgspec.structs.replace(CONSENT, recipients=("third-alumni",))), ReferralPrepared)
    assert (chosen.partner, chosen.kind) == ("alumni-3", "alumni")
    (withdrawn,) = only(patient.then(made(chosen)), ReferralWithdrawn)
    assert (withdrawn.partner, withdrawn.reason) == ("alumni", "another-has-it")


def test_a_choice_that_comes_while_another_is_asked_waits_for_its_turn_and_is_next() -> None:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(withheld(first)), ReferralPrepared)
    (waits,) = only(patient.then(CONSENT), ReferralWithheld)
    assert (waits.partner, waits.reason) == ("alumni", "another-is-asked")
    assert "requester" not in waits.write("patient")[0]
    (chosen,) = only(patient.then(refused(second)), ReferralPrepared)
    assert (chosen.partner, chosen.attempt) == ("alumni", 2)


def test_once_one_has_it_a_later_choice_asks_nobody() -> None:
    patient, first = discharged_with_several()
    patient.then(made(first))
    assert patient.then(msgspec.structs.replace(CONSENT, recipients=("third-alumni",))) == []


def test_a_choice_for_another_purpose_or_long_after_the_discharge_asks_nobody() -> None:
    choice = msgspec.structs.replace(CONSENT, recipients=("third-alumni",))
    patient, first = discharged_with_several()
    patient.then(withheld(first, reason="patient-lacks-phone"))
    assert patient.then(msgspec.structs.replace(choice, purposes=("TREAT",))) == []
    assert only(patient.then(choice, at=DISCHARGED + 60 * DAY), ReferralPrepared) == []


def test_of_two_houses_a_person_asked_for_each_gets_its_turn() -> None:
    settings = msgspec.structs.replace(SETTINGS, partners=HOUSES)
    patient = Story(IDENTIFIED, admitted(), settings=settings)
    for house, referral_id in zip(HOUSES, REFERRALS, strict=True):
        asked = patient.then(AskReferral(referral_id=referral_id, partner=house.name, kind="recovery-residence"))
        patient.then(withheld(only(asked, ReferralPrepared)[0]))
    both = msgspec.structs.replace(consent_to(HOUSES[0], NEXT_DAY), recipients=("south", "north"))
    south, north = patient.then(both)
    assert isinstance(south, ReferralPrepared) and south.partner == "south"
    assert isinstance(north, ReferralWithheld) and (north.partner, north.reason) == ("north", "another-is-asked")
    assert names(patient.then(made(south))) == ["ReferralSent", "ReferralPrepared"]

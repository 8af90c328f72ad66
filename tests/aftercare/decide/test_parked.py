"""What the hub can't send by a fault of its own: the case manager hears of it, and it goes on once that is mended."""

from typing import Any

import pytest

from services.aftercare.messages import (
    AnswerSent,
    DisclosureParked,
    ReferralPrepared,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
)
from services.aftercare.record import Referral
from shared.events.envelope import Event
from tests.aftercare.decide import test_referrer_answers as answers
from tests.aftercare.given import CONSENT, SECOND_EPISODE, admitted, discharged, gave_up, made, refused, withheld
from tests.aftercare.story import Story, in_care
from tests.story import only


def parked(referral: ReferralPrepared | Referral, received: bool = False) -> DisclosureParked:
    focus = f"ServiceRequest/{referral.referral_id}"
    return DisclosureParked(
        partner=referral.partner, focus=focus, attempt=referral.attempt, may_have_been_received=received
    )


def stopped() -> tuple[Story, ReferralPrepared]:
    """A referral that is parked in its lane."""
    patient = in_care()
    referral, *_ = only(patient.then(discharged()), ReferralPrepared)
    (held,) = only(patient.then(parked(referral)), ReferralWithheld)
    assert (held.status, held.reason, held.referral_id) == ("on-hold", "hub-cannot-send", referral.referral_id)
    task: Any = held.write("patient")[0]
    assert task["requester"]["identifier"]["value"] == "case-manager"
    return patient, referral


def test_it_is_on_hold_with_the_case_manager_and_sent_once_it_is_mended() -> None:
    patient, referral = stopped()
    sent = [each.referral_id for each in only(patient.then(made(referral)), ReferralSent)]
    assert sent == [referral.referral_id]


def test_no_consent_sends_a_second_one_past_it() -> None:
    patient, referral = stopped()

    assert only(patient.then(CONSENT), ReferralPrepared) == []
    assert [each.referral_id for each in patient.state.on_its_way].count(referral.referral_id) == 1


@pytest.mark.parametrize("outcome", [withheld, refused, gave_up])
def test_what_its_lane_says_then_makes_of_it_what_it_always_does(outcome: object) -> None:
    patient, referral = stopped()
    ordinary = in_care()
    same, *_ = only(ordinary.then(discharged()), ReferralPrepared)
    assert callable(outcome)
    after, usual = (
        [type(each) for each in story.then(outcome(one))] for story, one in ((patient, referral), (ordinary, same))
    )
    assert after == usual


def test_what_may_have_been_received_stays_so() -> None:
    patient = in_care()
    referral, *_ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(parked(referral, received=True))
    (held,) = only(patient.then(withheld(referral)), ReferralWithheld)
    assert held.may_have_been_received


def test_of_one_that_was_taken_back_nobody_hears() -> None:
    patient = in_care()
    referral, *_ = only(patient.then(discharged()), ReferralPrepared)
    assert only(patient.then(admitted(SECOND_EPISODE)), ReferralWithdrawn) != []
    assert only(patient.then(parked(referral)), ReferralWithheld) == []


def test_an_answer_to_a_referrer_is_on_hold_and_sent_once_it_is_mended() -> None:
    patient = answers.story()
    answer = answers.going(patient, answers.stands("received"))
    emitted: list[Event] = patient.then(DisclosureParked(**answers.about(answer)))
    assert answers.reasons(emitted) == ["hub-cannot-send"]
    assert answers.prepared(patient.then(answers.CONSENT)) == []
    assert [each.state for each in only(patient.then(answers.made(answer)), AnswerSent)] == ["received"]

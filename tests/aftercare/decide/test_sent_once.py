"""Nothing is sent twice to one partner in thirty days, by whatever way; only a person sends again, for a reason."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.aftercare.messages import (
    Commands,
    Consumes,
    DisclosureWithheld,
    ReferralPrepared,
    ReferralSent,
    ReferralWithheld,
    WithdrawReferral,
)
from services.aftercare.record import Referral
from shared.events.envelope import name_id
from tests.aftercare.given import (
    AGAIN,
    CONSENT,
    DISCHARGED,
    EPISODE,
    REVOKED,
    SECOND_EPISODE,
    SETTINGS,
    admitted,
    discharged,
    gave_up,
    made,
    refused,
    withheld,
)
from tests.aftercare.story import Story, in_care, on_hold_for_alumni
from tests.aftercare.test_laws import facts, step
from tests.laws import examples
from tests.story import names, only

DAY = timedelta(days=1)
UNEXPLAINED = replace(AGAIN, asked_by="", send_again_reason="")


def unanswered(referral: ReferralPrepared | Referral, ledger_version: int = 999) -> DisclosureWithheld:
    return replace(withheld(referral, ledger_version=ledger_version), may_have_been_received=True)


def given_up_unanswered(referral: ReferralPrepared | Referral) -> Consumes:
    return replace(gave_up(referral), may_have_been_received=True)


def after(outcome: Callable[[ReferralPrepared], Consumes]) -> Story:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(outcome(alumni))
    return patient


@pytest.mark.parametrize("outcome", [made, refused, given_up_unanswered])
def test_a_person_sends_again_within_thirty_days_for_a_reason_only(
    outcome: Callable[[ReferralPrepared], Consumes],
) -> None:
    answer = after(outcome).refusal(UNEXPLAINED, at=DISCHARGED + 29 * DAY)
    assert (answer.code, answer.expression) == ("duplicate", "ServiceRequest.reasonCode")
    assert "30 days" in answer.reason and "not-received" in answer.reason


def test_the_reason_and_who_gave_it_are_recorded_with_the_referral_until_it_ends() -> None:
    patient = after(made)
    (again,) = only(patient.then(AGAIN), ReferralPrepared)
    (sent,) = only(patient.then(made(again)), ReferralSent)
    for each in (again, sent):
        request: Any = each.write("patient")[1]
        assert request["requester"]["identifier"]["value"] == "case-manager-1"
        assert [reason["coding"][0]["code"] for reason in request["reasonCode"]] == ["alumni", "not-received"]


@pytest.mark.parametrize("lacking", [{"asked_by": ""}, {"send_again_reason": ""}, {"send_again_reason": "because"}])
def test_a_reason_that_is_none_of_the_list_or_nobodys_sends_nothing(lacking: dict[str, str]) -> None:
    assert after(made).refusal(replace(AGAIN, **lacking)).code == "duplicate"


def test_thirty_days_later_and_where_no_byte_left_a_person_needs_no_reason() -> None:
    assert only(after(made).then(UNEXPLAINED, at=DISCHARGED + 31 * DAY), ReferralPrepared)
    assert only(after(gave_up).then(UNEXPLAINED), ReferralPrepared)


def test_one_that_was_taken_back_but_may_still_arrive_counts_as_sent() -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(WithdrawReferral(task_id=name_id(alumni.referral_id, "task")))
    assert patient.refusal(UNEXPLAINED).code == "duplicate"
    patient.then(withheld(alumni, reason="referral-withdrawn"))
    assert only(patient.then(UNEXPLAINED), ReferralPrepared)


@pytest.mark.parametrize("outcome", [made, refused, unanswered])
def test_one_that_was_taken_back_too_late_counts_as_sent(outcome: Callable[[ReferralPrepared], Consumes]) -> None:
    patient = in_care()
    alumni, _ = only(patient.then(discharged()), ReferralPrepared)
    patient.then(WithdrawReferral(task_id=name_id(alumni.referral_id, "task")), outcome(alumni))
    assert patient.refusal(UNEXPLAINED).code == "duplicate"


def test_a_consent_sends_what_may_have_been_received_again_after_thirty_days_and_the_task_says_so() -> None:
    patient, alumni = on_hold_for_alumni()
    (second,) = only(patient.then(CONSENT), ReferralPrepared)
    patient.then(unanswered(second), at=DISCHARGED + DAY)
    (waits,) = only(patient.then(REVOKED, CONSENT, at=DISCHARGED + 2 * DAY), ReferralWithheld)
    assert (waits.reason, waits.until) == ("may-have-been-received", DISCHARGED + 31 * DAY)
    assert waits.hold_ends_at == DISCHARGED + 60 * DAY
    task: Any = waits.write("patient")[0]
    assert task["requester"]["identifier"]["value"] == "case-manager"
    assert only(patient.until(DISCHARGED + 31 * DAY - timedelta(seconds=1)), ReferralPrepared) == []
    (third,) = only(patient.until(DISCHARGED + 31 * DAY), ReferralPrepared)
    assert (third.referral_id, third.attempt) == (alumni.referral_id, 3)


def test_a_consent_that_the_gate_had_not_read_sends_nothing_again_that_may_have_been_received() -> None:
    patient, _ = on_hold_for_alumni()
    (second,) = only(patient.then(CONSENT), ReferralPrepared)
    emitted = patient.then(unanswered(second, ledger_version=0))
    assert names(emitted) == ["ReferralWithheld"]
    assert only(emitted, ReferralWithheld)[0].reason == "may-have-been-received"


def test_a_wish_to_send_again_outlives_a_hold_but_means_one_send() -> None:
    patient = after(made)
    (again,) = only(patient.then(AGAIN), ReferralPrepared)
    patient.then(withheld(again), at=DISCHARGED + 2 * DAY)
    (second,) = only(patient.then(CONSENT, at=DISCHARGED + 3 * DAY), ReferralPrepared)
    assert (second.attempt, second.send_again_reason) == (2, "not-received")
    patient.then(unanswered(second), at=DISCHARGED + 3 * DAY)
    assert only(patient.then(CONSENT, at=DISCHARGED + 4 * DAY), ReferralPrepared) == []


def test_a_discharge_within_thirty_days_asks_no_partner_that_refused_or_never_answered() -> None:
    for outcome in (refused, given_up_unanswered):
        patient = after(outcome)
        patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + 5 * DAY)
        emitted = patient.then(discharged("completed", SECOND_EPISODE), at=DISCHARGED + 29 * DAY)
        assert "alumni" not in {each.partner for each in only(emitted, ReferralPrepared)}


ENDINGS: dict[str, Callable[[ReferralPrepared | Referral], Consumes]] = {
    "made": made,
    "refused": refused,
    "no answer": unanswered,
    "no answer, and a consent came": lambda referral: unanswered(referral, ledger_version=0),
    "given up, no answer": given_up_unanswered,
    "no byte left": gave_up,
    "withheld": lambda referral: withheld(referral, 999),
}
RECEIVED = frozenset(ENDINGS) - {"no byte left", "withheld"}
COMMON: list[Consumes | Commands | str] = [
    *sorted(ENDINGS),
    *(admitted(each) for each in (EPISODE, SECOND_EPISODE)),
    *(discharged("completed", each) for each in (EPISODE, SECOND_EPISODE)),
    CONSENT,
    UNEXPLAINED,
    WithdrawReferral(task_id=name_id(AGAIN.referral_id, "task")),
]
days = some.integers(0, 9).map(lambda passed: passed * DAY)
steps = some.lists(some.tuples(some.one_of(some.sampled_from(COMMON), facts), days), min_size=10, max_size=20)


@settings(max_examples=examples(300))
@given(steps)
def test_to_one_partner_nothing_is_prepared_within_thirty_days_of_what_it_may_have_received(
    course: list[tuple[Consumes | Commands | str, timedelta]],
) -> None:
    patient, now, received = in_care(), DISCHARGED, dict[str, datetime]()
    patient.then(discharged())
    for what, passed in course:
        now += passed
        on_its_way = patient.state.on_its_way[:1]
        emitted = patient.until(now)
        if isinstance(what, str):
            received |= {each.partner: now for each in on_its_way if what in RECEIVED}
            emitted += patient.then(*(ENDINGS[what](each) for each in on_its_way), at=now)
        else:
            emitted += step(patient, what, now)
        for each in only(emitted, ReferralPrepared):
            since = received.get(each.partner)
            assert since is None or each.at >= since + SETTINGS.sent_again_days * DAY

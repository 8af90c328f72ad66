"""Of each kind one is on its way at a time, one that was taken back too; nobody who is due waits for ever."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.aftercare.messages import (
    Consumes,
    DeathWithdrawn,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientDied,
    ReferralPrepared,
    ReferralSent,
    ReferralWithheld,
    WithdrawReferral,
)
from services.aftercare.record import Discharged, Referral
from services.aftercare.state import UPCAST, State
from shared.events.envelope import Event, name_id
from tests.aftercare.decide.test_candidates import SECOND, SECOND_STAY, SEVERAL, THIRD, discharged_with_several
from tests.aftercare.decide.test_corrected import corrected
from tests.aftercare.decide.test_discharge_withdrawn import taken_back
from tests.aftercare.decide.test_sent_once import given_up_unanswered, unanswered
from tests.aftercare.given import (
    AGAIN,
    CONSENT,
    DISCHARGED,
    EPISODE,
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
from tests.laws import examples
from tests.shared.rules.partners import ALUMNI, CLINIC
from tests.story import only

DAY = timedelta(days=1)
STATES = Path(__file__).parents[1] / "states"
NAMES_SECOND = replace(CONSENT, recipients=("second-alumni",))


def taken_back_by_a_person(patient: Story, referral: ReferralPrepared | Referral) -> list[str]:
    command = WithdrawReferral(task_id=name_id(referral.referral_id, "task"))
    return [each.partner for each in only(patient.then(command), ReferralPrepared)]


def one_sent_and_one_waiting_behind_it(second_held_at: datetime = DISCHARGED) -> tuple[Story, ReferralPrepared]:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(withheld(first)), ReferralPrepared)
    (third,) = only(patient.then(withheld(second), at=second_held_at), ReferralPrepared)
    patient.then(refused(third))
    both = replace(CONSENT, recipients=("riverbend-alumni", "second-alumni"))
    (sending,) = only(patient.then(both), ReferralPrepared)
    assert sending.partner == "alumni"
    return patient, sending


def discharged_again_with_the_first_in_its_lane() -> tuple[Story, ReferralPrepared]:
    patient, first = discharged_with_several()
    patient.then(admitted(SECOND_EPISODE))
    emitted = patient.then(discharged(episode_id=SECOND_EPISODE))
    assert only(emitted, ReferralPrepared) == []
    return patient, first


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(withheld, ["alumni"]), (gave_up, ["alumni"]), (refused, ["alumni-2"]), (unanswered, ["alumni-2"]), (made, [])],
)
def test_a_second_discharge_asks_once_the_lane_has_answered_for_the_first(
    answer: Callable[[ReferralPrepared], Consumes], asked: list[str]
) -> None:
    patient, first = discharged_again_with_the_first_in_its_lane()
    assert [each.partner for each in only(patient.then(answer(first)), ReferralPrepared)] == asked


def test_a_consent_for_another_waits_until_the_lane_has_answered_for_one_a_person_took_back() -> None:
    patient, first = discharged_with_several()
    taken_back_by_a_person(patient, first)
    assert only(patient.then(NAMES_SECOND), ReferralPrepared) == []
    (second,) = only(patient.then(withheld(first)), ReferralPrepared)
    assert second.partner == "alumni-2"


def test_a_consent_for_nobody_of_the_kind_asks_nobody_after_a_person_took_one_back() -> None:
    patient, first = discharged_with_several()
    taken_back_by_a_person(patient, first)
    patient.then(replace(CONSENT, recipients=("somebody-else",)))
    assert only(patient.then(withheld(first)), ReferralPrepared) == []


def test_whoever_waits_for_their_turn_goes_when_the_lane_has_answered_for_one_a_person_took_back() -> None:
    patient, sending = one_sent_and_one_waiting_behind_it()
    assert taken_back_by_a_person(patient, sending) == []
    (waited,) = only(patient.then(withheld(sending, ledger_version=9)), ReferralPrepared)
    assert waited.partner == "alumni-2"


def test_a_death_that_was_no_death_asks_once_the_lane_has_answered() -> None:
    patient, first = discharged_with_several()
    patient.then(PatientDied(died_at=None, reported_at=DISCHARGED))
    assert only(patient.then(DeathWithdrawn(withdrawn_at=DISCHARGED)), ReferralPrepared) == []
    assert [each.partner for each in only(patient.then(withheld(first)), ReferralPrepared)] == ["alumni"]


def test_who_waits_behind_a_hold_goes_when_that_ends() -> None:
    patient, sending = one_sent_and_one_waiting_behind_it(DISCHARGED + 9 * DAY)
    patient.then(withheld(sending, 9, reason="patient-lacks-phone"))
    assert [each.partner for each in only(patient.until(DISCHARGED + 60 * DAY), ReferralPrepared)] == ["alumni-2"]


def alumni_has_it() -> Story:
    patient, first = discharged_with_several()
    patient.then(made(first), at=DISCHARGED + DAY)
    return patient


def test_of_a_discharge_moved_to_a_later_day_a_consent_asks_nobody_for_what_one_has() -> None:
    patient = alumni_has_it()
    patient.then(corrected(days=5), at=DISCHARGED + 6 * DAY)
    assert patient.then(NAMES_SECOND, at=DISCHARGED + 6 * DAY) == []


def test_of_a_discharge_taken_back_and_given_again_nobody_is_asked_for_what_one_has() -> None:
    patient = alumni_has_it()
    patient.then(taken_back(), withheld(patient.state.on_its_way[0]), at=DISCHARGED + 4 * DAY)
    emitted = patient.then(corrected(days=5), at=DISCHARGED + 6 * DAY)
    assert [each.partner for each in only(emitted, ReferralPrepared)] == ["clinic"]


def test_of_a_discharge_moved_to_a_later_day_a_death_that_was_no_death_asks_nobody_for_what_one_has() -> None:
    patient = alumni_has_it()
    patient.then(corrected(days=5), PatientDied(died_at=None, reported_at=DISCHARGED), at=DISCHARGED + 6 * DAY)
    patient.then(withheld(patient.state.on_its_way[0]), at=DISCHARGED + 6 * DAY)
    emitted = patient.then(DeathWithdrawn(withdrawn_at=DISCHARGED), at=DISCHARGED + 7 * DAY)
    assert [each.partner for each in only(emitted, ReferralPrepared)] == ["clinic"]


@pytest.mark.parametrize("answer", [withheld, refused, unanswered])
def test_where_a_person_asked_another_and_that_one_has_it_nobody_is_next(
    answer: Callable[[ReferralPrepared], Consumes],
) -> None:
    patient, first = discharged_with_several()
    (second,) = only(patient.then(replace(AGAIN, partner="second-alumni")), ReferralPrepared)
    patient.then(made(second))
    assert only(patient.then(answer(first)), ReferralPrepared) == []


def test_a_new_stay_asks_the_next_for_what_one_has_of_the_stay_before() -> None:
    patient = alumni_has_it()
    patient.then(admitted(SECOND_EPISODE), at=DISCHARGED + 5 * DAY)
    emitted = patient.then(replace(SECOND_STAY, discharged_at=DISCHARGED + 20 * DAY), at=DISCHARGED + 20 * DAY)
    assert "alumni-2" in {each.partner for each in only(emitted, ReferralPrepared)}


def test_a_hold_ends_when_it_first_would_however_often_the_gate_says_no_anew() -> None:
    patient, _ = on_hold_for_alumni()
    for days in (20, 40, 59):
        at = DISCHARGED + days * DAY
        (again,) = only(patient.then(replace(CONSENT, consent_id=f"consent-{days}"), at=at), ReferralPrepared)
        (held,) = only(patient.then(withheld(again, 999, reason="consent-lacks-a-field"), at=at), ReferralWithheld)
        assert held.hold_ends_at == DISCHARGED + 60 * DAY


ENDINGS: dict[str, Callable[[Referral], Consumes]] = {
    "made": made,
    "refused": refused,
    "unanswered": unanswered,
    "given up, unanswered": given_up_unanswered,
    "no byte left": gave_up,
    "withheld": lambda referral: withheld(referral, 999),
    "withheld, a consent came": withheld,
    "withheld for want of a phone": lambda referral: withheld(referral, 999, reason="patient-lacks-phone"),
}
COMMON: list[Consumes | str] = [
    *sorted(ENDINGS),
    "a person takes one back",
    *(admitted(each) for each in (EPISODE, SECOND_EPISODE)),
    *(discharged("completed", each) for each in (EPISODE, SECOND_EPISODE)),
    *(replace(CONSENT, recipients=(each.identifier,)) for each in (ALUMNI, SECOND, THIRD, CLINIC)),
    replace(CONSENT, recipients=(SECOND.identifier, THIRD.identifier)),
    PatientDied(died_at=None, reported_at=DISCHARGED),
    DeathWithdrawn(withdrawn_at=DISCHARGED),
    *(corrected(days=each) for each in (-3, 2, 9)),
    corrected("step-down", days=4),
    taken_back(),
]
OTHERWISE = [corrected("ama"), corrected("ama", days=3), corrected("deceased")]
"""Discharges that call for nobody."""
days = some.sampled_from([0, 0, 1, 5, 20]).map(lambda passed: passed * DAY)
which = some.integers(0, 5)
Course = list[tuple[Consumes | str, timedelta, int]]
courses: some.SearchStrategy[Course] = some.lists(
    some.tuples(some.sampled_from(COMMON), days, which), min_size=5, max_size=18
)


corrections: some.SearchStrategy[Course] = some.lists(
    some.tuples(some.sampled_from([*COMMON, *OTHERWISE]), days, which), min_size=5, max_size=18
)


def step(patient: Story, what: Consumes | str, which: int, at: datetime) -> list[Event]:
    on_its_way, may_be_taken_back = patient.state.on_its_way, patient.state.referrals
    if what == "a person takes one back":
        one = [may_be_taken_back[which % len(may_be_taken_back)]] if may_be_taken_back else []
        return patient.then(*(WithdrawReferral(task_id=name_id(each.referral_id, "task")) for each in one), at=at)
    if isinstance(what, str):
        one_sent = [on_its_way[which % len(on_its_way)]] if on_its_way else []
        return patient.then(*(ENDINGS[what](each) for each in one_sent), at=at)
    return patient.then(what, at=at)


def waits_in_vain(state: State) -> list[str]:
    """Kinds of which somebody is due, or waits for their turn, with nobody of the kind before them."""
    before = {each.kind for each in state.on_its_way}
    before |= {each.kind for each in state.on_hold if each.until is not None or each.waits_for_contact}
    waiting = {each.kind for each in state.on_hold if each.reason == "another-is-asked"}
    return sorted((waiting | set(state.candidates_due)) - before)


@settings(max_examples=examples(300))
@given(corrections)
def test_of_each_kind_one_is_in_a_lane_at_a_time_and_nobody_waits_in_vain(course: Course) -> None:
    patient, now = Story(IDENTIFIED, admitted(), discharged(), settings=SEVERAL), DISCHARGED
    for what, passed, chosen in course:
        now += passed
        patient.until(now)
        step(patient, what, chosen, now)
        in_lanes = [each.kind for each in patient.state.on_its_way]
        assert len(in_lanes) == len(set(in_lanes))
        assert waits_in_vain(patient.state) == []


@settings(max_examples=examples(300))
@given(corrections)
def test_in_whatever_order_a_stay_ends_is_corrected_and_taken_back_one_of_each_kind_has_it(course: Course) -> None:
    """Of one stay, by what the hub asks of itself."""
    patient, now, has_it = Story(IDENTIFIED, admitted(), discharged(), settings=SEVERAL), DISCHARGED, dict[str, str]()
    for what, passed, chosen in course:
        if isinstance(what, EpisodeAdmitted | EpisodeDischarged) and what.episode_id == SECOND_EPISODE:
            continue
        now += passed
        emitted = [*patient.until(now), *step(patient, what, chosen, now)]
        for each in emitted:
            if isinstance(each, ReferralPrepared):
                assert each.kind not in has_it
            elif isinstance(each, ReferralSent):
                assert has_it.setdefault(each.kind, each.partner) == each.partner


@settings(max_examples=examples(150))
@given(courses)
def test_when_the_lanes_have_answered_no_everybody_the_discharge_calls_for_was_asked(course: Course) -> None:
    patient, now = Story(IDENTIFIED, admitted(), discharged(), settings=SEVERAL), DISCHARGED
    for what, _, chosen in course:
        if what not in ("a person takes one back", "made", "no byte left", "withheld for want of a phone"):
            step(patient, what, chosen, now)
    while patient.state.on_its_way:
        step(patient, "withheld", 0, now)
    ended = patient.state.episode
    if isinstance(ended, Discharged) and not patient.state.died:
        waiting = {each.partner for each in patient.state.on_hold}
        may_have_it = {each.partner for each in patient.state.sent}
        assert waiting | may_have_it | set(patient.state.tried) == {"alumni", "alumni-2", "alumni-3", "clinic"}


@settings(max_examples=examples(200))
@given(courses)
def test_a_hold_ends_no_later_than_its_first_day_and_the_days_of_the_setting(course: Course) -> None:
    patient, now = Story(IDENTIFIED, admitted(), discharged(), settings=SEVERAL), DISCHARGED
    began: dict[str, datetime] = {}
    for what, passed, chosen in course:
        now += passed
        patient.until(now)
        step(patient, what, chosen, now)
        for each in patient.state.on_hold:
            since = began.setdefault(each.referral_id, now)
            assert each.ends_at is not None
            assert each.ends_at <= since + SETTINGS.hold_days * DAY


def test_of_a_state_of_the_former_version_the_candidate_behind_one_taken_back_is_still_due() -> None:
    before, today = ((STATES / f"v{version}-taken-back.json").read_bytes() for version in (5, 6))
    assert UPCAST[5](msgspec.json.decode(before)) == [*msgspec.json.decode(before), ["step-down"]]
    assert msgspec.json.decode(today, type=State).candidates_due == ("step-down",)

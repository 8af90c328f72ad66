"""What a partner that referred is answered: each state of its referral in turn, the newest where none was sent yet."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.aftercare import messages as w
from services.aftercare.answers.partner_answers import ANSWERS_MOST, is_settled
from shared.events.envelope import Event, name_id
from shared.rules.decision import Refused
from tests.aftercare.given import DISCHARGED, EPISODE, IDENTIFIED, NEXT_DAY, SETTINGS, admitted, discharged
from tests.aftercare.story import Story, in_care
from tests.shared.rules.partners import COURT, HOSPITAL, consent_to
from tests.story import only

DAY = timedelta(days=1)
REFERRAL, SECOND = "8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e11", "8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e12"
ANSWERING = msgspec.structs.replace(SETTINGS, partners=(*SETTINGS.partners, COURT))
CONSENT = consent_to(HOSPITAL, NEXT_DAY)
DIED, LIVES = (
    w.PatientDied(died_at=None, reported_at=NEXT_DAY),
    w.DeathWithdrawn(withdrawn_at=NEXT_DAY),
)


def stands(state: str, partner: str = "hospital", referral_id: str = REFERRAL) -> w.PartnerReferralChanged:
    return w.PartnerReferralChanged(
        referral_id=referral_id, partner=partner, state=state, changed_at=DISCHARGED, number="sealed"
    )


def story(*happened: Event) -> Story:
    return Story(IDENTIFIED, *happened, settings=ANSWERING)


def prepared(emitted: list[Event]) -> list[tuple[str, str]]:
    return [(each.partner, each.state) for each in only(emitted, w.AnswerPrepared)]


def reasons(emitted: list[Event]) -> list[str]:
    return [each.reason for each in only(emitted, w.AnswerWithheld)]


def about(answer: w.AnswerPrepared) -> dict[str, Any]:
    return {"partner": answer.partner, "focus": answer.focus, "attempt": answer.attempt}


def made(answer: w.AnswerPrepared) -> w.DisclosureMade:
    return w.DisclosureMade(**about(answer), consent_id="consent")


def withheld(answer: w.AnswerPrepared, read: int = 0, **but: Any) -> w.DisclosureWithheld:
    return w.DisclosureWithheld(
        **about(answer), **{"reason": "no-consent-names-this-partner", "ledger_version": read, **but}
    )


def going(patient: Story, event: w.PartnerReferralChanged) -> w.AnswerPrepared:
    """The answer that goes to the gate after this."""
    (answer,) = only(patient.then(event), w.AnswerPrepared)
    return answer


def test_it_goes_to_the_gate_before_there_is_a_stay_and_is_sent_once() -> None:
    patient = story()
    answer = going(patient, stands("received"))
    (sent,) = only(patient.then(made(answer)), w.AnswerSent)
    assert (sent.answer_id, sent.state, sent.consent_id) == (answer.answer_id, "received", "consent")
    assert patient.then(made(answer), stands("received"), CONSENT) == []


def test_without_a_consent_it_is_on_hold_with_one_task_and_a_consent_sends_the_newest_state() -> None:
    patient = story()
    first = going(patient, stands("received"))
    (held,) = only(patient.then(withheld(first)), w.AnswerWithheld)
    assert held.hold_ends_at == DISCHARGED + ANSWERING.hold_days * DAY
    emitted = patient.then(stands("in-review"))
    (second,) = only(emitted, w.AnswerPrepared)
    assert reasons(emitted) == ["referral-stands-elsewhere"]
    patient.then(withheld(second))
    tasks = {str(each.write("p")[0]["id"]) for each in patient.all_emitted if isinstance(each, w.AnswerEvent)}
    assert tasks == {name_id(REFERRAL, "answer-task")}
    assert prepared(patient.then(CONSENT)) == [("hospital", "in-review")]


def test_a_newer_state_replaces_one_that_was_not_sent_yet() -> None:
    patient = story()
    older = going(patient, stands("received"))
    emitted = patient.then(stands("admitted"))
    assert [(each.answer_id, each.reason) for each in only(emitted, w.AnswerWithdrawn)] == [
        (older.answer_id, "referral-stands-elsewhere")
    ]
    (newer,) = only(emitted, w.AnswerPrepared)
    assert patient.then(withheld(older, reason="answer-withdrawn")) == []
    assert [each.state for each in only(patient.then(made(newer)), w.AnswerSent)] == ["admitted"]
    assert patient.state.answers == ()


def test_an_older_state_that_was_sent_all_the_same_is_in_the_record_and_the_newer_follows() -> None:
    patient = story()
    older = going(patient, stands("received"))
    newer = going(patient, stands("admitted"))
    assert [each.state for each in only(patient.then(made(older), made(newer)), w.AnswerSent)] == [
        "received",
        "admitted",
    ]
    assert patient.state.answers == ()


def test_a_consent_that_the_gate_had_not_read_yet_asks_it_again() -> None:
    patient = story(CONSENT)
    answer = going(patient, stands("received"))
    (again,) = only(patient.then(withheld(answer, read=0)), w.AnswerPrepared)
    assert (again.answer_id, again.attempt) == (answer.answer_id, 2)
    assert reasons(patient.then(withheld(again, read=1))) == ["no-consent-names-this-partner"]


def test_a_consent_for_another_partner_sends_nothing() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("received"))))
    assert prepared(patient.then(consent_to(COURT, NEXT_DAY))) == []


def test_a_consent_that_begins_later_is_waited_for() -> None:
    patient = story()
    begins = DISCHARGED + 9 * DAY
    patient.then(withheld(going(patient, stands("received")), until=begins))
    assert prepared(patient.until(begins - timedelta(seconds=1))) == []
    assert prepared(patient.until(begins)) == [("hospital", "received")]


def test_nobody_waits_for_ever_and_a_consent_or_another_state_asks_again() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("received"))))
    assert reasons(patient.until(DISCHARGED + 400 * DAY)) == ["hold-ended"]
    assert prepared(patient.then(CONSENT)) == [("hospital", "received")]


def test_a_hold_that_ended_while_nobody_looked_does_not_go_to_the_gate() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("received")), until=DISCHARGED + 9 * DAY))
    emitted = patient.then(w.TimePassed(), at=DISCHARGED + 400 * DAY)
    assert (reasons(emitted), prepared(emitted)) == (["hold-ended"], [])


def test_of_an_ended_referral_nothing_is_remembered_once_nobody_waits_any_more() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("declined"))))
    patient.until(DISCHARGED + 400 * DAY)
    assert patient.state.answers == ()
    assert prepared(patient.then(CONSENT)) == []


@pytest.mark.parametrize("outcome", [w.DisclosureRefused, w.DisclosureGaveUp])
def test_what_the_partner_does_not_take_a_person_follows_up_and_the_next_state_is_tried(outcome: Any) -> None:
    patient = story()
    answer = going(patient, stands("received"))
    failed = outcome(**about(answer), **({"reason": "http-422"} if outcome is w.DisclosureRefused else {}))
    (refused,) = only(patient.then(failed), w.AnswerRefused)
    assert refused.write("p")[0]["status"] == "failed"
    assert prepared(patient.then(CONSENT)) == []
    assert prepared(patient.then(stands("in-review"))) == [("hospital", "in-review")]


def test_another_referrer_is_answered_instead_of_the_one_before_or_nobody() -> None:
    patient = story()
    going(patient, stands("received"))
    emitted = patient.then(stands("admitted", "court"))
    assert (prepared(emitted), reasons(emitted)) == ([("court", "admitted")], ["referral-stands-elsewhere"])
    emitted = patient.then(stands("received", ""))
    assert (prepared(emitted), reasons(emitted)) == ([], ["referral-stands-elsewhere"])
    assert [each.step for each in patient.state.answers] == ["taken-back", "taken-back"]


def test_two_referrals_are_answered_apart() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("received"))))
    assert prepared(patient.then(stands("admitted", "court", SECOND))) == [("court", "admitted")]
    assert prepared(patient.then(CONSENT)) == [("hospital", "received")]


def test_of_a_death_nothing_is_sent_but_that_the_referral_is_withdrawn() -> None:
    patient = story()
    going(patient, stands("in-review"))
    assert reasons(patient.then(DIED)) == ["death-reported"]
    assert prepared(patient.then(CONSENT, stands("received"))) == []
    assert prepared(patient.then(stands("withdrawn"))) == [("hospital", "withdrawn")]
    assert patient.then(DIED) == []


@pytest.mark.parametrize("state", ["in-review", "admitted"])
def test_a_death_that_was_wrong_sends_what_was_not_sent_meanwhile(state: str) -> None:
    patient = story()
    older = going(patient, stands(state))
    patient.then(DIED, withheld(older, reason="answer-withdrawn"))
    (newer,) = only(patient.then(LIVES), w.AnswerPrepared)
    assert newer.answer_id != older.answer_id and newer.state == state
    assert patient.then(LIVES) == []


def test_after_a_discharge_as_deceased_nothing_is_sent_until_it_is_withdrawn() -> None:
    patient = in_care()
    patient.settings = ANSWERING
    going(patient, stands("in-review"))
    assert reasons(patient.then(discharged("deceased"))) == ["death-reported"]
    assert prepared(patient.then(CONSENT)) == []
    ended = patient.state.episode
    assert ended is not None
    withdrawn = w.DischargeWithdrawn(
        episode_id=ended.episode_id,
        encounter_id="encounter",
        plan_id=ended.episode_id,
        admitted_at=DISCHARGED,
        withdrawn_at=NEXT_DAY,
        client="ehr",
    )
    assert prepared(patient.then(withdrawn)) == [("hospital", "in-review")]


def test_a_person_takes_it_back_by_its_task_and_nothing_more_of_this_referral_goes_out() -> None:
    patient = story()
    patient.then(withheld(going(patient, stands("received"))))
    back = w.WithdrawReferral(task_id=name_id(REFERRAL, "answer-task"), by="case-manager-1")
    assert reasons(patient.then(back)) == ["withdrawn-by-staff"]
    assert patient.then(CONSENT, stands("in-review"), stands("admitted")) == []
    assert patient.state.answers == ()
    assert isinstance(patient.refusal(back), Refused)


def test_a_partner_that_the_program_has_no_more_asks_a_person() -> None:
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, partners=()))
    (held,) = only(patient.then(stands("received")), w.AnswerWithheld)
    assert (held.reason, held.write("p")[0]["requester"]) == (
        "partner-not-known",
        {"identifier": {"system": "https://iop-hub.org/fhir/NamingSystem/role", "value": "case-manager"}},
    )
    assert patient.then(stands("received"), CONSENT) == []


def test_nobody_is_asked_for_a_consent_that_the_patient_has_denied() -> None:
    patient = story()
    (held,) = only(
        patient.then(withheld(going(patient, stands("received")), reason="consent-denied")), w.AnswerWithheld
    )
    assert "requester" not in held.write("p")[0]


def test_of_too_many_referrals_the_oldest_is_answered_no_more_and_its_task_ends() -> None:
    patient = story()
    ids = [name_id(REFERRAL, number) for number in range(ANSWERS_MOST + 1)]
    for each in ids[:-1]:
        patient.then(withheld(going(patient, stands("received", referral_id=each))))
    (gone,) = only(patient.then(stands("received", referral_id=ids[-1])), w.AnswerWithdrawn)
    assert (gone.referral_id, gone.reason) == (ids[0], "too-many-referrals")
    assert len(patient.state.answers) == ANSWERS_MOST


# A court: attendance and completion alone (42 CFR 2.35)


def of_court(state: str = "admitted") -> Story:
    """In a stay to which a court's referral led; the court knows where that stands."""
    patient = Story(IDENTIFIED, admitted(), settings=ANSWERING)
    patient.then(made(going(patient, stands(state, "court"))))
    return patient


@pytest.mark.parametrize("state", ["received", "in-review", "wait-listed", "planned"])
def test_a_court_is_told_nothing_of_a_referral_that_is_still_looked_at(state: str) -> None:
    assert story().then(stands(state, "court")) == []


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ("completed", ["completed"]),
        ("step-down", ["completed"]),
        ("ama", ["not-completed"]),
        ("administrative", ["not-completed"]),
        ("other", []),
        ("incarcerated", []),
        ("deceased", []),
    ],
)
def test_a_court_is_answered_how_the_stay_ended_where_its_disposition_says_so(
    disposition: str, expected: list[str]
) -> None:
    answers = only(of_court().then(discharged(disposition)), w.AnswerPrepared)
    assert [each.state for each in answers] == expected
    assert [each.changed_at for each in answers] == [DISCHARGED for _ in expected]
    assert all(each.number == "sealed" for each in answers), "the court knows it by its own number"


def test_a_corrected_discharge_and_one_taken_back_are_answered_anew() -> None:
    patient = of_court()
    (first,) = only(patient.then(discharged("completed")), w.AnswerPrepared)
    patient.then(made(first))
    assert prepared(patient.then(discharged("completed"))) == []
    (corrected,) = only(patient.then(discharged("ama")), w.AnswerPrepared)
    assert corrected.state == "not-completed"
    back = w.DischargeWithdrawn(
        episode_id=EPISODE, encounter_id="e", plan_id="plan", admitted_at=DISCHARGED, withdrawn_at=NEXT_DAY, client=""
    )
    emitted = patient.then(back)
    assert (prepared(emitted), reasons(emitted)) == ([("court", "admitted")], ["referral-stands-elsewhere"])


def test_that_it_led_to_a_stay_is_no_news_once_the_stay_has_ended() -> None:
    patient = of_court()
    patient.then(discharged())
    assert patient.then(stands("admitted", "court")) == []
    assert [each.state for each in patient.state.answers if each.step != "taken-back"] == ["completed"]


def test_what_is_settled_keeps_nobody_in_the_record() -> None:
    patient = of_court()
    (answer,) = only(patient.then(discharged()), w.AnswerPrepared)
    patient.then(made(answer))
    assert [is_settled(each) for each in patient.state.answers] == [True]


def test_a_hospital_is_told_nothing_of_the_end() -> None:
    patient = Story(IDENTIFIED, admitted(), settings=ANSWERING)
    patient.then(made(going(patient, stands("admitted"))))
    assert prepared(patient.then(discharged())) == []

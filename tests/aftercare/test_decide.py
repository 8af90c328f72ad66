"""What aftercare says when it hears and when it is told, sentence by sentence."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from services.aftercare.messages import (
    AcknowledgeEscalation,
    AftercareEnded,
    AftercarePlanned,
    AskReferral,
    CompleteFollowUp,
    ConsentsCurrent,
    Consumes,
    ContactKnown,
    EpisodeAdmitted,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    Reach,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
    ResolveEscalation,
    TimePassed,
)
from services.aftercare.state import Referral
from shared.rules.decision import Refused
from tests.aftercare.clinic import (
    ADMITTED,
    CONSENT,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    NEXT_DAY,
    PLAN,
    REVOKED,
    SECOND_EPISODE,
    SETTINGS,
    Patient,
    admitted,
    discharged,
    gave_up,
    made,
    meeting,
    names,
    of,
    refused,
    withheld,
)

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def in_care() -> Patient:
    return Patient(IDENTIFIED, admitted())


def on_hold_for_alumni() -> tuple[Patient, ReferralPrepared]:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(withheld(alumni))
    return patient, alumni


def test_admission_prepares_a_meeting_list_for_a_newcomer() -> None:
    (prepared,) = of(MeetingListPrepared, Patient(IDENTIFIED).consumes(admitted(), at=ADMITTED))
    assert prepared.plan_id == PLAN
    assert prepared.meetings == ("riverbend|newcomers", "riverbend|two-sided")


def test_the_list_fits_the_area() -> None:
    patient = Patient(IDENTIFIED, ContactKnown(area="Elsewhere", language="en"))
    assert patient.consumes(admitted()) == []


def test_the_first_list_is_for_a_newcomer_the_last_one_for_somebody_who_knows_the_way() -> None:
    choice = (meeting("plain", 1, "08:00", "C"), meeting("welcome", 1, "20:00", "O", "BE"))
    patient = Patient(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=choice, meetings_most=1))
    (first,), (last,) = (of(MeetingListPrepared, patient.consumes(each)) for each in (admitted(), discharged()))
    assert (first.meetings, last.meetings) == (("riverbend|welcome",), ("riverbend|plain",))


@pytest.mark.parametrize("episode", [admitted(track="dual-diagnosis"), admitted(flags=("wheelchair",))])
def test_the_list_fits_the_track_and_the_flags(episode: EpisodeAdmitted) -> None:
    choice = (meeting("plain", 1, "08:00", "O", "BE"), meeting("fitting", 1, "20:00", "C", "DD", "X"))
    patient = Patient(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=choice, meetings_most=1))
    for event in (episode, discharged()):
        (prepared,) = of(MeetingListPrepared, patient.consumes(event))
        assert prepared.meetings == ("riverbend|fitting",)


def test_without_any_meeting_there_is_no_list() -> None:
    patient = Patient(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=()))
    assert patient.consumes(admitted()) == []


def test_discharge_plans_the_contacts_from_72_hours_to_180_days() -> None:
    (planned,) = of(AftercarePlanned, in_care().consumes(discharged()))
    assert planned.episode_id == EPISODE
    ahead = [due - DISCHARGED for due in planned.follow_ups]
    assert ahead == [timedelta(hours=72), *(timedelta(days=each) for each in (7, 14, 30, 60, 90, 180))]


def test_discharge_prepares_a_meeting_list_of_the_plan() -> None:
    emitted = in_care().consumes(discharged())
    (planned,), (prepared,) = of(AftercarePlanned, emitted), of(MeetingListPrepared, emitted)
    assert prepared.plan_id == planned.plan_id


@pytest.mark.parametrize("disposition", ["completed", "step-down"])
def test_who_completed_or_steps_down_is_referred_to_alumni_and_to_the_clinic(disposition: str) -> None:
    prepared = of(ReferralPrepared, in_care().consumes(discharged(disposition)))
    assert [(each.partner, each.kind, each.purpose, each.attempt) for each in prepared] == [
        ("alumni", "alumni", "alumni", 1),
        ("clinic", "step-down", "TREAT", 1),
    ]


@pytest.mark.parametrize(
    "disposition", ["ama", "lost-to-contact", "administrative", "step-up", "incarcerated", "other"]
)
def test_any_other_living_discharge_is_planned_but_refers_nobody_unasked(disposition: str) -> None:
    emitted = in_care().consumes(discharged(disposition))
    assert of(AftercarePlanned, emitted) and not of(ReferralPrepared, emitted)


@pytest.mark.parametrize(("disposition", "raised"), [("ama", 1), ("lost-to-contact", 1), ("administrative", 0)])
def test_who_left_early_is_asked_back_at_t3(disposition: str, raised: int) -> None:
    escalations = of(EscalationRaised, in_care().consumes(discharged(disposition)))
    assert [(each.escalation.tier, each.escalation.reason) for each in escalations] == [(3, "re-engagement")] * raised


def test_after_a_death_nothing_is_planned_listed_or_sent() -> None:
    assert in_care().consumes(discharged("deceased")) == []


def test_after_a_death_what_was_on_hold_is_taken_back() -> None:
    patient, _ = on_hold_for_alumni()
    emitted = patient.consumes(discharged("deceased", SECOND_EPISODE))
    assert [(each.partner, each.reason) for each in of(ReferralWithdrawn, emitted)] == [
        ("clinic", "patient-deceased"),
        ("alumni", "patient-deceased"),
    ]
    assert patient.consumes(CONSENT) == []


@pytest.mark.parametrize("outcome", [withheld, refused, gave_up])
def test_what_is_taken_back_in_time_is_over_whatever_the_lane_says(outcome: Callable[[Referral], Consumes]) -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(discharged("deceased", SECOND_EPISODE))
    assert patient.consumes(outcome(alumni)) == []
    assert alumni.referral_id not in {each.referral_id for each in patient.state.on_its_way}


def test_what_was_sent_before_it_could_be_taken_back_is_said_to_be_sent() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(discharged("deceased", SECOND_EPISODE))
    assert names(patient.consumes(made(alumni))) == ["ReferralSent"]
    assert patient.consumes(made(alumni)) == []


@pytest.mark.parametrize("disposition", ["deceased", "completed"])
def test_a_later_discharge_ends_what_an_earlier_one_began(disposition: str) -> None:
    patient = in_care()
    patient.consumes(discharged("ama"))
    patient.until(DISCHARGED + timedelta(days=3))
    emitted = patient.consumes(discharged(disposition, SECOND_EPISODE), at=DISCHARGED + timedelta(days=4))
    (ended,), (closed,), (over,) = (
        of(each, emitted) for each in (FollowUpCompleted, EscalationResolved, AftercareEnded)
    )
    assert ended.outcome == closed.reason == over.reason == "episode-discharged"
    due = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=400)))
    assert len(due) == (0 if disposition == "deceased" else 7)


def test_the_same_discharge_again_says_nothing() -> None:
    patient = in_care()
    patient.consumes(discharged())
    assert patient.consumes(discharged()) == []


def test_a_late_event_of_an_earlier_stay_ends_nothing() -> None:
    patient = Patient(IDENTIFIED, admitted(SECOND_EPISODE))
    assert patient.consumes(discharged()) == []
    assert patient.consumes(discharged(episode_id=SECOND_EPISODE)) != []


def test_a_discharge_is_planned_though_its_admission_was_never_heard() -> None:
    assert of(AftercarePlanned, Patient(IDENTIFIED).consumes(discharged()))


def test_each_contact_falls_due_once_at_its_moment_with_the_time_to_act() -> None:
    patient = in_care()
    patient.consumes(discharged())
    assert patient.until(DISCHARGED + timedelta(hours=71)) == []
    (first,) = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(hours=72)))
    assert (first.number, first.due_at) == (1, DISCHARGED + timedelta(hours=72))
    assert first.act_by == DISCHARGED + timedelta(days=4)
    assert patient.consumes(TimePassed(), at=DISCHARGED + timedelta(hours=72)) == []
    rest = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=400)))
    assert [each.number for each in rest] == [2, 3, 4, 5, 6, 7]


def test_contacts_missed_while_the_hub_was_down_fall_due_together_in_order() -> None:
    patient = in_care()
    patient.consumes(discharged())
    late = of(FollowUpFellDue, patient.consumes(TimePassed(), at=DISCHARGED + timedelta(days=14)))
    assert [each.number for each in late] == [1, 2, 3]
    assert [each.act_by for each in late] == [DISCHARGED + timedelta(days=each) for each in (4, 9, 17)]


def test_a_contact_planned_when_there_were_more_of_them_has_the_last_window() -> None:
    patient = in_care()
    patient.consumes(discharged())
    patient.settings = msgspec.structs.replace(SETTINGS, follow_up_days=(3,), follow_up_window_days=(2,))
    due = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=400)))
    assert [each.act_by - each.due_at for each in due] == [timedelta(days=2)] * 7


@pytest.mark.parametrize("reach", ["reached", "not-reached"])
def test_a_case_manager_completes_a_contact_with_what_came_of_it(reach: Reach) -> None:
    patient = in_care()
    patient.consumes(discharged())
    (fell_due,) = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=3)))
    command = CompleteFollowUp(task_id=fell_due.follow_up_id, reach=reach)
    (done,) = of(FollowUpCompleted, patient.told(command))
    assert (done.outcome, done.by, done.due_at) == (reach, "case-manager", fell_due.due_at)
    assert isinstance(patient.told(command), Refused)


def test_once_every_contact_is_made_the_plan_is_completed() -> None:
    patient = in_care()
    patient.consumes(discharged())
    *first, last = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=400)))
    for each in first:
        assert of(AftercareEnded, patient.told(CompleteFollowUp(task_id=each.follow_up_id))) == []
        assert patient.state.plan is not None
    (over,) = of(AftercareEnded, patient.told(CompleteFollowUp(task_id=last.follow_up_id)))
    assert (over.reason, len(over.made), over.left) == ("contacts-made", 7, ())
    assert patient.state.plan is None


def test_a_contact_that_is_not_due_cannot_be_completed() -> None:
    patient = in_care()
    patient.consumes(discharged())
    assert patient.state.plan is not None
    not_due = patient.state.plan.follow_up_id(1)
    answer = patient.told(CompleteFollowUp(task_id=not_due))
    assert isinstance(answer, Refused) and answer.code == "conflict"


def test_readmission_ends_the_contacts_and_the_asking_back() -> None:
    patient = in_care()
    patient.consumes(discharged("ama"))
    (fell_due,) = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=3)))
    emitted = patient.consumes(admitted(SECOND_EPISODE), at=DISCHARGED + timedelta(days=5))
    (ended,), (closed,) = of(FollowUpCompleted, emitted), of(EscalationResolved, emitted)
    assert (ended.follow_up_id, ended.outcome) == (fell_due.follow_up_id, "readmitted")
    assert closed.reason == "readmitted"
    assert patient.until(DISCHARGED + timedelta(days=400)) == []


def test_readmission_ends_the_plan_with_what_was_made_and_what_is_left() -> None:
    patient = in_care()
    (planned,) = of(AftercarePlanned, patient.consumes(discharged()))
    first, _ = of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=7)))
    patient.told(CompleteFollowUp(task_id=first.follow_up_id))
    at = DISCHARGED + timedelta(days=8)
    (over,) = of(AftercareEnded, patient.consumes(admitted(SECOND_EPISODE), at=at))
    assert (over.plan_id, over.episode_id, over.ended_at) == (planned.plan_id, EPISODE, at)
    assert (over.planned_at, over.reason) == (DISCHARGED, "readmitted")
    assert (over.made, over.left) == (planned.follow_ups[:1], planned.follow_ups[1:])


def test_readmission_takes_back_what_only_a_discharge_calls_for() -> None:
    patient, _ = on_hold_for_alumni()
    ask = AskReferral(referral_id=REFERRAL, partner="riverbend-house", kind="recovery-residence")
    patient.told(ask)
    emitted = patient.consumes(admitted(SECOND_EPISODE))
    assert [(each.partner, each.reason) for each in of(ReferralWithdrawn, emitted)] == [
        ("clinic", "readmitted"),
        ("alumni", "readmitted"),
    ]
    assert [each.partner for each in patient.state.referrals] == ["house"]
    assert patient.consumes(CONSENT) == []
    assert [each.partner for each in of(ReferralPrepared, patient.consumes(discharged(episode_id=SECOND_EPISODE)))] == [
        "alumni",
        "clinic",
    ]


def test_a_first_admission_takes_no_referral_back() -> None:
    patient = Patient(IDENTIFIED)
    patient.told(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert of(ReferralWithdrawn, patient.consumes(admitted())) == []


def test_the_same_admission_again_ends_nothing() -> None:
    patient = in_care()
    assert patient.consumes(admitted()) == []
    patient.consumes(discharged())
    assert patient.consumes(admitted()) == []
    assert of(FollowUpFellDue, patient.until(DISCHARGED + timedelta(days=3)))


def test_a_referral_is_sent_once_its_disclosure_was_made() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    (sent,) = of(ReferralSent, patient.consumes(made(alumni)))
    assert (sent.referral_id, sent.consent_id, sent.task_id) == (alumni.referral_id, "consent", alumni.task_id)
    assert patient.consumes(made(alumni)) == []


def test_a_referral_is_on_hold_once_its_disclosure_was_withheld() -> None:
    patient = in_care()
    alumni, clinic = of(ReferralPrepared, patient.consumes(discharged()))
    (on_hold,) = of(ReferralWithheld, patient.consumes(withheld(alumni)))
    assert on_hold.reason == "no-consent-names-this-partner"
    assert [each.referral_id for each in patient.state.on_hold] == [alumni.referral_id]
    assert [each.referral_id for each in patient.state.on_its_way] == [clinic.referral_id]


def test_a_consent_that_names_the_partner_takes_the_referral_off_hold() -> None:
    patient, alumni = on_hold_for_alumni()
    (again,) = of(ReferralPrepared, patient.consumes(CONSENT))
    assert (again.referral_id, again.attempt, again.asked_at) == (alumni.referral_id, 2, alumni.asked_at)
    assert names(patient.consumes(made(again))) == ["ReferralSent"]


def test_a_consent_that_names_another_leaves_it_on_hold() -> None:
    patient, _ = on_hold_for_alumni()
    assert patient.consumes(msgspec.structs.replace(CONSENT, recipients=("riverbend-house", "alumni"))) == []


def test_the_same_consent_again_prepares_nothing_while_one_is_on_its_way() -> None:
    patient, _ = on_hold_for_alumni()
    patient.consumes(CONSENT)
    assert patient.consumes(CONSENT) == []


def test_the_outcome_of_an_earlier_attempt_changes_nothing() -> None:
    patient, alumni = on_hold_for_alumni()
    patient.consumes(CONSENT)
    assert patient.consumes(made(alumni)) == []
    assert patient.consumes(withheld(alumni)) == []


def test_a_consent_the_gate_had_not_read_yet_sends_the_referral_to_it_again() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(CONSENT)
    (again,) = of(ReferralPrepared, patient.consumes(withheld(alumni, ledger_version=0)))
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)
    assert names(patient.consumes(withheld(again, ledger_version=1))) == ["ReferralWithheld"]


def test_a_referral_waits_for_the_moment_at_which_its_consent_begins() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged("completed")))
    begins = DISCHARGED + timedelta(days=2)
    (on_hold,) = of(
        ReferralWithheld, patient.consumes(withheld(alumni, reason="consent-not-yet-in-force", until=begins))
    )
    assert on_hold.until == begins
    assert patient.until(begins - timedelta(seconds=1)) == []
    (again,) = of(ReferralPrepared, patient.until(begins))
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)
    assert names(patient.consumes(made(again))) == ["ReferralSent"]


def test_a_consent_revoked_before_it_began_leaves_the_referral_on_hold_for_good() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    begins = DISCHARGED + timedelta(days=2)
    patient.consumes(withheld(alumni, reason="consent-not-yet-in-force", until=begins))
    patient.consumes(REVOKED)
    (again,) = of(ReferralPrepared, patient.until(begins))
    assert names(patient.consumes(withheld(again, ledger_version=1))) == ["ReferralWithheld"]
    assert of(ReferralPrepared, patient.until(DISCHARGED + timedelta(days=400))) == []


def test_contact_data_that_comes_takes_off_hold_what_lacked_it_and_nothing_else() -> None:
    patient = in_care()
    alumni, clinic = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(withheld(alumni, reason="patient-lacks-phone"))
    patient.consumes(withheld(clinic))
    (again,) = patient.consumes(ContactKnown(area="Riverbend"))
    assert isinstance(again, ReferralPrepared)
    assert (again.referral_id, again.attempt) == (alumni.referral_id, 2)


def test_contact_data_the_gate_had_not_read_yet_sends_the_referral_to_it_again_once() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    assert patient.consumes(ContactKnown()) == []
    (again,) = patient.consumes(withheld(alumni, reason="patient-lacks-phone"))
    assert isinstance(again, ReferralPrepared)
    assert names(patient.consumes(withheld(again, reason="patient-lacks-phone"))) == ["ReferralWithheld"]


def test_a_revocation_recalls_nothing_and_says_nothing() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(made(alumni))
    assert patient.consumes(REVOKED) == []


def test_a_referral_asked_for_after_the_revocation_goes_to_the_gate_like_any_other() -> None:
    patient = in_care()
    alumni, _ = of(ReferralPrepared, patient.consumes(discharged()))
    patient.consumes(CONSENT)
    patient.consumes(made(alumni))
    patient.consumes(REVOKED)
    command = AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni")
    (asked,) = of(ReferralPrepared, patient.told(command))
    assert names(patient.consumes(withheld(asked, ledger_version=2))) == ["ReferralWithheld"]


def test_the_partners_refusal_and_giving_up_end_the_referral() -> None:
    patient = in_care()
    alumni, clinic = of(ReferralPrepared, patient.consumes(discharged()))
    (by_partner,) = of(ReferralRefused, patient.consumes(refused(alumni)))
    (by_hub,) = of(ReferralRefused, patient.consumes(gave_up(clinic)))
    assert (by_partner.reason, by_hub.reason) == ("http-422", "gave-up")
    assert patient.state.referrals == ()


def test_a_case_manager_asks_for_a_referral_during_care() -> None:
    patient = in_care()
    command = AskReferral(referral_id=REFERRAL, partner="riverbend-house", kind="recovery-residence")
    (prepared,) = of(ReferralPrepared, patient.told(command))
    assert (prepared.referral_id, prepared.partner, prepared.purpose) == (REFERRAL, "house", "recovery-residence")
    assert patient.told(command) == []


@pytest.mark.parametrize(
    ("partner", "kind", "code", "place"),
    [
        ("alcoholics-anonymous", "alumni", "business-rule", "ServiceRequest.performer"),
        ("nobody", "alumni", "not-found", "ServiceRequest.performer"),
        ("alumni", "alumni", "not-found", "ServiceRequest.performer"),
        ("riverbend-alumni", "step-down", "business-rule", "ServiceRequest.code"),
    ],
)
def test_a_referral_that_cannot_be_is_refused_at_its_place(partner: str, kind: str, code: str, place: str) -> None:
    answer = in_care().told(AskReferral(referral_id=REFERRAL, partner=partner, kind=kind))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.expression) == (code, place)
    assert partner not in answer.reason


def test_a_referral_of_a_patient_never_heard_of_is_refused() -> None:
    answer = Patient().told(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.expression == "ServiceRequest.subject"


def test_a_referral_of_a_patient_who_died_is_refused() -> None:
    patient = Patient(IDENTIFIED, admitted(), discharged("deceased"))
    answer = patient.told(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.code == "business-rule"


def test_a_second_open_referral_to_the_same_partner_is_a_duplicate() -> None:
    patient, _ = on_hold_for_alumni()
    answer = patient.told(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert isinstance(answer, Refused) and answer.code == "duplicate"


def test_discharge_prepares_no_second_referral_where_one_is_open() -> None:
    patient = in_care()
    patient.told(AskReferral(referral_id=REFERRAL, partner="riverbend-alumni", kind="alumni"))
    assert [each.partner for each in of(ReferralPrepared, patient.consumes(discharged()))] == ["clinic"]


def test_re_engagement_nobody_acknowledges_is_overdue_once() -> None:
    patient = in_care()
    patient.consumes(discharged("ama"))
    assert len(of(EscalationOverdue, patient.until(DISCHARGED + timedelta(days=2)))) == 1


def test_re_engagement_is_acknowledged_and_resolved_by_a_person() -> None:
    patient = in_care()
    (raised,) = of(EscalationRaised, patient.consumes(discharged("ama")))
    identity = raised.escalation.id
    assert names(patient.told(AcknowledgeEscalation(escalation_id=identity))) == ["EscalationAcknowledged"]
    assert patient.until(DISCHARGED + timedelta(days=2)) == []
    resolve = ResolveEscalation(escalation_id=identity, reason="patient-reached")
    assert names(patient.told(resolve)) == ["EscalationResolved"]
    assert isinstance(patient.told(resolve), Refused)


def test_the_ledgers_heartbeat_is_nothing_to_decide() -> None:
    assert in_care().consumes(ConsentsCurrent(), at=NEXT_DAY) == []

"""One fixed example of every event in the catalogue: what the golden Bundles are written from.

`python -m tests.events.examples` writes the Bundle of each event that has none yet; it never changes one.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from shared.events import (
    aftercare,
    aftercare_plan,
    attendance,
    drug_test_order,
    emergency,
    escalation,
    intake,
    laboratory_order,
    outreach,
    partner_answer,
    readmission,
    technical,
    testing,
    wire,
)
from shared.events.catalogue import BY_TYPE
from shared.events.codes import LOINC
from shared.events.contact import Answer
from shared.events.envelope import Envelope, Event, name_id

GOLDEN = Path(__file__).with_name("golden")
PATIENT = "5a8f0a2e-5f0e-4a52-9c39-0c8d8b7f1a01"
CAUSE = UUID("5a8f0a2e-5f0e-4a52-9c39-0c8d8b7f1a02")
MONDAY = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)
TWO_HOURS_LATER = datetime(2025, 3, 3, 16, 0, tzinfo=UTC)
NEXT_MONDAY = datetime(2025, 3, 10, 14, 0, tzinfo=UTC)
NEXT_YEAR = datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


def named(name: str) -> str:
    """An id that is the same in every run."""
    return name_id(CAUSE, name)


def envelope(event: Event) -> Envelope:
    entry = BY_TYPE[type(event)]
    return Envelope(
        id=UUID(named("event")),
        source="intake" if entry.producer == "any" else entry.producer,
        event=type(event).__name__,
        program="demo",
        patient=PATIENT,
        at=TWO_HOURS_LATER,
        correlation_id=CAUSE,
        causation_id=CAUSE,
    )


ESCALATION = escalation.Escalation(
    id=named("escalation"),
    category="combined",
    reason="miss-and-unexpected-positive",
    tier=3,
    owner="primary-therapist",
    rule="intake/miss-and-unexpected-positive|2026.1",
    raised_at=MONDAY,
    acknowledge_by=TWO_HOURS_LATER,
    act_by=NEXT_MONDAY,
    signals=(
        escalation.Signal("missed-session", MONDAY, f"Appointment/{named('session')}"),
        escalation.Signal("unexpected-positive", TWO_HOURS_LATER, f"DiagnosticReport/{named('report')}"),
    ),
    subsumes=(named("miss"), named("positive")),
)
_RECOMMENDED = intake.Recommendation(
    recommendation_id=named("recommendation"),
    task_id=named("sign"),
    referral_id=named("referral"),
    level="2.1",
    rules=("R12", "R14"),
    conditions=("moud",),
    table="2026.1",
    needs=(intake.Need("dimension-1", "1.5"), intake.Need("dimension-4", "2.1")),
    track="opioid",
    recommended_at=MONDAY,
    sign_by=NEXT_MONDAY,
    explanation=intake.Explanation(
        rules=(
            intake.RuleReason("R12", (intake.Input("safe-housing", "no", MONDAY, f"Observation/{named('housing')}"),)),
            intake.RuleReason(
                "R14",
                (intake.Input("dimension-4", "2.1", MONDAY, f"Observation/{named('need')}", is_need=True),),
                (intake.Need("dimension-4", "2.1"),),
            ),
        ),
        considered=(
            intake.Input("dimension-4", "2.1", MONDAY, f"Observation/{named('need')}", is_need=True),
            intake.Input("cows", "mild", MONDAY, f"QuestionnaireResponse/{named('cows')}"),
        ),
        track=(intake.Input("primary-opioid", "yes", MONDAY),),
        conditions=(intake.ConditionReason("moud", ("R12",)),),
        undecided=(intake.Undecided("R3", "daily-heavy-use", "missing"),),
        changes=(
            intake.RuleChange("R12", "added", ("safe-housing",)),
            intake.RuleChange("", "changed", ("dimension-4",)),
        ),
        replaces_id=named("earlier-recommendation"),
    ),
)
_REVIEW = intake.Review(
    id=named("review"),
    reason="R0",
    focus=f"EpisodeOfCare/{named('episode')}",
    requested_at=MONDAY,
    act_by=NEXT_MONDAY,
    missing=("dimension-2",),
    escalations=(named("escalation"),),
)
_SESSION: dict[str, Any] = {
    "session_id": named("session"),
    "episode_id": named("episode"),
    "kind": "group",
    "start": MONDAY,
    "end": TWO_HOURS_LATER,
}
_RESULTS = (
    testing.AnalyteResult(
        named("fentanyl"), "59673-4", LOINC, "fentanyl", "positive", False, "unexpected-positive-presumptive"
    ),
    testing.AnalyteResult(
        named("buprenorphine"), "93494-3", LOINC, "buprenorphine", "positive", True, "expected-positive", "1819"
    ),
    testing.AnalyteResult(named("creatinine"), "2161-8", LOINC, "creatinine", "valid", False, "valid"),
    testing.AnalyteResult(named("local"), "LAB-77", "", "unmapped", "pending", False, "pending"),
)
_ORDER: dict[str, Any] = {
    "order_id": named("drug test"),
    "specimen_id": named("its specimen"),
    "number": "WopvDgAAAAAAAAAAAAAAAA",
    "opens_at": MONDAY,
    "closes_at": datetime(2025, 3, 4, 14, 0, tzinfo=UTC),
    "random": True,
}
_LABORATORY_ORDER: dict[str, Any] = {
    "order_id": named("drug test"),
    "task_id": named("its laboratory order"),
    "partner": "riverbend-laboratory",
    "action": "new",
    "attempt": 1,
    "number": "WopvDgAAAAAAAAAAAAAAAA",
    "panel": "drug-test",
    "opens_at": MONDAY,
    "closes_at": datetime(2025, 3, 4, 14, 0, tzinfo=UTC),
    "prepared_at": MONDAY,
    "random": True,
}
_REPORT: dict[str, Any] = {
    "report_id": named("report"),
    "specimen_id": named("specimen"),
    "collected_at": MONDAY,
    "issued_at": TWO_HOURS_LATER,
    "baseline": False,
    "results": _RESULTS,
}
_REFERRAL: dict[str, Any] = {
    "referral_id": named("alumni"),
    "task_id": named("alumni-task"),
    "partner": "riverbend-alumni",
    "kind": "alumni",
    "purpose": "alumni",
    "attempt": 1,
    "asked_at": MONDAY,
    "at": TWO_HOURS_LATER,
}
_ANSWER: dict[str, Any] = {
    "answer_id": named("answer"),
    "referral_id": named("referral"),
    "partner": "riverbend-hospital",
    "purpose": "TREAT",
    "state": "in-review",
    "changed_at": MONDAY,
    "attempt": 1,
    "at": TWO_HOURS_LATER,
}
_FOLLOW_UP: dict[str, Any] = {
    "follow_up_id": named("follow-up"),
    "plan_id": named("aftercare"),
    "due_at": MONDAY,
    "act_by": NEXT_MONDAY,
}
_TECHNICAL: dict[str, Any] = {
    "outcome_id": named("outcome"),
    "service": "testing",
    "details": "an event DrugTestResulted was parked",
}

EXAMPLES: tuple[Event, ...] = (
    intake.PatientIdentified(
        digests=(intake.Digest("2025a", "0f" * 32), intake.Digest("2025b", "1e" * 32)),
        sealed=("eyJhbGciOiJFQ0RILUVTIn0.a.b.c.d", "eyJhbGciOiJFQ0RILUVTIn0.e.f.g.h"),
        identified_at=MONDAY,
    ),
    intake.PatientDied(died_at=MONDAY, reported_at=TWO_HOURS_LATER),
    intake.DeathWithdrawn(withdrawn_at=NEXT_MONDAY),
    intake.ReferralReceived(
        referral_id=named("referral"), task_id=named("referral-task"), authored_at=MONDAY, priority="urgent"
    ),
    intake.ReferralConcluded(
        referral_id=named("referral"),
        task_id=named("referral-task"),
        outcome="referral-revoked",
        concluded_at=NEXT_MONDAY,
    ),
    intake.ReferralAnswered(
        referral_id=named("referral"),
        task_id=named("referral-task"),
        reason="another-level-needed",
        priority="urgent",
        answered_at=NEXT_MONDAY,
        level="3.7",
        rules=("R2",),
        offers=(intake.ReferralOffer("riverbend-outpatient", "treating-provider"),),
    ),
    intake.PartnerReferralChanged(
        referral_id=named("referral"),
        partner="riverbend-hospital",
        state="in-review",
        changed_at=NEXT_MONDAY,
        number="eyJhbGciOiJFQ0RIK...",
    ),
    intake.LevelOfCareRecommended(recommendation=_RECOMMENDED),
    intake.RecommendationWithdrawn(recommendation=_RECOMMENDED, reason="newer-assessment", withdrawn_at=NEXT_MONDAY),
    intake.PlacementSigned(
        task_id=named("sign"),
        referral_id=named("referral"),
        signature=intake.Signature(
            request_id=named("recommendation"),
            level="2.1",
            signed_by="clinician-7",
            at=MONDAY,
            reason="patient-declined",
            signed_as="licensed-clinician",
            version="1",
            second_signed_by="director-2",
            second_signed_as="medical-director",
        ),
        client="ehr",
        recommended_at=MONDAY,
        sign_by=NEXT_MONDAY,
    ),
    intake.EpisodeAdmitted(
        episode_id=named("episode"),
        plan_id=named("plan"),
        referral_id=named("referral"),
        level="2.1",
        track="opioid",
        flags=("moud", "opioid-history"),
        template=(intake.TemplateSlot("group", 0, "09:00", 180), intake.TemplateSlot("family", 3, "17:30", 60, 2)),
        admitted_at=MONDAY,
        referral_task_id=named("referral-task"),
    ),
    intake.EpisodePlanned(
        episode_id=named("episode"),
        referral_id=named("referral"),
        level="2.1",
        signed=named("sign"),
        at=MONDAY,
        by="clinician-1",
        client="ehr-demo",
        starts_at=NEXT_MONDAY,
        earlier=(intake.EarlierStatus("waitlist", MONDAY),),
    ),
    intake.EpisodeWaitlisted(
        episode_id=named("episode"),
        referral_id=named("referral"),
        level="2.1",
        signed=named("sign"),
        at=MONDAY,
        by="clinician-1",
        client="ehr-demo",
    ),
    intake.EpisodeCancelled(
        episode_id=named("episode"),
        referral_id=named("referral"),
        level="2.1",
        signed=named("sign"),
        at=NEXT_MONDAY,
        client="ehr-demo",
        earlier=(intake.EarlierStatus("planned", MONDAY),),
        reason="another-level-needed",
    ),
    intake.EpisodeDeclined(
        episode_id=named("episode"),
        referral_id=named("referral"),
        level="3.7",
        rules=("R2",),
        declined_at=MONDAY,
        referral_task_id=named("referral-task"),
    ),
    intake.EngagedDaysCounted(
        episode_id=named("episode"),
        days=41,
        in_stay=8,
        in_earlier_stays=21,
        elsewhere=12,
        since_on=date(2025, 1, 20),
        until_on=date(2025, 3, 10),
        counted_at=NEXT_MONDAY,
    ),
    intake.EpisodeStepped(
        episode_id=named("episode"),
        plan_id=named("plan"),
        referral_id=named("referral"),
        level="2.5",
        direction="step-up",
        track="opioid",
        flags=("moud",),
        template=(intake.TemplateSlot("group", 0, "09:00", 180),),
        admitted_at=MONDAY,
        stepped_at=NEXT_MONDAY,
        signed=named("sign"),
        by="clinician-1",
        client="ehr",
        history=intake.EpisodeHistory(levels=(intake.FormerLevel("2.1", MONDAY, NEXT_MONDAY),)),
        stage="full-days",
    ),
    intake.EpisodePaused(
        episode_id=named("episode"),
        level="2.1",
        referral_id=named("referral"),
        admitted_at=MONDAY,
        at=NEXT_MONDAY,
    ),
    intake.EpisodeResumed(
        episode_id=named("episode"),
        level="2.1",
        referral_id=named("referral"),
        admitted_at=MONDAY,
        at=NEXT_MONDAY,
    ),
    intake.StageAdvanced(
        episode_id=named("episode"),
        plan_id=named("plan"),
        stage="maintenance",
        former="early-recovery",
        template=(intake.TemplateSlot("group", 0, "09:00", 180), intake.TemplateSlot("group", 2, "09:00", 180)),
        admitted_at=MONDAY,
        advanced_at=NEXT_MONDAY,
        by="therapist-2",
        client="ehr",
        track="opioid",
        flags=("moud",),
        activities=(intake.PlannedActivity("workshop", "completed", "stress"),),
    ),
    intake.CareTeamChanged(
        members=(
            intake.TeamMember("primary-therapist", "primary-therapist-1"),
            intake.TeamMember("case-manager", "case-manager-1"),
        ),
        changed_at=MONDAY,
    ),
    intake.PlanRevised(
        plan_id=named("plan"),
        started_at=MONDAY,
        template=(intake.TemplateSlot("group", 0, "09:00", 180), intake.TemplateSlot("family", 3, "09:00", 60, 2)),
        goals=(intake.PlannedGoal(named("goal"), "abstinence", "active"),),
        activities=(
            intake.PlannedActivity("relapse-prevention-plan", "in-progress"),
            intake.PlannedActivity("workshop", "completed", "stress"),
            intake.PlannedActivity("mutual-help", "declined"),
        ),
    ),
    intake.FlagsChanged(flags=("suicide-risk",), ended=("overdose-risk",), changed_at=MONDAY),
    intake.EpisodeDischarged(
        episode_id=named("episode"),
        encounter_id=named("discharge"),
        disposition="completed",
        admitted_at=MONDAY,
        discharged_at=NEXT_MONDAY,
        plan_id=named("plan"),
        level="2.1",
        referral_id=named("referral"),
    ),
    intake.DischargeWithdrawn(
        episode_id=named("episode"),
        encounter_id=named("discharge"),
        plan_id=named("plan"),
        admitted_at=MONDAY,
        withdrawn_at=NEXT_MONDAY,
        client="ehr",
        level="2.1",
        referral_id=named("referral"),
    ),
    intake.CoverageRecorded(
        list_id=named("payers"),
        recorded_at=MONDAY,
        payers=(
            intake.PayerSpan("medicaid", until=MONDAY),
            intake.PayerSpan("medicare", MONDAY, NEXT_MONDAY),
        ),
    ),
    intake.MedicationsRecorded(
        list_id=named("list"),
        recorded_at=MONDAY,
        medications=(
            intake.Medication(named("prescribed"), "1819", date(2025, 1, 1), date(2025, 12, 31), "sublingual"),
            intake.Medication(named("uncoded"), ""),
        ),
    ),
    intake.ConsentGiven(
        consent_id=named("consent"),
        recipients=("riverbend-alumni",),
        purposes=("TREAT", "alumni"),
        fields=("name", "phone"),
        given_at=MONDAY,
        starts_at=MONDAY,
        expires_at=NEXT_YEAR,
        classes=("treating-provider",),
        ends_with="supervision-ended",
    ),
    intake.ConsentDenied(
        consent_id=named("denial"),
        recipients=("riverbend-alumni",),
        purposes=("alumni",),
        denied_at=NEXT_MONDAY,
        fields=("phone",),
    ),
    intake.ConsentRevoked(consent_id=named("consent"), revoked_at=NEXT_MONDAY),
    intake.ConsentsCurrent(),
    intake.PlacementReviewRequested(review=_REVIEW),
    intake.PlacementReviewWithdrawn(review=_REVIEW, reason="retracted", withdrawn_at=NEXT_MONDAY),
    intake.PlacementReviewCompleted(review=_REVIEW, by="clinician-7", completed_at=NEXT_MONDAY, client="ehr"),
    attendance.SessionScheduled(
        **_SESSION,
        modality="video",
        topic="stress",
        therapist="clinician-7",
        room="room-2",
        group="evening-a",
        makes_up_id=named("missed"),
    ),
    attendance.SessionRequested(**_SESSION, group="evening-b", makes_up_id=named("missed")),
    attendance.SessionCancelled(**_SESSION, reason="called-off"),
    attendance.SessionExcused(**_SESSION, reason="excused"),
    attendance.SessionCancelledLate(**_SESSION, reason="cancelled-late"),
    attendance.SessionCheckedIn(**_SESSION, encounter_id=named("encounter"), came_at=MONDAY),
    attendance.SessionAttended(
        **_SESSION,
        encounter_id=named("encounter"),
        minutes=60,
        came_at=MONDAY,
        left_at=datetime(2025, 3, 3, 15, 0, tzinfo=UTC),
        shortfall="partial",
    ),
    attendance.CheckInWithdrawn(**_SESSION, encounter_id=named("encounter")),
    attendance.SessionMissed(**_SESSION),
    attendance.AttendanceCorrected(**_SESSION, reason="late-check-in"),
    outreach.OutreachAttempted(
        attempt_id=named("attempt"),
        escalation_id=named("escalation"),
        channel="PHONE",
        outcome="no-answer",
        attempted_at=NEXT_MONDAY,
        by="case-manager-1",
    ),
    attendance.WeeklyHoursProjectedShort(
        issue_id=named("week"),
        episode_id=named("episode"),
        week_start=MONDAY,
        week_end=NEXT_MONDAY,
        minutes=180,
        minimum_minutes=540,
        projected_minutes=360,
        bookable_minutes=540,
    ),
    attendance.WeeklyHoursFellShort(
        issue_id=named("week"),
        episode_id=named("episode"),
        week_start=MONDAY,
        week_end=NEXT_MONDAY,
        minutes=360,
        minimum_minutes=540,
    ),
    attendance.WeeklyHoursUnknown(
        issue_id=named("week"),
        episode_id=named("episode"),
        week_start=MONDAY,
        week_end=NEXT_MONDAY,
        minutes=360,
        minimum_minutes=540,
    ),
    attendance.WeeklyHoursCorrected(
        issue_id=named("week"),
        episode_id=named("episode"),
        week_start=MONDAY,
        week_end=NEXT_MONDAY,
        minutes=540,
        minimum_minutes=540,
    ),
    testing.DrugTestResulted(**_REPORT, status="final"),
    testing.DrugTestCorrected(**_REPORT, status="corrected", condition="dilute"),
    testing.ResultMatched(
        **(_REPORT | {"baseline": True}), status="final", provenance_id=named("match"), matched_at=NEXT_MONDAY
    ),
    testing.ExpectedResultsContinued(
        observation_id=named("expected"),
        report_ids=(named("second"), named("third"), named("report")),
        in_a_row=3,
        since=MONDAY,
        until=NEXT_MONDAY,
        counted_at=NEXT_MONDAY,
    ),
    drug_test_order.DrugTestOrdered(**_ORDER),
    drug_test_order.DrugTestCancelled(**_ORDER, in_error=True, collected_at=TWO_HOURS_LATER),
    drug_test_order.SpecimenCollected(**_ORDER, collected_at=TWO_HOURS_LATER, resulted=True),
    drug_test_order.CollectionRefused(**_ORDER, refused_at=TWO_HOURS_LATER),
    drug_test_order.CollectionMissed(**_ORDER),
    drug_test_order.CollectionWithdrawn(**_ORDER),
    drug_test_order.ResultOverdue(**_ORDER, collected_at=TWO_HOURS_LATER, due_at=NEXT_MONDAY),
    laboratory_order.LaboratoryOrderPrepared(**_LABORATORY_ORDER),
    laboratory_order.LaboratoryOrderSent(
        **(_LABORATORY_ORDER | {"action": "cancel"}), sent_at=TWO_HOURS_LATER, consent_id=named("consent")
    ),
    laboratory_order.LaboratoryOrderFailed(
        **_LABORATORY_ORDER, reason="gave-up", failed_at=NEXT_MONDAY, may_have_been_received=True
    ),
    aftercare.AftercarePlanned(
        plan_id=named("aftercare"),
        episode_id=named("episode"),
        planned_at=MONDAY,
        follow_ups=(NEXT_MONDAY, NEXT_YEAR),
    ),
    aftercare_plan.AftercareRevised(
        plan_id=named("aftercare"),
        episode_id=named("episode"),
        planned_at=MONDAY,
        made=(TWO_HOURS_LATER,),
        left=(NEXT_MONDAY,),
        activities=(
            aftercare_plan.PlanActivity("step-down", "scheduled", "riverbend-outpatient", NEXT_MONDAY),
            aftercare_plan.PlanActivity("naloxone", "completed"),
            aftercare_plan.PlanActivity("recovery-residence", "declined"),
            aftercare_plan.PlanActivity("mutual-help"),
        ),
        revised_at=TWO_HOURS_LATER,
        by="case-manager-1",
        client="ehr",
    ),
    aftercare.AftercareEnded(
        plan_id=named("aftercare"),
        episode_id=named("episode"),
        planned_at=MONDAY,
        ended_at=TWO_HOURS_LATER,
        reason="readmitted",
        made=(TWO_HOURS_LATER,),
        left=(NEXT_MONDAY, NEXT_YEAR),
    ),
    aftercare.MeetingListPrepared(
        list_id=named("meetings"),
        plan_id=named("aftercare"),
        meetings=("riverbend|newcomers", "riverbend|big-book"),
        prepared_at=MONDAY,
    ),
    aftercare.ReferralPrepared(**_REFERRAL),
    aftercare.ReferralSent(**_REFERRAL, consent_id=named("consent"), answer_by=NEXT_MONDAY),
    aftercare.PartnerAnswered(
        **_REFERRAL,
        consent_id=named("consent"),
        step="scheduled",
        answered_at=TWO_HOURS_LATER,
        appointment_at=NEXT_MONDAY,
        client="riverbend-alumni",
    ),
    aftercare.ReferralWithheld(**_REFERRAL, reason="no-consent-names-this-partner", may_have_been_received=True),
    aftercare.ReferralRefused(**_REFERRAL, reason="http-422"),
    aftercare.ReferralWithdrawn(**_REFERRAL, reason="readmitted"),
    partner_answer.AnswerPrepared(**_ANSWER, number="eyJhbGciOiJFQ0RIK..."),
    partner_answer.AnswerSent(**_ANSWER, consent_id=named("consent")),
    partner_answer.AnswerWithheld(
        **_ANSWER, reason="no-consent-names-this-partner", may_have_been_received=True, hold_ends_at=NEXT_YEAR
    ),
    partner_answer.AnswerRefused(**_ANSWER, reason="http-422"),
    partner_answer.AnswerWithdrawn(**_ANSWER, reason="referral-stands-elsewhere"),
    aftercare.FollowUpFellDue(**_FOLLOW_UP, number=1),
    aftercare.FollowUpCompleted(
        **_FOLLOW_UP,
        by="case-manager-3",
        completed_at=TWO_HOURS_LATER,
        client="ehr",
        answers=(Answer("abstinence", "abstinent"), Answer("housing", "recovery-residence")),
        made_at=MONDAY,
    ),
    readmission.PatientReadmitted(
        episode_id=named("episode"), earlier_episode_id=named("earlier-episode"), admitted_at=MONDAY, days=12
    ),
    outreach.ContactAttempted(
        attempt_id=named("contact-attempt"),
        task_id=named("follow-up"),
        channel="SMSWRIT",
        outcome="message",
        attempted_at=TWO_HOURS_LATER,
        by="case-manager-3",
    ),
    escalation.EscalationRaised(escalation=ESCALATION, at=MONDAY),
    escalation.EscalationUpdated(escalation=ESCALATION, at=MONDAY, accepted=True),
    escalation.EscalationAcknowledged(
        escalation=ESCALATION, at=MONDAY, by="therapist-2", client="ehr", role="clinician", proved=True
    ),
    escalation.EscalationActedOn(
        escalation=ESCALATION, at=TWO_HOURS_LATER, act="called", by="therapist-2", client="ehr", role="clinician"
    ),
    escalation.EscalationHandedOver(
        escalation=msgspec.structs.replace(
            ESCALATION, handed_over=escalation.HandedOver(TWO_HOURS_LATER, "therapist-3")
        ),
        at=TWO_HOURS_LATER,
        reason="shift-ended",
        by="therapist-2",
        client="ehr",
        role="clinician",
        proved=True,
    ),
    escalation.EscalationOverdue(escalation=ESCALATION, at=TWO_HOURS_LATER),
    escalation.EscalationResolved(
        escalation=ESCALATION,
        at=NEXT_MONDAY,
        reason="acted-on",
        by="therapist-2",
        client="ehr",
        role="clinician",
        proved=True,
    ),
    escalation.EscalationReopened(
        escalation=ESCALATION,
        at=NEXT_MONDAY,
        reason="resolved-by-mistake",
        by="therapist-2",
        client="ehr",
        role="clinician",
        proved=True,
    ),
    escalation.EscalationRetracted(escalation=ESCALATION, at=NEXT_MONDAY, reason="late-check-in"),
    escalation.SignalsCorrected(gone=ESCALATION.signals[:1], moved=ESCALATION.signals[1:]),
    technical.DisclosureRecorded(
        audit_id=named("audit"),
        result="made",
        reason=None,
        partner="riverbend-alumni",
        purpose="alumni",
        service="aftercare",
        focus=f"ServiceRequest/{named('alumni')}",
        consent_id=named("consent"),
        recorded_at=MONDAY,
        fields=("name", "phone"),
    ),
    emergency.EmergencyDisclosed(
        audit_id=named("emergency"),
        communication_id=named("communication"),
        nature="overdose",
        by="clinician-7",
        disclosed_at=MONDAY,
        recorded_at=NEXT_MONDAY,
        client="ehr",
    ),
    emergency.EmergencyMistaken(
        audit_id=named("emergency"),
        communication_id=named("communication"),
        nature="overdose",
        by="clinician-7",
        disclosed_at=MONDAY,
        recorded_at=NEXT_MONDAY,
        client="ehr",
        mistaken_by="clinician-8",
    ),
    technical.DeliveryParked(**_TECHNICAL),
    technical.DeliveryRedriven(**_TECHNICAL),
    technical.ConsumerStopped(**_TECHNICAL),
    technical.StraysStored(**_TECHNICAL),
    technical.CapacityNearlyReached(**_TECHNICAL),
    technical.FeedSilent(**_TECHNICAL),
    technical.FeedSpoke(**_TECHNICAL),
    technical.WorkListAged(**_TECHNICAL),
    technical.FeedTroubled(**_TECHNICAL),
    technical.FeedRecovered(**_TECHNICAL),
)


def bundle(event: Event) -> str:
    """The event's Bundle as a person reads it."""
    body = wire.write(event, envelope(event)).body
    return msgspec.json.format(body, indent=2).decode() + "\n"


def golden(event: Event) -> Path:
    return GOLDEN / f"{type(event).__name__}.json"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for example in EXAMPLES:
        if not golden(example).exists():
            golden(example).write_text(bundle(example))

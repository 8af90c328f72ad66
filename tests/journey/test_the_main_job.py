"""The main job, as it reads: intake places, silence and positives escalate, corrections retract, discharge refers."""

from datetime import timedelta

from tests.intake.bundles import answered
from tests.journey.clinic import COCAINE, MARIJUANA, Clinic, instant


async def test_a_referral_that_fits_is_recommended_signed_and_admitted(clinic: Clinic) -> None:
    person = await clinic.admit()
    events = await clinic.events(person, "iop.intake.events")
    assert events[:2] == ["PatientIdentified", "ReferralReceived"] or set(events[:3]) >= {"PatientIdentified"}
    for event in ("LevelOfCareRecommended", "PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted"):
        assert event in events
    assert events.index("MedicationsRecorded") < events.index("EpisodeAdmitted")
    assert len(await clinic.sessions(person)) >= 8


async def test_a_referral_that_does_not_fit_is_declined_with_the_level_and_the_rules(clinic: Clinic) -> None:
    person = await clinic.refer(facts={"safe-housing": True, "moud-start": True})
    answer = await clinic.sign(person, "2.7")
    assert answer.status_code == 200, answer.text
    (declined,) = [each for each in await clinic.records(person) if each.event == "EpisodeDeclined"]
    coded = [each["coding"][0]["code"] for each in declined.resources[0]["type"]]
    assert coded[0] == "2.7"
    assert {"R5", "R14"} <= set(coded[1:])
    assert await clinic.sessions(person) == []


async def test_missing_needs_ask_a_person_and_place_nobody(clinic: Clinic) -> None:
    person = await clinic.refer(needs={"withdrawal": "none"})
    (review,) = await clinic.tasks("intake", person, "requested", "review-placement")
    missing = {each["valueCodeableConcept"]["coding"][0]["code"] for each in review["input"]}
    assert {"biomedical", "psychiatric-cognitive", "recovery-environment"} <= missing
    assert "LevelOfCareRecommended" not in await clinic.events(person)


async def test_a_miss_that_nobody_reports_is_found_by_its_deadline(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.miss(person)
    assert "SessionMissed" in await clinic.events(person)
    assert ("EscalationRaised", "missed-session") in await clinic.escalations(person)


async def test_a_late_check_in_retracts_the_miss_and_what_it_raised(clinic: Clinic) -> None:
    person = await clinic.admit()
    session = await clinic.miss(person)
    await clinic.attend(person, session)
    assert "AttendanceCorrected" in await clinic.events(person)
    assert ("EscalationRetracted", "missed-session") in await clinic.escalations(person)


async def test_a_miss_and_a_positive_combine_and_a_corrected_result_takes_it_back(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.test(person)  # the baseline
    await clinic.miss(person)
    assert b"MSA|AA" in await clinic.test(person, COCAINE, filler=f"C-{person.mrn}")
    raised = await clinic.escalations(person)
    assert ("EscalationRaised", "unexpected-positive-presumptive") in raised
    assert ("EscalationRaised", "miss-and-positive") in raised
    assert "PlacementReviewRequested" in await clinic.events(person)
    await clinic.test(person, negative=(MARIJUANA, COCAINE), filler=f"C-{person.mrn}", status="C")
    taken_back = await clinic.escalations(person)
    assert ("EscalationRetracted", "unexpected-positive-presumptive") in taken_back
    assert ("EscalationRetracted", "miss-and-positive") in taken_back
    assert ("EscalationRetracted", "missed-session") not in taken_back
    events = await clinic.events(person)
    assert "DrugTestCorrected" in events
    assert "PlacementReviewWithdrawn" in events


async def test_an_escalation_is_acknowledged_and_resolved_at_its_owner(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.miss(person)
    (task,) = await clinic.tasks("attendance", person, "requested")
    accepted = await clinic.driver.put("attendance", answered(task, "accepted"))
    completed = await clinic.driver.put("attendance", answered(task, "completed"))
    assert (accepted.status_code, completed.status_code) == (200, 200)
    await clinic.driver.settle()
    emitted = [event for event, _ in await clinic.escalations(person)]
    assert emitted == ["EscalationRaised", "EscalationAcknowledged", "EscalationResolved"]


async def test_an_escalation_nobody_takes_is_overdue_once_one_tier_up(clinic: Clinic) -> None:
    person = await clinic.admit()
    session = await clinic.miss(person)
    await clinic.pass_to(instant(session["start"]) + timedelta(days=1, minutes=17))
    first = [each for each in await clinic.records(person, "iop.escalations") if each.event == "EscalationOverdue"]
    await clinic.pass_by(hours=2)
    again = [each for each in await clinic.records(person, "iop.escalations") if each.event == "EscalationOverdue"]
    missed = [each for each in first if "missed-session" in str(each.bundle)]
    assert len(missed) == 1
    assert missed[0].headers["iop-tier"] == "T3"
    assert [each.id for each in missed] == [each.id for each in again if "missed-session" in str(each.bundle)][:1]


async def test_discharge_plans_aftercare_and_sends_nothing_without_consent(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.discharge(person)
    events = await clinic.events(person, "iop.aftercare.events")
    assert "AftercarePlanned" in events
    assert "MeetingListPrepared" in events
    assert "ReferralWithheld" in events
    assert "ReferralSent" not in events
    assert clinic.partners.received("alcoholics-anonymous") == []


async def test_follow_ups_fall_due_from_72_hours_to_180_days(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.discharge(person)
    discharged = clinic.now
    for days in (3, 7, 14):
        await clinic.pass_to(discharged + timedelta(days=days, minutes=1))
    events = await clinic.events(person, "iop.aftercare.events")
    assert events.count("FollowUpFellDue") == 3

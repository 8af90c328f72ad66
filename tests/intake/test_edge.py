"""Intake's edge on a real database: a Bundle in, events out, and what can then be read."""

import asyncio
import json
from base64 import b64decode
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.intake import app
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.path.transaction.explaining import explain
from shared.platform.keys import Keys
from shared.platform.traits import Person, digested
from tests.intake import bundles
from tests.intake.bundles import IOP_NEEDS, MONDAY, MRN_SYSTEM
from tests.intake.given import SETTINGS, escalated
from tests.service import ServiceOnPostgres, StartService

Json = dict[str, Any]
DAY = timedelta(days=1)
OUTBOX = "SELECT key, headers, body FROM outbox"


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(app.assemble, "intake", MONDAY)


async def everything_emitted(intake: ServiceOnPostgres) -> str:
    """All that would stand on a topic: keys, headers and bodies."""
    return "\n".join(f"{key} {headers} {body}" for key, headers, body in await intake.select(OUTBOX))


async def admit(intake: ServiceOnPostgres, mrn: str = "0001", **changed: Any) -> Json:
    """The episode of a patient taken in and signed for the IOP."""
    await intake.submit(bundles.intake(mrn, **changed))
    await intake.put_thrice(bundles.signed(await intake.task("sign-placement")))
    (episode,) = await intake.found("EpisodeOfCare")
    return episode


async def refusal(intake: ServiceOnPostgres, bundle: Json) -> HttpRefusal:
    with pytest.raises(HttpRefusal) as refused:
        await intake.submit(bundle)
    assert await intake.emitted() == []
    return refused.value


async def test_one_bundle_says_everything_in_the_fixed_order(intake: ServiceOnPostgres) -> None:
    await intake.submit(
        bundles.intake(
            "0001",
            medications={"1819": "2026-01-01"},
            consents=[bundles.consent("riverbend-alumni")],
            scores={"75626-2": 5},
        )
    )
    assert await intake.emitted() == [
        "PatientIdentified",
        "ConsentGiven",
        "MedicationsRecorded",
        "CoverageRecorded",
        "ReferralReceived",
        "LevelOfCareRecommended",
        "ReferralAnswered",
    ]


async def test_the_same_bundle_again_has_no_second_effect(intake: ServiceOnPostgres) -> None:
    first = await intake.submit(bundles.intake("0001"))
    again = await intake.submit(bundles.intake("0001"))
    assert [each.location for each in first.answered] == [each.location for each in again.answered]
    assert (await intake.emitted()).count("LevelOfCareRecommended") == 1


async def test_no_name_birth_date_address_phone_or_mrn_reaches_a_topic(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("SEEDED-MRN"))
    emitted = await everything_emitted(intake)
    for secret in ("SEEDED-MRN", "Synthetic", "Robin", "1988-04-12", "555-0100", "Springfield", "10001", MRN_SYSTEM):
        assert secret not in emitted, "a direct identifier left the service"


async def test_the_sealed_part_opens_for_its_reader_only(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001"))
    binaries = await intake.found("Binary")
    sealed = [b64decode(each["data"]).decode() for each in binaries]
    aftercare = Keys.load(intake.running.process.keys, "aftercare").open(sealed)
    testing = Keys.load(intake.running.process.keys, "testing").open(sealed)
    assert aftercare is not None and aftercare["area"] == "Springfield"
    assert aftercare["patient"]["name"] == [{"family": "Synthetic", "given": ["Robin"]}]
    numbers = {"identifier": [{"system": MRN_SYSTEM, "value": "0001"}]}
    known = digested(intake.keys, "demo", Person(("Synthetic",), "1988-04-12"))
    assert testing == {
        "patient": numbers,
        "traits": msgspec.json.decode(msgspec.json.encode(known)),
        "requisition": {"name": [{"family": "Synthetic", "given": ["Robin"]}], "birthDate": "1988-04-12"},
    }
    assert aftercare["patient"]["identifier"] == numbers["identifier"]


async def test_where_the_ehr_keeps_the_patient_is_sealed_for_whoever_must_open_the_chart(
    intake: ServiceOnPostgres,
) -> None:
    own = {**bundles.patient("0001"), "fullUrl": f"{bundles.EHR}/Patient/123"}
    await intake.submit(bundles.transaction(own))
    sealed = [b64decode(each["data"]).decode() for each in await intake.found("Binary")]
    for name in ("attendance", "testing", "aftercare"):
        opened = Keys.load(intake.running.process.keys, name).open(sealed)
        assert opened is not None
        assert {"system": bundles.EHR, "value": "Patient/123"} in opened["patient"]["identifier"]


async def test_the_patient_is_read_back_whole_and_stored_sealed(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001"))
    (patient,) = await intake.found("Patient")
    assert patient["birthDate"] == "1988-04-12"
    rows = await intake.pool.fetch("SELECT sealed, body FROM resources WHERE type = 'Patient'")
    assert [row["sealed"] for row in rows] == [True]
    assert "Synthetic" not in rows[0]["body"]


async def test_a_signature_admits_and_the_episode_can_be_read(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    assert episode["status"] == "active"
    (plan,) = await intake.found("CarePlan")
    assert len(plan["activity"]) == 5
    signed = await intake.task("sign-placement")
    assert signed["owner"]["identifier"]["value"] == "clinician-1"
    emitted = ["PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted", "ReferralAnswered", "EngagedDaysCounted"]
    assert (await intake.emitted())[-5:] == emitted


async def test_why_a_stay_stands_as_it_does_is_said_by_its_id(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    service = intake.running.inbox.service
    async with intake.pool.acquire() as connection:
        (found,) = await explain(connection, service, {"demo": SETTINGS}, {}, episode["id"])
    assert found.type == "EpisodeOfCare"
    emitted = [each.event for step in found.steps for each in step.emitted]
    assert (emitted[0], emitted[-1]) == ("EpisodeAdmitted", "EpisodeDischarged")


async def test_an_update_of_a_referral_that_was_placed_is_no_second_one(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    emitted = await intake.emitted()
    (order,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    await intake.put({**order, "priority": "urgent"})
    assert await intake.emitted() == emitted


async def test_what_was_said_of_a_resource_stays_when_its_status_changes(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    signed = await intake.task("sign-placement")
    assert signed["restriction"]["period"]["end"] and signed["authoredOn"]
    (order,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    assert (order["status"], order["code"]["coding"][0]["code"]) == ("completed", "H0015")
    assert (await intake.task("referral"))["status"] == "completed"
    await intake.put({**order, "status": "active"})
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    (ended,) = await intake.found("EpisodeOfCare")
    assert (ended["status"], ended["type"][0]["coding"][0]["code"]) == ("finished", "2.1")
    (plan,) = await intake.found("CarePlan")
    assert (plan["status"], len(plan["activity"])) == ("completed", 5)
    assert (await intake.emitted()).count("ReferralReceived") == 1


async def test_a_review_that_is_withdrawn_still_says_what_was_asked_and_until_when(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", needs={}))
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    later = [{**bundles.need("", name, level), "subject": who} for name, level in IOP_NEEDS.items()]
    await intake.submit(bundles.transaction(*later))
    review = await intake.task("review-placement")
    assert (review["status"], review["reasonCode"]["coding"][0]["code"]) == ("cancelled", "R0")
    assert review["restriction"]["period"]["end"] and review["input"] and review["focus"]


async def test_a_signature_names_the_version_it_read_and_of_a_withdrawn_one_learns_what_changed(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    task = await intake.task("sign-placement")
    with pytest.raises(HttpRefusal) as refused:
        await intake.put({**bundles.signed(task), "focus": task["focus"]})
    assert (refused.value.status, refused.value.issues[0].code) == (428, "required")
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    newer = {**bundles.need("", "substance-use-risk", "2.5"), "subject": who}
    await intake.submit(
        bundles.transaction({**newer, "effectiveDateTime": (MONDAY + timedelta(minutes=1)).isoformat()})
    )
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(bundles.signed(task))
    assert refused.value.status == 409 and "newer assessment" in refused.value.issues[0].diagnostics


async def test_a_second_referral_ends_by_its_own_task_and_request(intake: ServiceOnPostgres) -> None:
    await admit(intake)
    second = bundles.intake("0001", at=MONDAY - timedelta(minutes=5), needs={})
    second["entry"][-1]["resource"]["orderDetail"] = [{"coding": [{"system": codes.LEVEL, "code": "2.5"}]}]
    await intake.submit(second)
    (order,) = [
        each for each in await intake.found("ServiceRequest", ("status", "active")) if each["intent"] == "order"
    ]
    await intake.put_thrice({**order, "status": "revoked"})
    tasks = [
        (each["status"], each.get("statusReason", {}).get("coding", [{}])[0].get("code"))
        for each in await intake.found("Task")
        if each["code"]["coding"][0]["code"] == "referral"
    ]
    assert sorted(tasks, key=str) == [("cancelled", "referral-revoked"), ("completed", "placement-signed")]
    assert (await intake.emitted()).count("ReferralConcluded") == 1


async def test_each_answer_stands_on_the_referrals_own_task_beside_what_was_said_before(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    task = await intake.task("referral")
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("in-progress", "recommended")
    assert task["owner"]["identifier"]["value"] == "licensed-clinician" and task["restriction"]["period"]["end"]
    await intake.put(bundles.signed(await intake.task("sign-placement"), "1.5", "clinical-judgment"))
    declined = await intake.task("referral")
    assert declined.keys() - {"output"} == task.keys() and declined["authoredOn"] == task["authoredOn"]
    assert (declined["status"], declined["businessStatus"]["coding"][0]["code"]) == ("rejected", "declined")
    outputs = [each["type"]["coding"][0]["code"] for each in declined["output"]]
    assert outputs == ["level", "rule", "offered-by"]
    assert declined["output"][-1]["valueReference"]["identifier"]["value"] == "riverbend-outpatient"


async def test_an_update_of_its_own_task_by_the_sender_leaves_what_the_hub_answered(intake: ServiceOnPostgres) -> None:
    bundle = bundles.intake("0001")
    (order,) = bundle["entry"][-1:]
    own = {"resourceType": "Task", "status": "requested", "intent": "order", "description": "ours"}
    focus = {"focus": {"reference": order["fullUrl"]}, "for": order["resource"]["subject"]}
    await intake.submit({**bundle, "entry": [*bundle["entry"], *bundles.transaction({**own, **focus})["entry"]]})
    await intake.put(bundles.signed(await intake.task("sign-placement"), "1.5", "clinical-judgment"))
    answered = await intake.task("referral")
    plain = {name: answered[name] for name in ("resourceType", "id", "for", "intent")}
    await intake.put({**plain, "status": "requested", "description": "theirs", "output": [NOTE]})
    later = await intake.task("referral")
    same = answered.keys() - {"description", "meta"}
    assert {name: later.get(name) for name in same} == {name: answered[name] for name in same}
    assert later["description"] == "theirs" and await intake.found("Task", ("status", "requested")) == []


NOTE = {"type": {"text": "note"}, "valueString": "of the sender"}


async def test_a_referral_that_is_sent_again_says_where_it_stands_until_its_sender_takes_it_back(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    (sent,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    await intake.put(bundles.signed(await intake.task("sign-placement")))
    for text, status, stands in (("a", "active", "completed"), ("b", "entered-in-error", "entered-in-error")):
        await intake.put({**sent, "status": status, "patientInstruction": text})
        (order,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
        assert (order["status"], order["patientInstruction"]) == (stands, text)
        assert order in await intake.found("ServiceRequest", ("status", stands))


async def test_the_encounter_of_a_discharge_that_is_sent_without_it_still_says_how_the_stay_ended(
    intake: ServiceOnPostgres,
) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "step-down", MONDAY))
    (ended,) = await intake.found("Encounter")
    plain = {name: ended[name] for name in ("resourceType", "id", "status", "class", "subject")}
    await intake.put({**plain, "serviceType": {"text": "theirs"}})
    (later,) = await intake.found("Encounter")
    assert later["hospitalization"] == ended["hospitalization"] and later["period"] == ended["period"]
    assert later["serviceType"] == {"text": "theirs"}


async def test_what_joins_a_stay_and_the_task_that_came_with_it_read_as_they_were_answered(
    intake: ServiceOnPostgres,
) -> None:
    episode = await admit(intake)
    second = bundles.intake("0001", at=MONDAY - timedelta(minutes=5), needs={})
    (order,) = second["entry"][-1:]
    own = {"resourceType": "Task", "status": "requested", "intent": "order", "description": "ours"}
    focus = {"focus": {"reference": order["fullUrl"]}, "for": order["resource"]["subject"]}
    await intake.submit({**second, "entry": [*second["entry"], *bundles.transaction({**own, **focus})["entry"]]})
    (task,) = [each for each in await intake.found("Task") if each.get("description") == "ours"]
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("completed", "admitted")
    assert task["output"][0]["valueReference"]["reference"] == f"EpisodeOfCare/{episode['id']}"
    orders = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    assert [each["status"] for each in orders] == ["completed", "completed"]


async def test_another_priority_of_a_referral_is_answered_and_another_text_of_it_is_not(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    (order,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    before = await intake.emitted()
    await intake.put({**order, "patientInstruction": "ring twice"})
    assert await intake.emitted() == before
    await intake.put_thrice({**order, "priority": "stat"})
    assert await intake.emitted() == [*before, "ReferralAnswered"]
    (order,) = [each for each in await intake.found("ServiceRequest") if each["intent"] == "order"]
    assert (order["priority"], order["status"], order["code"]["coding"][0]["code"]) == ("stat", "active", "H0015")


async def test_a_sixth_referral_is_stored_and_answered_and_may_be_set_active_again(intake: ServiceOnPostgres) -> None:
    for minutes in range(6, 0, -1):
        await intake.submit(bundles.intake("0001", at=MONDAY - timedelta(minutes=minutes), needs={}))
    (order,) = await intake.found("ServiceRequest", ("status", "on-hold"))
    found = [each for each in await intake.found("Task") if each["code"]["coding"][0]["code"] == "referral"]
    assert sorted(each["status"] for each in found) == ["accepted", *["received"] * 4, "rejected"]
    (first, *_) = await intake.found("ServiceRequest", ("status", "active"))
    await intake.put({**first, "status": "revoked"})
    await intake.put({**order, "status": "active"})
    assert await intake.found("ServiceRequest", ("status", "on-hold")) == []
    assert (await intake.emitted()).count("ReferralReceived") == 7


async def test_what_has_grown_old_is_not_signed_and_its_task_is_withdrawn_at_once(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001"))
    task = await intake.task("sign-placement")
    intake.set_clock(MONDAY + timedelta(days=9))
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(bundles.signed(task))
    assert refused.value.status == 409 and "too old" in refused.value.issues[0].diagnostics
    assert (await intake.task("sign-placement"))["status"] == "cancelled"


async def test_a_draft_is_a_referral_once_it_is_active(intake: ServiceOnPostgres) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"][-1]["resource"]["status"] = "draft"
    await intake.submit(bundle)
    (order,) = await intake.found("ServiceRequest")
    await intake.put({**order, "status": "active"})
    assert (await intake.emitted())[-3:] == ["ReferralReceived", "LevelOfCareRecommended", "ReferralAnswered"]


async def test_another_level_without_a_reason_is_refused(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001"))
    task = await intake.task("sign-placement")
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(bundles.signed(task, "3.5"))
    assert refused.value.issues[0].code == "required"
    with pytest.raises(HttpRefusal, match=r"code-invalid at Task.output\[1\].value"):
        await intake.put(bundles.signed(task, "3.5", "as Robin said"))
    await intake.put(bundles.signed(task, "3.5", "clinical-judgment"))
    assert (await intake.emitted())[-2:] == ["EpisodeDeclined", "ReferralAnswered"]


async def test_who_is_signed_for_from_a_hospital_bed_is_in_a_stay_on_hold_until_the_encounter_ends(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    task = await intake.task("sign-placement")
    ward = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": codes.ACT, "code": "IMP"},
        "subject": task["for"],
        "period": {"start": (MONDAY - timedelta(days=1)).isoformat()},
    }
    identity = (await intake.post(ward)).rpartition("/")[2]
    await intake.put(bundles.signed(task))
    (episode,) = await intake.found("EpisodeOfCare")
    assert (episode["status"], (await intake.emitted()).count("EpisodePaused")) == ("onhold", 1)
    over = {"status": "finished", "period": {**ward["period"], "end": MONDAY.isoformat()}}
    await intake.put_thrice({**ward, "id": identity, **over})
    (episode,) = await intake.found("EpisodeOfCare")
    assert (episode["status"], (await intake.emitted()).count("EpisodeResumed")) == ("active", 1)


async def test_a_finished_episode_with_its_encounter_discharges(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    with pytest.raises(HttpRefusal, match=r"business-rule at Bundle.entry\[1\].resource.period.end"):
        await intake.submit(bundles.discharge(episode, "step-down", MONDAY + timedelta(days=80)))
    await intake.submit(bundles.discharge(episode, "step-down", MONDAY))
    (ended,) = await intake.found("EpisodeOfCare")
    (encounter,) = await intake.found("Encounter")
    assert ended["status"] == "finished"
    assert encounter["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "step-down"
    assert (await intake.emitted())[-1] == "EpisodeDischarged"


async def test_a_discharge_is_taken_back_and_the_stay_may_end_again_otherwise(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    await intake.put_thrice(episode)
    assert (await intake.emitted()).count("DischargeWithdrawn") == 1
    (again,) = await intake.found("EpisodeOfCare")
    (encounter,) = await intake.found("Encounter")
    (plan,) = await intake.found("CarePlan")
    assert (again["status"], again["type"], again["period"]) == ("active", episode["type"], episode["period"])
    assert (encounter["status"], plan["status"], len(plan["activity"])) == ("entered-in-error", "active", 5)
    later = bundles.discharge(episode, "ama", MONDAY)
    await intake.submit({**later, "identifier": {"system": codes.URI, "value": "urn:uuid:second"}})
    assert (await intake.emitted())[-1] == "EpisodeDischarged"


async def test_the_encounter_of_a_discharge_corrects_it_and_then_takes_it_back(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    (encounter,) = await intake.found("Encounter")
    ama = {"dischargeDisposition": {"coding": [{"system": codes.DISPOSITION, "code": "ama"}]}}
    await intake.put_thrice({**encounter, "hospitalization": ama})
    assert (await intake.emitted()).count("EpisodeDischarged") == 2
    await intake.put_thrice({**encounter, "status": "entered-in-error"})
    assert (await intake.emitted()).count("DischargeWithdrawn") == 1
    (stored,) = await intake.found("Encounter")
    assert stored["status"] == "entered-in-error"


async def test_the_encounter_of_a_discharge_reads_as_it_was_sent(intake: ServiceOnPostgres) -> None:
    bundle = bundles.discharge(await admit(intake), "completed", MONDAY)
    sent = bundle["entry"][0]["resource"] | {"serviceType": {"text": "intensive outpatient"}}
    bundle["entry"][0]["resource"] = sent
    await intake.submit(bundle)
    (stored,) = await intake.found("Encounter")
    sent.pop("hospitalization")  # read in FHIR's own codes, too
    assert {name: stored.get(name) for name in sent} == sent
    assert stored["period"]["end"] == "2026-01-05T14:00:00Z"


async def test_of_two_encounters_that_end_a_stay_nobody_guesses_which_is_meant(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    bundle, other = (bundles.discharge(episode, each, MONDAY) for each in ("completed", "ama"))
    bundle["entry"].append({**other["entry"][0], "fullUrl": bundles.urn("another")})
    with pytest.raises(HttpRefusal, match="business-rule"):
        await intake.submit(bundle)
    both = bundles.discharge(episode, "completed", MONDAY)
    stated = both["entry"][0]["resource"]["hospitalization"]["dischargeDisposition"]
    stated["coding"].append({"system": codes.DISPOSITION, "code": "ama"})
    with pytest.raises(HttpRefusal, match="code-invalid"):
        await intake.submit(both)


async def test_an_emergency_visit_beside_a_discharge_is_heard_and_ends_no_stay(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    visit: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": codes.ACT, "code": "EMER"},
        "subject": episode["patient"],
        "period": {"start": MONDAY.isoformat(), "end": MONDAY.isoformat()},
        "hospitalization": {"dischargeDisposition": {"coding": [{"system": codes.DISCHARGE, "code": "home"}]}},
    }
    (sent,) = bundles.transaction(visit)["entry"]
    bundle = bundles.discharge(episode, "ama", MONDAY)
    await intake.submit({**bundle, "entry": [sent, *bundle["entry"]]})
    found = {each["class"]["code"]: each for each in await intake.found("Encounter")}
    assert found["EMER"]["period"] == visit["period"]
    assert found["AMB"]["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "ama"
    assert "EscalationRaised" in await intake.emitted()


async def test_an_emergency_visit_beside_an_episode_that_goes_on_is_heard(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    visit: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": codes.ACT, "code": "EMER"},
        "subject": episode["patient"],
        "period": {"start": MONDAY.isoformat()},
    }
    bundle = bundles.transaction(visit)
    request = {"method": "PUT", "url": f"EpisodeOfCare/{episode['id']}"}
    url = f"{codes.HUB}/EpisodeOfCare/{episode['id']}"
    note = [{"url": "https://ehr.demo.iop-hub.org/note", "valueString": "seen"}]
    bundle["entry"].append({"fullUrl": url, "resource": {**episode, "extension": note}, "request": request})
    await intake.submit(bundle)
    (stored,) = await intake.found("Encounter")
    assert stored["status"] == "in-progress"
    assert "EscalationRaised" in await intake.emitted()


async def test_an_episode_is_not_finished_without_a_disposition(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    with pytest.raises(HttpRefusal) as refused:
        await intake.put({**episode, "status": "finished"})
    assert refused.value.status == 422


async def test_a_referral_without_needs_is_a_review_on_the_work_list(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", needs={}))
    (review,) = await intake.found("Task", ("status", "requested"))
    missing = [each["valueCodeableConcept"]["coding"][0]["code"] for each in review["input"]]
    assert missing == list(IOP_NEEDS)


async def test_a_review_is_completed_with_a_level_by_a_person(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", needs={}))
    review = await intake.task("review-placement")
    await intake.put(bundles.signed(review, "2.1", "clinical-judgment"))
    assert "EpisodeAdmitted" in await intake.emitted()


async def test_the_needs_may_come_later_for_a_patient_known_by_mrn(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", needs={}))
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    later = [{**bundles.need("", name, level), "subject": who} for name, level in IOP_NEEDS.items()]
    await intake.submit(bundles.transaction(*later))
    assert (await intake.emitted())[-3:] == ["PlacementReviewWithdrawn", "LevelOfCareRecommended", "ReferralAnswered"]


async def test_a_suicidal_answer_reaches_a_person_as_t4(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    (headers,) = await intake.pool.fetch("SELECT headers FROM outbox WHERE lane = 'topic:iop.escalations'")
    assert json.loads(headers["headers"])["iop-tier"] == "T4"


async def test_an_escalation_is_acknowledged_and_resolved_by_its_task(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    task = await intake.task("safety")
    await intake.put_thrice(bundles.answered(task, "accepted", "clinician-1"))
    with pytest.raises(HttpRefusal, match=r"conflict at Task\.owner") as refused:
        await intake.put(bundles.answered(task, "accepted", "on-call-clinician-1"))
    assert refused.value.status == 409 and "clinician-1" in refused.value.issues[0].diagnostics
    await intake.put(bundles.answered(task, "completed", "on-call-clinician-1", "safety-plan-made"))
    agents = [each["agent"] for each in await intake.found("Provenance") if len(each["agent"]) == 2]
    persons, clients = zip(*([who["who"]["identifier"]["value"] for who in each] for each in agents), strict=True)
    assert (sorted(persons), clients) == (["clinician-1", "on-call-clinician-1"], ("ehr", "ehr"))
    assert (await intake.emitted())[-2:] == ["EscalationAcknowledged", "EscalationResolved"]


async def test_a_miss_and_a_positive_ask_for_a_review_and_its_withdrawal_is_said(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    who = episode["patient"]["reference"].removeprefix("Patient/")
    miss = escalated("miss", "missed-session", MONDAY)
    positive = escalated("positive", "unexpected-positive", MONDAY + timedelta(days=3))
    await intake.consume(miss, patient=who, producer="attendance")
    await intake.consume(positive, patient=who, producer="testing")
    assert (await intake.emitted())[-2:] == ["EscalationRaised", "PlacementReviewRequested"]
    review = await intake.task("review-placement")
    behind = [each["valueReference"]["reference"] for each in review["input"]]
    assert f"Task/{miss.escalation.id}" in behind


async def test_a_consent_is_revoked_by_making_it_inactive(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await intake.found("Consent")
    await intake.put_thrice({**stored, "status": "inactive"})
    assert (await intake.emitted())[-1] == "ConsentRevoked"
    assert (await intake.emitted()).count("ConsentRevoked") == 1


async def test_a_consent_that_was_revoked_is_not_opened_again_by_its_id(intake: ServiceOnPostgres) -> None:
    """Every ledger keeps a revocation; whoever reads the Consent here must not be told otherwise."""
    await intake.submit(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await intake.found("Consent")
    for status in ("inactive", "entered-in-error"):
        await intake.put({**stored, "status": status})
        with pytest.raises(HttpRefusal, match=r"business-rule at Consent.status"):
            await intake.put(stored)
    assert (await intake.emitted())[-2:] == ["ConsentRevoked", "ConsentRevoked"]


async def test_a_consent_that_an_update_closed_is_not_opened_again_by_its_id(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await intake.found("Consent")
    await intake.put({**stored, "provision": {**stored["provision"], "type": "deny"}})
    with pytest.raises(HttpRefusal, match=r"business-rule at Consent.status"):
        await intake.put(stored)
    assert (await intake.emitted())[-1] == "ConsentDenied"


async def test_a_consent_is_narrowed_by_an_update_and_stays_open(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await intake.found("Consent")
    for fields in (stored["provision"]["code"][:1], stored["provision"]["code"]):
        await intake.put({**stored, "provision": {**stored["provision"], "code": fields}})
        assert (await intake.emitted())[-1] == "ConsentGiven"


# What is refused, and where; and what goes to a person instead


async def test_a_level_without_its_edition_goes_to_a_person_and_the_rest_is_stored(intake: ServiceOnPostgres) -> None:
    bundle = bundles.intake("0001")
    observation = bundle["entry"][1]["resource"]
    observation["valueCodeableConcept"]["coding"][0]["system"] = f"{codes.HUB}/CodeSystem/level-of-care"
    done = await intake.submit(bundle)
    (remark,) = (done.answered[1].outcome or {})["issue"]
    assert remark["diagnostics"] == "not read: level of withdrawal unknown; a person is asked"
    assert "ReferralReceived" in (emitted := await intake.emitted())
    assert emitted[-2:] == ["PlacementReviewRequested", "ReferralAnswered"]
    assert len(await intake.found("Observation")) == 6


async def test_an_unknown_level_of_the_edition_goes_to_a_person(intake: ServiceOnPostgres) -> None:
    await intake.submit(bundles.intake("0001", needs={**IOP_NEEDS, "biomedical": "2.1-COE"}))
    assert (await intake.emitted())[-2:] == ["PlacementReviewRequested", "ReferralAnswered"]


@pytest.mark.parametrize("bad", ["shoe-size", "alcohol-use-disorder"])
async def test_an_unknown_fact_decides_nothing_and_its_outcome_says_so(intake: ServiceOnPostgres, bad: str) -> None:
    done = await intake.submit(bundles.intake("0001", facts={bad: True}))
    remarks = [issue["diagnostics"] for each in done.answered for issue in (each.outcome or {}).get("issue", ())]
    assert "not read: code unknown" in remarks
    assert "LevelOfCareRecommended" in await intake.emitted()


async def test_a_need_without_its_time_is_refused(intake: ServiceOnPostgres) -> None:
    bundle = bundles.intake("0001")
    del bundle["entry"][1]["resource"]["effectiveDateTime"]
    assert (await refusal(intake, bundle)).issues[0].code == "required"


async def test_two_patients_in_one_transaction_are_refused(intake: ServiceOnPostgres) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"].append(bundles.intake("0002")["entry"][0])
    assert (await refusal(intake, bundle)).status == 422


async def test_something_about_a_patient_nobody_knows_is_transient(intake: ServiceOnPostgres) -> None:
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "nobody"}}
    bundle = bundles.transaction({**bundles.fact("", "safe-housing", True), "subject": who})
    refused = await refusal(intake, bundle)
    assert (refused.status, refused.issues[0].code) == (409, "transient")


async def test_each_entry_s_outcome_says_how_it_was_read_and_a_screen_nobody_can_read_sinks_nothing(
    intake: ServiceOnPostgres,
) -> None:
    bundle = bundles.intake("0001", facts={"c-ssrs-q4": True}, scores={"44261-6": 12})
    broken = {**bundles.score(bundles.urn("0001", "patient"), "93250-9", 1), "valueInteger": 7}
    bundle["entry"] += bundles.transaction(broken)["entry"]
    done = await intake.submit(bundle)
    remarks = [issue["diagnostics"] for each in done.answered for issue in (each.outcome or {}).get("issue", ())]
    asked = {
        f"See Task/{each['id']}: a person is asked, or it says how this goes on." for each in await intake.found("Task")
    }
    assert set(remarks[: len(asked)]) == asked
    assert remarks[len(asked) :] == [
        *(f"read as {dimension}" for dimension in IOP_NEEDS),
        "read as c-ssrs-q4",
        "read as phq-9",
        "read as alcohol-use-disorder",
        "read as dsm-5-criteria",
        "read as covered by self-pay",
        "read as referral",
        "not read: answer unknown; a person is asked",
    ]
    raised = {
        each["reasonCode"]["coding"][0]["code"]
        for each in await intake.found("Task", ("status", "requested"))
        if "reasonCode" in each
    }
    assert {"suicide-risk", "screen-unreadable"} <= raised


# Two patients, or one person


async def two_patients(intake: ServiceOnPostgres) -> list[str]:
    for mrn in ("0001", "0002"):
        await intake.submit(bundles.intake(mrn, referred=False))
    return sorted([each["id"] for each in await intake.found("Patient")])


async def refused_for_several(intake: ServiceOnPostgres, patient: Json, method: str = "POST") -> Json:
    """The answer, after which nothing is changed but the one Task that it names, however often it comes."""
    before = await intake.select("SELECT id, version FROM resources WHERE type <> 'Task' ORDER BY id")
    emitted, aliases = await intake.emitted(), await intake.count("alias")
    for _ in range(2):
        with pytest.raises(HttpRefusal) as refused:
            await (intake.put(patient) if method == "PUT" else intake.post(patient))
        assert (refused.value.status, refused.value.issues[0].code) == (409, "multiple-matches")
    assert await intake.select("SELECT id, version FROM resources WHERE type <> 'Task' ORDER BY id") == before
    assert (await intake.emitted(), await intake.count("alias")) == (emitted, aliases)
    (asked,) = await intake.found("Task")
    assert f"Task/{asked['id']}" in refused.value.issues[0].diagnostics
    assert asked["code"]["coding"][0]["code"] == "compare-patients"
    return asked


def carrying(*mrns: str) -> Json:
    patient = {name: value for name, value in bundles.patient("0001").items() if name != "fullUrl"}
    return patient | {"identifier": [{"system": MRN_SYSTEM, "value": each} for each in mrns]}


async def test_identifiers_of_two_patients_ask_a_person_and_change_nothing(intake: ServiceOnPostgres) -> None:
    both = await two_patients(intake)
    asked = await refused_for_several(intake, carrying("0001", "0002"))
    assert [each["valueReference"]["reference"] for each in asked["input"]] == [f"Patient/{each}" for each in both]
    await intake.put_thrice({**asked, "status": "completed"})
    (answered,) = await intake.found("Task")
    assert answered["status"] == "completed"


async def test_an_update_with_the_identifier_of_another_patient_asks_a_person(intake: ServiceOnPostgres) -> None:
    await two_patients(intake)
    stored = next(each for each in await intake.found("Patient") if each["identifier"][0]["value"] == "0001")
    await refused_for_several(intake, {**carrying("0001", "0002"), "id": stored["id"]}, "PUT")


@pytest.mark.parametrize("kind", ["replaced-by", "replaces"])
async def test_a_link_that_merges_two_patients_asks_a_person_and_merges_nobody(
    intake: ServiceOnPostgres, kind: str
) -> None:
    both = await two_patients(intake)
    stored = next(each for each in await intake.found("Patient") if each["identifier"][0]["value"] == "0001")
    (other,) = set(both) - {stored["id"]}
    link = [{"other": {"reference": f"Patient/{other}"}, "type": kind}]
    asked = await refused_for_several(intake, {**stored, "link": link}, "PUT")
    assert len(asked["input"]) == 2


async def test_a_link_that_merges_nobody_is_stored(intake: ServiceOnPostgres) -> None:
    await two_patients(intake)
    stored = next(each for each in await intake.found("Patient") if each["identifier"][0]["value"] == "0001")
    link = [{"other": {"reference": f"Patient/{stored['id']}"}, "type": "seealso"}]
    await intake.put({**stored, "link": link})
    assert await intake.found("Task") == []


async def test_two_new_patients_that_merge_each_other_are_refused_and_ask_nobody(intake: ServiceOnPostgres) -> None:
    first, second = bundles.patient("0001"), bundles.patient("0002")
    link = [{"other": {"reference": first["fullUrl"]}, "type": "replaces"}]
    refused = await refusal(intake, bundles.transaction(first, second | {"link": link}))
    assert (refused.status, await intake.found("Task")) == (409, [])


async def test_the_items_of_a_total_reach_a_person_and_one_withdrawn_asks_a_person(intake: ServiceOnPostgres) -> None:
    bundle, who = bundles.intake("0001"), bundles.urn("0001", "patient")
    bundle["entry"] += bundles.transaction(*(bundles.score(who, f"cows-item-{n}", 2) for n in range(1, 12)))["entry"]
    await intake.submit(bundle)
    (total,) = [each for each in await intake.found("Observation") if "derivedFrom" in each]
    assert (total["valueInteger"], len(total["derivedFrom"])) == (22, 11)
    assert await reasons(intake) == {"same-day-medical-evaluation"}
    item = next(
        each for each in await intake.found("Observation") if each["code"]["coding"][0]["code"] == "cows-item-3"
    )
    await intake.put({**item, "valueInteger": 5})
    (total,) = [each for each in await intake.found("Observation") if "derivedFrom" in each]
    assert (total["valueInteger"], await reasons(intake)) == (25, {"same-day-medical-evaluation"})
    await intake.put({**item, "status": "entered-in-error"})
    (total,) = [each for each in await intake.found("Observation") if "derivedFrom" in each]
    assert total["status"] == "entered-in-error"
    assert await reasons(intake) == {"screen-unreadable"}


async def reasons(intake: ServiceOnPostgres) -> set[str]:
    """Of the escalations that nobody has answered."""
    waiting = await intake.found("Task", ("status", "requested"))
    return {each["reasonCode"]["coding"][0]["code"] for each in waiting if "reasonCode" in each}


async def test_items_sent_one_by_one_are_summed_and_one_corrected_upward_takes_nothing_back(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001"))
    (patient,) = await intake.found("Patient")
    who = f"Patient/{patient['id']}"
    items = [bundles.score(who, f"cows-item-{number}", 1) for number in range(1, 12)]
    first, *_ = await asyncio.gather(*(intake.post(each) for each in [*items[:-1], {**items[-1], "valueInteger": 3}]))
    assert (await intake.emitted()).count("EscalationRaised") == 1
    await intake.put_thrice({**items[0], "id": first, "valueInteger": 4})
    (total,) = [each for each in await intake.found("Observation") if "derivedFrom" in each]
    assert (total["valueInteger"], total["status"]) == (16, "final")
    assert not {"EscalationRetracted", "EscalationUpdated"} & set(await intake.emitted())


async def to_sign(intake: ServiceOnPostgres) -> Json:
    (waiting,) = [
        each
        for each in await intake.found("Task", ("status", "requested"))
        if each["code"]["coding"][0]["code"] == "sign-placement"
    ]
    return waiting


async def test_a_score_beyond_its_bounds_holds_what_is_recommended_until_it_is_corrected(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.intake("0001", scores={"ciwa-ar": 70}))
    assert await reasons(intake) == {"screen-unreadable"}
    with pytest.raises(HttpRefusal, match=r"required at Task\.output"):
        await intake.put(bundles.signed(await to_sign(intake)))
    screen = next(each for each in await intake.found("Observation") if each["code"]["coding"][0]["code"] == "ciwa-ar")
    await intake.put({**screen, "status": "corrected", "valueInteger": 7})
    assert await reasons(intake) == set()
    await intake.put(bundles.signed(await to_sign(intake)))
    assert len(await intake.found("EpisodeOfCare")) == 1


# Who referred

HOSPITAL_NPI = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999928"}


async def test_a_referrer_that_was_sent_before_is_known_by_its_organization_and_no_number_reaches_a_topic(
    intake: ServiceOnPostgres,
) -> None:
    hospital = {"resourceType": "Organization", "name": "Riverbend Hospital", "identifier": [HOSPITAL_NPI]}
    bundle = bundles.intake("0001", referred=False)
    bundle["entry"] += bundles.transaction(hospital)["entry"]
    await intake.submit(bundle)
    (identity,) = [each["id"] for each in await intake.found("Organization")]
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    order = {
        **bundles.referral(""),
        "subject": who,
        "requester": {"reference": f"Organization/{identity}"},
        "identifier": [{"system": "https://hospital.example.org/orders", "value": "REFERRED-4711"}],
    }
    referral_id = await intake.post(order)
    assert (await intake.emitted()).count("PartnerReferralChanged") == 1
    (answer,) = await intake.found("Communication")
    assert answer["recipient"][0]["identifier"]["value"] == "riverbend-hospital"
    assert "REFERRED-4711" not in await everything_emitted(intake)

    (stored,) = [each for each in await intake.found("ServiceRequest") if each["id"] == referral_id]
    await intake.put_thrice(stored)
    assert (await intake.emitted()).count("PartnerReferralChanged") == 1
    assert answer["status"] == "preparation"
    await intake.put_thrice({name: value for name, value in stored.items() if name != "requester"})
    (answer,) = await intake.found("Communication")
    assert (answer["status"], "recipient" in answer) == ("not-done", False)


def sent_again(episode: Json, disposition: str, name: str) -> Json:
    """The discharge anew: the same finished EpisodeOfCare, beside an Encounter of its own."""
    again = bundles.discharge(episode, disposition, MONDAY)
    return {**again, "identifier": {"system": codes.URI, "value": f"urn:uuid:{name}"}}


async def test_a_discharge_sent_again_with_another_disposition_corrects_it(intake: ServiceOnPostgres) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    (first,) = await intake.found("Encounter")
    for _ in range(2):
        answer = await intake.submit(sent_again(episode, "ama", "second"))
    ended = [each for each in await intake.emitted() if each == "EpisodeDischarged"]
    statuses = {each["id"]: each for each in await intake.found("Encounter")}
    corrected = next(each for name, each in statuses.items() if name != first["id"])
    (stay,) = await intake.found("EpisodeOfCare")
    assert len(ended) == 2
    assert (statuses[first["id"]]["status"], corrected["status"]) == ("entered-in-error", "finished")
    assert corrected["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "ama"
    assert not any(each.outcome for each in answer.answered)
    assert answer.answered[1].version == stay["meta"]["versionId"]


async def test_an_episode_finished_at_another_time_beside_its_encounter_as_it_stands_is_corrected(
    intake: ServiceOnPostgres,
) -> None:
    episode = await admit(intake)
    await intake.submit(bundles.discharge(episode, "completed", MONDAY))
    (encounter,), (ended,) = await intake.found("Encounter"), await intake.found("EpisodeOfCare")
    later = {**ended["period"], "end": (MONDAY + DAY).isoformat()}
    intake.set_clock(MONDAY + 2 * DAY)
    again = bundles.transaction(encounter)
    again["entry"] = [
        {"fullUrl": f"{codes.HUB}/{each['resourceType']}/{each['id']}", "resource": each}
        | {"request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in (encounter, {**ended, "period": later})
    ]
    await intake.submit(again)
    (stored,) = await intake.found("Encounter")
    assert (stored["status"], stored["period"]["end"]) == ("finished", "2026-01-06T14:00:00Z")


@pytest.mark.parametrize("mrn", ["0001", "0002"])
async def test_a_consent_names_its_partner_by_an_organization_that_exists(intake: ServiceOnPostgres, mrn: str) -> None:
    partner = {
        "fullUrl": bundles.urn("partner"),
        "resourceType": "Organization",
        "name": "Alumni",
        "identifier": [{"system": codes.PARTNER, "value": "riverbend-alumni"}],
    }
    for who, name in (("0001", "first"), (mrn, "second")):
        consent = bundles.consent("riverbend-alumni", who=bundles.urn(who, "patient"))
        consent["provision"]["actor"][0]["reference"] = {"reference": partner["fullUrl"]}
        both = bundles.transaction(bundles.patient(who), partner, consent, named=name)
        both["entry"][1]["request"]["ifNoneExist"] = f"identifier={codes.PARTNER}|riverbend-alumni"
        await intake.submit(both)
    assert (await intake.emitted()).count("ConsentGiven") == 2
    assert await intake.count("resources WHERE type = 'Organization'") == 1

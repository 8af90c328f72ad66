"""Intake's edge on a real database: a Bundle in, events out, and what can then be read."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.path.transaction.aliases import Keys
from tests.intake import bundles
from tests.intake.bundles import IOP_NEEDS, MONDAY, MRN_SYSTEM
from tests.intake.given import escalated
from tests.intake.reception import Hl7Receiver, reception

Json = dict[str, Any]


@pytest.fixture
async def submissions(database: str, tmp_path: Path) -> AsyncIterator[Hl7Receiver]:
    async with reception(database, tmp_path) as opened:
        yield opened


async def admit(submissions: Hl7Receiver, mrn: str = "0001", **changed: Any) -> Json:
    """The episode of a patient taken in and signed for the IOP."""
    await submissions.takes(bundles.intake(mrn, **changed))
    await submissions.puts(bundles.signed(await submissions.task("sign-placement")))
    (episode,) = await submissions.found("EpisodeOfCare")
    return episode


async def refusal(submissions: Hl7Receiver, bundle: Json) -> HttpRefusal:
    with pytest.raises(HttpRefusal) as refused:
        await submissions.takes(bundle)
    assert await submissions.emitted() == []
    return refused.value


async def test_one_bundle_says_everything_in_the_fixed_order(submissions: Hl7Receiver) -> None:
    await submissions.takes(
        bundles.intake(
            "0001",
            medications={"1819": "2026-01-01"},
            consents=[bundles.consent("riverbend-alumni")],
            scores={"75626-2": 5},
        )
    )
    assert await submissions.emitted() == [
        "PatientIdentified",
        "ConsentGiven",
        "MedicationsRecorded",
        "ReferralReceived",
        "LevelOfCareRecommended",
    ]


async def test_the_same_bundle_again_has_no_second_effect(submissions: Hl7Receiver) -> None:
    first = await submissions.takes(bundles.intake("0001"))
    again = await submissions.takes(bundles.intake("0001"))
    assert [each.location for each in first.answered] == [each.location for each in again.answered]
    assert (await submissions.emitted()).count("LevelOfCareRecommended") == 1


async def test_no_name_birth_date_address_phone_or_mrn_reaches_a_topic(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("SEEDED-MRN"))
    told = await submissions.everything_said()
    for secret in ("SEEDED-MRN", "Synthetic", "Robin", "1988-04-12", "555-0100", "Springfield", "10001", MRN_SYSTEM):
        assert secret not in told, "a direct identifier left the service"


async def test_the_sealed_part_opens_for_its_reader_only(submissions: Hl7Receiver, tmp_path: Path) -> None:
    await submissions.takes(bundles.intake("0001"))
    binaries = await submissions.found("Binary")
    sealed = [b64decode(each["data"]).decode() for each in binaries]
    aftercare = Keys.load(tmp_path / "keys", "aftercare").open(sealed)
    testing = Keys.load(tmp_path / "keys", "testing").open(sealed)
    assert aftercare is not None and aftercare["area"] == "Springfield"
    assert aftercare["patient"]["name"] == [{"family": "Synthetic", "given": ["Robin"]}]
    assert testing is not None and "patient" not in testing


async def test_the_patient_is_read_back_whole_and_stored_sealed(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001"))
    (patient,) = await submissions.found("Patient")
    assert patient["birthDate"] == "1988-04-12"
    rows = await submissions.pool.fetch("SELECT sealed, body FROM resources WHERE type = 'Patient'")
    assert [row["sealed"] for row in rows] == [True]
    assert "Synthetic" not in rows[0]["body"]


async def test_a_signature_admits_and_the_episode_can_be_read(submissions: Hl7Receiver) -> None:
    episode = await admit(submissions)
    assert episode["status"] == "active"
    (plan,) = await submissions.found("CarePlan")
    assert len(plan["activity"]) == 5
    signed = await submissions.task("sign-placement")
    assert signed["owner"]["identifier"]["value"] == "clinician-1"
    assert (await submissions.emitted())[-3:] == ["PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted"]


async def test_an_update_of_a_referral_that_was_placed_is_no_second_one(submissions: Hl7Receiver) -> None:
    episode = await admit(submissions)
    await submissions.takes(bundles.discharge(episode, "completed", MONDAY))
    emitted = await submissions.emitted()
    (order,) = [each for each in await submissions.found("ServiceRequest") if each["intent"] == "order"]
    await submissions.puts({**order, "priority": "urgent"})
    assert await submissions.emitted() == emitted


async def test_a_draft_is_a_referral_once_it_is_active(submissions: Hl7Receiver) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"][-1]["resource"]["status"] = "draft"
    await submissions.takes(bundle)
    (order,) = await submissions.found("ServiceRequest")
    await submissions.puts({**order, "status": "active"})
    assert (await submissions.emitted())[-2:] == ["ReferralReceived", "LevelOfCareRecommended"]


async def test_another_level_without_a_reason_is_refused(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001"))
    task = await submissions.task("sign-placement")
    with pytest.raises(HttpRefusal) as refused:
        await submissions.puts(bundles.signed(task, "3.5"))
    assert refused.value.issues[0].code == "required"
    with pytest.raises(HttpRefusal, match=r"code-invalid at Task.output\[1\].value"):
        await submissions.puts(bundles.signed(task, "3.5", "as Robin said"))
    await submissions.puts(bundles.signed(task, "3.5", "clinical-judgment"))
    assert (await submissions.emitted())[-1] == "EpisodeDeclined"


async def test_a_finished_episode_with_its_encounter_discharges(submissions: Hl7Receiver) -> None:
    episode = await admit(submissions)
    with pytest.raises(HttpRefusal, match=r"business-rule at Bundle.entry\[1\].resource.period.end"):
        await submissions.takes(bundles.discharge(episode, "step-down", MONDAY + timedelta(days=80)))
    await submissions.takes(bundles.discharge(episode, "step-down", MONDAY))
    (ended,) = await submissions.found("EpisodeOfCare")
    (encounter,) = await submissions.found("Encounter")
    assert ended["status"] == "finished"
    assert encounter["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "step-down"
    assert (await submissions.emitted())[-1] == "EpisodeDischarged"


async def test_an_episode_is_not_finished_without_a_disposition(submissions: Hl7Receiver) -> None:
    episode = await admit(submissions)
    with pytest.raises(HttpRefusal) as refused:
        await submissions.puts({**episode, "status": "finished"})
    assert refused.value.status == 422


async def test_a_referral_without_needs_is_a_review_on_the_work_list(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", needs={}))
    (review,) = await submissions.found("Task", ("status", "requested"))
    missing = [each["valueCodeableConcept"]["coding"][0]["code"] for each in review["input"]]
    assert missing == ["withdrawal", "biomedical", "psychiatric-cognitive", "recovery-environment"]


async def test_a_review_is_completed_with_a_level_by_a_person(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", needs={}))
    review = await submissions.task("review-placement")
    await submissions.puts(bundles.signed(review, "2.1", "clinical-judgment"))
    assert "EpisodeAdmitted" in await submissions.emitted()


async def test_the_needs_may_come_later_for_a_patient_known_by_mrn(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", needs={}))
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    later = [{**bundles.need("", name, level), "subject": who} for name, level in IOP_NEEDS.items()]
    await submissions.takes(bundles.transaction(*later))
    assert (await submissions.emitted())[-2:] == ["PlacementReviewWithdrawn", "LevelOfCareRecommended"]


async def test_a_suicidal_answer_reaches_a_person_as_t4(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    (headers,) = await submissions.pool.fetch("SELECT headers FROM outbox WHERE lane = 'topic:iop.escalations'")
    assert json.loads(headers["headers"])["iop-tier"] == "T4"


async def test_an_escalation_is_acknowledged_and_resolved_by_its_task(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    task = await submissions.task("safety")
    await submissions.puts({**task, "status": "accepted"})
    await submissions.puts({**task, "status": "completed"})
    assert (await submissions.emitted())[-2:] == ["EscalationAcknowledged", "EscalationResolved"]


async def test_a_miss_and_a_positive_ask_for_a_review_and_its_withdrawal_is_said(submissions: Hl7Receiver) -> None:
    episode = await admit(submissions)
    who = episode["patient"]["reference"].removeprefix("Patient/")
    miss = escalated("miss", "missed-session", MONDAY)
    positive = escalated("positive", "unexpected-positive", MONDAY + timedelta(days=3))
    await submissions.consumes(who, miss)
    await submissions.consumes(who, positive, "testing")
    assert (await submissions.emitted())[-2:] == ["EscalationRaised", "PlacementReviewRequested"]
    review = await submissions.task("review-placement")
    behind = [each["valueReference"]["reference"] for each in review["input"]]
    assert f"Task/{miss.escalation.id}" in behind


async def test_a_consent_is_revoked_by_making_it_inactive(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await submissions.found("Consent")
    await submissions.puts({**stored, "status": "inactive"})
    assert (await submissions.emitted())[-1] == "ConsentRevoked"


async def test_a_consent_that_was_revoked_is_not_opened_again_by_its_id(submissions: Hl7Receiver) -> None:
    """Every ledger keeps a revocation; whoever reads the Consent here must not be told otherwise."""
    await submissions.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await submissions.found("Consent")
    for status in ("inactive", "entered-in-error"):
        await submissions.puts({**stored, "status": status})
        with pytest.raises(HttpRefusal, match=r"business-rule at Consent.status"):
            await submissions.puts(stored)
    assert (await submissions.emitted())[-2:] == ["ConsentRevoked", "ConsentRevoked"]


async def test_a_consent_that_an_update_closed_is_not_opened_again_by_its_id(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await submissions.found("Consent")
    await submissions.puts({**stored, "provision": {**stored["provision"], "type": "deny"}})
    with pytest.raises(HttpRefusal, match=r"business-rule at Consent.status"):
        await submissions.puts(stored)
    assert (await submissions.emitted())[-1] == "ConsentRevoked"


async def test_a_consent_is_narrowed_by_an_update_and_stays_open(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (stored,) = await submissions.found("Consent")
    for fields in (stored["provision"]["code"][:1], stored["provision"]["code"]):
        await submissions.puts({**stored, "provision": {**stored["provision"], "code": fields}})
        assert (await submissions.emitted())[-1] == "ConsentGiven"


# What is refused, and where


async def test_a_level_without_its_edition_is_refused(submissions: Hl7Receiver) -> None:
    bundle = bundles.intake("0001")
    observation = bundle["entry"][1]["resource"]
    observation["valueCodeableConcept"]["coding"][0]["system"] = f"{codes.HUB}/CodeSystem/level-of-care"
    refused = await refusal(submissions, bundle)
    assert refused.issues[0].code == "code-invalid"
    assert refused.issues[0].expression == ("Bundle.entry[1].resource.value",)


async def test_an_unknown_level_of_the_edition_goes_to_a_person(submissions: Hl7Receiver) -> None:
    await submissions.takes(bundles.intake("0001", needs={**IOP_NEEDS, "biomedical": "2.1-COE"}))
    assert (await submissions.emitted())[-1] == "PlacementReviewRequested"


@pytest.mark.parametrize("bad", ["shoe-size", "alcohol-use-disorder"])
async def test_an_unknown_fact_is_refused_without_naming_it(submissions: Hl7Receiver, bad: str) -> None:
    refused = await refusal(submissions, bundles.intake("0001", facts={bad: True}))
    assert refused.issues[0].code == "code-invalid"
    assert bad not in str(refused.issues)


async def test_a_need_without_its_time_is_refused(submissions: Hl7Receiver) -> None:
    bundle = bundles.intake("0001")
    del bundle["entry"][1]["resource"]["effectiveDateTime"]
    assert (await refusal(submissions, bundle)).issues[0].code == "required"


async def test_two_patients_in_one_transaction_are_refused(submissions: Hl7Receiver) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"].append(bundles.intake("0002")["entry"][0])
    assert (await refusal(submissions, bundle)).status == 422


async def test_something_about_a_patient_nobody_knows_is_transient(submissions: Hl7Receiver) -> None:
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "nobody"}}
    bundle = bundles.transaction({**bundles.fact("", "safe-housing", True), "subject": who})
    refused = await refusal(submissions, bundle)
    assert (refused.status, refused.issues[0].code) == (409, "transient")

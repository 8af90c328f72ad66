"""Intake's edge on a real database: a Bundle in, words out, and what can then be read."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.edge.outcome import Refusal
from shared.path.identity import Keys
from shared.words import codes
from tests.intake import bundles
from tests.intake.bundles import IOP_NEEDS, MONDAY, MRN_SYSTEM
from tests.intake.given import escalated
from tests.intake.reception import Reception, reception

Json = dict[str, Any]


@pytest.fixture
async def desk(database: str, tmp_path: Path) -> AsyncIterator[Reception]:
    async with reception(database, tmp_path) as opened:
        yield opened


async def admit(desk: Reception, mrn: str = "0001", **changed: Any) -> Json:
    """The episode of a patient taken in and signed for the IOP."""
    await desk.takes(bundles.intake(mrn, **changed))
    await desk.puts(bundles.signed(await desk.task("sign-placement")))
    (episode,) = await desk.found("EpisodeOfCare")
    return episode


async def refusal(desk: Reception, bundle: Json) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await desk.takes(bundle)
    assert await desk.said() == []
    return refused.value


async def test_one_bundle_says_everything_in_the_fixed_order(desk: Reception) -> None:
    await desk.takes(
        bundles.intake(
            "0001",
            medications={"1819": "2026-01-01"},
            consents=[bundles.consent("riverbend-alumni")],
            scores={"75626-2": 5},
        )
    )
    assert await desk.said() == [
        "PatientIdentified",
        "ConsentGiven",
        "MedicationsRecorded",
        "ReferralReceived",
        "LevelOfCareRecommended",
    ]


async def test_the_same_bundle_again_has_no_second_effect(desk: Reception) -> None:
    first = await desk.takes(bundles.intake("0001"))
    again = await desk.takes(bundles.intake("0001"))
    assert [each.location for each in first.answered] == [each.location for each in again.answered]
    assert (await desk.said()).count("LevelOfCareRecommended") == 1


async def test_no_name_birth_date_address_phone_or_mrn_reaches_a_topic(desk: Reception) -> None:
    await desk.takes(bundles.intake("SEEDED-MRN"))
    told = await desk.everything_said()
    for secret in ("SEEDED-MRN", "Synthetic", "Robin", "1988-04-12", "555-0100", "Springfield", "10001", MRN_SYSTEM):
        assert secret not in told, "a direct identifier left the service"


async def test_the_sealed_part_opens_for_its_reader_only(desk: Reception, tmp_path: Path) -> None:
    await desk.takes(bundles.intake("0001"))
    binaries = await desk.found("Binary")
    sealed = [b64decode(each["data"]).decode() for each in binaries]
    aftercare = Keys.load(tmp_path / "keys", "aftercare").open(sealed)
    testing = Keys.load(tmp_path / "keys", "testing").open(sealed)
    assert aftercare is not None and aftercare["area"] == "Springfield"
    assert aftercare["patient"]["name"] == [{"family": "Synthetic", "given": ["Robin"]}]
    assert testing is not None and "patient" not in testing


async def test_the_patient_is_read_back_whole_and_stored_sealed(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001"))
    (patient,) = await desk.found("Patient")
    assert patient["birthDate"] == "1988-04-12"
    rows = await desk.pool.fetch("SELECT sealed, body FROM resources WHERE type = 'Patient'")
    assert [row["sealed"] for row in rows] == [True]
    assert "Synthetic" not in rows[0]["body"]


async def test_a_signature_admits_and_the_episode_can_be_read(desk: Reception) -> None:
    episode = await admit(desk)
    assert episode["status"] == "active"
    (plan,) = await desk.found("CarePlan")
    assert len(plan["activity"]) == 5
    signed = await desk.task("sign-placement")
    assert signed["owner"]["identifier"]["value"] == "clinician-1"
    assert (await desk.said())[-3:] == ["PlacementSigned", "MedicationsRecorded", "EpisodeAdmitted"]


async def test_an_update_of_a_referral_that_was_placed_is_no_second_one(desk: Reception) -> None:
    episode = await admit(desk)
    await desk.takes(bundles.discharge(episode, "completed", MONDAY))
    said = await desk.said()
    (order,) = [each for each in await desk.found("ServiceRequest") if each["intent"] == "order"]
    await desk.puts({**order, "priority": "urgent"})
    assert await desk.said() == said


async def test_a_draft_is_a_referral_once_it_is_active(desk: Reception) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"][-1]["resource"]["status"] = "draft"
    await desk.takes(bundle)
    (order,) = await desk.found("ServiceRequest")
    await desk.puts({**order, "status": "active"})
    assert (await desk.said())[-2:] == ["ReferralReceived", "LevelOfCareRecommended"]


async def test_another_level_without_a_reason_is_refused(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001"))
    task = await desk.task("sign-placement")
    with pytest.raises(Refusal) as refused:
        await desk.puts(bundles.signed(task, "3.5"))
    assert refused.value.issues[0].code == "required"
    with pytest.raises(Refusal, match=r"code-invalid at Task.output\[1\].value"):
        await desk.puts(bundles.signed(task, "3.5", "as Robin said"))
    await desk.puts(bundles.signed(task, "3.5", "clinical-judgment"))
    assert (await desk.said())[-1] == "EpisodeDeclined"


async def test_a_finished_episode_with_its_encounter_discharges(desk: Reception) -> None:
    episode = await admit(desk)
    with pytest.raises(Refusal, match=r"business-rule at Bundle.entry\[1\].resource.period.end"):
        await desk.takes(bundles.discharge(episode, "step-down", MONDAY + timedelta(days=80)))
    await desk.takes(bundles.discharge(episode, "step-down", MONDAY))
    (ended,) = await desk.found("EpisodeOfCare")
    (encounter,) = await desk.found("Encounter")
    assert ended["status"] == "finished"
    assert encounter["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "step-down"
    assert (await desk.said())[-1] == "EpisodeDischarged"


async def test_an_episode_is_not_finished_without_a_disposition(desk: Reception) -> None:
    episode = await admit(desk)
    with pytest.raises(Refusal) as refused:
        await desk.puts({**episode, "status": "finished"})
    assert refused.value.status == 422


async def test_a_referral_without_needs_is_a_review_on_the_work_list(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", needs={}))
    (review,) = await desk.found("Task", ("status", "requested"))
    missing = [each["valueCodeableConcept"]["coding"][0]["code"] for each in review["input"]]
    assert missing == ["withdrawal", "biomedical", "psychiatric-cognitive", "recovery-environment"]


async def test_a_review_is_completed_with_a_level_by_a_person(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", needs={}))
    review = await desk.task("review-placement")
    await desk.puts(bundles.signed(review, "2.1", "clinical-judgment"))
    assert "EpisodeAdmitted" in await desk.said()


async def test_the_needs_may_come_later_for_a_patient_known_by_mrn(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", needs={}))
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    later = [{**bundles.need("", name, level), "subject": who} for name, level in IOP_NEEDS.items()]
    await desk.takes(bundles.transaction(*later))
    assert (await desk.said())[-2:] == ["PlacementReviewWithdrawn", "LevelOfCareRecommended"]


async def test_a_suicidal_answer_reaches_a_person_as_t4(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    (head,) = await desk.pool.fetch("SELECT head FROM outbox WHERE lane = 'topic:iop.escalations'")
    assert json.loads(head["head"])["iop-tier"] == "T4"


async def test_an_escalation_is_acknowledged_and_resolved_by_its_task(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    task = await desk.task("safety")
    await desk.puts({**task, "status": "accepted"})
    await desk.puts({**task, "status": "completed"})
    assert (await desk.said())[-2:] == ["EscalationAcknowledged", "EscalationResolved"]


async def test_a_miss_and_a_positive_ask_for_a_review_and_its_withdrawal_is_said(desk: Reception) -> None:
    episode = await admit(desk)
    who = episode["patient"]["reference"].removeprefix("Patient/")
    miss = escalated("miss", "missed-session", MONDAY)
    positive = escalated("positive", "unexpected-positive", MONDAY + timedelta(days=3))
    await desk.hears(who, miss)
    await desk.hears(who, positive, "testing")
    assert (await desk.said())[-2:] == ["EscalationRaised", "PlacementReviewRequested"]
    review = await desk.task("review-placement")
    behind = [each["valueReference"]["reference"] for each in review["input"]]
    assert f"Task/{miss.escalation.id}" in behind


async def test_a_consent_is_revoked_by_making_it_inactive(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (kept,) = await desk.found("Consent")
    await desk.puts({**kept, "status": "inactive"})
    assert (await desk.said())[-1] == "ConsentRevoked"


async def test_a_consent_that_was_revoked_is_not_opened_again_by_its_id(desk: Reception) -> None:
    """Every ledger keeps a revocation; whoever reads the Consent here must not be told otherwise."""
    await desk.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (kept,) = await desk.found("Consent")
    for status in ("inactive", "entered-in-error"):
        await desk.puts({**kept, "status": status})
        with pytest.raises(Refusal, match=r"business-rule at Consent.status"):
            await desk.puts(kept)
    assert (await desk.said())[-2:] == ["ConsentRevoked", "ConsentRevoked"]


async def test_a_consent_that_an_update_closed_is_not_opened_again_by_its_id(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (kept,) = await desk.found("Consent")
    await desk.puts({**kept, "provision": {**kept["provision"], "type": "deny"}})
    with pytest.raises(Refusal, match=r"business-rule at Consent.status"):
        await desk.puts(kept)
    assert (await desk.said())[-1] == "ConsentRevoked"


async def test_a_consent_is_narrowed_by_an_update_and_stays_open(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", consents=[bundles.consent("riverbend-alumni")]))
    (kept,) = await desk.found("Consent")
    for fields in (kept["provision"]["code"][:1], kept["provision"]["code"]):
        await desk.puts({**kept, "provision": {**kept["provision"], "code": fields}})
        assert (await desk.said())[-1] == "ConsentGiven"


# What is refused, and where


async def test_a_level_without_its_edition_is_refused(desk: Reception) -> None:
    bundle = bundles.intake("0001")
    observation = bundle["entry"][1]["resource"]
    observation["valueCodeableConcept"]["coding"][0]["system"] = f"{codes.HUB}/CodeSystem/level-of-care"
    refused = await refusal(desk, bundle)
    assert refused.issues[0].code == "code-invalid"
    assert refused.issues[0].expression == ("Bundle.entry[1].resource.value",)


async def test_an_unknown_level_of_the_edition_goes_to_a_person(desk: Reception) -> None:
    await desk.takes(bundles.intake("0001", needs={**IOP_NEEDS, "biomedical": "2.1-COE"}))
    assert (await desk.said())[-1] == "PlacementReviewRequested"


@pytest.mark.parametrize("bad", ["shoe-size", "alcohol-use-disorder"])
async def test_an_unknown_fact_is_refused_without_naming_it(desk: Reception, bad: str) -> None:
    refused = await refusal(desk, bundles.intake("0001", facts={bad: True}))
    assert refused.issues[0].code == "code-invalid"
    assert bad not in str(refused.issues)


async def test_a_need_without_its_time_is_refused(desk: Reception) -> None:
    bundle = bundles.intake("0001")
    del bundle["entry"][1]["resource"]["effectiveDateTime"]
    assert (await refusal(desk, bundle)).issues[0].code == "required"


async def test_two_patients_in_one_transaction_are_refused(desk: Reception) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"].append(bundles.intake("0002")["entry"][0])
    assert (await refusal(desk, bundle)).status == 422


async def test_something_about_a_patient_nobody_knows_is_transient(desk: Reception) -> None:
    who = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "nobody"}}
    bundle = bundles.transaction({**bundles.fact("", "safe-housing", True), "subject": who})
    refused = await refusal(desk, bundle)
    assert (refused.status, refused.issues[0].code) == (409, "transient")

"""Testing on a real database: a message is stored, decided or left waiting, and answered after the commit."""

import json
from uuid import uuid4

import pytest

from services.testing.hl7.mllp import Frame
from shared.edge.fhir import validate
from shared.edge.outcome import HttpRefusal
from shared.platform import documents
from tests.testing.receiving import AUTHORITY, ReceivingService, message


async def test_a_result_of_a_known_patient_is_graded_before_it_is_acknowledged(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == ["DrugTestResulted"]
    assert await testing.count("documents WHERE NOT unmatched") == 1


async def test_a_result_of_nobody_known_waits_and_is_matched_then_graded(testing: ReceivingService) -> None:
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == []
    assert await testing.count("documents WHERE unmatched") == 1
    await testing.identified()
    assert await testing.emitted() == ["ResultMatched"]
    assert await testing.count("documents WHERE unmatched") == 0
    assert await testing.count("waiting") == 0
    await testing.admitted()
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted"]


async def test_the_same_message_again_gets_the_same_answer_and_no_second_effect(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert [await testing.receives(message()) for _ in range(2)] == ["AA", "AA"]
    assert await testing.emitted() == ["DrugTestResulted"]


async def test_a_control_id_used_for_something_else_is_refused(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message())
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"


async def test_nor_is_it_lost_in_silence_while_nobody_knows_the_patient_or_once_they_are_known(
    testing: ReceivingService,
) -> None:
    assert await testing.receives(message()) == "AA"
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"
    await testing.identified()
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == ["ResultMatched"]


async def test_a_refused_message_may_be_sent_again_mended_under_its_control_id(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message(mrn="")) == "AE 101"
    assert await testing.count("documents") == 0
    assert await testing.receives(message()) == "AA"
    assert await testing.count("documents") == 1


async def test_nobody_of_a_message_is_told_before_everybody_in_it_is_named(testing: ReceivingService) -> None:
    await testing.identified()
    second = message(mrn="").split(b"\r", 1)[1]
    assert await testing.receives(message() + b"\r" + second) == "AE 101"
    assert await testing.emitted() == []


async def test_a_corrected_message_meets_the_report_it_corrects_and_retracts(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message("M0", "NEGATIVE", "F0").replace(b"20260112083000", b"20260106083000"))
    await testing.receives(message("M1"))
    assert await testing.receives(message("M2", "NEGATIVE", status="C")) == "AA"
    assert (await testing.emitted())[-5:] == [
        "DrugTestResulted",
        "EscalationRaised",
        "DrugTestCorrected",
        "EscalationRetracted",
        "SignalsCorrected",
    ]


async def test_what_is_made_final_before_it_came_asks_a_person_until_it_comes(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message(status="U", value="")) == "AA"
    assert await testing.emitted() == ["DrugTestResulted", "EscalationRaised"]
    assert await testing.receives(message("M2", status="P", value="NEGATIVE")) == "AA"
    assert (await testing.emitted())[2:] == ["DrugTestCorrected", "EscalationRetracted"]


async def test_an_infection_test_is_acknowledged_kept_and_nothing_is_said(testing: ReceivingService) -> None:
    await testing.identified()
    covid = (
        message()
        .replace(b"14314-9^Benzoylecgonine", b"94500-6^SARS-CoV-2")
        .replace(b"94307-6^Drug screen", b"94531-1^x")
    )
    assert await testing.receives(covid) == "AA"
    assert await testing.emitted() == []
    assert await testing.count("documents") == 1


async def test_what_is_no_drug_test_is_kept_each_time_though_its_control_id_is_used_again(
    testing: ReceivingService,
) -> None:
    for value in ("POSITIVE", "NEGATIVE", "NEGATIVE"):
        covid = message(value=value).replace(b"14314-9^Benzoylecgonine", b"94500-6^SARS-CoV-2")
        assert await testing.receives(covid.replace(b"94307-6^Drug screen", b"94531-1^x")) == "AA"
    assert await testing.count("documents") == 2


async def test_identifiers_of_several_patients_ask_a_person_who_names_the_patient(testing: ReceivingService) -> None:
    await testing.identified("OTHER-MRN")
    first, testing.patient = testing.patient, str(uuid4())
    await testing.identified()
    await testing.admitted()
    both = message(mrn="SEEDED-MRN^^^IOPDEMO^MR~OTHER-MRN")
    assert [await testing.receives(both), await testing.receives(both)] == ["AA", "AA"]
    (task,) = await testing.tasks()
    assert "for" not in task and await testing.emitted() == []
    assert not {"SEEDED-MRN", "OTHER-MRN", first, testing.patient} & set(json.dumps(task).replace('"', " ").split())
    assert validate(task) == ()
    with pytest.raises(HttpRefusal):
        await testing.put(
            {**task, "status": "cancelled", "for": {"reference": f"Patient/{testing.patient}"}}, client="ehr"
        )
    answered = {**task, "status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}
    await testing.put_thrice(answered, client="ehr")
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted"]
    assert await testing.tasks() == []
    assert (await testing.tasks("completed"))[0]["for"] == {"reference": f"Patient/{testing.patient}"}


async def test_a_result_that_names_nobody_is_refused(testing: ReceivingService) -> None:
    assert await testing.receives(message(mrn="")) == "AE 101"


async def test_what_is_no_message_is_answered_too(testing: ReceivingService) -> None:
    assert await testing.receives(b"hello") == "AR 100"


async def test_what_is_beyond_the_limit_is_answered_by_its_control_id(testing: ReceivingService) -> None:
    (answer,) = await testing.receiver.receive(Frame(message()[:300], whole=False))
    assert b"\rMSA|AR|M1\r" in answer and b"|207^" in answer


async def test_a_bad_message_leaves_its_neighbours_unharmed(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message("M1").replace(b"20260112083000", b"yesterday-----")) == "AE 102"
    assert await testing.receives(message("M2")) == "AA"


async def test_the_document_is_encrypted_and_read_back_as_received(testing: ReceivingService) -> None:
    await testing.receives(message())
    row = await testing.pool.fetchrow("SELECT id, content FROM documents")
    assert b"SEEDED-MRN" not in bytes(row["content"])
    async with testing.pool.acquire() as connection:
        assert await documents.read(connection, testing.keys, row["id"]) == message()


async def test_no_identifier_stands_in_any_table(testing: ReceivingService) -> None:
    await testing.receives(message())
    await testing.identified()
    await testing.admitted()
    for table in ("state", "resources", "journal", "outbox", "waiting", "alias", "parked", "processed"):
        assert await testing.count(f"{table} t WHERE t::text LIKE '%SEEDED-MRN%' OR t::text LIKE '%Bogus%'") == 0


async def test_a_fhir_observation_of_nobody_known_is_readable_and_matched_later(testing: ReceivingService) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "59673-4"}]},
        "subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "effectiveDateTime": "2026-01-04",
        "valueString": "POS",
    }
    identity = await testing.post(observation)
    assert await testing.count(f"resources WHERE id = '{identity}' AND patient = ''") == 1
    await testing.identified()
    assert await testing.count(f"resources WHERE id = '{identity}' AND patient = '{testing.patient}'") == 1
    await testing.admitted()
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted", "EscalationRaised"]

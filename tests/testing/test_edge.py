"""Testing on a real database: a laboratory's message is kept, told or left waiting, and answered after the commit."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy import keys as key_files
from services.testing import app
from services.testing.edge import EDGE
from services.testing.hl7.receiver import Hl7Receiver
from services.testing.messages import EpisodeAdmitted, PatientIdentified
from services.testing.mllp import Frame
from services.testing.senders import laboratories
from services.testing.settings import Settings
from shared.edge.clients import Caller, TokenVerifier, registered
from shared.edge.fhir import capability, single, validate
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events import wire
from shared.events.envelope import Envelope, Event
from shared.path.transaction.aliases import Identifier, Keys
from shared.path.transaction.delivery import consumed
from shared.path.transaction.inbox import Inbox, run_submissions
from shared.platform import db, documents
from shared.platform.clock import Clock
from shared.platform.listening import Listening
from shared.platform.settings import Process, load
from shared.process import Running

DEPLOY = Path(__file__).parents[2] / "deploy"
ADMITTED = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
AUTHORITY = "https://clinic.demo.iop-hub.org/mrn"
MRN = Identifier(AUTHORITY, "SEEDED-MRN")


def message(
    control: str = "M1", value: str = "POSITIVE", filler: str = "F7", status: str = "F", mrn: str = "SEEDED-MRN"
) -> bytes:
    return "\r".join(
        (
            rf"MSH|^~\&|LIS|TOXLAB|HUB|demo|20260113120000-0500||ORU^R01^ORU_R01|{control}|P|2.5.1",
            f"PID|1||{mrn}^^^IOPDEMO^MR||Seeded^Bogus",
            f"OBR|1||{filler}|94307-6^Drug screen^LN|||20260112083000-0500{'|' * 15}20260113110000-0500|||{status}",
            f"OBX|1|ST|14314-9^Benzoylecgonine^LN||{value}||||||{status}",
        )
    ).encode()


class Room:
    """The service without HTTP, MLLP and Kafka in front: facts are heard, messages received, tables read."""

    def __init__(self, reception: Hl7Receiver, pool: Any, keys: Keys) -> None:
        self.reception, self.pool, self.keys = reception, pool, keys
        self.patient, self.episode_id = str(uuid4()), str(uuid4())
        self.caller = Caller("lab", registered(DEPLOY)["lab"], "demo", (("*", "cruds"),))

    async def consumes(self, *events: Event) -> None:
        for event in events:
            cause = uuid4()
            envelope = Envelope(
                id=cause,
                source="intake",
                event=type(event).__name__,
                program="demo",
                patient=self.patient,
                at=ADMITTED,
                correlation_id=cause,
                causation_id=cause,
            )
            written = wire.write(event, envelope)
            await self.reception.running.inbox.receive([consumed(written.headers, self.patient, written.body)])

    async def identified(self, mrn: str = MRN.value) -> None:
        digests = self.keys.digests("demo", [Identifier(AUTHORITY, mrn)])
        await self.consumes(PatientIdentified(digests=digests, sealed=(), identified_at=ADMITTED))

    async def admitted(self) -> None:
        await self.consumes(
            EpisodeAdmitted(
                episode_id=self.episode_id,
                plan_id=str(uuid4()),
                referral_id=str(uuid4()),
                level="2.1",
                track="standard",
                flags=(),
                template=(),
                admitted_at=ADMITTED,
            )
        )

    async def receives(self, content: bytes) -> str:
        """MSA-1 and, where there is an ERR, its code."""
        answer = (await self.reception.receive(Frame(content))).decode().split("\r")
        errors = [each.split("|")[3].split("^")[0] for each in answer if each.startswith("ERR")]
        return " ".join([answer[1].split("|")[1], *errors])

    async def posts(self, resource: dict[str, Any]) -> str:
        entry = single("POST", resource["resourceType"], None, resource, {})
        submissions = self.reception.running.submissions
        done = await submissions.submit(Submission("single", (entry,), uuid4(), False, "digest"), self.caller)
        return str(done.answered[0].location).split("/")[1]

    async def completes(self, task: dict[str, Any]) -> None:
        """A person of the EHR completes this Task."""
        caller = Caller("ehr", registered(DEPLOY)["ehr"], "demo", (("*", "cruds"),))
        entry = single("PUT", "Task", task["id"], task, {})
        await self.reception.running.submissions.submit(
            Submission("single", (entry,), uuid4(), False, "digest"), caller
        )

    async def tasks(self, status: str = "requested") -> list[dict[str, Any]]:
        """The work list, as it is read."""
        caller = Caller("ehr", registered(DEPLOY)["ehr"], "demo", (("*", "cruds"),))
        found, _, _ = await ResourceReader(self.pool, self.keys).search("Task", [("status", status)], caller)
        return found

    async def found(self, kind: str, identifier: str, program: str = "demo") -> list[str]:
        """The ids that a search by identifier answers."""
        caller = Caller("lab", registered(DEPLOY)["lab"], program, (("*", "cruds"),))
        found, total, _ = await ResourceReader(self.pool, self.keys).search(kind, [("identifier", identifier)], caller)
        assert total == len(found)
        return [each["id"] for each in found]

    async def emitted(self) -> list[str]:
        headers = await self.pool.fetch("SELECT headers FROM outbox WHERE lane LIKE 'topic:%' ORDER BY id")
        return [wire.event_name(json.loads(each["headers"])) for each in headers]

    async def count(self, query: str) -> int:
        number: int = await self.pool.fetchval(f"SELECT count(*) FROM {query}")
        return number


@pytest.fixture
async def testing(database: str, tmp_path: Path) -> AsyncIterator[Room]:
    keys = Keys.load(key_files.make(tmp_path), "testing")
    clock_file = tmp_path / "clock"
    clock_file.write_text((ADMITTED + timedelta(days=9)).isoformat())
    clock, assemble = Clock(clock_file), app.assemble(keys)
    process = Process(database_url=database, kafka_bootstrap="", deploy=DEPLOY, keys=tmp_path, issuer="")
    async with db.pool(database) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        settings = load(DEPLOY, "testing", Settings)
        inbox = Inbox(assemble.service, pool, db.Months(database), clock, listening, settings, lambda _: None)
        submissions, token_verifier = Submissions(inbox, EDGE, keys), TokenVerifier("", "", registered(DEPLOY))
        running = Running(process, inbox, submissions, token_verifier, keys, clock)
        task = asyncio.create_task(run_submissions(inbox, submissions.queue))
        yield Room(Hl7Receiver(running, laboratories(DEPLOY)), pool, keys)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_result_of_a_known_patient_is_graded_before_it_is_acknowledged(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == ["DrugTestResulted"]
    assert await testing.count("documents WHERE NOT unmatched") == 1


async def test_a_result_of_nobody_known_waits_and_is_matched_then_graded(testing: Room) -> None:
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == []
    assert await testing.count("documents WHERE unmatched") == 1
    await testing.identified()
    assert await testing.emitted() == ["ResultMatched"]
    assert await testing.count("documents WHERE unmatched") == 0
    assert await testing.count("waiting") == 0
    await testing.admitted()
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted"]


async def test_the_same_message_again_gets_the_same_answer_and_no_second_effect(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    assert [await testing.receives(message()) for _ in range(2)] == ["AA", "AA"]
    assert await testing.emitted() == ["DrugTestResulted"]


async def test_a_control_id_used_for_something_else_is_refused(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message())
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"


async def test_nor_is_it_lost_in_silence_while_nobody_knows_the_patient_or_once_they_are_known(testing: Room) -> None:
    assert await testing.receives(message()) == "AA"
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"
    await testing.identified()
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"
    assert await testing.receives(message()) == "AA"
    assert await testing.emitted() == ["ResultMatched"]


async def test_a_refused_message_may_be_sent_again_mended_under_its_control_id(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message(status="U")) == "AE 204"
    assert await testing.count("documents") == 0
    assert await testing.receives(message()) == "AA"
    assert await testing.count("documents") == 1


async def test_nobody_of_a_message_is_told_before_everybody_in_it_is_named(testing: Room) -> None:
    await testing.identified()
    second = message(mrn="").split(b"\r", 1)[1]
    assert await testing.receives(message() + b"\r" + second) == "AE 101"
    assert await testing.emitted() == []


async def test_a_corrected_message_meets_the_report_it_corrects_and_retracts(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message("M0", "NEGATIVE", "F0").replace(b"20260112083000", b"20260106083000"))
    await testing.receives(message("M1"))
    assert await testing.receives(message("M2", "NEGATIVE", status="C")) == "AA"
    assert (await testing.emitted())[-4:] == [
        "DrugTestResulted",
        "EscalationRaised",
        "DrugTestCorrected",
        "EscalationRetracted",
    ]


async def test_promoting_what_was_never_sent_is_an_error_the_laboratory_sees(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message(status="U")) == "AE 204"


async def test_an_infection_test_is_acknowledged_kept_and_nothing_is_said(testing: Room) -> None:
    await testing.identified()
    covid = (
        message()
        .replace(b"14314-9^Benzoylecgonine", b"94500-6^SARS-CoV-2")
        .replace(b"94307-6^Drug screen", b"94531-1^x")
    )
    assert await testing.receives(covid) == "AA"
    assert await testing.emitted() == []
    assert await testing.count("documents") == 1


async def test_what_is_no_drug_test_is_kept_each_time_though_its_control_id_is_used_again(testing: Room) -> None:
    for value in ("POSITIVE", "NEGATIVE", "NEGATIVE"):
        covid = message(value=value).replace(b"14314-9^Benzoylecgonine", b"94500-6^SARS-CoV-2")
        assert await testing.receives(covid.replace(b"94307-6^Drug screen", b"94531-1^x")) == "AA"
    assert await testing.count("documents") == 2


async def test_identifiers_of_several_patients_ask_a_person_who_names_the_patient(testing: Room) -> None:
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
        await testing.completes({**task, "status": "cancelled", "for": {"reference": f"Patient/{testing.patient}"}})
    await testing.completes({**task, "status": "completed", "for": {"reference": f"Patient/{testing.patient}"}})
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted"]
    assert await testing.tasks() == []
    assert (await testing.tasks("completed"))[0]["for"] == {"reference": f"Patient/{testing.patient}"}


async def test_a_result_that_names_nobody_is_refused(testing: Room) -> None:
    assert await testing.receives(message(mrn="")) == "AE 101"


async def test_what_is_no_message_is_answered_too(testing: Room) -> None:
    assert await testing.receives(b"hello") == "AR 100"


async def test_a_bad_message_leaves_its_neighbours_unharmed(testing: Room) -> None:
    await testing.identified()
    await testing.admitted()
    assert await testing.receives(message("M1").replace(b"20260112083000", b"yesterday-----")) == "AE 102"
    assert await testing.receives(message("M2")) == "AA"


async def test_the_document_is_encrypted_and_read_back_as_received(testing: Room) -> None:
    await testing.receives(message())
    row = await testing.pool.fetchrow("SELECT id, content FROM documents")
    assert b"SEEDED-MRN" not in bytes(row["content"])
    async with testing.pool.acquire() as connection:
        assert await documents.read(connection, testing.keys, row["id"]) == message()


async def test_no_identifier_stands_in_any_table(testing: Room) -> None:
    await testing.receives(message())
    await testing.identified()
    await testing.admitted()
    for table in ("state", "resources", "journal", "outbox", "waiting", "alias", "parked", "processed"):
        assert await testing.count(f"{table} t WHERE t::text LIKE '%SEEDED-MRN%' OR t::text LIKE '%Bogus%'") == 0


async def test_a_fhir_observation_of_nobody_known_is_readable_and_matched_later(testing: Room) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "59673-4"}]},
        "subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "effectiveDateTime": "2026-01-04",
        "valueString": "POS",
    }
    identity = await testing.posts(observation)
    assert await testing.count(f"resources WHERE id = '{identity}' AND patient = ''") == 1
    await testing.identified()
    assert await testing.count(f"resources WHERE id = '{identity}' AND patient = '{testing.patient}'") == 1
    await testing.admitted()
    assert await testing.emitted() == ["ResultMatched", "DrugTestResulted", "EscalationRaised"]


# Searching by identifier


def numbered(kind: str, *identifiers: dict[str, Any]) -> dict[str, Any]:
    """A resource of nobody known yet, with the laboratory's numbers."""
    about = (
        {} if kind == "Specimen" else {"status": "registered", "code": {"text": "x"}, "effectiveDateTime": "2026-01-04"}
    )
    who = {"subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}}}
    return {"resourceType": kind, "identifier": list(identifiers), **about, **who}


@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation", "Specimen"])
async def test_what_a_laboratory_sent_is_found_by_its_number(testing: Room, kind: str) -> None:
    await testing.identified()
    with_system = await testing.posts(
        numbered(kind, {"system": "urn:other", "value": "1"}, {"system": "urn:lab", "value": "F7"})
    )
    without = await testing.posts(numbered(kind, {"value": "F7"}))
    assert await testing.found(kind, "urn:lab|F7") == [with_system]
    assert await testing.found(kind, "|F7") == [without]
    assert await testing.found(kind, "F7") == sorted([with_system, without])
    assert await testing.found(kind, "urn:other|1,|F7") == sorted([with_system, without])
    for nobody in ("urn:other|F7", "urn:lab|1", "|1", "F", "urn:lab", "urn:lab|f7"):
        assert await testing.found(kind, nobody) == []


async def test_a_number_may_hold_any_sign_and_escapes_those_of_the_search(testing: Room) -> None:
    await testing.identified()
    for value, asked in {'7"8\\9': '7"8\\\\9', "ü,1": "ü\\,1", "a|b": "a\\|b", "100%_$x": "100%_\\$x"}.items():
        identity = await testing.posts(numbered("Specimen", {"system": "urn:lab", "value": value}))
        assert (
            await testing.found("Specimen", asked) == await testing.found("Specimen", f"urn:lab|{asked}") == [identity]
        )


async def test_a_number_is_of_one_program_and_of_one_type(testing: Room) -> None:
    await testing.identified()
    await testing.posts(numbered("Specimen", {"system": "urn:lab", "value": "F7"}))
    assert await testing.found("Specimen", "urn:lab|F7", program="another") == []
    assert await testing.found("Observation", "urn:lab|F7") == []


async def test_a_number_that_stands_elsewhere_in_the_resource_is_no_identifier(testing: Room) -> None:
    await testing.identified()
    await testing.posts(numbered("Specimen") | {"accessionIdentifier": {"system": "urn:lab", "value": "F7"}})
    assert await testing.found("Specimen", "F7") == []


@pytest.mark.parametrize("identifier", ["", "|", "urn:lab|", ",", "F7,", " ", "urn:lab| ", ",".join(["F7"] * 51)])
async def test_a_number_without_content_or_too_many_are_no_search(testing: Room, identifier: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await testing.found("Specimen", identifier)
    assert refused.value.status == 400


async def test_a_resource_of_another_type_is_not_searched_by_identifier(testing: Room) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await testing.found("Task", "urn:lab|F7")
    assert refused.value.issues[0].code == "not-supported"


def test_the_statement_names_each_type_that_is_found_by_identifier() -> None:
    statement = capability("testing", "", EDGE.takes, url="", at=ADMITTED)
    named = {
        each["type"]
        for each in statement["rest"][0]["resource"]
        if {"name": "identifier", "type": "token"} in each["searchParam"]
    }
    assert named == {"DiagnosticReport", "Observation", "Specimen"}

"""Admission of a laboratory's message: bytes, listing and decision together or not at all, over several programs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import msgspec
import pytest

from services.testing import app
from services.testing.hl7.receiver import Hl7Receiver
from shared.edge import admission
from shared.path.transaction import resources, store, waiting
from shared.platform.clients import laboratories
from shared.platform.keys import Keys
from shared.platform.traits import Traits
from shared.process import ServiceAssembly
from tests.service import DEPLOY, StartService
from tests.testing.receiving import ADMITTED, AUTHORITY, ReceivingService, message

Change = Callable[[ServiceAssembly], ServiceAssembly]
NOW = ADMITTED + timedelta(days=9)
LEARNING_SECONDS = 1.0
"""More than an identification takes that waits for nobody."""
TABLES = ("documents", "processed", "waiting", "resources", "journal", "outbox", "parked")


async def start(start_service: StartService, change: Change) -> ReceivingService:
    def assemble(keys: Keys) -> ServiceAssembly:
        return change(app.assemble(keys))

    service = await start_service(assemble, "testing", NOW)
    return ReceivingService(**{**vars(service), "client": "lab"})


async def rows(testing: ReceivingService) -> dict[str, int]:
    return {table: await testing.count(table) for table in TABLES}


def cause(control: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"hl7|lab|{control}|20260113120000-0500|0")


# All or nothing


async def breaks_once(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, testing: ReceivingService) -> None:
    """The statement after which the process dies: nothing is left of the message, and sent again it is accepted."""
    content, before = message(mrn="SEEDED-MRN^^^IOPDEMO^MR~OTHER-MRN"), await rows(testing)

    async def broken(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken_off:
        broken_off.setattr(room, name, broken)
        assert await testing.receives(content) == "AE 207"
    assert await rows(testing) == before
    assert await testing.receives(content) == "AA"
    assert await testing.count("documents") == 1


async def test_a_crash_before_the_commit_leaves_neither_bytes_nor_decision(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await testing.identified()
    await testing.admitted()
    await breaks_once(monkeypatch, store, "store", testing)
    assert await testing.emitted() == ["DrugTestResulted"]


async def test_a_crash_before_the_commit_leaves_neither_bytes_nor_what_waits(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await breaks_once(monkeypatch, resources, "add", testing)
    assert await testing.count("documents WHERE unmatched") == 1
    assert await testing.select("SELECT type FROM resources WHERE patient = '' ORDER BY type") == [
        ("DiagnosticReport",),
        ("Task",),
    ]


async def test_a_crash_before_the_commit_leaves_neither_bytes_nor_a_question(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await testing.identified("OTHER-MRN")
    testing.patient = str(uuid4())
    await testing.identified()
    await breaks_once(monkeypatch, resources, "add", testing)
    assert len(await testing.tasks()) == 1


async def test_what_is_parked_keeps_its_document(start_service: StartService) -> None:
    def broken(*_: Any) -> Any:
        raise ArithmeticError

    def change(assembly: ServiceAssembly) -> ServiceAssembly:
        deciders = {kind: replace(each, decide=broken) for kind, each in assembly.service.deciders.items()}
        return replace(assembly, service=replace(assembly.service, deciders=deciders))

    testing = await start(start_service, change)
    await testing.identified()
    assert [await testing.receives(message()) for _ in range(2)] == ["AA", "AA"]
    assert await testing.receives(message(value="NEGATIVE")) == "AE 205"
    assert (await testing.count("parked"), await testing.count("documents")) == (1, 2)


@pytest.mark.parametrize("known", [True, False])
async def test_of_two_contents_at_once_under_one_control_id_one_is_accepted(
    testing: ReceivingService, known: bool
) -> None:
    if known:
        await testing.identified()
    assert await testing.sent(message(), message(value="NEGATIVE")) == ["AA", "AE 205"]
    assert await testing.count("documents") == 2


async def test_line_ends_make_no_other_message(testing: ReceivingService) -> None:
    assert [await testing.receives(each) for each in (message(), message().replace(b"\r", b"\r\n"))] == ["AA", "AA"]
    await testing.identified()
    assert await testing.receives(message().replace(b"\r", b"\n")) == "AA"
    assert await testing.emitted() == ["ResultMatched"]


# Waiting


async def test_two_messages_for_one_unknown_patient_wait_and_follow_in_order(testing: ReceivingService) -> None:
    later = message("M1", filler="M1").replace(b"20260112083000", b"20260112093000")
    assert [await testing.receives(each) for each in (message("M2", filler="M2"), later)] == ["AA", "AA"]
    await testing.identified()
    decided = await testing.select("SELECT cause FROM journal WHERE delivery = 'commanded' ORDER BY sequence")
    assert decided == [(cause("M2"),), (cause("M1"),)]
    assert await testing.emitted() == ["ResultMatched", "ResultMatched"]


async def test_a_result_that_waited_is_one_report_registered_then_final(testing: ReceivingService) -> None:
    assert await testing.receives(message()) == "AA"
    (listed,) = await testing.select("SELECT id, status, version FROM resources WHERE type = 'DiagnosticReport'")
    assert listed[1:] == ("registered", 1)
    await testing.identified()
    (report,) = await testing.select(
        "SELECT id, status, version, patient FROM resources WHERE type = 'DiagnosticReport' AND rank IS NULL"
    )
    assert report == (listed[0], "final", 2, testing.patient)


async def test_a_repetition_that_waited_too_stands_for_nothing_of_its_own(testing: ReceivingService) -> None:
    for control in ("M1", "M2"):
        assert await testing.receives(message(control)) == "AA"
    await testing.identified()
    reports = await testing.select(
        "SELECT status FROM resources WHERE type = 'DiagnosticReport' AND rank IS NULL ORDER BY status"
    )
    assert reports == [("entered-in-error",), ("final",)]


async def test_who_is_identified_while_a_message_begins_to_wait_gets_it_at_once(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = admission.whose

    async def too_early(*arguments: Any) -> admission.Subject:
        subject = await look(*arguments)
        monkeypatch.undo()
        await testing.identified()
        return subject

    monkeypatch.setattr(admission, "whose", too_early)
    assert await testing.receives(message()) == "AA"
    assert (await testing.count("waiting"), await testing.count("documents WHERE NOT unmatched")) == (0, 1)
    assert await testing.count("journal WHERE delivery = 'commanded'") == 1


async def test_who_is_identified_while_a_second_message_begins_to_wait_gets_both(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, identifications = resources.add, list[asyncio.Task[None]]()

    async def meanwhile(*arguments: Any) -> None:
        """It waits, and nothing is committed yet."""
        monkeypatch.undo()
        identifications.append(asyncio.create_task(testing.identified()))
        await asyncio.sleep(LEARNING_SECONDS)
        await add(*arguments)

    assert await testing.receives(message()) == "AA"
    monkeypatch.setattr(resources, "add", meanwhile)
    assert await testing.receives(message(control="C2", filler="F2")) == "AA"
    await asyncio.gather(*identifications)
    assert await testing.count("waiting") == 0
    assert await testing.count("journal WHERE delivery = 'commanded'") == 2


async def test_a_fhir_result_whose_patient_is_identified_meanwhile_is_read_again(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = waiting.wait

    async def too_late(*arguments: Any) -> bool:
        monkeypatch.undo()
        await testing.identified()
        return await wait(*arguments)

    monkeypatch.setattr(waiting, "wait", too_late)
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "59673-4"}]},
        "subject": {"type": "Patient", "identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "effectiveDateTime": "2026-01-04",
        "valueString": "POS",
    }
    identity = await testing.post(observation)
    (stored,) = await testing.found("Observation", ("_id", identity))
    assert stored["subject"]["reference"] == f"Patient/{testing.patient}"
    assert await testing.count("waiting") == 0


# Several programs


@pytest.fixture
async def shared_laboratory(start_service: StartService) -> ReceivingService:
    """A laboratory of two programs whose messages do not say which."""

    def change(assembly: ServiceAssembly) -> ServiceAssembly:
        def settings(process: Any) -> dict[str, Any]:
            demo = assembly.settings(process)["demo"]
            return {"demo": demo, "other": demo}

        return replace(assembly, settings=settings)

    return SharedLaboratory(**vars(await start(start_service, change)))


class SharedLaboratory(ReceivingService):
    @property
    def receiver(self) -> Hl7Receiver:
        lab = msgspec.structs.replace(laboratories(DEPLOY)["lab"], programs=("demo", "other"))
        return Hl7Receiver(self.running, {"lab": lab})

    async def receives(self, content: bytes) -> str:
        return await super().receives(content.replace(b"|HUB|demo|", b"|HUB||"))


async def test_the_program_that_knows_the_patient_decides(shared_laboratory: ReceivingService) -> None:
    await shared_laboratory.identified(program="other")
    assert await shared_laboratory.receives(message()) == "AA"
    assert await shared_laboratory.select("SELECT program FROM documents") == [("other",)]
    assert await shared_laboratory.select("SELECT program FROM journal WHERE delivery = 'commanded'") == [("other",)]


async def test_a_message_waits_in_every_program_until_one_of_them_knows_the_patient(
    shared_laboratory: ReceivingService,
) -> None:
    assert await shared_laboratory.receives(message()) == "AA"
    assert await shared_laboratory.select("SELECT program FROM waiting ORDER BY program") == [("demo",), ("other",)]
    await shared_laboratory.identified(program="other")
    assert await shared_laboratory.count("waiting") == 0
    assert await shared_laboratory.select("SELECT program FROM journal WHERE delivery = 'commanded'") == [("other",)]
    reports = "SELECT program, status FROM resources WHERE type = 'DiagnosticReport' AND rank IS NULL"
    assert await shared_laboratory.select(reports) == [("other", "final")]


async def test_a_message_waits_in_no_program_once_one_of_them_knows_the_patient(
    shared_laboratory: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = waiting.wait

    async def too_late(connection: Any, fact: Any, programs: Any, sent: Traits) -> bool:
        if fact.program == "other":
            monkeypatch.undo()
            await shared_laboratory.identified(program="other")
        return await wait(connection, fact, programs, sent)

    monkeypatch.setattr(waiting, "wait", too_late)
    assert await shared_laboratory.receives(message()) == "AA"
    assert await shared_laboratory.count("waiting") == 0
    assert await shared_laboratory.count("resources WHERE patient = ''") == 0
    assert await shared_laboratory.select("SELECT program FROM journal WHERE delivery = 'commanded'") == [("other",)]


async def test_a_patient_of_two_programs_is_asked_for_in_both(shared_laboratory: ReceivingService) -> None:
    for program in ("demo", "other"):
        await shared_laboratory.identified(program=program)
        shared_laboratory.patient = str(uuid4())
    assert await shared_laboratory.receives(message()) == "AA"
    asked = await shared_laboratory.select("SELECT program, type FROM resources ORDER BY program")
    assert asked == [("demo", "Task"), ("other", "Task")]
    assert await shared_laboratory.count("documents") == 1

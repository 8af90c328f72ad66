"""An identifier finds the patient; family name and birth date only say whether it may be the wrong one."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from shared.events import codes, fhir
from shared.platform import schema
from shared.platform.traits import NOBODY, Person
from tests.testing.receiving import ReceivingService, message
from tests.testing.test_bundle import whole

KNOWN = Person(("Bogus",), "1988-04-12")
DOUBT = "identity-doubt"
MARK = "Nobodyelse"
SCHEMA = Path(str(schema.__path__[0]))


def of(family: str, born: str = "", control: str = "M1", value: str = "POSITIVE") -> bytes:
    """A positive of somebody who is called so."""
    return message(control, value).replace(b"||Seeded^Bogus", f"||{family}^Sam||{born}".encode())


def bundle(family: str, born: str, **changed: Any) -> Any:
    sent = whole(**changed)
    sent["entry"][0]["resource"] |= {"name": [{"family": family}], "birthDate": born}
    return sent


async def in_treatment(testing: ReceivingService, person: Person = KNOWN) -> None:
    await testing.identified(person=person)
    await testing.admitted()


async def graded(testing: ReceivingService) -> list[dict[str, Any]]:
    """The patient's reports as the hub emits them."""
    reports = [each for each in await testing.found("DiagnosticReport") if "subject" in each]
    return [each for each in reports if each["code"].get("coding", [{}])[0].get("code") == "drug-test"]


async def marks(testing: ReceivingService) -> list[bool]:
    return [DOUBT in str(each.get("conclusionCode")) for each in await graded(testing)]


@pytest.mark.parametrize(
    ("family", "born", "marked"),
    [
        ("BOGUS", "19880412", False),
        ("Bogus-Other", "1988", False),
        ("", "", False),
        ("Other", "19880412", True),
        ("Other", "", True),
        ("Bogus", "19900101", True),
    ],
)
async def test_one_contradiction_is_graded_and_marked(
    testing: ReceivingService, family: str, born: str, marked: bool
) -> None:
    await in_treatment(testing)
    assert await testing.receives(of(family, born)) == "AA"
    assert await marks(testing) == [marked]
    assert [each for each in await testing.tasks() if "for" not in each] == []


async def test_where_both_contradict_nothing_is_graded_and_a_person_says_whose_it_is(testing: ReceivingService) -> None:
    await in_treatment(testing)
    assert await testing.receives(of("Other", "19900101")) == "AA"
    task = await testing.task("assign-result")
    assert (await graded(testing), await testing.tasks()) == ([], [task])
    assert task["reasonCode"]["coding"][0]["code"] == "name-and-birth-date-contradict"
    stated = {fhir.code_of(each["type"]): each for each in task["input"]}
    assert stated["laboratory"]["valueString"] == "lab"
    assert stated["document"]["valueString"] == str((await testing.select("SELECT id FROM documents"))[0][0])
    assert await testing.receives(of("Other", "19900101")) == "AA"
    assert await testing.tasks() == [task], "the same again is asked once"
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    assert await marks(testing) == [False], "a person has said whose it is"


async def test_of_somebody_else_it_is_theirs_once_a_person_says_so(testing: ReceivingService) -> None:
    await in_treatment(testing)
    first, testing.patient = testing.patient, str(uuid4())
    await testing.identified("OTHER-MRN", person=Person(("Other",), "1990-01-01"))
    await testing.receives(of("Other", "19900101"))
    task = await testing.task("assign-result")
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    (report,) = await graded(testing)
    assert report["subject"] == {"reference": f"Patient/{testing.patient}"} != {"reference": f"Patient/{first}"}


async def test_nobody_is_found_by_name_and_birth_date(testing: ReceivingService) -> None:
    await in_treatment(testing)
    unknown = of("Bogus", "19880412").replace(b"SEEDED-MRN", b"OTHER-MRN")
    assert await testing.receives(unknown) == "AA"
    assert await graded(testing) == []
    assert await testing.task("find-patient")


async def test_of_a_patient_identified_before_there_were_digests_nothing_contradicts(testing: ReceivingService) -> None:
    await in_treatment(testing, NOBODY)
    assert await testing.receives(of("Other", "19900101")) == "AA"
    assert await marks(testing) == [False]


async def test_a_new_name_takes_the_place_of_the_former(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.identified(person=Person(("New", "Bogus"), "1988-04-12"))
    assert await testing.receives(of("New", "19880412")) == "AA"
    assert await testing.receives(of("Bogus", "19880412", "M2")) == "AA"
    assert await marks(testing) == [False]


async def test_the_mark_stays_whatever_is_reported_of_the_specimen_afterwards(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(of("Bogus", "19880412"))
    assert await marks(testing) == [False]
    await testing.receives(of("Other", "19880412", "M2"))
    assert await marks(testing) == [True]
    await testing.receives(of("Bogus", "19880412", "M3"))
    assert await marks(testing) == [True]


@pytest.mark.parametrize(("family", "born", "marked"), [("Bogus", "19880412", False), ("Other", "19880412", True)])
async def test_what_waited_is_compared_once_its_patient_is_known(
    testing: ReceivingService, family: str, born: str, marked: bool
) -> None:
    assert await testing.receives(of(family, born)) == "AA"
    await in_treatment(testing)
    assert await marks(testing) == [marked]


async def test_what_waited_goes_on_waiting_for_a_person_where_both_contradict(testing: ReceivingService) -> None:
    assert await testing.receives(of("Other", "19900101")) == "AA"
    await in_treatment(testing)
    task = await testing.task("find-patient")
    assert await testing.receives(of("Other", "19900101")) == "AA"
    assert await testing.tasks() == [task], "it is asked about once"
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    assert await marks(testing) == [False]


async def test_what_waited_is_decided_once_the_chart_is_corrected(testing: ReceivingService) -> None:
    assert await testing.receives(of("Other", "19900101")) == "AA"
    await in_treatment(testing)
    await testing.identified(person=Person(("Other",), "1990-01-01"))
    assert await marks(testing) == [False]
    assert [each for each in await testing.tasks() if "for" not in each] == []


# As FHIR, with the Patient along


async def test_of_a_patient_along_one_contradiction_is_graded_and_marked(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.submit(bundle("Other", "1988-04-12"), "lab")
    assert True in await marks(testing)


async def test_of_a_patient_along_who_agrees_nothing_is_marked(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.submit(bundle("Bogus", "1988-04-12"), "lab")
    assert await marks(testing) != [] and True not in await marks(testing)


async def test_of_a_patient_along_two_contradictions_ask_a_person(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.submit(bundle("Other", "1990-01-01"), "lab")
    assert await testing.found("DiagnosticReport") == []
    task = await testing.task("assign-result")
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    reports = await testing.found("DiagnosticReport")
    assert {each["subject"]["reference"] for each in reports} == {f"Patient/{testing.patient}"}
    assert await marks(testing) == [False]


# What is stored of it


async def test_neither_name_nor_birth_date_is_stored_in_clear(
    testing: ReceivingService, capfd: pytest.CaptureFixture[str]
) -> None:
    await testing.receives(of(MARK, "19900203", "M1").replace(b"SEEDED", b"UNKNOWN"))
    await in_treatment(testing)
    await testing.receives(of(MARK, "19900203", "M2"))
    await testing.receives(of(MARK, "19880412", "M3").replace(b"F7", b"F8"))
    tables = await testing.select(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'"
    )
    hidden = [MARK.casefold(), "19900203", "1990-02-03", "19880412", "1988-04-12"]
    for (table,) in tables:
        for (row,) in await testing.select(f"SELECT to_jsonb(t)::text FROM {table} t"):
            assert not [each for each in hidden if each in row.casefold()], table
    assert not [each for each in hidden if each in "".join(capfd.readouterr()).casefold()]
    (waiting,) = await testing.select("SELECT traits FROM waiting WHERE traits <> ''")
    assert len(waiting[0]) > 64, "digests of it wait"


# What whoever may read Tasks reads of it

FIGURE = b"OBX|1|NM|16226-3^Morphine^LN||8642|ng/mL|<300|H|||F"


async def test_a_task_that_asks_whose_a_result_is_holds_nothing_that_was_found(testing: ReceivingService) -> None:
    await in_treatment(testing)
    content = of("Other", "19900101").rpartition(b"\r")[0] + b"\r" + FIGURE
    assert await testing.receives(content) == "AA"
    task = await testing.task("assign-result")
    assert {fhir.code_of(each["type"]) for each in task["input"]} == {"laboratory", "document", "panel", "collected-on"}
    assert not [each for each in ("8642", "16226", "orphine", "positive", "ng/mL") if each in str(task)]
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    values = [each.get("valueQuantity", {}).get("value") for each in await testing.found("Observation")]
    assert 8642 in values, "it is read at the report"


async def test_what_a_task_of_an_earlier_release_holds_moves_to_where_it_waits(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(of("Other", "19900101"))
    task = await testing.task("assign-result")
    ((content, received),) = await testing.select("DELETE FROM waiting RETURNING content, resources")
    held = [
        *({"type": fhir.concept(codes.INPUT, "report"), "valueString": each} for each in as_texts(content)),
        *({"type": fhir.concept(codes.INPUT, "received"), "valueString": each} for each in as_texts(received)),
    ]
    former = msgspec.json.encode(task | {"input": [*task["input"], *held]}).decode()
    await testing.pool.execute("UPDATE resources SET body = $1 WHERE type = 'Task'", former)
    await testing.pool.execute((SCHEMA / "0034_held.sql").read_text())
    assert (await testing.task("assign-result"))["input"] == task["input"]
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")
    assert await marks(testing) == [False]


def as_texts(array: str) -> list[str]:
    return [msgspec.json.encode(each).decode() for each in msgspec.json.decode(array)]

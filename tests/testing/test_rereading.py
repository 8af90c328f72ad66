"""Results under a code that nobody knew, read again once the program's table says what it means."""

from typing import Any

import msgspec
import pytest

from services.testing.worklist.rereading import Rereading
from shared.edge import finding
from shared.edge.outcome import refuse
from shared.edge.submissions import Submissions
from shared.platform import db
from shared.platform.clients import registered
from shared.platform.traits import NOBODY, Person
from tests.service import DEPLOY
from tests.testing.receiving import AUTHORITY, ReceivingService, message
from tests.testing.test_finding import discarded
from tests.testing.test_identity import of
from tests.testing.test_interpret import observation

FENTANYL, COCAINE, PH = "59673-4", "14314-9", "5803-2"
OPIOID, OTHER = "unexpected-positive-opioid", "unexpected-positive-presumptive"


def under(code: str, content: bytes, title: str = "Novel") -> bytes:
    """The same message, its row under a code of the laboratory's own."""
    return content.replace(b"14314-9^Benzoylecgonine^LN", f"{code}^{title}^L".encode())


async def mapped(testing: ReceivingService, **local_codes: str) -> None:
    """A person has said what the codes mean, and the service has started anew."""
    settings: Any = testing.inbox.settings
    settings["demo"] = msgspec.structs.replace(settings["demo"], local_codes=local_codes)
    assert await Rereading(testing.receiver, registered(DEPLOY)).read_answered()


async def reasons(testing: ReceivingService) -> list[str]:
    """Of what asks for a person now."""
    tasks = await testing.found("Task", ("status", "requested"))
    return sorted(each["reasonCode"]["coding"][0]["code"] for each in tasks if "for" in each)


async def asked_whose(testing: ReceivingService, status: str = "requested") -> list[dict[str, Any]]:
    """The Tasks that ask whose a result is."""
    found = await testing.tasks(status)
    return [each for each in found if each["code"]["coding"][0]["code"] in ("find-patient", "assign-result")]


async def named(testing: ReceivingService, task: dict[str, Any]) -> None:
    """A person says that it is this patient's."""
    await testing.put(task | {"status": "completed", "for": {"reference": f"Patient/{testing.patient}"}}, "ehr")


async def in_treatment(testing: ReceivingService, mrn: str = "SEEDED-MRN", person: Person = NOBODY) -> None:
    """Admitted, with a clean baseline."""
    await testing.identified(mrn, person=person)
    await testing.admitted()
    baseline = message("M0", value="NEGATIVE", filler="F0", mrn=mrn).replace(b"20260112083000", b"20260106083000")
    assert await testing.receives(baseline) == "AA"


async def test_a_positive_under_a_code_that_is_mapped_later_raises_its_escalation_once(
    testing: ReceivingService,
) -> None:
    await in_treatment(testing)
    assert await testing.receives(under("T17", message())) == "AA"
    assert await reasons(testing) == []
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == [OPIOID]
    emitted = await testing.emitted()
    await mapped(testing, T17=FENTANYL)
    assert await testing.emitted() == emitted
    (task,) = [each for each in await testing.tasks("completed")]
    assert (task["code"]["coding"][0]["code"], task["output"][0]["valueString"]) == ("map-code", FENTANYL)


async def test_a_report_that_nobody_took_for_a_drug_test_is_read_once_its_code_is_known(
    testing: ReceivingService,
) -> None:
    await in_treatment(testing)
    content = under("T17", message(), "y").replace(b"94307-6^Drug screen^LN", b"T9^x^L")
    assert await testing.receives(content) == "AA"
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == [OPIOID]


async def test_what_was_corrected_before_its_code_was_known_accuses_nobody(testing: ReceivingService) -> None:
    await in_treatment(testing)
    corrected = message("M2", value="NEGATIVE", status="C", sent="20260114120000-0500")
    await testing.receives(under("T17", message()))
    await testing.receives(under("T17", corrected).replace(b"20260113110000", b"20260114110000"))
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == []


async def test_another_meaning_is_read_again_in_place_of_the_former(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    await mapped(testing, T17=COCAINE)
    assert await reasons(testing) == [OTHER]
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == [OPIOID]


async def test_what_still_waits_for_its_patient_waits_with_its_meaning(testing: ReceivingService) -> None:
    await testing.receives(under("T17", message()))
    await mapped(testing, T17=FENTANYL)
    asked = await asked_whose(testing)
    assert await testing.count(f"documents WHERE id = '{asked[0]['id']}'") == len(asked) == 1
    await in_treatment(testing)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])
    assert await testing.count("resources WHERE type = 'DiagnosticReport' AND rank IS NULL") == 2


async def test_a_message_that_was_refused_and_a_trial_stay_unread(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message(value="NEGATIVE")))
    assert await testing.receives(under("T17", message())) == "AE 205"
    await testing.receives(under("T17", message("M9", mode="T")))
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == []


async def test_a_code_that_is_ignored_ends_its_question(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    await mapped(testing, T17="ignored")
    assert (await reasons(testing), await testing.tasks()) == ([], [])


async def test_what_a_code_meant_is_taken_back_and_what_its_laboratory_sent_is_not(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await testing.receives(under("T17", message()))
    await mapped(testing, T17=COCAINE)
    await mapped(testing, T17="ignored")
    rows = await testing.select("SELECT rank IS NULL, status FROM resources WHERE type = 'Observation'")
    assert {status for is_ours, status in rows if not is_ours} == {"final"}
    assert "entered-in-error" in {status for is_ours, status in rows if is_ours}


async def posted(testing: ReceivingService) -> None:
    """The same positive, as FHIR."""
    about = {
        "subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "effectiveDateTime": "2026-01-12T08:30:00-05:00",
        "code": {"coding": [{"code": "T17"}], "text": "Novel"},
    }
    await testing.post(observation() | about | {"valueString": "POSITIVE"})


async def test_a_result_in_fhir_is_read_again_too(testing: ReceivingService) -> None:
    await in_treatment(testing)
    await posted(testing)
    await mapped(testing, T17=FENTANYL)
    assert await reasons(testing) == [OPIOID]


async def test_a_result_without_any_time_is_listed_when_its_code_is_mapped(testing: ReceivingService) -> None:
    await in_treatment(testing)
    about = {
        "subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "code": {"coding": [{"code": "T17"}], "text": "Novel"},
    }
    without_time = {name: each for name, each in observation().items() if not name.startswith("effective")}
    await testing.post(without_time | about | {"valueString": "POSITIVE"})
    await mapped(testing, T17=FENTANYL)
    (task,) = await testing.tasks()
    assert (await reasons(testing), task["code"]["coding"][0]["code"]) == ([], "check-time")
    assert "effective" in task["input"][-1]["valueString"]


async def test_a_validity_check_under_a_new_code_says_anew_how_the_specimen_was(testing: ReceivingService) -> None:
    await in_treatment(testing)
    check = b"\rOBX|2|NM|V9^Check nine^L||2.0||||||F"
    content = message(value="NEGATIVE") + check
    await testing.receives(content)
    assert (await reasons(testing), [each["code"]["coding"][0]["code"] for each in await testing.tasks()]) == (
        [],
        ["map-code"],
    )
    await mapped(testing, V9=PH)
    assert await reasons(testing) == ["specimen-substituted-or-adulterated"]


async def test_what_a_busy_service_leaves_unread_is_read_at_the_next_try_and_then_no_more(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_treatment(testing)
    assert await testing.receives(under("T17", message())) == "AA"
    settings: Any = testing.inbox.settings
    settings["demo"] = msgspec.structs.replace(settings["demo"], local_codes={"T17": FENTANYL})
    rereading, left = Rereading(testing.receiver, registered(DEPLOY)), []

    async def busy_once(self: Submissions, *read: Any) -> None:
        monkeypatch.undo()
        left.append(await reasons(testing))
        raise refuse(503, "throttled", "", "The service is busy.")

    monkeypatch.setattr(Submissions, "admit", busy_once)
    await db.until_done(0.0, rereading.read_answered, name="rereading")
    assert (left, await reasons(testing)) == ([[]], [OPIOID])


# Whose it is, is asked once


async def test_what_waits_is_read_anew_however_often_its_code_is_mapped(testing: ReceivingService) -> None:
    await testing.receives(under("T17", message()))
    asked = await asked_whose(testing)
    await mapped(testing, T17=COCAINE)
    await mapped(testing, T17=FENTANYL)
    assert (await asked_whose(testing), await testing.count("waiting")) == (asked, 1)
    await in_treatment(testing)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])


async def test_what_waits_under_a_code_that_is_ignored_by_now_accuses_nobody(testing: ReceivingService) -> None:
    await testing.receives(under("T17", message()))
    await mapped(testing, T17=COCAINE)
    await mapped(testing, T17="ignored")
    await in_treatment(testing)
    assert await reasons(testing) == []


async def test_a_result_in_fhir_that_waits_is_read_anew_too(testing: ReceivingService) -> None:
    await posted(testing)
    assert await asked_whose(testing) == [], "nobody takes it for a drug test"
    await mapped(testing, T17=COCAINE)
    (task,) = await asked_whose(testing)
    await mapped(testing, T17=FENTANYL)
    assert (await asked_whose(testing), await testing.count("waiting")) == ([task], 1)
    await in_treatment(testing)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])


async def test_a_message_that_nobody_took_for_a_drug_test_is_asked_about_once(testing: ReceivingService) -> None:
    content = under("T17", message(), "y").replace(b"94307-6^Drug screen^LN", b"T9^x^L")
    assert await testing.receives(content) == "AA"
    await mapped(testing, T17=COCAINE)
    await mapped(testing, T17=FENTANYL)
    (asked,) = await asked_whose(testing)
    await in_treatment(testing)
    (completed,) = await asked_whose(testing, "completed")
    assert (await reasons(testing), completed["id"]) == ([OPIOID], asked["id"])


@pytest.mark.parametrize("form", ["hl7", "fhir"])
async def test_what_a_person_gave_to_a_patient_is_theirs_under_a_new_meaning_too(
    testing: ReceivingService, form: str
) -> None:
    await (testing.receives(under("T17", message())) if form == "hl7" else posted(testing))
    await mapped(testing, T17=COCAINE)
    await in_treatment(testing, "OTHER-MRN")
    (task,) = await asked_whose(testing)
    await named(testing, task)
    assert await reasons(testing) == [OTHER]
    await mapped(testing, T17=FENTANYL)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])
    await mapped(testing, T17="ignored")
    assert (await reasons(testing), await asked_whose(testing)) == ([], [])


async def test_of_two_who_contradict_the_chart_it_is_asked_once_before_and_after_the_map(
    testing: ReceivingService,
) -> None:
    await in_treatment(testing, person=Person(("Bogus",), "1988-04-12"))
    await testing.receives(under("T17", of("Other", "19900101")))
    (task,) = await asked_whose(testing)
    await mapped(testing, T17=COCAINE)
    assert await asked_whose(testing) == [task]
    await named(testing, task)
    assert await reasons(testing) == [OTHER]
    await mapped(testing, T17=FENTANYL)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])


async def test_what_a_person_discarded_is_read_no_more(testing: ReceivingService) -> None:
    await testing.receives(under("T17", message()))
    (task,) = await asked_whose(testing)
    await testing.put(discarded(task), "ehr")
    await in_treatment(testing)
    await mapped(testing, T17=FENTANYL)
    assert (await reasons(testing), await asked_whose(testing)) == ([], [])


async def test_whoever_names_the_patient_while_it_is_read_anew_gives_them_what_it_means_now(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await testing.receives(under("T17", message()))
    await in_treatment(testing, "OTHER-MRN")
    (task,) = await asked_whose(testing)
    look = finding.delivery

    async def mapped_meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        found = await look(*asked)
        await mapped(testing, T17=FENTANYL)
        return found

    monkeypatch.setattr(finding, "delivery", mapped_meanwhile)
    await named(testing, task)
    assert (await reasons(testing), await asked_whose(testing)) == ([OPIOID], [])
    assert await testing.count("waiting") == 0


async def left_long_ago(testing: ReceivingService) -> None:
    """Specimens since before the baseline have left the patient's state."""
    await in_treatment(testing)
    row = "UPDATE state SET body = jsonb_set(body::jsonb, '{5}', '1767000000')::text WHERE key = $1"
    await testing.pool.execute(row, testing.patient)
    later = message("M9", value="NEGATIVE", filler="F9").replace(b"20260112083000", b"20260113083000")
    assert await testing.receives(later) == "AA"


async def test_a_correction_of_what_has_left_the_state_is_taken_and_one_task_of_a_person_however_often_it_comes(
    testing: ReceivingService,
) -> None:
    await left_long_ago(testing)
    emitted = await testing.emitted()
    for _ in range(2):
        assert await testing.receives(message(status="C")) == "AA"
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == "read-value"
    assert "DiagnosticReport.specimen" in str(task["input"])
    (document,) = [each["valueString"] for each in task["input"] if each["type"]["coding"][0]["code"] == "document"]
    assert await testing.count(f"documents WHERE id = '{document}'") == 1
    assert await testing.emitted() == emitted
    assert await testing.receives(message(control="M2", filler="F8")) == "AA", "what corrects nothing is graded"
    assert await reasons(testing) == [OTHER]


async def test_what_else_stands_in_a_message_with_such_a_correction_is_graded(testing: ReceivingService) -> None:
    await left_long_ago(testing)
    emitted = await testing.emitted()
    fresh = message(filler="F8").replace(b"20260112083000", b"20260113103000").split(b"\rOBR|1|")[1]
    both = message(status="C") + b"\rOBR|2|" + fresh
    for _ in range(2):
        assert await testing.receives(both) == "AA"
    assert await reasons(testing) == [OTHER]
    assert [each["code"]["coding"][0]["code"] for each in await testing.tasks() if "for" not in each] == ["read-value"]
    assert await testing.emitted() == [*emitted, "DrugTestResulted", "EscalationRaised"]

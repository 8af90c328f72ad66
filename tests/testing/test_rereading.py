"""Results under a code that nobody knew, read again once the program's table says what it means."""

from typing import Any

import msgspec
import pytest

from services.testing.hl7.receiver import Hl7Receiver
from services.testing.rereading import Rereading
from shared.edge.outcome import refuse
from shared.platform import db
from shared.platform.clients import registered
from tests.service import DEPLOY
from tests.testing.receiving import AUTHORITY, ReceivingService, message
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


async def in_treatment(testing: ReceivingService) -> None:
    """Admitted, with a clean baseline."""
    await testing.identified()
    await testing.admitted()
    baseline = message("M0", value="NEGATIVE", filler="F0").replace(b"20260112083000", b"20260106083000")
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
    asked = [each for each in await testing.tasks() if each["code"]["coding"][0]["code"] == "find-patient"]
    (document,) = {each["input"][1]["valueString"] for each in asked}
    assert await testing.count(f"documents WHERE id = '{document}'") == 1
    await in_treatment(testing)
    assert await reasons(testing) == [OPIOID]
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


async def test_a_result_in_fhir_is_read_again_too(testing: ReceivingService) -> None:
    await in_treatment(testing)
    about = {
        "subject": {"identifier": {"system": AUTHORITY, "value": "SEEDED-MRN"}},
        "effectiveDateTime": "2026-01-12T08:30:00-05:00",
        "code": {"coding": [{"code": "T17"}], "text": "Novel"},
    }
    await testing.post(observation() | about | {"valueString": "POSITIVE"})
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
    assert await reasons(testing) == ["result-unclear"]
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

    async def busy_once(self: Hl7Receiver, *read: Any) -> None:
        monkeypatch.undo()
        left.append(await reasons(testing))
        raise refuse(503, "throttled", "", "The service is busy.")

    monkeypatch.setattr(Hl7Receiver, "admit", busy_once)
    await db.until_done(0.0, rereading.read_answered, name="rereading")
    assert (left, await reasons(testing)) == ([[]], [OPIOID])

"""A medical emergency: medical personnel were told without a consent; four facts are recorded, a person looks at it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.aftercare import messages as w
from services.aftercare.decide.emergencies import REASON
from shared.events import codes, fhir
from shared.events.escalation import EscalationRaised, EscalationRetracted
from shared.rules.staff import Member
from tests.aftercare.given import DISCHARGED, SETTINGS, admitted, discharged
from tests.aftercare.story import Story, in_care
from tests.story import only

IDENTITY = "0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a09"
RECORD = w.RecordEmergency(communication_id=IDENTITY, nature="overdose", disclosed_at=DISCHARGED, by="case-manager-1")

MISTAKEN = w.MarkEmergency(**msgspec.structs.asdict(RECORD), mistaken_by="clinician-1")


def officer() -> dict[str, Member]:
    return {**SETTINGS.staff, "privacy-1": Member(roles=("privacy-officer",))}


def test_the_four_facts_stand_in_the_accounting_and_nothing_is_sent() -> None:
    patient = in_care()
    emitted = patient.then(RECORD)
    (disclosed,) = only(emitted, w.EmergencyDisclosed)
    assert (disclosed.by, disclosed.disclosed_at, disclosed.nature) == ("case-manager-1", DISCHARGED, "overdose")
    (audit,) = disclosed.write("patient")
    assert str(audit["entity"]).endswith(f"{{'what': {{'reference': 'Communication/{IDENTITY}'}}}}]")
    assert {type(each) for each in emitted} == {w.EmergencyDisclosed, EscalationRaised}


def test_the_privacy_officer_is_asked_to_look_and_without_one_the_medical_director() -> None:
    (raised,) = only(in_care().then(RECORD), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.owner) == (REASON, "medical-director")
    with_one = Story(*_IN_CARE, settings=msgspec.structs.replace(SETTINGS, staff=officer()))
    (raised,) = only(with_one.then(RECORD), EscalationRaised)
    assert raised.escalation.owner == "privacy-officer"


def test_one_that_may_not_is_refused() -> None:
    story = Story(*_IN_CARE, settings=msgspec.structs.replace(SETTINGS, staff=officer()))
    assert story.refusal(msgspec.structs.replace(RECORD, by="privacy-1")).code == "forbidden"


def test_what_a_person_has_to_look_at_outlives_the_stay_and_the_next() -> None:
    patient = in_care()
    patient.then(RECORD)
    patient.then(discharged("deceased"))
    assert [each.escalation.reason for each in patient.state.escalations] == [REASON]
    again = in_care()
    again.then(RECORD)
    again.then(discharged())
    again.then(admitted("0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a02"))
    assert REASON in [each.escalation.reason for each in again.state.escalations]


def test_a_second_emergency_stands_beside_the_first_in_one_question() -> None:
    patient = in_care()
    patient.then(RECORD)
    later = msgspec.structs.replace(
        RECORD,
        communication_id="0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a10",
        nature="injury",
        disclosed_at=DISCHARGED + timedelta(hours=1),
    )
    emitted = patient.then(later)
    assert len(only(emitted, w.EmergencyDisclosed)) == 1
    (asked,) = [each.escalation for each in patient.state.escalations]
    assert [each.code for each in asked.signals] == ["overdose", "injury"]


def test_one_recorded_by_mistake_stays_in_the_accounting_marked_and_nobody_is_asked_about_it() -> None:
    patient = in_care()
    (before,) = only(patient.then(RECORD), w.EmergencyDisclosed)
    emitted = patient.then(MISTAKEN)
    (after,) = only(emitted, w.EmergencyMistaken)
    was: dict[str, Any] = before.write("patient")[0]
    now: dict[str, Any] = after.write("patient")[0]
    assert (was["id"], was["period"], was["entity"]) == (now["id"], now["period"], now["entity"])
    assert [each["subtype"][0]["code"] for each in (was, now)] == ["emergency", "emergency-mistaken"]
    assert now["agent"] == [*was["agent"], {"who": fhir.staff("clinician-1"), "requestor": False}]
    (retracted,) = only(emitted, EscalationRetracted)
    assert (retracted.reason, patient.state.escalations) == ("entered-in-error", ())


def test_of_two_the_other_is_still_looked_at() -> None:
    patient = in_care()
    patient.then(RECORD)
    other = msgspec.structs.replace(RECORD, communication_id="0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a10", nature="injury")
    patient.then(other)
    patient.then(MISTAKEN)
    (asked,) = [each.escalation for each in patient.state.escalations]
    assert [each.code for each in asked.signals] == ["injury"]


@pytest.mark.parametrize("nature", sorted(codes.EMERGENCIES))
def test_no_text_is_in_what_goes_on_a_topic(nature: str) -> None:
    (disclosed,) = only(in_care().then(msgspec.structs.replace(RECORD, nature=nature)), w.EmergencyDisclosed)
    assert "display" not in str(disclosed.write("patient")) and "text" not in str(disclosed.write("patient"))


_IN_CARE = (w.PatientIdentified(digests=(), sealed=(), identified_at=DISCHARGED), admitted())

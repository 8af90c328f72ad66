"""What the demo's EHR and laboratory send is what a real one would: valid FHIR, HL7 with each field in its place."""

from datetime import timedelta

import pytest

from deploy.demo import forms
from deploy.demo.courses import ALUMNI, COURSES, Course
from deploy.demo.stay import Clinic, Stay
from shared.edge.fhir import validate
from tests.demo.events import MONDAY, PATIENT, TUESDAY, named

APPOINTMENT = {
    "resourceType": "Appointment",
    "id": named("session"),
    "status": "booked",
    "start": MONDAY.isoformat(),
    "end": (MONDAY + timedelta(hours=3)).isoformat(),
    "participant": [{"actor": {"reference": f"Patient/{PATIENT}"}, "status": "accepted"}],
}
EPISODE = {
    "resourceType": "EpisodeOfCare",
    "id": named("episode"),
    "status": "active",
    "patient": {"reference": f"Patient/{PATIENT}"},
    "period": {"start": MONDAY.isoformat()},
}
TASK = {"resourceType": "Task", "id": named("task"), "status": "requested", "intent": "order"}


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.letter)
def test_each_referral_is_valid_fhir(course: Course) -> None:
    assert validate(_referral(course)) == ()


def test_each_other_form_is_valid_fhir() -> None:
    consent = forms.consent(PATIENT, ALUMNI.partner, ALUMNI.purpose, ALUMNI.fields, MONDAY, ALUMNI.days)
    for form in (
        forms.transaction([consent]),
        forms.signed(TASK, "2.1"),
        forms.answered(TASK, "completed", "case-manager-1", "patient-reached"),
        forms.discharge(EPISODE, "completed", TUESDAY),
        forms.checked_in(APPOINTMENT, PATIENT),
        forms.attended(APPOINTMENT, PATIENT, named("encounter"), 180),
        forms.excused(APPOINTMENT),
        forms.referral_request(PATIENT, ALUMNI.partner, "alumni", "case-manager-1"),
    ):
        assert validate(form) == (), form["resourceType"]


def test_a_report_has_each_field_in_its_place() -> None:
    message = forms.oru("run-A", "run-A-00", MONDAY, TUESDAY, {"fentanyl": True, "opiates": False}, "C").decode()
    segments = {line[:3]: line.split("|") for line in message.split("\r") if line}
    assert segments["PID"][3] == "run-A^^^IOPDEMO^MR"
    assert (segments["OBR"][7], segments["OBR"][22]) == ("20250707130000+0000", "20250708130000+0000")
    assert segments["OBR"][25] == segments["OBX"][11] == "C"
    assert segments["OBX"][5].startswith("260385009")


def test_nobody_has_a_name_that_could_be_somebodys() -> None:
    assert all("Synthetic" in str(_referral(course)) for course in COURSES)


def _referral(course: Course) -> forms.Resource:
    class FixedClock:
        now = MONDAY

    clinic = Clinic(FixedClock(), None, None, None, None, None, MONDAY)  # type: ignore[arg-type]
    return Stay(clinic, course, "run-X").referral()

"""Who did it: Task.owner names a member of the program's staff, by id or as the EHR names them."""

from typing import Any

import msgspec
import pytest

from shared.edge.contract import Context
from shared.edge.fhir import single
from shared.edge.outcome import HttpRefusal
from shared.edge.staff import person
from shared.events.codes import ROLE, STAFF
from shared.events.fhir import logical
from shared.rules.staff import Member, require_staff
from tests.intake.given import MONDAY, PATIENT, SETTINGS
from tests.service import caller

TASK = "1f0c6a3e-0000-4000-8000-000000000001"
NPI = "http://hl7.org/fhir/sid/us-npi"
ON_THE_EHR = "https://ehr.demo.iop-hub.org/fhir|Practitioner/robin"
STAFF_OF_TWO = {
    "robin-7": Member(roles=("clinician",), practitioner=(ON_THE_EHR, f"{NPI}|9999999919")),
    "sam-2": Member(roles=("case-manager",)),
}


def person_of(owner: dict[str, Any] | None) -> str:
    task = {
        "resourceType": "Task",
        "id": TASK,
        "status": "accepted",
        "intent": "order",
        **({} if owner is None else {"owner": owner}),
    }
    settings = msgspec.structs.replace(SETTINGS, staff=STAFF_OF_TWO)
    return person(single("PUT", "Task", TASK, task, {}), Context(caller("ehr"), PATIENT, "demo", settings, MONDAY))


@pytest.mark.parametrize(
    ("owner", "found"),
    [
        (logical(STAFF, "robin-7"), "robin-7"),
        (logical(STAFF, "sam-2"), "sam-2"),
        (logical(NPI, "9999999919"), "robin-7"),
        ({"reference": "Practitioner/robin"}, "robin-7"),
        ({"reference": "https://ehr.demo.iop-hub.org/fhir/Practitioner/robin"}, "robin-7"),
    ],
)
def test_a_person_is_named_by_id_or_as_the_ehr_names_them(owner: dict[str, Any], found: str) -> None:
    assert person_of(owner) == found


@pytest.mark.parametrize(
    ("owner", "code"),
    [
        (None, "required"),
        ({"display": "Dr. Amarillo"}, "required"),
        (logical(ROLE, "clinician"), "required"),
        (logical(STAFF, "amarillo"), "code-invalid"),
        (logical(NPI, "1234567893"), "code-invalid"),
        (logical(NPI, "robin-7"), "code-invalid"),
        ({"reference": "Practitioner/amarillo"}, "code-invalid"),
        ({"reference": "https://elsewhere.example/Practitioner/robin"}, "code-invalid"),
    ],
)
def test_nobody_and_a_stranger_are_refused_without_being_named(owner: dict[str, Any] | None, code: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        person_of(owner)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.code, issue.expression) == (422, code, ("Task.owner",))
    assert "amarillo" not in issue.diagnostics.lower()


def test_an_identifier_names_one_person_only() -> None:
    licensed = {"robin-7": Member(roles=("licensed-clinician",), practitioner=(ON_THE_EHR,))}
    assert require_staff(licensed) == licensed
    with pytest.raises(ValueError, match="one person only"):
        require_staff({**licensed, "kim-1": Member(roles=("clinician",), practitioner=(ON_THE_EHR,))})
    with pytest.raises(ValueError, match="letters"):
        require_staff({"Robin Amarillo": Member(roles=("licensed-clinician",))})


def test_a_role_that_nobody_knows_stops_the_start_by_its_key() -> None:
    licensed = {"robin-7": Member(roles=("licensed-clinician",))}
    with pytest.raises(ValueError, match=r"^kim-1\.roles: must be of case-manager, "):
        require_staff({**licensed, "kim-1": Member(roles=("case-manager", "nurse"))})


def test_a_program_in_which_nobody_could_sign_does_not_start() -> None:
    with pytest.raises(ValueError, match="licensed-clinician"):
        require_staff(STAFF_OF_TWO)

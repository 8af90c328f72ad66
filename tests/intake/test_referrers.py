"""Who referred, as an EHR says it: a partner by its identifier, one of the staff, somebody unknown, or two at once."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from deploy import keys as key_files
from services.intake import messages as w
from shared.platform.keys import Keys
from tests.intake import bundles, test_interpret
from tests.intake.bundles import MONDAY
from tests.intake.given import SETTINGS
from tests.intake.test_interpret import WHO, interpreted, one
from tests.shared.rules.partners import COURT

Json = dict[str, Any]
NPI = "http://hl7.org/fhir/sid/us-npi"
HOSPITAL = {"system": NPI, "value": "9999999928"}
PLACER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]}
FILLER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL"}]}
THEIRS = {"system": "https://hospital.example.org/orders", "value": "R-17"}
ORGANIZATION = {
    "resourceType": "Organization",
    "fullUrl": bundles.urn("hospital"),
    "name": "Riverbend Hospital",
    "identifier": [HOSPITAL],
}
ROLE = {
    "resourceType": "PractitionerRole",
    "fullUrl": bundles.urn("role"),
    "organization": {"reference": bundles.urn("hospital")},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return key_files.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keys(folder: Any) -> Keys:
    return Keys.load(folder, "intake")


def request(**changed: Any) -> Json:
    return {**bundles.referral(WHO, MONDAY), **changed}


def received(keys: Keys, *resources: Json) -> w.ReceiveReferral:
    found: w.ReceiveReferral = one(interpreted(keys, *resources).commands, w.ReceiveReferral)
    return found


def remarks(keys: Keys, *resources: Json) -> list[str]:
    read = interpreted(keys, *resources)
    texts = [issue.diagnostics for issues in read.remarks.values() for issue in issues]
    return [each for each in texts if "requester" in each or "number" in each]


@pytest.mark.parametrize(
    "resources",
    [
        [request(requester={"identifier": HOSPITAL})],
        [request(requester={"type": "Organization", "identifier": HOSPITAL, "display": "anything"})],
        [request(requester={"reference": bundles.urn("hospital")}), ORGANIZATION],
        [request(requester={"reference": bundles.urn("role")}), ROLE, ORGANIZATION],
        [
            request(
                requester={"reference": "#1"},
                contained=[{"resourceType": "Organization", "id": "1", "identifier": [HOSPITAL]}],
            )
        ],
    ],
    ids=["logical", "with-type", "organization", "role", "contained"],
)
def test_a_partner_is_known_by_its_identifier_however_it_is_referred_to(keys: Keys, resources: list[Json]) -> None:
    assert received(keys, *resources).referrer == "riverbend-hospital"
    assert remarks(keys, *resources)[0].startswith("its requester is the partner riverbend-hospital")


def test_the_task_that_came_with_it_says_who_referred_where_it_says_nothing_itself(keys: Keys) -> None:
    order = {**request(), "fullUrl": bundles.urn("order")}
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": bundles.urn("order")},
        "requester": {"identifier": HOSPITAL},
    }
    assert received(keys, order, task).referrer == "riverbend-hospital"
    own = {**order, "requester": {"identifier": {"system": NPI, "value": "1"}}}
    assert received(keys, own, task).referrer == ""


@pytest.mark.parametrize(
    ("requester", "remark"),
    [
        (None, []),
        ({"identifier": {"system": NPI, "value": "1"}}, ["its requester is no partner"]),
        ({"display": "Riverbend Hospital"}, ["its requester is no partner"]),
        ({"identifier": {"value": "9999999928"}}, ["its requester is no partner"]),
        ({"identifier": {"system": "https://iop-hub.org/fhir/NamingSystem/staff", "value": "case-manager-1"}}, []),
        ({"reference": "Organization/unknown"}, ["its requester is no partner"]),
    ],
    ids=["nobody", "another", "display", "no-system", "staff", "unresolved"],
)
def test_whoever_is_no_partner_is_not_answered_and_the_sender_learns_it(
    keys: Keys, requester: Json | None, remark: Sequence[str]
) -> None:
    order = request(**({"requester": requester} if requester else {}))
    assert received(keys, order).referrer == ""
    assert [each[: len("its requester is no partner")] for each in remarks(keys, order)] == remark


def test_the_number_that_they_gave_goes_along_sealed_and_no_other(keys: Keys, folder: Any) -> None:
    own = {"system": "https://ehr.example.org/orders", "value": "E-1"}
    order = request(
        requester={"identifier": HOSPITAL},
        identifier=[own, {**THEIRS, "type": PLACER}, {**own, "value": "E-2", "type": FILLER}],
    )
    read = interpreted(keys, order)
    command: w.ReceiveReferral = one(read.commands, w.ReceiveReferral)
    opened = Keys.load(folder, "aftercare").open([command.number])
    assert opened == {"identifier": [THEIRS]}
    assert "R-17" not in command.number and "R-17" not in json.dumps([each.diagnostics for each in _issues(read)])


def _issues(read: Any) -> list[Any]:
    return [issue for issues in read.remarks.values() for issue in issues]


@pytest.mark.parametrize(
    ("numbers", "sealed"),
    [([THEIRS], [THEIRS]), ([{**THEIRS, "type": FILLER}], []), ([], []), ([{**THEIRS, "value": "9" * 200}], [])],
    ids=["of-no-type", "filler", "none", "too-long"],
)
def test_without_a_number_of_theirs_the_sender_learns_that_they_may_not_recognise_it(
    keys: Keys, folder: Any, numbers: list[Json], sealed: list[Json]
) -> None:
    order = request(requester={"identifier": HOSPITAL}, **({"identifier": numbers} if numbers else {}))
    assert Keys.load(folder, "aftercare").open([received(keys, order).number]) == {"identifier": sealed}
    assert len(remarks(keys, order)) == (1 if sealed else 2)


def corrected(keys: Keys, before: Json, after: Json) -> list[w.CorrectReferral]:
    read = interpreted(keys, after, method="PUT", before=before)
    return [each for each in read.commands if isinstance(each, w.CorrectReferral)]


def test_an_update_says_who_referred_only_where_it_says_so_anew(keys: Keys) -> None:
    by_nobody, by_hospital = request(), request(requester={"identifier": HOSPITAL})
    assert corrected(keys, by_hospital, by_hospital) == []
    (named,) = corrected(keys, by_nobody, by_hospital)
    assert named.referrer == "riverbend-hospital" and named.number
    (left,) = corrected(keys, by_hospital, by_nobody)
    assert (left.referrer, left.number) == ("", "")
    (numbered,) = corrected(keys, by_hospital, {**by_hospital, "identifier": [THEIRS]})
    assert numbered.referrer is None and numbered.number
    (urgent,) = corrected(keys, by_hospital, {**by_hospital, "priority": "urgent"})
    assert (urgent.referrer, urgent.number, urgent.priority) == (None, "", "urgent")


def test_a_requester_that_is_two_partners_is_neither(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    both = msgspec.structs.replace(SETTINGS, partners=(*SETTINGS.partners, COURT))
    monkeypatch.setattr(test_interpret, "SETTINGS", both)
    court = {"system": "https://court.example.org/agency", "value": "17"}
    order = request(requester={"reference": bundles.urn("hospital")})
    named = {**ORGANIZATION, "identifier": [HOSPITAL, court]}
    assert received(keys, order, named).referrer == ""
    assert remarks(keys, order, named) == [
        "its requester is more than one partner (riverbend-hospital, court): none of them is answered"
    ]
    assert received(keys, request(requester={"identifier": court})).referrer == "court"

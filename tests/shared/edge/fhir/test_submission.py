"""A request becomes entries; what the hub does not do is refused by name."""

from decimal import Decimal
from typing import Any

import pytest

from shared.edge.fhir import BundleEntry, encode, references, resolve, single, transaction, validate
from shared.edge.fhir import message as as_message
from shared.edge.outcome import HttpRefusal

Resource = dict[str, Any]


def assigned(entry: BundleEntry) -> str:
    return f"new-{entry.type.lower()}"


def refused(bundle: Resource) -> tuple[int, str, str]:
    with pytest.raises(HttpRefusal) as caught:
        transaction(bundle)
    issue = caught.value.issues[0]
    return caught.value.status, issue.code, issue.expression[0]


def update(resource: Resource, url: str, **request: str) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": resource, "request": {"method": "PUT", "url": url, **request}}],
    }


def test_a_transaction_is_creates_and_updates_in_the_order_sent(bundle: Resource, consent: Resource) -> None:
    bundle["entry"][2] = {
        "resource": consent | {"id": "c1"},
        "request": {"method": "PUT", "url": "Consent/c1", "ifMatch": 'W/"3"'},
    }
    bundle["entry"][0]["request"]["ifNoneExist"] = "identifier=x|1"

    entries = transaction(bundle)

    assert [(one.method, one.type, one.id, one.if_match) for one in entries] == [
        ("POST", "Patient", None, None),
        ("POST", "Observation", None, None),
        ("PUT", "Consent", "c1", "3"),
        ("POST", "ServiceRequest", None, None),
    ]
    assert entries[0].if_none_exist == "identifier=x|1"
    assert entries[2].place == "Bundle.entry[2].resource"


def test_a_batch_is_refused_for_it_may_half_succeed(bundle: Resource) -> None:
    assert refused(bundle | {"type": "batch"}) == (422, "not-supported", "Bundle.type")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
def test_other_methods_in_a_transaction_are_refused(bundle: Resource, method: str) -> None:
    bundle["entry"][1]["request"]["method"] = method

    assert refused(bundle) == (422, "not-supported", "Bundle.entry[1].request.method")


@pytest.mark.parametrize(
    ("url", "request_", "emitted"),
    [
        ("Patient", {}, (400, "invalid", "Bundle.entry[0].request.url")),
        ("Group/p1", {}, (400, "invalid", "Bundle.entry[0].request.url")),
        ("Patient/p1/name", {}, (400, "invalid", "Bundle.entry[0].request.url")),
        ("Patient/p2", {}, (400, "invalid", "Bundle.entry[0].resource.id")),
        ("Patient/p1", {"ifMatch": "3"}, (400, "invalid", "Bundle.entry[0].request.ifMatch")),
        ("Patient/p1", {"ifNoneMatch": "*"}, (422, "not-supported", "Bundle.entry[0].request")),
    ],
)
def test_an_update_names_the_resource_it_carries(
    patient: Resource, url: str, request_: dict[str, str], emitted: tuple[int, str, str]
) -> None:
    assert refused(update(patient | {"id": "p1"}, url, **request_)) == emitted


def test_an_update_may_name_the_identifier_of_the_resource_instead_of_its_id(patient: Resource) -> None:
    (entry,) = transaction(update(patient, "Patient?identifier=x|1"))
    assert (entry.method, entry.id, entry.if_none_exist, entry.conditional) == ("PUT", None, "identifier=x|1", True)


def test_a_create_is_addressed_to_its_type(bundle: Resource) -> None:
    bundle["entry"][0]["request"]["url"] = "Group"

    assert refused(bundle) == (400, "invalid", "Bundle.entry[0].request.url")


def test_a_resource_is_updated_once_in_a_transaction(patient: Resource) -> None:
    bundle = update(patient | {"id": "p1"}, "Patient/p1")
    bundle["entry"] *= 2

    assert refused(bundle) == (400, "duplicate", "Bundle.entry")


def test_an_empty_transaction_and_a_create_without_resource_are_refused(bundle: Resource) -> None:
    del bundle["entry"][0]["resource"]

    assert refused(bundle) == (422, "required", "Bundle.entry[0].resource")
    assert refused({"resourceType": "Bundle", "type": "transaction"}) == (422, "required", "Bundle.entry")


def test_references_among_new_resources_get_the_assigned_ids(bundle: Resource) -> None:
    before = repr(bundle)

    entries = resolve(transaction(bundle), assigned)

    referral = entries[3].resource
    assert [one.id for one in entries] == ["new-patient", "new-observation", "new-consent", "new-servicerequest"]
    assert referral["id"] == "new-servicerequest"
    assert [one["reference"] for _, one in references(referral)] == [
        "Patient/new-patient",
        "Observation/new-observation",
        "Patient/new-patient",
    ]
    assert not [issue for one in entries for issue in validate(one.resource)]
    assert repr(bundle) == before


def test_a_reference_that_nothing_carries_is_refused_with_its_place(bundle: Resource) -> None:
    bundle["entry"][3]["resource"]["extension"][0]["valueReference"]["reference"] = "urn:uuid:nobody"

    with pytest.raises(HttpRefusal) as caught:
        resolve(transaction(bundle), assigned)

    assert caught.value.status == 422
    assert [one.expression for one in caught.value.issues] == [
        ("Bundle.entry[3].resource.extension[0].value.ofType(Reference).reference",)
    ]


def test_contained_foreign_and_logical_references_stay(need: Resource) -> None:
    stay = ["#d", "Practitioner/77", "http://other.example.org/fhir/Practitioner/7", "Practitioner?identifier=1"]
    need |= {
        "contained": [{"resourceType": "Device", "id": "d"}],
        "subject": {"identifier": {"value": "1"}},
        "device": {"reference": stay[0]},
        "performer": [{"reference": one} for one in stay[1:]],
    }

    (resolved,) = resolve([single("POST", "Observation", None, need, {})], assigned)

    assert sorted(one["reference"] for _, one in references(resolved.resource) if "reference" in one) == sorted(stay)


def test_an_update_keeps_its_id_and_is_pointed_to_by_it(patient: Resource, need: Resource) -> None:
    need["subject"] = {"reference": "Patient/p1/_history/4"}
    entries = [
        single("PUT", "Patient", "p1", patient | {"id": "p1"}, {}),
        single("POST", "Observation", None, need, {}),
    ]

    resolved = resolve(entries, assigned)

    assert [one.id for one in resolved] == ["p1", "new-observation"]
    assert resolved[1].resource["subject"] == {"reference": "Patient/p1"}


def test_meta_keeps_what_the_sender_says_and_loses_what_the_server_says(patient: Resource) -> None:
    stored = {"profile": ["http://x"], "security": [{"code": "R"}], "tag": [{"code": "t"}]}
    dropped = {"versionId": "9", "lastUpdated": "2025-03-03T09:30:00Z", "source": "http://x"}

    entries = [single("POST", "Patient", None, patient | {"meta": meta}, {}) for meta in (stored | dropped, dropped)]
    first, second = resolve(entries, assigned)

    assert first.resource["meta"] == stored
    assert "meta" not in second.resource


def test_a_message_is_its_header_and_what_is_new(message: Resource) -> None:
    header, entries = as_message(message)

    assert header["resourceType"] == "MessageHeader"
    assert [(one.method, one.type, one.place) for one in entries] == [
        ("POST", "Patient", "Bundle.entry[1].resource"),
        ("POST", "ServiceRequest", "Bundle.entry[2].resource"),
    ]
    assert resolve(entries, assigned)[1].resource["subject"] == {"reference": "Patient/new-patient"}


def test_a_message_updates_what_stands_below_our_own_address(message: Resource) -> None:
    _, entries = as_message(message, "http://ehr.example.org/fhir")

    assert [(one.method, one.id) for one in entries] == [("PUT", "17"), ("PUT", "r1")]


def test_a_relative_reference_is_read_from_its_own_senders_address(message: Resource, patient: Resource) -> None:
    other = {"fullUrl": "http://other.example.org/fhir/Patient/17", "resource": patient | {"id": "17"}}
    message["entry"].insert(1, other)
    _, entries = as_message(message)
    ids = iter(["theirs", "ours", "referral"])

    resolved = resolve(entries, lambda _: next(ids))

    assert resolved[2].resource["subject"] == {"reference": "Patient/ours"}


@pytest.mark.parametrize("change", [{"type": "transaction"}, {"entry": []}, {"entry": [{"resource": {}}]}])
def test_what_is_no_message_is_refused(message: Resource, change: Resource) -> None:
    with pytest.raises(HttpRefusal):
        as_message(message | change)


def test_an_update_has_no_condition_of_a_create(patient: Resource) -> None:
    with pytest.raises(HttpRefusal) as caught:
        single("PUT", "Patient", "p1", patient | {"id": "p1"}, {"if-none-exist": "identifier=x|1"})
    assert caught.value.status == 400
    with pytest.raises(HttpRefusal) as caught:
        single("PUT", "Patient", None, patient, {"if-none-exist": "identifier=x|1"}, "identifier=x|1")
    assert caught.value.status == 400


def test_a_single_create_or_update_agrees_with_its_url(patient: Resource) -> None:
    entry = single("PUT", "Patient", "p1", patient | {"id": "p1"}, {"if-match": 'W/"2"'})
    assert (entry.id, entry.if_match, entry.if_none_exist, entry.conditional) == ("p1", "2", None, False)
    entry = single("PUT", "Patient", None, patient, {"if-match": 'W/"2"'}, "a=b")
    assert (entry.id, entry.if_match, entry.if_none_exist, entry.conditional) == (None, "2", "a=b", True)
    entry = single("POST", "Patient", None, patient, {"if-none-exist": "a=b"})
    assert (entry.if_none_exist, entry.conditional) == ("a=b", False)

    for method, type_, id_ in (("PUT", "Patient", "p1"), ("POST", "Group", None)):
        with pytest.raises(HttpRefusal) as caught:
            single(method, type_, id_, patient, {})  # type: ignore[arg-type]
        assert caught.value.status == 400


def test_an_id_that_two_senders_use_points_to_neither(message: Resource, patient: Resource) -> None:
    other = {"fullUrl": "http://other.example.org/fhir/Patient/17", "resource": patient | {"id": "17"}}
    message["entry"].insert(1, other)
    message["entry"][3]["fullUrl"] = "urn:uuid:6f0f1c1e-6d0c-4e6b-9a55-0d6a8c1f3b09"
    _, entries = as_message(message)
    ids = iter(["theirs", "ours", "referral"])

    assert resolve(entries, lambda _: next(ids))[2].resource["subject"] == {"reference": "Patient/17"}


def test_digits_stay_while_references_change(need: Resource) -> None:
    need["valueQuantity"]["value"] = Decimal("0.40")
    need["subject"] = {"display": "somebody"}

    (resolved,) = resolve([single("POST", "Observation", None, need, {})], assigned)

    assert encode(resolved.resource["valueQuantity"]).startswith(b'{"value":0.40,')


def test_an_extension_does_not_stand_for_a_status_in_what_is_submitted(bundle: Resource, message: Resource) -> None:
    absent = {"extension": [{"url": "http://x/absent", "valueCode": "unknown"}]}
    for each in (bundle["entry"][1], message["entry"][2]):
        del each["resource"]["status"]
        each["resource"]["_status"] = absent
    assert not validate(bundle) and not validate(message)

    assert refused(bundle) == (422, "required", "Bundle.entry[1].resource.status")
    with pytest.raises(HttpRefusal, match=r"required at Bundle.entry\[2\].resource.status"):
        as_message(message)
    with pytest.raises(HttpRefusal, match=r"required at Observation.status"):
        single("POST", "Observation", None, bundle["entry"][1]["resource"], {})

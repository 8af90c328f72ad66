"""Foreign FHIR is valid R4 or is told, place by place, what is wrong."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from shared.edge.fhir import validate, warm
from shared.edge.fhir.definitions import shape
from shared.edge.fhir.validator import walk

Resource = dict[str, Any]


def issues_of(resource: Resource) -> list[tuple[str, ...]]:
    return [(one.code, *one.expression) for one in validate(resource)]


def places(resource: Resource) -> list[str]:
    return [place for one in validate(resource) for place in one.expression]


def keys(resource: Resource) -> list[str]:
    """The keys of FHIR's invariants that are broken."""
    return [one.diagnostics.rpartition("(")[2].rstrip(").") for one in validate(resource) if one.code == "invariant"]


def test_a_referral_as_sent_is_valid(bundle: Resource, message: Resource, appointment: Resource) -> None:
    assert [*validate(bundle), *validate(message), *validate(appointment)] == []


@pytest.mark.parametrize(
    "name", ["Nope", "HumanName", "Boolean", "String", "Resource", "DomainResource", "BundleEntry", None, 5, [], ""]
)
def test_an_unknown_resource_type_is_not_supported(name: object) -> None:
    assert issues_of({"resourceType": name}) == [("not-supported",)]


def test_an_unknown_type_inside_a_bundle_is_named_by_its_place(bundle: Resource) -> None:
    bundle["entry"][2]["resource"] = {"resourceType": "Nope"}

    assert issues_of(bundle) == [("not-supported", "Bundle.entry[2].resource")]


def test_a_missing_element_is_named_where_it_should_stand(bundle: Resource) -> None:
    del bundle["entry"][1]["resource"]["code"]
    del bundle["entry"][2]["resource"]["status"]

    assert issues_of(bundle) == [
        ("required", "Bundle.entry[1].resource.code"),
        ("required", "Bundle.entry[2].resource.status"),
    ]


@pytest.mark.parametrize(
    ("change", "emitted"),
    [
        ({"status": "finished"}, ("code-invalid", "Observation.status")),
        ({"status": 5}, ("structure", "Observation.status")),
        ({"status": None}, ("structure", "Observation.status")),
        ({"status": ""}, ("code-invalid", "Observation.status")),
        ({"code": None}, ("structure", "Observation.code")),
        ({"code": {}}, ("structure", "Observation.code")),
        ({"code": []}, ("structure", "Observation.code")),
        ({"category": []}, ("structure", "Observation.category")),
        ({"category": {}}, ("structure", "Observation.category")),
        ({"category": [None]}, ("structure", "Observation.category[0]")),
        ({"category": [{"text": ""}]}, ("value", "Observation.category[0].text")),
        ({"subject": '{"reference":"Patient/1"}'}, ("structure", "Observation.subject")),
        ({"statu": "x"}, ("structure", "Observation")),
        ({"status__ext": {"id": "x"}}, ("structure", "Observation")),
        ({"fhir_comments": "x"}, ("structure", "Observation")),
        ({"resource_type": "Observation"}, ("structure", "Observation")),
        ({"id": "a_b"}, ("value", "Observation.id")),
        ({"id": "a" * 65}, ("value", "Observation.id")),
        ({"issued": "2025-03-03"}, ("value", "Observation.issued")),
        ({"implicitRules": "http://a b"}, ("value", "Observation.implicitRules")),
        ({"component": [{"code": {"text": "x"}, "valueInteger": "5"}]},
         ("structure", "Observation.component[0].value.ofType(integer)")),
        ({"contained": [{"id": "x"}]}, ("structure", "Observation.contained[0]")),
        ({"contained": [{"resourceType": "Group", "id": "x", "type": "folk", "actual": True}]},
         ("code-invalid", "Observation.contained[0].type")),
        ({"contained": [{"resourceType": "Group", "id": "x", "type": "person"}]},
         ("required", "Observation.contained[0].actual")),
        ({"extension": [{"url": "http://x", "valueDate": 5}]},
         ("structure", "Observation.extension[0].value.ofType(date)")),
        ({"_status": {"extension": [{"url": "http://x", "valueCode": " x"}]}},
         ("value", "Observation.status.extension[0].value.ofType(code)")),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place(need: Resource, change: Resource, emitted: tuple[str, ...]) -> None:
    assert issues_of(need | change) == [emitted]


@pytest.mark.parametrize("when", ["2025", "2025-03", "2025-03-03", "2025-03-03T09:30:00Z", "2024-02-29"])
def test_a_date_may_be_as_precise_as_it_is_known(need: Resource, when: str) -> None:
    assert not validate(need | {"effectiveDateTime": when})


@pytest.mark.parametrize(
    "when", ["2024-02-30", "2023-02-29", "2025-13", "2025-03-03T09:30:00", "2025-03-03T09:30Z", "3/3/2025", 1741000000]
)
def test_a_moment_that_is_none_is_refused(need: Resource, when: object) -> None:
    assert places(need | {"effectiveDateTime": when}) == ["Observation.effective.ofType(dateTime)"]


@pytest.mark.parametrize("status", ["amended", "corrected", "cancelled", "entered-in-error", "unknown"])
def test_codes_that_the_models_cut_short_are_known(need: Resource, status: str) -> None:
    assert not validate(need | {"status": status})


def test_two_values_of_one_choice_are_refused(need: Resource) -> None:
    assert issues_of(need | {"valueString": "two"}) == [("structure", "Observation.value")]


def test_a_required_choice_is_missing_by_its_name() -> None:
    taken = {"resourceType": "MedicationStatement", "status": "active", "subject": {"reference": "Patient/1"}}

    assert issues_of(taken) == [("required", "MedicationStatement.medication")]


def test_only_an_extension_may_stand_for_a_required_value(need: Resource) -> None:
    del need["status"]
    absent = {"extension": [{"url": "http://x/absent", "valueCode": "masked"}]}

    assert issues_of(need | {"_status": {"id": "x"}}) == [("required", "Observation.status")]
    assert not validate(need | {"_status": absent})


@pytest.mark.parametrize("number", ["5", True, 10**60, Decimal(f"0.{'1' * 1_001}")])
def test_a_quantity_is_a_number_of_sane_size(need: Resource, number: object) -> None:
    need["valueQuantity"]["value"] = number

    assert places(need) == ["Observation.value.ofType(Quantity).value"]


def test_a_number_that_somebody_divided_keeps_its_digits(need: Resource) -> None:
    need["valueQuantity"]["value"] = Decimal(f"0.{'3' * 60}")

    assert not validate(need)


def test_base64_that_is_none_is_refused(patient: Resource) -> None:
    assert not validate(patient | {"photo": [{"data": "aGVs\nbG8="}]})
    for bad in ("not base64!", "aGVsbG8"):
        assert issues_of(patient | {"photo": [{"data": bad}]}) == [("value", "Patient.photo[0].data")]


def test_a_gap_keeps_a_list_in_step_with_its_extensions(patient: Resource) -> None:
    known = {"extension": [{"url": "http://x", "valueCode": "masked"}]}
    name = {"family": "A", "given": [None, "B"], "_given": [known, None]}

    assert not validate(patient | {"name": [name]})
    del name["_given"]
    assert issues_of(patient | {"name": [name]}) == [("structure", "Patient.name[0].given[0]")]


def test_an_extension_may_say_why_a_value_is_absent(patient: Resource) -> None:
    absent = {"extension": [{"url": "http://x/absent", "valueCode": "unknown"}]}

    assert not validate({**patient, "extension": [{"url": "http://x", "_valueDateTime": absent}]})


@pytest.mark.parametrize(
    ("reference", "emitted"),
    [
        ({"reference": "Patient/1"}, []),
        ({"reference": "https://ehr.example.org/fhir/Patient/1/_history/2"}, []),
        ({"reference": "Patient?identifier=http://x/y|1"}, []),
        ({"reference": "https://ehr.example.org/page/about"}, []),
        ({"identifier": {"value": "1"}, "type": "Patient"}, []),
        ({"display": "somebody"}, []),
        ({"reference": "Encounter/1"}, [("value", "Observation.subject.reference")]),
        ({"reference": "Encounter?identifier=1"}, [("value", "Observation.subject.reference")]),
        ({"reference": "https://ehr.example.org/fhir/Encounter/1"}, [("value", "Observation.subject.reference")]),
        ({"reference": "Nobody/1"}, [("value", "Observation.subject.reference")]),
        ({"reference": "Patient/1", "type": "Group"}, [("value", "Observation.subject.type")]),
        ({"identifier": {"value": "1"}, "type": "Encounter"}, [("value", "Observation.subject.type")]),
        ({"reference": "#nobody"}, [("not-found", "Observation.subject.reference")]),
    ],
)
def test_a_reference_points_to_a_type_that_is_allowed_there(
    need: Resource, reference: Resource, emitted: list[tuple[str, ...]]
) -> None:
    assert issues_of(need | {"subject": reference}) == emitted


def test_the_type_behind_a_full_url_and_a_contained_id_is_seen(bundle: Resource) -> None:
    somebody = {"resourceType": "Encounter", "id": "e", "status": "planned", "class": {"code": "AMB"}}
    need, referral = bundle["entry"][1]["resource"], bundle["entry"][3]["resource"]
    referral["subject"] = {"reference": bundle["entry"][1]["fullUrl"]}
    need |= {"contained": [somebody], "subject": {"reference": "#e"}, "encounter": {"reference": "#e"}}

    assert issues_of(bundle) == [
        ("value", "Bundle.entry[1].resource.subject.reference"),
        ("value", "Bundle.entry[3].resource.subject.reference"),
    ]


def test_a_consent_names_its_policy(consent: Resource) -> None:
    del consent["policyRule"]

    assert keys(consent) == ["ppc-1"]
    assert keys(consent | {"policy": [{"uri": "http://example.org/part2"}]}) == []


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"participant": [{"status": "accepted"}]}, ["app-1"]),
        ({"end": None}, ["app-2"]),
        ({"start": None, "end": None}, ["app-3"]),
        ({"start": None, "end": None, "status": "proposed"}, []),
        ({"cancelationReason": {"text": "x"}}, ["app-4"]),
        ({"cancelationReason": {"text": "x"}, "status": "noshow"}, ["app-4"]),
        ({"cancelationReason": {"text": "x"}, "status": "cancelled"}, []),
        ({"end": "2025-03-05T13:00:00Z"}, ["per-1"]),
    ],
)
def test_an_appointment_obeys_its_laws(appointment: Resource, change: Resource, broken: list[str]) -> None:
    changed = {name: value for name, value in (appointment | change).items() if value is not None}

    assert keys(changed) == broken


def test_a_value_and_a_reason_for_its_absence_exclude_each_other(need: Resource) -> None:
    assert keys(need | {"dataAbsentReason": {"text": "x"}}) == ["obs-6"]
    part = {"code": {"text": "x"}, "valueInteger": 1, "dataAbsentReason": {"text": "x"}}
    assert keys(need | {"component": [part]}) == ["obs-6"]


def test_a_component_with_the_same_code_carries_the_value(need: Resource) -> None:
    assert keys(need | {"component": [{"code": deepcopy(need["code"]), "valueInteger": 1}]}) == ["obs-7"]


@pytest.mark.parametrize(
    ("start", "end", "broken"),
    [
        ("2025-03-03", "2025-03-03", []),
        ("2025-03-03", "2025", []),
        ("2025-03-03T10:00:00Z", "2025-03-03", []),
        ("2025-03-03T10:00:00Z", "2025-03-03T11:30:00+02:00", ["per-1"]),
        ("2025-03-05", "2025-03-03", ["per-1"]),
        ("2025-03-04T01:00:00Z", "2025-03-03", []),
        ("2025-03-04", "2025-03-03T23:00:00-05:00", []),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", []),
    ],
)
def test_a_period_ends_after_it_starts(consent: Resource, start: str, end: str, broken: list[str]) -> None:
    consent["provision"]["period"] = {"start": start, "end": end}

    assert keys(consent) == broken


def test_a_coded_unit_names_its_system_and_an_extension_has_one_content(need: Resource) -> None:
    del need["valueQuantity"]["system"]
    assert keys(need) == ["qty-3"]
    assert keys(need | {"extension": [{"url": "http://x"}], "valueQuantity": {"value": 1}}) == ["ext-1"]


def test_a_contained_resource_contains_no_other(need: Resource) -> None:
    inner = {"resourceType": "Organization", "id": "i", "name": "x"}
    outer = {"resourceType": "Organization", "id": "o", "name": "x", "contained": [inner]}

    assert keys(need | {"contained": [outer]}) == ["dom-2"]


def test_a_bundle_obeys_its_laws(bundle: Resource, message: Resource) -> None:
    first = bundle["entry"][0]
    broken = {
        "bdl-1": bundle | {"total": 4},
        "bdl-2": bundle | {"entry": [first | {"search": {"mode": "match"}}]},
        "bdl-3": bundle | {"entry": [{"resource": first["resource"]}]},
        "bdl-4": bundle | {"entry": [first | {"response": {"status": "200"}}]},
        "bdl-5": bundle | {"type": "collection", "entry": [{"fullUrl": "urn:uuid:1"}]},
        "bdl-7": bundle | {"entry": [first, first]},
        "bdl-8": bundle | {"entry": [first | {"fullUrl": "http://x/Patient/1/_history/1"}]},
        "bdl-12": message | {"entry": message["entry"][1:]},
    }
    document = {"resourceType": "Bundle", "type": "document", "entry": message["entry"]}

    assert {key: keys(one) for key, one in broken.items()} == {key: [key] for key in broken}
    assert keys(document) == ["bdl-9", "bdl-10", "bdl-11"]


def test_at_most_fifty_issues_are_told(need: Resource) -> None:
    unknown = need | {f"x{at}": 1 for at in range(60)}
    wrong = need | {"component": [{"code": {}}] * 60}
    missing = need | {"component": [{"valueInteger": 1}] * 60}

    assert [len(validate(one)) for one in (unknown, wrong, missing)] == [50, 50, 50]
    assert len(walk(unknown)) == 50


def test_models_can_be_loaded_before_the_first_request() -> None:
    warm(["Coverage"])
    before = shape.cache_info().misses

    assert validate({"resourceType": "Coverage", "status": "active"})
    assert shape.cache_info().misses == before

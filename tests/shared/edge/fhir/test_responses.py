"""What the edge says is itself valid FHIR."""

from datetime import UTC, datetime
from typing import Any

from shared.edge.fhir import Answered, ResourceSupport, capability, response_bundle, searchset, validate
from shared.edge.outcome import HttpRefusal, Issue, fault, outcome, refuse

Resource = dict[str, Any]


def test_the_capability_of_a_service_is_valid_and_tells_what_it_takes() -> None:
    taken = {
        "Patient": ResourceSupport(
            ("read", "create", "update", "search-type"), {"identifier": "token"}, conditional_create=True
        ),
        "Task": ResourceSupport(("read",)),
    }
    stated = capability(
        "intake", "1", taken, url="http://hub.example.org/fhir", at=datetime(2025, 3, 3, tzinfo=UTC),
        transaction=True, process_message=True,
    )  # fmt: skip

    assert not validate(stated)
    rest = stated["rest"][0]
    assert [one["type"] for one in rest["resource"]] == ["Patient", "Task"]
    assert [one.get("operation", [{}])[0].get("name") for one in rest["resource"]] == [None, "why"]
    assert (rest["interaction"], rest["operation"][0]["name"]) == ([{"code": "transaction"}], "process-message")
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def test_a_service_that_takes_nothing_still_says_so_validly() -> None:
    assert not validate(capability("x", "1", {}, url="http://x", at=datetime(2025, 3, 3, tzinfo=UTC)))


def test_the_answer_to_a_transaction_is_valid(patient: Resource) -> None:
    made = Answered("201 Created", "Patient/p1/_history/1", "1", "2025-03-03T09:30:00Z", patient | {"id": "p1"})
    stored = Answered("202 Accepted", outcome=outcome([fault("incomplete", "", "Kept.")]))

    answer = response_bundle("transaction-response", [made, stored])

    assert not validate(answer)
    assert answer["entry"][0]["response"]["etag"] == 'W/"1"'


def test_a_page_of_results_is_valid_even_when_empty(patient: Resource) -> None:
    url = "http://hub.example.org/fhir/Patient?identifier=x"
    page = searchset([patient | {"id": "p1"}, outcome([]) | {"id": "o"}], 7, url, f"{url}&_page=2")

    assert not validate(page)
    assert not validate(searchset([], 0, url))
    assert page["entry"][0]["fullUrl"] == "http://hub.example.org/fhir/Patient/p1"
    assert [one["search"]["mode"] for one in page["entry"]] == ["match", "outcome"]
    assert [one["relation"] for one in page["link"]] == ["self", "next"]


def test_a_refusal_carries_status_headers_and_a_valid_outcome() -> None:
    refusal = refuse(409, "transient", "Observation.subject", "The patient is not known yet.", Retry_After="5")

    assert (refusal.status, refusal.headers) == (409, {"Retry-After": "5"})
    assert str(refusal) == "409: transient at Observation.subject"
    assert outcome(refusal.issues) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "transient",
                "diagnostics": "The patient is not known yet.",
                "expression": ["Observation.subject"],
            }
        ],
    }
    assert not validate(outcome([])) + validate(outcome(refusal.issues))
    assert HttpRefusal(400, [Issue("error", "invalid", (), "x")]).headers == {}

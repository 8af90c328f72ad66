"""docs/asyncapi.json is AsyncAPI, and says of each record exactly what is written: no less, and nothing besides."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

from shared.events import wire
from shared.events.catalogue import BY_TYPE, ENTRIES, OPEN_ESCALATIONS, OPERATIONS
from shared.events.envelope import Event
from shared.events.intake import ConsentsCurrent
from tests.events.contract import PUBLISHED, document, faults
from tests.events.examples import EXAMPLES, PATIENT, envelope, golden
from tests.events.strategies import any_event
from tests.laws import examples

Json = Any
EXAMPLE = {type(each).__name__: each for each in EXAMPLES}
NAMED = pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)


def found(emitted: Event, value: Json, **headers: str | None) -> list[str]:
    """What the document finds in this value of the event; headers are as the hub writes them, but for those given."""
    of_nobody = BY_TYPE[type(emitted)].topic == OPERATIONS or isinstance(emitted, ConsentsCurrent)
    written = wire.write(emitted, envelope(emitted))
    all_headers = written.headers | ({"ce_program": ""} if of_nobody else {}) | headers
    sent = {name: each for name, each in all_headers.items() if each is not None}
    return list(faults(written.topic, sent, value, None if of_nobody else PATIENT))


def bundle(emitted: Event) -> Json:
    return json.loads(golden(emitted).read_text())


def test_the_document_is_what_asyncapi_3_asks_for() -> None:
    validator = Draft7Validator(json.loads(PUBLISHED.read_text()))
    assert [(list(each.absolute_path), each.message[:200]) for each in validator.iter_errors(document())] == []
    smallest = {"asyncapi": "3.0.0", "info": document()["info"]}
    assert validator.is_valid(smallest)
    assert not validator.is_valid(smallest | {"operations": {"intake.send": {"action": "shout"}}})


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def follow(value: Json) -> None:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            follow(each)
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            target = document()
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]

    follow(document())


def test_every_event_is_a_message_of_its_topic() -> None:
    on_channels = {(name, event) for name, each in document()["channels"].items() for event in each["messages"]}
    assert on_channels >= {(each.topic, each.event.__name__) for each in ENTRIES}


@NAMED
def test_a_golden_bundle_fits_what_the_document_says_of_its_event(emitted: Event) -> None:
    assert found(emitted, bundle(emitted)) == []


@given(any_event)
@settings(max_examples=examples(60))
def test_whatever_is_written_fits(emitted: Event) -> None:
    written = wire.write(emitted, envelope(emitted))
    assert found(emitted, json.loads(written.body)) == []


def test_an_escalation_that_is_closed_is_null_on_the_topic_of_open_ones_and_no_other_is() -> None:
    identity = bundle(EXAMPLE["EscalationRaised"])["entry"][1]["resource"]["id"]
    for name, closed in {"EscalationRaised": False, "EscalationOverdue": False, "EscalationResolved": True}.items():
        headers = wire.write(EXAMPLE[name], envelope(EXAMPLE[name])).headers
        assert (list(faults(OPEN_ESCALATIONS, headers, None, identity)) == []) == closed
        assert (list(faults(OPEN_ESCALATIONS, headers, bundle(EXAMPLE[name]), identity)) == []) != closed
    assert list(faults(OPEN_ESCALATIONS, headers, None, None)) == ["EscalationResolved.key: type"]


def test_what_a_laboratory_calls_a_measure_in_its_own_words_does_not_fit() -> None:
    value = bundle(EXAMPLE["DrugTestResulted"])
    value["entry"][5]["resource"]["code"]["coding"][0]["code"] = "Cocaine metabolite, local"
    assert found(EXAMPLE["DrugTestResulted"], value) != []


def resource(value: Json, place: int = 1) -> Json:
    return value["entry"][place]["resource"]


MUTANTS: dict[str, tuple[str, Callable[[Json], object], str]] = {
    "a display text": (
        "EscalationRaised",
        lambda value: resource(value)["code"]["coding"][0].update(display="Fentanyl"),
        "EscalationRaised.value.entry.1.resource.code.coding.0: additionalProperties",
    ),
    "free text": (
        "EscalationRaised",
        lambda value: resource(value).update(description="called twice"),
        "EscalationRaised.value.entry.1.resource: additionalProperties",
    ),
    "a sentence as a code": (
        "EscalationResolved",
        lambda value: resource(value)["statusReason"]["coding"][0].update(code="was at home"),
        "EscalationResolved.value.entry.1.resource.statusReason.coding.0.code: pattern",
    ),
    "another identifier": (
        "PatientIdentified",
        lambda value: resource(value)["identifier"].append({"system": "urn:oid:1.2", "value": "MRN-1"}),
        "PatientIdentified.value.entry.1.resource.identifier",
    ),
    "a name": (
        "PatientIdentified",
        lambda value: resource(value).update(name=[{"family": "Doe"}]),
        "PatientIdentified.value.entry.1.resource: additionalProperties",
    ),
    "no focus": ("EpisodeAdmitted", lambda value: value["entry"].pop(1), "EpisodeAdmitted.value.entry"),
    "the header alone": ("SessionMissed", lambda value: value["entry"].pop(), "SessionMissed.value.entry: minItems"),
    "a type that has to be there": (
        "EpisodeAdmitted",
        lambda value: value.update(entry=value["entry"][:2]),
        "EpisodeAdmitted.value.entry: contains",
    ),
    "a type of another event": (
        "SessionMissed",
        lambda value: value["entry"].append(bundle(EXAMPLE["DrugTestResulted"])["entry"][1]),
        "SessionMissed.value.entry: additionalItems",
    ),
    "another code system": (
        "DrugTestResulted",
        lambda value: resource(value)["code"]["coding"][0].update(system="http://loinc.org"),
        "DrugTestResulted.value.entry.1.resource.code.coding.0.system: const",
    ),
    "another status": (
        "SessionMissed",
        lambda value: resource(value).update(status="cancelled"),
        "SessionMissed.value.entry.1.resource.status: const",
    ),
    "no label": (
        "SessionMissed",
        lambda value: resource(value)["meta"]["security"].pop(),
        "SessionMissed.value.entry.1.resource.meta: const",
    ),
    "no instant": (
        "SessionMissed",
        lambda value: resource(value).update(start="2025-03-03T14:00:00+02:00"),
        "SessionMissed.value.entry.1.resource.start: pattern",
    ),
    "an analyte on an escalation": (
        "EscalationRaised",
        lambda value: resource(value)["input"].append(
            {"type": {"coding": [{"system": "urn:x", "code": "analyte"}]}, "valueString": "fentanyl"}
        ),
        "EscalationRaised.value.entry.1.resource.input.",
    ),
}


@pytest.mark.parametrize(("name", "change", "place"), MUTANTS.values(), ids=MUTANTS)
def test_what_the_hub_never_writes_does_not_fit(name: str, change: Callable[[Json], object], place: str) -> None:
    value = bundle(EXAMPLE[name])
    change(value)
    (fault,) = found(EXAMPLE[name], value)
    assert fault.startswith(place)


@pytest.mark.parametrize(
    ("header", "text", "fault"),
    [
        ("iop-tier", "T5", "EscalationRaised.headers.iop-tier: enum"),
        ("iop-analyte", "fentanyl", "EscalationRaised.headers: additionalProperties"),
        ("iop-state", "resolved", "EscalationRaised.headers.iop-state: const"),
        ("ce_id", None, "EscalationRaised.headers: required"),
        ("ce_time", "yesterday", "EscalationRaised.headers.ce_time: pattern"),
    ],
)
def test_a_header_that_the_hub_never_writes_does_not_fit(header: str, text: str | None, fault: str) -> None:
    raised = EXAMPLE["EscalationRaised"]
    assert found(raised, bundle(raised), **{header: text}) == [fault]

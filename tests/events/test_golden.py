"""Every event as it was first written. Readers we don't know depend on it: a change may only add."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from shared.edge.fhir import validate
from shared.events import wire
from shared.events.catalogue import ENTRIES
from shared.events.codes import SUBSETTED
from shared.events.envelope import Event
from shared.events.testing import DrugTestResulted
from tests.events.examples import EXAMPLES, GOLDEN, bundle, envelope, golden
from tests.events.strategies import any_event
from tests.laws import examples

NAMED = pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)


def test_every_event_of_the_catalogue_has_one_example_and_one_golden_bundle() -> None:
    names = sorted(each.event.__name__ for each in ENTRIES)
    assert sorted(type(example).__name__ for example in EXAMPLES) == names
    assert sorted(each.stem for each in GOLDEN.glob("*.json")) == names


@NAMED
def test_an_event_is_written_as_ever_or_with_more(emitted: Event) -> None:
    assert removed(json.loads(golden(emitted).read_text()), json.loads(bundle(emitted)), type(emitted).__name__) == []


@NAMED
def test_an_old_bundle_is_still_read(emitted: Event) -> None:
    name = type(emitted).__name__
    if name in {each.event.__name__ for each in ENTRIES if each.read is not None}:
        assert wire.read(name, golden(emitted).read_bytes()) == emitted


@NAMED
def test_an_example_is_valid_fhir(emitted: Event) -> None:
    assert validate(json.loads(bundle(emitted))) == ()


@given(any_event)
@settings(max_examples=examples(150))
def test_any_event_is_written_as_valid_fhir(emitted: Event) -> None:
    issues = validate(json.loads(wire.write(emitted, envelope(emitted)).body))
    # Which of two generated instants comes first is not the writer's doing.
    assert [each for each in issues if "per-1" not in each.diagnostics] == []


@given(any_event)
@settings(max_examples=examples(150))
def test_a_part_of_a_resource_is_tagged_on_the_topic_and_never_in_the_read_model(emitted: Event) -> None:
    written = wire.write(emitted, envelope(emitted))
    sent = [each["resource"] for each in json.loads(written.body)["entry"][1:]]
    tagged = [each["resourceType"] for each in sent if SUBSETTED in each.get("meta", {}).get("tag", ())]
    assert tagged == [each["resourceType"] for each in sent if each["resourceType"] in emitted.amends]
    assert [encoded for _, encoded in written.resources if b"SUBSETTED" in encoded] == []


def removed(old: Any, new: Any, place: str) -> list[str]:
    """Places whose value is gone or another one. Objects may gain members, and lists further items at their end."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [hole for name in old for hole in removed(old[name], new.get(name), f"{place}.{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) <= len(new):
        pairs = enumerate(zip(old, new, strict=False))
        return [hole for count, (was, now) in pairs for hole in removed(was, now, f"{place}[{count}]")]
    return [] if old == new else [place]


@pytest.mark.parametrize(
    ("changed", "places"),
    [
        ({"status": "noshow", "start": "09:00", "more": 1}, []),
        ({"status": "cancelled", "start": "09:00"}, ["Event.status"]),
        ({"status": "noshow"}, ["Event.start"]),
        ({"status": ["noshow"], "start": "09:00"}, ["Event.status"]),
    ],
)
def test_a_removed_or_narrowed_field_is_found(changed: Any, places: list[str]) -> None:
    assert removed({"status": "noshow", "start": "09:00"}, changed, "Event") == places


@pytest.mark.parametrize("named", ["Cocaine metabolite, local", "note: call 555-1234", "Kokain\u00e4hnlich"])
def test_what_a_laboratory_calls_a_measure_in_its_own_words_is_on_no_topic(named: str) -> None:
    (resulted,) = [each for each in EXAMPLES if isinstance(each, DrugTestResulted)]
    in_words = tuple(replace(each, code=named) for each in resulted.results)
    written = bundle(replace(resulted, results=in_words))
    assert written.count('"uncoded"') == len(in_words)
    assert not any(each in written for each in (named, json.dumps(named)))

"""Readers we don't know live by the last release's document: a later one may add to it and takes nothing away."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.events.contract import RELEASED, contract, document
from tests.events.evolution import taken_away

Json = Any


def test_nothing_is_taken_away_from_those_who_read_by_the_last_release() -> None:
    assert taken_away(json.loads(RELEASED.read_text()), document()) == []


def headers(whole: Json, name: str) -> Json:
    return whole["components"]["messages"][name]["headers"]


def resource(whole: Json, name: str) -> Json:
    """The schema of the event's focus."""
    return whole["components"]["schemas"][name]["properties"]["entry"]["items"][1]["properties"]["resource"]


def actor(whole: Json) -> Json:
    """The schema of a reference to whoever takes part in a session that was missed."""
    participant = resource(whole, "SessionMissed")["properties"]["participant"]["items"]
    return participant["properties"]["actor"]["properties"]["reference"]


def others(whole: Json, name: str) -> Json:
    """The schema of the resources after the focus."""
    return whole["components"]["schemas"][name]["properties"]["entry"]["additionalItems"]


def add_to_all_others(now: Json) -> None:
    """A field more in each resource after the focus, of every event; and they are listed the other way round."""
    for name in now["components"]["schemas"]:
        after = others(now, name) or {}
        for each in after.get("anyOf", [after] if after else []):
            each["properties"]["resource"]["properties"]["comment"] = {"type": "string"}
        after.get("anyOf", []).reverse()


TAKEN: dict[str, tuple[Callable[[Json], object], str]] = {
    "a channel": (lambda now: now["channels"].pop("iop.disclosures"), "channels.iop.disclosures: gone"),
    "a message": (
        lambda now: now["channels"]["iop.escalations"]["messages"].pop("EscalationOverdue"),
        "channels.iop.escalations.EscalationOverdue: gone",
    ),
    "a reader": (
        lambda now: now["channels"]["iop.escalations"]["x-readers"].remove("operations"),
        "channels.iop.escalations.operations: may not read it any more",
    ),
    "a header": (
        lambda now: headers(now, "EscalationRaised")["properties"].pop("iop-tier"),
        "EscalationRaised.headers.iop-tier: gone",
    ),
    "a header that was always there": (
        lambda now: headers(now, "EscalationRaised")["required"].remove("iop-tier"),
        "EscalationRaised.headers.iop-tier: not always there",
    ),
    "a value of a header": (
        lambda now: headers(now, "EscalationRaised")["properties"]["iop-tier"]["enum"].remove("T1"),
        "EscalationRaised.headers.iop-tier: fewer values",
    ),
    "the form of a header": (
        lambda now: headers(now, "EscalationRaised")["properties"]["ce_id"].update(pattern="^[0-9]+$"),
        "EscalationRaised.headers.ce_id: another form",
    ),
    "a type that is referred to": (
        lambda now: actor(now).update(pattern=actor(now)["pattern"].replace("|Practitioner/[^\\s]+", "")),
        "SessionMissed.value.entry.1.resource.participant[].actor.reference: another form",
    ),
    "a key": (
        lambda now: now["components"]["messages"]["SessionMissed"]["bindings"]["kafka"].update(key={"type": "null"}),
        "SessionMissed.key: another type",
    ),
    "a field": (
        lambda now: resource(now, "SessionMissed")["properties"].pop("start"),
        "SessionMissed.value.entry.1.resource.start: gone",
    ),
    "a field that was always there": (
        lambda now: resource(now, "SessionMissed")["required"].remove("start"),
        "SessionMissed.value.entry.1.resource.start: not always there",
    ),
    "a status": (
        lambda now: resource(now, "SessionMissed")["properties"]["status"].update(const="cancelled"),
        "SessionMissed.value.entry.1.resource.status: fewer values",
    ),
    "all codes but one": (
        lambda now: resource(now, "SessionMissed")["properties"]["id"].update(const="1", pattern=None),
        "SessionMissed.value.entry.1.resource.id: another form",
    ),
    "a kind of input": (
        lambda now: resource(now, "EscalationRaised")["properties"]["input"]["items"]["anyOf"].pop(0),
        "EscalationRaised.value.entry.1.resource.input[]",
    ),
    "a type that was always there": (
        lambda now: now["components"]["schemas"]["EpisodeAdmitted"]["properties"]["entry"].pop("allOf"),
        "EpisodeAdmitted.value.entry: no ",
    ),
    "a type": (
        lambda now: others(now, "EpisodeAdmitted")["anyOf"].pop(0),
        "EpisodeAdmitted.value.entry[].",
    ),
}


@pytest.mark.parametrize(("change", "place"), TAKEN.values(), ids=TAKEN)
def test_what_was_taken_away_is_named(change: Callable[[Json], object], place: str) -> None:
    now = copy.deepcopy(document())
    change(now)
    found = taken_away(document(), now)
    assert found
    assert all(each.startswith(place) for each in found)


ADDED: dict[str, Callable[[Json], object]] = {
    "a channel": lambda now: now["channels"].update({"iop.orders": now["channels"]["iop.disclosures"]}),
    "a message": lambda now: now["channels"]["iop.escalations"]["messages"].update(EscalationHandedOver={}),
    "a reader": lambda now: now["channels"]["iop.escalations"]["x-readers"].append("console"),
    "a header": lambda now: headers(now, "EscalationRaised")["properties"].update({"iop-owner": {"type": "string"}}),
    "a header that is always there": lambda now: headers(now, "ConsentsCurrent")["required"].append("iop-owner"),
    "a value of a header": lambda now: headers(now, "EscalationRaised")["properties"]["iop-category"]["enum"].append(
        "housing"
    ),
    "a second status": lambda now: resource(now, "SessionMissed")["properties"].update(
        status={"type": "string", "enum": ["noshow", "cancelled"]}
    ),
    "any status": lambda now: resource(now, "SessionMissed")["properties"].update(
        status={"type": "string", "pattern": "^[a-z]+$"}
    ),
    "a field": lambda now: resource(now, "SessionMissed")["properties"].update(comment={"type": "string"}),
    "a type that is referred to": lambda now: actor(now).update(
        pattern=actor(now)["pattern"].replace(")$", "|RelatedPerson/[^\\s]+)$")
    ),
    "a kind of input": lambda now: resource(now, "EscalationRaised")["properties"]["input"]["items"]["anyOf"].append(
        {"type": "object"}
    ),
    "a type": lambda now: others(now, "EpisodeAdmitted")["anyOf"].append({"type": "object"}),
    "a field to each type, in another order": add_to_all_others,
    "an example": lambda now: now["components"]["messages"]["SessionMissed"].update(examples=[]),
}


@pytest.mark.parametrize("change", ADDED.values(), ids=ADDED)
def test_what_is_added_takes_nothing_away(change: Callable[[Json], object]) -> None:
    now = copy.deepcopy(document())
    change(now)
    assert taken_away(document(), now) == []


def test_the_stored_contract_of_a_release_holds_no_examples() -> None:
    released = contract(document())
    assert [name for name, each in released["components"]["messages"].items() if "examples" in each] == []
    assert taken_away(document(), released) == taken_away(released, document()) == []

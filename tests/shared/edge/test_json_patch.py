"""RFC 6902 on three members, as its own examples and by its laws."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.edge.json_patch import operations, patched, same
from shared.edge.outcome import HttpRefusal
from tests.laws import examples

MEMBERS = ("status", "owner")
JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-9, 9) | some.text("ab", max_size=2),
    lambda each: some.lists(each, max_size=3) | some.dictionaries(some.sampled_from(["a", "b", "0"]), each, max_size=3),
    max_leaves=6,
)
POINTERS = some.lists(some.sampled_from(["a", "b", "0", "1", "-"]), max_size=3).map(
    lambda tokens: "/".join(["/status", *tokens])
)
STEP = some.fixed_dictionaries(
    {"op": some.sampled_from(["add", "remove", "replace", "test"]), "path": POINTERS, "value": JSON}
)


def applied(document: dict[str, Any], *steps: dict[str, Any]) -> dict[str, Any]:
    return patched(document, operations(steps, MEMBERS))


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        ([1, 2], {"op": "add", "path": "/status/1", "value": 9}, [1, 9, 2]),
        ([1, 2], {"op": "add", "path": "/status/-", "value": [3]}, [1, 2, [3]]),
        ([1, 2], {"op": "remove", "path": "/status/0"}, [2]),
        ({"a/b": 1}, {"op": "replace", "path": "/status/a~1b", "value": 2}, {"a/b": 2}),
        ({"~1": 1}, {"op": "test", "path": "/status/~01", "value": 1}, {"~1": 1}),
        ({"a": 1}, {"op": "add", "path": "/status/a", "value": None}, {"a": None}),
        (1, {"op": "test", "path": "/status", "value": 1.0}, 1),
    ],
)
def test_a_step_does_what_the_standard_says(before: Any, step: dict[str, Any], after: Any) -> None:
    assert applied({"status": before}, step) == {"status": after}


@pytest.mark.parametrize(
    ("before", "step", "status"),
    [
        ([1, 2], {"op": "add", "path": "/status/3", "value": 9}, 422),
        ([1, 2], {"op": "replace", "path": "/status/01", "value": 9}, 422),
        ([1, 2], {"op": "remove", "path": "/status/-"}, 422),
        ({"a": 1}, {"op": "add", "path": "/status/b/c", "value": 9}, 422),
        (1, {"op": "add", "path": "/status/b", "value": 9}, 422),
        ({"a": 1}, {"op": "replace", "path": "/status/b", "value": 9}, 422),
        (1, {"op": "test", "path": "/status", "value": True}, 409),
        ({"a": [1]}, {"op": "test", "path": "/status", "value": {"a": [1, 1]}}, 409),
        (1, {"op": "replace", "path": "/status"}, 400),
    ],
)
def test_what_leads_nowhere_is_refused(before: Any, step: dict[str, Any], status: int) -> None:
    with pytest.raises(HttpRefusal) as refused:
        applied({"status": before}, step)
    assert refused.value.status == status


@given(JSON, some.lists(STEP, min_size=1, max_size=4))
@settings(max_examples=examples(200), deadline=None)
def test_a_patch_is_done_whole_or_refused_and_never_touches_what_was_read(before: Any, steps: Any) -> None:
    document = {"status": before, "owner": {"a": 1}}
    stood = repr(document)
    try:
        after = applied(document, *steps)
    except HttpRefusal as refused:
        assert refused.status in (409, 422)
        return
    finally:
        assert repr(document) == stood
    assert after["owner"] == {"a": 1}


@given(JSON, JSON)
@settings(max_examples=examples(100), deadline=None)
def test_what_was_replaced_passes_its_test(before: Any, value: Any) -> None:
    steps = [{"op": op, "path": "/status", "value": value} for op in ("replace", "test")]
    assert same(applied({"status": before}, *steps)["status"], value)

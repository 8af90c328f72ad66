"""For whatever a sender does to a valid Bundle: it is taken or refused, and no refusal repeats what was sent."""

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.edge.fhir import encode, message, parse, references, require_valid, resolve, transaction, validate
from shared.edge.outcome import HttpRefusal, outcome
from tests.laws import examples

Resource = dict[str, Any]

SEEDED = "Zanzibar-4711"
NAMES = st.sampled_from(
    f"""resourceType id status reference type contained extension entry resource request url value valueReference
    _status meta fullUrl period coding code start participant {SEEDED}""".split()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([SEEDED, f"{SEEDED}/1", f"#{SEEDED}", f"urn:uuid:{SEEDED}", "", "Patient", "Bundle", "2024-02-30",
                       "message", "transaction", "Patient/1", f"Patient?x={SEEDED}", '{"a":1}', "9999-12-31T23:59:60Z"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree, as container and key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [spot for key, one in inside for spot in ((value, key), *spots(one))]


def changed_one(data: st.DataObject, wholes: list[Any], most: int) -> Any:
    """One of these trees with up to so many of its places replaced, removed or added to."""
    changed = deepcopy(data.draw(st.sampled_from(wholes)))
    for _ in range(data.draw(st.integers(1, most))):
        container, key = data.draw(st.sampled_from(spots(changed) or [(changed, "type")]))
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                container[key] = data.draw(VALUES)
            case "remove":
                del container[key]
            case _ if isinstance(container, dict):
                container[data.draw(NAMES)] = data.draw(VALUES)
    return changed


def taken(body: bytes) -> None:
    """All that the edge does with a Bundle before a service decides."""
    resource = parse(body)
    require_valid(resource)
    entries = transaction(resource) if resource.get("type") == "transaction" else message(resource)[1]
    for entry in resolve(entries, lambda one: f"new-{one.type}"):
        assert not validate(entry.resource)
        list(references(entry.resource))


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_bundle_is_taken_or_refused_and_never_quoted(
    bundle: Resource, message: Resource, data: st.DataObject
) -> None:
    changed = changed_one(data, [bundle, message], 3)
    try:
        taken(encode(changed))
    except HttpRefusal as refusal:
        assert SEEDED not in f"{refusal} {refusal!r} {outcome(refusal.issues)} {refusal.headers}"
        assert not validate(outcome(refusal.issues))


@settings(max_examples=examples(100))
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | VALUES.map(lambda one: encode({"a": one})))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    try:
        require_valid(parse(body))
    except HttpRefusal as refusal:
        assert SEEDED not in str(outcome(refusal.issues))

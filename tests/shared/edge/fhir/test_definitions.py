"""The tables are as strict as the models they are made from: what `fhir.resources` refuses, the walk refuses too."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import fhirtypes, get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.edge.fhir import models, tables
from shared.edge.fhir.definitions import ANY_RESOURCE, Field, is_resource_type, shape
from shared.edge.fhir.validator import walk
from tests.laws import examples
from tests.shared.edge.fhir.test_invariants import changed_one

Resource = dict[str, Any]
TEXTS = ("a", "2024-02-29", "2024-02-29T23:59:60Z", "12:00:00", "urn:oid:1.2", "YWFh", "http://a", "", " ", "a  b",
         "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "2024-02-30", "24:00:00", "a b", "1" * 65)  # fmt: skip
NUMBERS = (0, 1, -1, 2**31, 1.5, -0.0, True)


def refused_by_the_model(resource: Resource) -> bool:
    """Unknown properties aside: the models forget some that R4 has, the tables do not."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError as error:
        return any(each["type"] != "extra_forbidden" for each in error.errors(include_input=False))
    return False


@cache
def resources() -> tuple[str, ...]:
    """Every concrete resource type. Not at import: it loads each of the models."""
    return tuple(sorted(name for each in fhirtypes.__all__ if is_resource_type(name := each.removesuffix("Type"))))


@cache
def elements(name: str) -> frozenset[str]:
    """An element type and all that it may hold, any resource aside."""
    found, waiting = set[str](), {name}
    while waiting:
        found.add(each := waiting.pop())
        held = {field.element for field in shape(each).fields.values()}
        waiting |= held - found - {"", ANY_RESOURCE}
    return frozenset(found)


def value_of(field: Field) -> Any:
    """The least that the tables take here."""
    if field.element:
        one: Any = (
            {"resourceType": "Basic", "code": {"id": "x"}} if field.element == ANY_RESOURCE else least(field.element)
        )
    else:
        one = next(value for value in (*TEXTS, *NUMBERS, *_coded(field)) if _passes(value, field))
    return [one] if field.many else one


def _coded(field: Field) -> list[Any]:
    return sorted(getattr(field.passes, "__self__", ())) if field.codes else []


def _passes(value: Any, field: Field) -> bool:
    return type(value) in field.types and (field.passes is None or bool(field.passes(value)))


def least(name: str) -> Resource:
    """An element with nothing but what must be there."""
    form = shape(name)
    needed = [demand.name for demand in form.demands]
    needed += [min(choice.names, key=len) for choice in form.choices if choice.required]
    made = {each: value_of(form.fields[each]) for each in needed}
    if is_resource_type(name):
        made = {"resourceType": name, **made}
    if name == "Extension":
        made["valueBoolean"] = True
    return made or {"id": "x"}


@pytest.mark.models
def test_what_is_stored_is_what_the_models_say_of_every_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "folder", lambda: tmp_path)
    for name in tables.type_names():
        made = tables.table(name)
        assert tables.table(name) == made == models.table(name)


@pytest.mark.models
def test_what_must_be_there_is_what_the_model_asks_for() -> None:
    for name in resources():
        whole = least(name)
        asked = [*(demand.name for demand in shape(name).demands), *(each for each in whole if each != "resourceType")]

        assert not refused_by_the_model(whole), name
        for each in set(asked):
            without = {key: value for key, value in whole.items() if key != each}
            assert walk(without) and refused_by_the_model(without), f"{name}.{each}"


@pytest.mark.models
def test_an_element_inside_asks_for_what_its_model_asks_for() -> None:
    for name in sorted({each for resource in resources() for each in elements(resource)} - set(resources())):
        model = get_fhir_model_class(name)
        model.model_validate(least(name))
        for demand in shape(name).demands:
            with pytest.raises(ValidationError):
                model.model_validate({key: value for key, value in least(name).items() if key != demand.name})


@pytest.mark.models
def test_every_primitive_passes_only_what_the_model_passes() -> None:
    seen = set()
    for element in sorted({each for resource in resources() for each in elements(resource)}):
        for name, field in shape(element).fields.items():
            if field.element or field.codes or name == "resourceType" or (field.types, field.passes) in seen:
                continue
            seen.add((field.types, field.passes))
            others = {each for choice in shape(element).choices if name in choice.names for each in choice.names}
            rest = {key: one for key, one in least(element).items() if key not in others}
            for value in (*TEXTS, *NUMBERS):
                if _passes(value, field):
                    get_fhir_model_class(element).model_validate({**rest, name: [value] if field.many else value})
    assert len(seen) > 15


@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_bundle_that_the_models_refuse_is_refused(
    bundle: Resource, message: Resource, data: st.DataObject
) -> None:
    changed = changed_one(data, [bundle, message], 2)
    if changed.get("resourceType") != "Bundle" or walk(changed):
        return
    assert not refused_by_the_model(changed)

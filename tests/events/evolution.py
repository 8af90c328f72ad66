"""What a later document took away from whoever reads by an earlier one. Pure; what is added takes nothing away."""

import re
from collections.abc import Iterator
from typing import Any

Json = Any


def taken_away(before: Json, now: Json) -> list[str]:
    """By place: channels, messages, headers and fields that are gone, that need not be there any more, or of which an
    enumeration has fewer values or a form is another one."""
    return [*_channels(before, now), *_components(before, now)]


def _channels(before: Json, now: Json) -> Iterator[str]:
    for name, channel in before["channels"].items():
        later = now["channels"].get(name)
        if later is None:
            yield f"channels.{name}: gone"
            continue
        yield from (f"channels.{name}.{each}: gone" for each in channel["messages"] if each not in later["messages"])
        yield from (
            f"channels.{name}.{each}: may not read it any more"
            for each in channel["x-readers"]
            if each not in later["x-readers"]
        )


def _components(before: Json, now: Json) -> Iterator[str]:
    """Messages and schemas that both have; one that is gone is gone from its channel."""
    for name, message in before["components"]["messages"].items():
        later = now["components"]["messages"].get(name, message)
        yield from _schema(message["headers"], later["headers"], f"{name}.headers")
        key = message["bindings"]["kafka"]["key"]
        yield from _schema(key, later["bindings"]["kafka"]["key"], f"{name}.key")
        if message["payload"] != later["payload"]:
            yield f"{name}.payload: another"
    for name, schema in before["components"]["schemas"].items():
        yield from _schema(schema, now["components"]["schemas"].get(name, schema), f"{name}.value")


def _schema(before: Json, now: Json, place: str) -> Iterator[str]:
    if before == now:
        return
    if "anyOf" in before or "anyOf" in now:
        yield from _alternatives(before.get("anyOf", [before]), now.get("anyOf", [now]), place)
        return
    yield from _form(before, now, place)
    for name, member in before.get("properties", {}).items():
        later = now.get("properties", {}).get(name)
        yield from [f"{place}.{name}: gone"] if later is None else _schema(member, later, f"{place}.{name}")
    optional = set(before.get("required", ())) - set(now.get("required", ()))
    yield from (f"{place}.{each}: not always there" for each in sorted(optional) if each in now.get("properties", {}))
    yield from _items(before, now, place)


def _form(before: Json, now: Json, place: str) -> Iterator[str]:
    """Of a single value. Of two patterns nobody can say here which one allows more, but where one is among those that
    the other lists: a person has to look."""
    values = _values(before)
    if before.get("type") != now.get("type"):
        yield f"{place}: another type"
    elif values is None and not _allows(now.get("pattern"), before.get("pattern")):
        yield f"{place}: another form"
    elif not _all_of(values, now):
        yield f"{place}: fewer values"


def _allows(now: str | None, before: str | None) -> bool:
    """The same pattern, or one that lists it with others: `^(A|B)$` allows all that `^A$` does."""
    if now is None or before is None:
        return now == before
    listed, one = (each.removeprefix("^").removesuffix("$") for each in (now, before))
    return (
        now == before
        or f"|{one.removeprefix('(').removesuffix(')')}|" in f"|{listed.removeprefix('(').removesuffix(')')}|"
    )


def _all_of(values: list[Json] | None, schema: Json) -> bool:
    """Whether each of these values may stand there, or whatever may where none are listed."""
    listed = _values(schema)
    if listed is not None:
        return values is not None and all(each in listed for each in values)
    return values is None or "pattern" not in schema or all(re.search(schema["pattern"], each) for each in values)


def _values(schema: Json) -> list[Json] | None:
    """Those that are listed; None where they are not."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _items(before: Json, now: Json, place: str) -> Iterator[str]:
    first, later = before.get("items"), now.get("items")
    if isinstance(first, list) and isinstance(later, list):
        for ordinal, each in enumerate(first):
            yield from (
                _schema(each, later[ordinal], f"{place}.{ordinal}") if ordinal < len(later) else [f"{place}: less"]
            )
    elif isinstance(first, dict):
        yield from _schema(first, later if isinstance(later, dict) else {}, f"{place}[]")
    if isinstance(before.get("additionalItems"), dict):
        yield from _schema(before["additionalItems"], now.get("additionalItems") or {}, f"{place}[]")
    yield from (f"{place}: no {each}" for each in before.get("allOf", ()) if each not in now.get("allOf", ()))


def _alternatives(before: list[Json], now: list[Json], place: str) -> Iterator[str]:
    """Each that there was has to be one of those there are; of what is nearest it is named what is missing."""
    for each in before:
        found = [list(_schema(each, later, place)) for later in now]
        yield from min(found, key=len)

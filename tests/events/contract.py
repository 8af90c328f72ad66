"""docs/asyncapi.json as a reader of the topics uses it: which message a record is, and where it does not fit.

`python -m tests.events.contract` writes the contract of a release, for the test of its evolution.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from deploy.paths import REPOSITORY

HERE = Path(__file__).with_name("asyncapi")
DOCUMENT = REPOSITORY / "docs" / "asyncapi.json"
PUBLISHED = HERE / "schema-3.0.0.json"
RELEASED = HERE / "released.json"


@cache
def document() -> Any:
    """As it is committed."""
    return json.loads(DOCUMENT.read_text())


def faults(topic: str, headers: Mapping[str, str], value: Any, key: str | None) -> Iterator[str]:
    """Where a record does not fit what the document says of its event on this topic: by event and path, never the
    value. `value` is the JSON, None for a null."""
    name = headers.get("ce_type", "").rpartition(".")[2]
    if name not in document()["channels"][topic]["messages"]:
        yield f"{topic}: no message is named {name}"
        return
    for part, given in {"headers": dict(headers), "value": value, "key": key}.items():
        worst = best_match(_validator(topic, name, part).iter_errors(given))
        if worst is not None:
            place = ".".join(map(str, (name, part, *worst.absolute_path)))
            yield f"{place}: {worst.validator}"


@cache
def _validator(topic: str, name: str, part: str) -> Draft7Validator:
    message = _at(document()["channels"][topic]["messages"][name])
    schemas = {
        "headers": message["headers"],
        "value": _at(message["payload"]),
        "key": message["bindings"]["kafka"]["key"],
    }
    return Draft7Validator(schemas[part])


def _at(found: Any) -> Any:
    """What a `$ref` points at."""
    while "$ref" in found:
        target = document()
        for step in found["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found = target
    return found


def contract(whole: Any) -> Any:
    """The document without its examples, which promise nothing."""
    messages = {
        name: {part: each for part, each in message.items() if part != "examples"}
        for name, message in whole["components"]["messages"].items()
    }
    return whole | {"components": whole["components"] | {"messages": messages}}


if __name__ == "__main__":
    RELEASED.write_text(json.dumps(contract(document()), separators=(",", ":")) + "\n")

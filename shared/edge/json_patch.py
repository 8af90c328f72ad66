"""JSON Patch (RFC 6902) on a few members of a resource: add, remove, replace and test. Pure; nothing is half done."""

import copy
import re
from collections.abc import Collection, Sequence
from typing import Any, Literal, cast

import msgspec

from shared.edge.json import Json, MutableJson
from shared.edge.outcome import HttpRefusal, refuse

OPERATIONS_MOST = 20
VALUES_MOST = 500
"""Of an array that is added to."""
_POINTER = re.compile(r"(/[^/~]*(~[01][^/~]*)*)+")
_PRINTABLE = re.compile(r"(/([A-Za-z]{1,32}|[0-9]{1,4}|-)){1,12}")
"""A path of names and places, which may be repeated to its sender; anything else may hold a value."""
_PLACE = re.compile(r"0|[1-9][0-9]{0,3}")
_OPERATIONS = ("add", "remove", "replace", "test")


class Operation(msgspec.Struct, frozen=True):
    """One step, with its place in the patch."""

    number: int
    op: Literal["add", "remove", "replace", "test"]
    path: str
    value: Any

    @property
    def tokens(self) -> list[str]:
        return [each.replace("~1", "/").replace("~0", "~") for each in self.path.split("/")[1:]]

    @property
    def place(self) -> str:
        """As a refusal names it, never with what may be a value."""
        return self.path if _PRINTABLE.fullmatch(self.path) else f"[{self.number}].path"


def operations(listed: Sequence[object], members: Collection[str]) -> list[Operation]:
    """The steps of a patch, each at or below one of these members. Raises HttpRefusal 400, 413 or 422."""
    if len(listed) > OPERATIONS_MOST:
        raise refuse(413, "too-costly", "", f"A patch must have at most {OPERATIONS_MOST} operations.")
    if not listed:
        raise refuse(400, "required", "", "A patch must have at least one operation.")
    return [_operation(each, number, members) for number, each in enumerate(listed)]


def _operation(stated: object, number: int, members: Collection[str]) -> Operation:
    if not isinstance(stated, dict) or not isinstance(stated.get("path"), str):
        raise refuse(400, "structure", "", f"Operation {number} must be an object with op and path.")
    op, path = stated.get("op"), stated["path"]
    if op not in _OPERATIONS:
        raise refuse(422, "not-supported", "", f"Operation {number} must be one of {', '.join(_OPERATIONS)}.")
    if op != "remove" and "value" not in stated:
        raise refuse(400, "required", "", f"Operation {number} must have a value.")
    step = Operation(number, op, path, stated.get("value"))
    if not _POINTER.fullmatch(path) or step.tokens[0] not in members:
        allowed = ", ".join(f"/{each}" for each in members)
        raise refuse(422, "not-supported", "", f"A patch must not touch {step.place}: it changes {allowed} only.")
    return step


def patched(resource: Json, steps: Sequence[Operation]) -> MutableJson:
    """The resource after all steps. Raises HttpRefusal: 422 where a path leads nowhere, 409 where a test fails."""
    changed = copy.deepcopy(dict(resource))
    for step in steps:
        _apply(changed, step)
    return changed


def _apply(document: MutableJson, step: Operation) -> None:
    *way, last = step.tokens
    parent: object = document
    for token in way:
        parent = _at(parent, token, step)
    match step.op, parent:
        case "add", list():
            _insert(parent, last, step)
        case "add", dict():
            parent[last] = copy.deepcopy(step.value)
        case "test", _:
            if not same(_at(parent, last, step), step.value):
                raise refuse(409, "conflict", "", f"The test of {step.place} fails: it has another value.")
        case _:
            _at(parent, last, step)
            _exchange(cast(Any, parent), last, step)


def _exchange(parent: Any, last: str, step: Operation) -> None:
    """Replace or remove what is there."""
    key = int(last) if isinstance(parent, list) else last
    if step.op == "remove":
        del parent[key]
    else:
        parent[key] = copy.deepcopy(step.value)


def _insert(parent: list[Any], last: str, step: Operation) -> None:
    at = len(parent) if last == "-" else _index(last, len(parent) + 1, step)
    if len(parent) >= VALUES_MOST:
        raise refuse(413, "too-costly", "", f"An array must have at most {VALUES_MOST} values.")
    parent.insert(at, copy.deepcopy(step.value))


def _at(parent: object, token: str, step: Operation) -> object:
    match parent:
        case dict() if token in parent:
            return parent[token]
        case list():
            return parent[_index(token, len(parent), step)]
        case _:
            raise _nowhere(step)


def _index(token: str, most: int, step: Operation) -> int:
    if not _PLACE.fullmatch(token) or int(token) >= most:
        raise _nowhere(step)
    return int(token)


def _nowhere(step: Operation) -> HttpRefusal:
    return refuse(422, "not-found", "", f"There is nothing at {step.place}.")


def same(one: object, other: object) -> bool:
    """Equal as JSON is: true is not 1."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and one == other

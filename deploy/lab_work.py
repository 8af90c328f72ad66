"""The work list of laboratories: read and answered at testing, over FHIR with a token, never in a database."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from deploy import work_list
from deploy.failure import CannotContinueError
from deploy.work_list import OPEN, PAGE, Owners
from shared.events import codes
from shared.events.codes import TASK

KINDS = codes.WORK_LIST
_SHOWN = {
    codes.FIND_PATIENT: "panel",
    codes.ASSIGN_RESULT: "panel",
    codes.MAP_CODE: "laboratory-code",
    codes.READ_VALUE: "places",
    codes.CHECK_TIME: "places",
}
"""By kind, the input that says best what it is about."""


class Work(msgspec.Struct, frozen=True):
    """A Task of the list. `stated` are its inputs by name; `results` how many wait for it, where it counts them."""

    id: str
    kind: str
    status: str
    since: str
    reason: str
    laboratory: str = ""
    about: str = ""
    results: int = 0
    stated: Mapping[str, str] = {}


def read(task: Mapping[str, Any]) -> Work:
    """Raises CannotContinueError: it is no such work."""
    kind = next((each["code"] for each in task["code"]["coding"] if each["system"] == TASK), "")
    if kind not in KINDS:
        raise CannotContinueError("this Task is not of the laboratories' work list; `iop why` says what it is")
    stated = dict[str, str]()
    for each in task.get("input", ()):
        name = each["type"]["coding"][0]["code"]
        value = str(next(value for member, value in each.items() if member.startswith("value")))
        stated[name] = f"{stated[name]}, {value}" if name in stated else value
    return Work(
        id=task["id"],
        kind=kind,
        status=task["status"],
        since=stated.get("since", task["authoredOn"]),
        reason=task["reasonCode"]["coding"][0]["code"],
        laboratory=stated.get("laboratory", ""),
        about=stated.get(_SHOWN.get(kind, ""), ""),
        results=int(stated.get("results", 0)),
        stated=stated,
    )


async def listed(owners: Owners, kinds: Sequence[str]) -> list[Work]:
    """What waits for a person, the oldest first. Raises CannotContinueError."""
    name, client = _testing(owners)
    asked = {"code": ",".join(f"{TASK}|{each}" for each in kinds), "status": ",".join(OPEN), "_count": str(PAGE)}
    found = [read(each) for each in await work_list.pages(name, client, "Task", asked)]
    return sorted(found, key=lambda each: (each.since, each.id))


async def shown(owners: Owners, identity: str) -> tuple[Work, list[str]]:
    """One, and the lines of what was received. Raises CannotContinueError."""
    name, client = _testing(owners)
    found = read(await work_list.resource(name, client, f"Task/{identity}", {}))
    if "document" not in found.stated:
        return found, []
    binary = await work_list.resource(name, client, f"Task/{identity}/$message", {})
    return found, _lines(b64decode(binary["data"]))


def _lines(content: bytes) -> list[str]:
    return [each for each in re.split(r"\r\n?|\n", content.decode("utf-8", "replace")) if each]


async def answer(owners: Owners, identity: str, members: Mapping[str, Any]) -> Work:
    """The Task after these members were put. Raises CannotContinueError: it is refused, in the words of the service."""
    name, client = _testing(owners)
    task = await work_list.resource(name, client, f"Task/{identity}", {})
    read(task)
    return read(await work_list.update(name, client, {**task, **members}))


class Reread(msgspec.Struct, frozen=True):
    """The Task after what it is about was read again; the rule by which something of it can't be read, and where."""

    work: Work
    rule: str = ""
    places: tuple[str, ...] = ()


async def reread(owners: Owners, identity: str) -> Reread:
    """Raises CannotContinueError: it is refused, in the words of the service."""
    name, client = _testing(owners)
    stated = (await work_list.operate(name, client, f"Task/{identity}/$reread"))["parameter"]
    (task,) = (each["resource"] for each in stated if each["name"] == "return")
    rule = next((str(each["valueCode"]) for each in stated if each["name"] == "rule"), "")
    places = tuple(str(each["valueString"]) for each in stated if each["name"] == "place")
    return Reread(read(task), rule, places)


def _testing(owners: Owners) -> tuple[str, httpx.AsyncClient]:
    """Raises CannotContinueError: which service it is can't be known."""
    if "testing" in owners:
        return "testing", owners["testing"]
    if len(owners) == 1:
        return next(iter(owners.items()))
    raise CannotContinueError("--url: must be the address of testing alone")

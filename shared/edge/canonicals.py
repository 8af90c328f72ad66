"""What the service's resources speak of, found by canonical url or by id, as FHIR clients look for it.

It is about nobody, is a handful, and stands in no table: whoever is known may look for it.
"""

from collections.abc import Mapping, Sequence

from shared.edge import paging
from shared.edge.fhir.responses import SearchType
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.paging import Parameter
from shared.edge.search_values import not_searched_by, require_value, tokens

CANONICALS: Mapping[str, SearchType] = {"_id": "token", "url": "uri", "version": "token"}
Definitions = Mapping[tuple[str, str], Json]
"""By type and id."""


def are_asked(definitions: Definitions, kind: str, parameters: Sequence[Parameter]) -> bool:
    """Whether a search of this type looks for one of these: by url, or by the id of one; else for what was sent."""
    if kind not in {each for each, _ in definitions}:
        return False
    return any(
        name.partition(":")[0] in ("url", "version") or (name == "_id" and (kind, value) in definitions)
        for name, value in parameters
    )


def search(definitions: Definitions, kind: str, parameters: Sequence[Parameter]) -> tuple[list[Json], int]:
    """Those to show, and how many there are. Raises HttpRefusal 400."""
    narrowing = [(name, value) for name, value in parameters if name not in paging.NAMES]
    if any(name not in CANONICALS for name, _ in narrowing):
        raise not_searched_by()
    for _, value in narrowing:
        require_value(value)
    if any(name == "url" and "," in value for name, value in narrowing):
        raise refuse(400, "invalid", "", "Must name one canonical url.")
    found = [
        each
        for (type_, _), each in definitions.items()
        if type_ == kind and all(_is(each, name, value) for name, value in narrowing)
    ]
    shown = found if paging.read(parameters, kind).count else []
    return shown, len(found)


def _is(definition: Json, name: str, value: str) -> bool:
    """Tokens of no system, as a version and an id are; a url is compared whole. Not each has a version."""
    if name == "url":
        return bool(definition["url"] == value)
    stands = definition.get("id" if name == "_id" else name)
    return any(not system and text == stands for system, text in tokens(value))

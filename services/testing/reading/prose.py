"""What people wrote into a resource of FHIR, taken out of it before it is stored: it is read as a document. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.testing.reading.attached import document
from services.testing.reading.validity import stating_a_condition
from shared.edge.fhir import BundleEntry
from shared.edge.json import Json, MutableJson
from shared.events import codes
from shared.events.fhir import base64_text
from shared.path.transaction.resources import AcceptedResource

_PROSE = ("text", "presentedForm", "conclusion", "note", "description")
_PLAIN, _NARRATIVE = "text/plain", "application/xhtml+xml"
_AS_BYTES = "application/octet-stream"


class _Written(NamedTuple):
    """`data` is in base64."""

    kind: str
    content_type: str
    data: str


def apart(entry: BundleEntry, now: datetime) -> tuple[BundleEntry, tuple[AcceptedResource, ...]]:
    """The entry without notes, conclusion, narrative and presented forms; and these, each as a document about it. What
    does nothing but state how the specimen was stays: it is read again with the resource."""
    found = list(_written(entry.resource))
    if not found:
        return entry, ()
    about, documents = f"{entry.type}/{entry.id}", list[AcceptedResource]()
    for each in dict.fromkeys(found):
        name = f"{about}|{hashlib.sha256(each.data.encode()).hexdigest()}"
        documents.extend(document(name, each.kind, each.content_type, each.data, [about], now))
    return msgspec.structs.replace(entry, resource=_without(entry.resource)), tuple(documents)


def _without(resource: Json) -> MutableJson:
    plain = {name: each for name, each in resource.items() if name not in _PROSE}
    if states_a_condition(conclusion := str(resource.get("conclusion", ""))):
        plain["conclusion"] = conclusion
    if notes := [each for each in resource.get("note", ()) if states_a_condition(str(each.get("text", "")))]:
        plain["note"] = [{"text": each["text"]} for each in notes]
    if "contained" in resource:
        plain["contained"] = [_without(each) for each in resource["contained"]]
    return plain


def _written(resource: Json) -> Iterator[_Written]:
    if lines := [line for line in _lines(resource) if line]:
        yield _Written(codes.ANNOTATION, _PLAIN, base64_text("\n".join(lines)))
    for form in resource.get("presentedForm", ()):
        if form.get("data"):
            kind = str(form.get("contentType", _AS_BYTES))
            yield _Written(codes.LABORATORY_REPORT, kind, str(form["data"]))
    if div := str(resource.get("text", {}).get("div", "")):
        yield _Written(codes.ANNOTATION, _NARRATIVE, base64_text(div))
    for each in resource.get("contained", ()):
        yield from _written(each)


def _lines(resource: Json) -> Iterator[str]:
    conclusion = str(resource.get("conclusion", ""))
    yield "" if states_a_condition(conclusion) else conclusion
    yield str(resource.get("description", ""))
    for note in resource.get("note", ()):
        if not states_a_condition(str(note.get("text", ""))) or note.keys() - {"text"}:
            yield _signed(note)
    for form in resource.get("presentedForm", ()):
        yield "" if form.get("data") else " ".join(str(form[each]) for each in ("title", "url") if each in form)


def _signed(note: Mapping[str, object]) -> str:
    """With who wrote it, and when, where that is said."""
    return " ".join(str(note[each]) for each in ("time", "authorString", "text") if each in note)


def states_a_condition(text: str) -> bool:
    return bool(stating_a_condition([text]))

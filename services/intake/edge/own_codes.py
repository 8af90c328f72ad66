"""What a sender's own codes mean: by its code map in clients.toml, by the program's local_codes, and by the codes that
a Questionnaire of the same Bundle gives its items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from services.intake.instruments import is_known, is_meaning
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings
from shared.edge.json import Json
from shared.platform.clients import registered
from shared.platform.settings import ConfigurationError

OwnCodes = Mapping[str, str]
"""`system|code`, or `questionnaire|linkId` of an item of a form, to what it means: LOINC's code, ICD-10-CM's or the
hub's own, a word or points of an answer."""
MEANING = "urn:iop-hub:meaning"
"""The system of what an answer means by a map, within an answer as it is read."""


def own_codes(context: Context) -> OwnCodes:
    """The client's go before the program's."""
    own: OwnCodes = context.caller.client.codes
    return {**context.settings.local_codes, **own} if own else context.settings.local_codes


def meanings(concept: Json | None, own: OwnCodes) -> tuple[str, ...]:
    """What the codes of this CodeableConcept mean by the map."""
    return tuple(own[_key(each)] for each in codings(concept) if _key(each) in own)


def understood(parent: Json, own: OwnCodes) -> Json:
    """What holds an answer, with what the sender's own codes mean by the map in their place: it goes before their words
    and the answer's text."""
    concept = coded(parent)
    if not meanings(concept, own):
        return parent
    coding = [{"system": MEANING, "code": own[_key(each)]} if _key(each) in own else each for each in codings(concept)]
    rest = {name: value for name, value in parent.items() if not name.startswith("value")}
    return {**rest, "valueCodeableConcept": {"coding": coding}}


def coded(parent: Json) -> Json:
    """The CodeableConcept in `value[x]`, of a Coding too; empty where it is neither."""
    alone = [parent["valueCoding"]] if "valueCoding" in parent else []
    return parent.get("valueCodeableConcept") or {"coding": alone}


def _key(coding: Json) -> str:
    return f"{coding.get('system', '')}|{coding.get('code', '')}"


def with_forms(entries: Sequence[BundleEntry], context: Context) -> Context:
    """With what the Questionnaires among these say that their items ask: what the maps say goes before it."""
    items = {
        f"{entry.resource.get('url', '')}|{link}": code
        for entry in entries
        if entry.type == "Questionnaire"
        for link, code in _items(entry.resource)
    }
    if not items:
        return context
    settings = msgspec.structs.replace(context.settings, local_codes={**items, **context.settings.local_codes})
    return replace(context, settings=settings)


def _items(parent: Json) -> Iterator[tuple[str, str]]:
    """Each item with the first of its codes that is read."""
    for item in parent.get("item", ()):
        known = next((each["code"] for each in item.get("code", ()) if is_known(each.get("code", ""))), None)
        if known is not None:
            yield str(item.get("linkId", "")), known
        yield from _items(item)


def require_known(deploy: Path) -> None:
    """Raises ConfigurationError where a client's code map names what nothing reads."""
    for name, client in registered(deploy).items():
        for own, code in client.codes.items():
            if "|" not in own or not is_meaning(code):
                raise ConfigurationError(
                    f'{deploy / "clients.toml"}: client.{name}.codes."{own}": must map system|code or'
                    " questionnaire|linkId to a LOINC code, a fact, score, item, need or level of the hub's, an answer"
                    " or an ICD-10-CM code (services/intake/data)."
                )

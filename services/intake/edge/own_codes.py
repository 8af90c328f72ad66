"""What a sender's own codes mean: by its code map in clients.toml, by the program's local_codes, and by the codes that
a Questionnaire of the same Bundle gives its items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from services.intake.instruments import is_known
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings
from shared.edge.json import Json
from shared.platform.clients import registered
from shared.platform.settings import ConfigurationError

OwnCodes = Mapping[str, str]
"""`system|code`, or `questionnaire|linkId` of an item of a form, to LOINC's code or the hub's own."""


def own_codes(context: Context) -> OwnCodes:
    """The client's go before the program's."""
    own: OwnCodes = context.caller.client.codes
    return {**context.settings.local_codes, **own} if own else context.settings.local_codes


def meanings(concept: Json | None, own: OwnCodes) -> tuple[str, ...]:
    """What the codes of this CodeableConcept mean by the map."""
    coded = (f"{each.get('system', '')}|{each.get('code', '')}" for each in codings(concept))
    return tuple(own[each] for each in coded if each in own)


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
            if "|" not in own or not is_known(code):
                raise ConfigurationError(
                    f'{deploy / "clients.toml"}: client.{name}.codes."{own}": must map system|code or'
                    " questionnaire|linkId to a LOINC code or a fact, score, item, need or level of the hub's"
                    " (services/intake/data)."
                )

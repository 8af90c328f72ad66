"""What a sender's own codes mean: by its code map in clients.toml, by the program's local_codes, and by the codes that
a Questionnaire of its own gives its items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from services.intake.instruments import is_known, is_meaning
from services.intake.table import TABLE
from shared.edge import forms
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings
from shared.edge.json import Json
from shared.events import codes
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


def forms_named(entries: Sequence[BundleEntry]) -> frozenset[str]:
    """The canonicals of the Questionnaires that these are answers to; one that is contained has none."""
    named = (str(each.resource.get("questionnaire", "")) for each in entries if each.type == "QuestionnaireResponse")
    return frozenset(each for each in named if each and not each.startswith("#"))


def with_forms(entries: Sequence[BundleEntry], context: Context) -> Context:
    """With the Questionnaires among these, which go before those sent earlier."""
    sent = [each.resource for each in entries if each.type == "Questionnaire" and "url" in each.resource]
    if not sent:
        return context
    urls = {str(each["url"]) for each in sent}
    by_url = {url: forms.newest([each for each in sent if each["url"] == url]) for url in urls}
    by_version = {f"{each['url']}|{each['version']}": each for each in sent if "version" in each}
    return replace(context, forms={**context.forms, **by_url, **by_version})


def unknown_form(response: Json, context: Context) -> str | None:
    """The canonical, without its version, of the Questionnaire of this response where nobody has sent it."""
    canonical = str(response.get("questionnaire", ""))
    return None if canonical[:1] in ("", "#") or _form(response, context) else canonical.partition("|")[0]


def asked_by_form(response: Json, own: OwnCodes, context: Context) -> Mapping[str, str]:
    """By link id, what the Questionnaire of this response says that its items ask, by its codes or what they mean by a
    map; what the maps say of an item itself goes before it."""
    return dict(_items(_form(response, context), own))


def _form(response: Json, context: Context) -> Json:
    """The contained one, or that of its canonical: of the version that it names, or of one that has none; the newest
    where it names none. By another version an item may ask something else."""
    canonical = str(response.get("questionnaire", ""))
    if canonical.startswith("#"):
        return next((each for each in response.get("contained", ()) if f"#{each.get('id')}" == canonical), {})
    unversioned = context.forms.get(canonical.partition("|")[0], {})
    return context.forms.get(canonical) or ({} if "version" in unversioned else unversioned)


def _items(parent: Json, own: OwnCodes) -> Iterator[tuple[str, str]]:
    """Each item with the first of its codes that is read."""
    for item in parent.get("item", ()):
        named = (*meanings({"coding": item.get("code", ())}, own), *(_asked(each) for each in item.get("code", ())))
        known = next((each for each in named if is_known(each)), None)
        if known is not None:
            yield str(item.get("linkId", "")), known
        yield from _items(item, own)


def _asked(coding: Json) -> str:
    """A dimension is one by the hub's own system alone: a word such as `withdrawal` may ask for much else."""
    code = str(coding.get("code", ""))
    return code if code not in TABLE.dimensions or coding.get("system") == codes.NEED else ""


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

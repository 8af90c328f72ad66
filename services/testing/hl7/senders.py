"""Whose message it is and what its identifiers mean: clients.toml as HL7 v2 sees it. Pure.

Over plain MLLP on loopback MSH-3 or MSH-4 names the laboratory and MSH-6 the program; over HTTP the token does. With
mutual TLS the certificate names the laboratory, and MSH must not say otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.testing import hl7
from services.testing.hl7 import Fault, Header, Nak, Named
from services.testing.hl7.fields import urn_of
from shared.platform.clients import RegisteredClient
from shared.platform.keys import Identifier

Laboratory = RegisteredClient
"""A client of clients.toml as HL7 sees it."""


@dataclass(frozen=True)
class Sender:
    """The laboratory of one message, and the programs it may be for."""

    name: str
    laboratory: Laboratory
    programs: tuple[str, ...]


def sender_of(header: Header, known: Mapping[str, Laboratory], shown: str = "") -> Sender:
    """By the certificate that was `shown`. Without one by MSH-3 and MSH-4; where neither is registered and only one
    laboratory is, that one. Raises Nak."""
    fields = [_named(header.text(number), known) for number in (3, 4) if header.text(number)]
    if shown:
        _require_same(shown, known, fields)
    candidates = [shown] if shown else sorted(set().union(*fields)) or list(known)
    if len(candidates) != 1:
        raise Nak("AR", Fault("MSH^1^4", hl7.UNKNOWN_KEY))
    laboratory = known[candidates[0]]
    return Sender(candidates[0], laboratory, _programs(header.text(6).casefold(), laboratory, known))


def _programs(asked: str, laboratory: Laboratory, known: Mapping[str, Laboratory]) -> tuple[str, ...]:
    """The one that MSH-6 names; all of this laboratory's where it names none of anybody's. Raises Nak."""
    own = tuple(each for each in laboratory.programs if each.casefold() == asked)
    if not own and any(each.casefold() == asked for other in known.values() for each in other.programs):
        raise Nak("AR", Fault("MSH^1^6", hl7.UNKNOWN_KEY))
    return own or laboratory.programs


def _named(text: str, known: Mapping[str, Laboratory]) -> set[str]:
    """The laboratories that call themselves so."""
    own = text.casefold()
    return {name for name, each in known.items() if own in map(str.casefold, (*each.hl7_senders, name))}


def _require_same(shown: str, known: Mapping[str, Laboratory], fields: Sequence[set[str]]) -> None:
    """Neither MSH-3 nor MSH-4 is another laboratory's name, and one is this one's where it has names. Raises Nak."""
    another = any(each and shown not in each for each in fields)
    unregistered = bool(known[shown].hl7_senders and fields) and not any(shown in each for each in fields)
    if another or unregistered:
        raise Nak("AR", Fault("MSH^1^4", hl7.UNKNOWN_KEY))


def identifiers(named: Sequence[Named], laboratory: Laboratory) -> tuple[Identifier, ...]:
    """CX-4 as a FHIR system: by the client's map, an OID as it is; else a system of the laboratory's own."""
    return tuple(Identifier(_system(each, laboratory), each.value) for each in named)


def _system(named: Named, laboratory: Laboratory) -> str:
    mapped = laboratory.assigning_authorities
    known = mapped.get(named.namespace) or mapped.get(named.universal)
    if known is not None:
        return known
    return urn_of(named.universal) or f"{laboratory.base_url}/hl7-authority/{named.namespace}"

"""clients.toml, `[issuer.NAME]`: who besides the hub's own issuer may say who calls, and for whom."""

import json
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from shared.platform.clients import RegisteredClient, registered
from shared.platform.settings import ConfigurationError, read_each, require_url

Text = Annotated[str, msgspec.Meta(min_length=1)]


class NamedIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer: what its tokens name as `iss` and `aud`, where its keys are (an address, or a file in the folder of
    settings), and for which clients it speaks, in which programs (empty: all of theirs). `person_claim` names the
    person: `fhirUser`, a Practitioner, or `sub`, by `url|sub` among the staff."""

    url: Text
    jwks: Text
    audience: Text
    clients: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    programs: tuple[str, ...] = ()
    person_claim: Literal["fhirUser", "sub"] = "fhirUser"

    def programs_of(self, client: RegisteredClient) -> tuple[str, ...]:
        """Those in which it may speak for the client."""
        return tuple(each for each in client.programs if not self.programs or each in self.programs)


def issuers(deploy: Path, own: str = "") -> dict[str, NamedIssuer]:
    """Those of clients.toml by name; `own` is the address of the hub's. Raises ConfigurationError."""
    file, clients = deploy / "clients.toml", registered(deploy)

    def read(name: str, each: object) -> NamedIssuer:
        return _read(f"{file}: issuer.{name}", deploy, clients, each)

    found = read_each(file, "issuer", read, may_be_absent=True)
    urls = [own, *(each.url for each in found.values())]
    for name, each in found.items():
        if urls.count(each.url) > 1:
            raise ConfigurationError(f"{file}: issuer.{name}: url: another issuer has it, here or as IOP_ISSUER.")
    return found


def _read(at: str, deploy: Path, clients: dict[str, RegisteredClient], each: object) -> NamedIssuer:
    """Raises ValueError, ConfigurationError."""
    issuer = msgspec.convert(each, type=NamedIssuer)
    require_url(issuer.url, f"{at}: url")
    for name in issuer.clients:
        if name not in clients:
            raise ValueError("clients: must be registered in this file")
        if not issuer.programs_of(clients[name]):
            raise ValueError("programs: each of its clients must be registered for one of them")
    if "://" in issuer.jwks:
        require_url(issuer.jwks, f"{at}: jwks")
        return issuer
    place = (deploy / issuer.jwks).resolve()
    key_set(json.loads(place.read_bytes()))
    return msgspec.structs.replace(issuer, jwks=str(place))


def key_set(document: object) -> KeySet:
    """The keys of a JWKS (RFC 7517, 5). Raises ValueError where it is none, or has no keys."""
    try:
        found = KeySet.import_key_set(cast(KeySetSerialization, document))
    except (JoseError, LookupError, TypeError, AttributeError, ValueError):
        found = KeySet([])
    if not found.keys:
        raise ValueError("must be a JWKS with keys")
    return found

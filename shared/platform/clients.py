"""clients.toml: who may call. One type reads that file, for the issuer, every service and MLLP."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shared.platform.settings import ConfigurationError, partners, read_each
from shared.rules.consent import Partner

_OF_PARTNER = re.compile(r"system/Task\.r?u?s?")


class RegisteredClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registration: its programs (the first is the default), its own FHIR base (two EHRs both have a
    `Patient/123`), its public key, what it may ask for, and how HL7 v2 names it (`hl7_senders`, MSH-3 or MSH-4) and its
    patients."""

    programs: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    base_url: str
    key: str = ""
    scopes: tuple[str, ...] = ()
    assigning_authorities: Mapping[str, str] = {}
    hl7_senders: tuple[str, ...] = ()
    contact: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Of a laboratory: whom a person calls about what it sent, and when; nothing about patients."""

    codes: Mapping[str, str] = {}
    """What its own codes mean to intake, beside the program's `local_codes` and before them."""

    partner: str = ""
    """Of a partner (its name in partners.toml): it reads and answers the Tasks of that partner's referrals, no more."""

    services: tuple[Literal["intake", "attendance", "testing", "aftercare"], ...] = ()
    """Where it may do what its scopes say; empty: at each. A scope names a type alone, and to intake an Observation is
    an assessment, to testing a result."""

    def __post_init__(self) -> None:
        if self.partner and not all(_OF_PARTNER.fullmatch(each) for each in self.scopes):
            raise ValueError("a partner's client may have scopes of Task alone, to read, update and search")

    @property
    def reports(self) -> bool:
        """Whether it may report results at all."""
        return (not self.services or "testing" in self.services) and any(
            each.startswith("system/DiagnosticReport.") and "c" in each[-6:] for each in self.scopes
        )


def registered(deploy: Path) -> dict[str, RegisteredClient]:
    """The clients of clients.toml by name. Raises ConfigurationError."""
    file = deploy / "clients.toml"
    found = read_each(file, "client", lambda _, each: msgspec.convert(each, type=RegisteredClient))
    for name, client in found.items():
        if client.partner:
            _require_partner(f"{file}: client.{name}.partner", client, partners(deploy).get(client.partner))
    return found


def laboratories(deploy: Path) -> dict[str, RegisteredClient]:
    """Those of them that report results. Raises ConfigurationError."""
    return {name: each for name, each in registered(deploy).items() if each.reports}


def _require_partner(place: str, client: RegisteredClient, partner: Partner | None) -> None:
    """Raises ConfigurationError."""
    if partner is None or not set(client.programs) <= set(partner.programs):
        raise ConfigurationError(f"{place}: must be a partner of the same programs (partners.toml).")

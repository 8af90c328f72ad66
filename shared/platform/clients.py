"""clients.toml: who may call. One type reads that file, for the issuer, every service and MLLP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from shared.platform.settings import read_each


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
    codes: Mapping[str, str] = {}
    """What its own codes mean to intake, beside the program's `local_codes` and before them."""

    @property
    def reports(self) -> bool:
        """Whether it may report results at all."""
        return any(each.startswith("system/DiagnosticReport.") and "c" in each[-6:] for each in self.scopes)


def registered(deploy: Path) -> dict[str, RegisteredClient]:
    """The clients of clients.toml by name. Raises ConfigurationError."""
    return read_each(deploy / "clients.toml", "client", lambda _, each: msgspec.convert(each, type=RegisteredClient))

"""A program as its partners and its patients know it."""

from typing import Annotated

import msgspec


class Organization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program as its partners recognise it, and as a patient reaches it; identifiers are `system|value`. Empty is
    what it has none of."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    identifiers: tuple[Annotated[str, msgspec.Meta(pattern=r"^\S+\|\S+$")], ...] = ()
    phone: Annotated[str, msgspec.Meta(max_length=60)] = ""
    url: str = ""
    crisis_phone: Annotated[str, msgspec.Meta(max_length=60)] = ""
    """Answered day and night."""
    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}$")] = "en"
    """In which a patient is written to whose own language has no texts, or isn't known."""

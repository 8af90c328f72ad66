"""A program as its partners know it."""

from typing import Annotated

import msgspec


class Organization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program as its partners recognise it; identifiers are `system|value`. Empty is what it has none of."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    identifiers: tuple[Annotated[str, msgspec.Meta(pattern=r"^\S+\|\S+$")], ...] = ()
    phone: str = ""
    url: str = ""

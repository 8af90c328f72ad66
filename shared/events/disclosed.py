"""What an event that goes to a partner says of itself, for the consent gate; why one of them can't be sent."""

from collections.abc import Mapping
from typing import Final, NamedTuple

HUB_CANNOT_SEND: Final = "hub-cannot-send"
"""It is parked in its lane by a fault of the hub's: somebody mends that and redrives it, and then it goes on."""
QUARANTINED: Final = "quarantined"
"""Withheld: nobody could read it, and a person took it out of its lane."""


class EndedBy(NamedTuple):
    """The resource by whose end it is taken back while it waits: by each such status of it why it is withheld."""

    type: str
    id: str
    reasons: Mapping[str, str]

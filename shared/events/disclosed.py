"""What an event that goes to a partner says of itself, for the consent gate."""

from collections.abc import Mapping
from typing import NamedTuple


class EndedBy(NamedTuple):
    """The resource by whose end it is taken back while it waits: by each such status of it why it is withheld."""

    type: str
    id: str
    reasons: Mapping[str, str]

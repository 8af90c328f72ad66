"""Which role in a CareTeam a public code names, as data."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from shared.platform.tables import structured


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """By `system|code`."""

    function: Mapping[str, str]
    specialty: Mapping[str, str]
    other: Mapping[str, str]


ROLES = structured(Path(__file__).parent / "data" / "care_team.toml", Roles)

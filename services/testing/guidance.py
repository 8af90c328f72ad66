"""What whoever opens the Task of an escalation reads in it, by its reason: general, the same for every patient."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from services.testing.escalation_packing import REASONS
from shared.platform.settings import ConfigurationError
from shared.platform.tables import structured

FILE = Path(__file__).parent / "data" / "guidance.toml"


class Guidance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sentence or a few, and where they come from."""

    text: str
    source: str


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By reason."""

    reasons: dict[str, Guidance]


def read(file: Path) -> Mapping[str, str]:
    """The texts by reason. Raises ConfigurationError where a reason has none."""
    table = structured(file, Table).reasons
    if missing := [each for each in REASONS if each not in table]:
        raise ConfigurationError(f"{file}: reasons must have {', '.join(missing)}.")
    return {reason: each.text for reason, each in table.items()}


GUIDANCE = read(FILE)

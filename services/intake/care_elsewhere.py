"""Which care elsewhere the codes of an Encounter report, as data."""

from pathlib import Path
from typing import Literal

import msgspec

from services.intake.messages import CareKind
from shared.platform.tables import structured


class Codes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str
    system: str
    substance_use: bool = False
    """Whether each is care for substance use, whatever its reasons say."""
    kinds: dict[str, CareKind | Literal[""]]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    codes: tuple[Codes, ...]


TABLE = structured(Path(__file__).parent / "data" / "care_elsewhere.toml", Table)
KINDS = {(each.system, code): kind for each in TABLE.codes for code, kind in each.kinds.items()}
"""By system and code; "" is known, and nothing that anybody needs to be asked about."""
FOR_SUBSTANCE_USE = frozenset((each.system, code) for each in TABLE.codes if each.substance_use for code in each.kinds)

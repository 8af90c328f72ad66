"""By what a laboratory knows whose specimen it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Identified:
    """The patient as far as this laboratory may know them; empty is what it may not, or the hub has not.

    `name` is a HumanName, `birth_date` as FHIR writes it, `gender` a code of FHIR's; `numbers` are assigning authority,
    system and value.
    """

    name: Mapping[str, Any]
    birth_date: str
    gender: str
    numbers: tuple[tuple[str, str, str], ...]

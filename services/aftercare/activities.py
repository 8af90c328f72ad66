"""What a discharge calls for beside its contacts: the table `data/plans.toml`, read once. Pure."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from services.aftercare.record import InCare
from shared.events.aftercare_plan import Activities, PlanActivity
from shared.events.codes import FHIR_DISPOSITION
from shared.platform.tables import structured
from shared.rules.partner_kinds import PartnerKind

STEP_DOWN: Final = "step-down"
MOUD: Final = "moud-continuity"
_UNKNOWN = ""
"""The track of a stay whose admission was never consumed."""


class CalledFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the table: at which dispositions it is called for, and of whom in any case."""

    code: str
    display: str
    source: str
    dispositions: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    not_levels: tuple[str, ...] = ()
    partner_kinds: tuple[PartnerKind, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.dispositions) <= FHIR_DISPOSITION.keys() - {"deceased"}:
            raise ValueError(f"activity {self.code}: dispositions must be those of whoever lives (domain 6.1)")
        if not self.dispositions and not self.traits:
            raise ValueError(f"activity {self.code}: must be called for by dispositions or traits")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    activity: tuple[CalledFor, ...]

    def __post_init__(self) -> None:
        named = [each.code for each in self.activity]
        if len(named) != len(set(named)):
            raise ValueError("activity: each code must stand once")


TABLE: Mapping[str, CalledFor] = {
    each.code: each for each in structured(Path(__file__).parent / "data" / "plans.toml", _Table).activity
}


def called_for(disposition: str, level: str, care: InCare | None, step_down_by: datetime) -> Activities:
    """Nobody has asked the patient of any of it yet. What is unknown of the stay never makes it less: no level is any
    level, and no track any trait."""
    return tuple(
        PlanActivity(each.code, due_at=step_down_by if each.code == STEP_DOWN else None)
        for each in TABLE.values()
        if level not in each.not_levels and (disposition in each.dispositions or _has(care, each))
    )


def _has(care: InCare | None, row: CalledFor) -> bool:
    if care is None or care.track == _UNKNOWN:
        return bool(row.traits)
    return not {care.track, *care.flags}.isdisjoint(row.traits)


def with_choices(called: Activities, before: Activities) -> Activities:
    """What is called for now, with what the patient has chosen before; what they chose stays, called for or not."""
    chosen = {each.code: each for each in before if each.choice}
    named = {each.code for each in called}
    return (
        *(msgspec.structs.replace(chosen.get(each.code, each), due_at=each.due_at) for each in called),
        *(each for code, each in chosen.items() if code not in named),
    )

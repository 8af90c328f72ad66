"""What a condition of the table is asked of: needs and evidence at an instant, and whether it holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.intake.messages import StatedNeed
from services.intake.placement.evidence import Evidence, StandingAnswer, standing
from services.intake.table import Conditional, ConditionPart, Line, asks_needs, codes_asked, codes_of, lines

PREGNANT, DELIVERY_DUE = "pregnant", "delivery-due"
DAYS_AFTER_DUE = 14
"""How long after its due date a pregnancy is still assumed (domain 2.7)."""


@dataclass(frozen=True)
class Assessment:
    """Stated needs, evidence, and what the list of medications says, at an instant."""

    needs: tuple[StatedNeed, ...]
    evidence: Evidence
    now: datetime
    listed: frozenset[str] = frozenset()
    """Codes of what the patient takes now, by the list of medications."""

    @cached_property
    def standing(self) -> Mapping[str, StandingAnswer]:
        found = {code: standing(code, pieces, self.now) for code, pieces in self.evidence.items()}
        if self._is_delivered(found.get(DELIVERY_DUE)):
            found.pop(PREGNANT)
        return {code: each for code, each in found.items() if each is not None} | {
            code: StandingAnswer(1, old=False, to_confirm=False) for code in self.listed
        }

    def _is_delivered(self, due: StandingAnswer | None) -> bool:
        """Whether the due date is long past, of the pregnancy that is stated and not of an earlier one."""
        stated = self.evidence.get(PREGNANT)
        if due is None or not stated:
            return False
        last_day = due.value + DAYS_AFTER_DUE
        return stated[0].at.toordinal() <= last_day < self.now.toordinal()

    @cached_property
    def values(self) -> Mapping[str, int]:
        """What stands, old answers too: they raise a need until they are confirmed or denied."""
        return {code: each.value for code, each in self.standing.items()}

    @cached_property
    def current(self) -> Mapping[str, int]:
        """What stands within its window: only this alarms, and only this lowers a level."""
        return {code: each.value for code, each in self.standing.items() if not each.old}

    def to_confirm(self, codes: Collection[str]) -> tuple[str, ...]:
        """Those of these that a person is asked to confirm."""
        return tuple(sorted(code for code in codes if code in self.standing and self.standing[code].to_confirm))

    def states(self, form: str) -> bool:
        """Whether a need was stated at this level, or in this form (COE)."""
        return any(self.is_stated(each, form) for each in self.needs)

    @staticmethod
    def is_stated(need: StatedNeed, form: str) -> bool:
        """Whether this need is at the level, or in the form."""
        return form == need.level or form in need.level.split("-")[1:]

    def holds(self, part: ConditionPart, values: Mapping[str, int]) -> bool:
        if part.stated:
            return self.states(part.stated)
        value = values.get(part.code)
        return value is not None and part.least <= value <= part.most


def support(row: Conditional, known: Assessment, values: Mapping[str, int] | None = None) -> frozenset[str] | None:
    """The codes by which the row holds (every line that does counts), or None where none holds. Asked of `values`, or
    of all that stands."""
    asked = known.values if values is None else values
    if codes_asked(row.when).isdisjoint(asked) and not asks_needs(row.when):
        return None
    holding: Sequence[Line] = [line for line in lines(row.when) if all(known.holds(part, asked) for part in line)]
    return codes_of(holding) if holding else None

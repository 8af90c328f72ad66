"""A goal of speed, and whether it was met."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """At least (or, of a time, at most) so much; a ratio or an absolute number in the line's own unit. `reason`: why
    it is missed, where it is, as a profile says."""

    value: float
    is_ratio: bool = False
    at_most: bool = False
    reason: str = ""

    def verdict(self, reached: float, ratio: float | None) -> str:
        missed = self._missed_by(reached, ratio)
        if missed is None:
            return ""
        name = f"{'≤' if self.at_most else '≥'} {number(self.value)}{' of the floor' if self.is_ratio else ''}"
        return f"{name}: missed by {missed:.0%}" if missed > 0 else f"{name}: met"

    def why(self, reached: float, ratio: float | None) -> str:
        """Empty where it is met."""
        return self.reason if (self._missed_by(reached, ratio) or 0) > 0 else ""

    def _missed_by(self, reached: float, ratio: float | None) -> float | None:
        """A share of the goal, negative where it is met with some to spare; None: nothing to compare."""
        found = ratio if self.is_ratio else reached
        if found is None:
            return None
        return found / self.value - 1 if self.at_most else 1 - found / self.value


def number(value: float) -> str:
    """As many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2g}"

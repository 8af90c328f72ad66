"""A goal of speed, and whether it was met."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """At least (or, of a time, at most) so much; a ratio or an absolute number in the line's own unit."""

    value: float
    is_ratio: bool = False
    at_most: bool = False

    def verdict(self, reached: float, ratio: float | None) -> str:
        found = ratio if self.is_ratio else reached
        if found is None:
            return ""
        name = f"{'≤' if self.at_most else '≥'} {number(self.value)}{' of the floor' if self.is_ratio else ''}"
        met = found <= self.value if self.at_most else found >= self.value
        if met:
            return f"{name}: met"
        missed = found / self.value - 1 if self.at_most else 1 - found / self.value
        return f"{name}: missed by {missed:.0%}"


def number(value: float) -> str:
    """As many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2g}"

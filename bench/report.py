"""The lines that are printed: what, reached, floor, ratio, goal, met or missed by how much."""

import os
from dataclasses import dataclass

WIDTHS = (58, 12, 12, 6)


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
        name = f"{'≤' if self.at_most else '≥'} {_number(self.value)}{' of the floor' if self.is_ratio else ''}"
        met = found <= self.value if self.at_most else found >= self.value
        if met:
            return f"{name}: met"
        missed = found / self.value - 1 if self.at_most else 1 - found / self.value
        return f"{name}: missed by {missed:.0%}"


def heading() -> None:
    print(f"{'':{WIDTHS[0]}}{'reached':>{WIDTHS[1]}}{'floor':>{WIDTHS[2]}}{'ratio':>{WIDTHS[3]}}  goals", flush=True)


def line(what: str, reached: float, floor: float | None, *goals: Goal) -> None:
    """One line. A ratio below one means: slower, or longer, than the floor."""
    ratio = reached / floor if floor else None
    sources = (
        f"{_number(floor):>{WIDTHS[2]}}{ratio:>{WIDTHS[3]}.2f}" if floor and ratio else " " * (WIDTHS[2] + WIDTHS[3])
    )
    verdicts = "; ".join(goal.verdict(reached, ratio) for goal in goals)
    print(f"{what:{WIDTHS[0]}}{_number(reached):>{WIDTHS[1]}}{sources}  {verdicts}".rstrip(), flush=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2g}"


def section(title: str) -> None:
    print(f"\n{title} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)", flush=True)


def stages(name: str, found: dict[str, float]) -> None:
    """Where the time of one event goes, microseconds, longest first."""
    print(f"  {name}: {sum(found.values()):.0f} µs an event", flush=True)
    for stage, microseconds in sorted(found.items(), key=lambda each: -each[1]):
        print(f"    {stage:32}{microseconds:8.1f}", flush=True)

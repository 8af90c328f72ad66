"""What is printed: reached, floor, ratio, goal met or missed by how much and why; the CPU of a unit by process."""

import os

from bench.goals import number
from bench.processes import BUSY_SHARE, LOADER
from bench.results import Figure, Result, Run

WIDTHS = (58, 12, 12, 8)
COLUMN = 12


def heading(run: Run) -> None:
    print(
        f"{run.cores} cores, load {run.load:.1f}; others use {run.others_share:.0%} of them; "
        f"a step of a loop in Python takes {run.pace:.0f} ns",
        flush=True,
    )
    if run.others_share > BUSY_SHARE:
        print(
            "The machine is busy: compare the CPU a unit, which is too high as well, not rates or milliseconds.",
            flush=True,
        )
    print(f"{'':{WIDTHS[0]}}{'reached':>{WIDTHS[1]}}{'floor':>{WIDTHS[2]}}{'ratio':>{WIDTHS[3]}}  goals", flush=True)


def section(title: str) -> None:
    print(f"\n{title} (load {os.getloadavg()[0]:.1f})", flush=True)


def result(found: Result) -> None:
    for each in found.figures:
        line(each)
    _cpu(found)


def line(found: Figure) -> None:
    """One line. A ratio below one means: slower, or shorter, than the floor."""
    floor = "" if found.floor is None else number(found.floor)
    ratio = "" if found.ratio is None else f"{found.ratio:.2f}"
    verdicts = "; ".join(goal.verdict(found.reached, found.ratio) for goal in found.goals)
    columns = zip((number(found.reached), floor, ratio), WIDTHS[1:], strict=True)
    print(f"{found.what:{WIDTHS[0]}}{''.join(f'{each:>{w}}' for each, w in columns)}  {verdicts}".rstrip(), flush=True)
    for each in found.reasons:
        print(f"    {each}", flush=True)


def _cpu(found: Result) -> None:
    """The processes side by side; together is without the loader, which comes last."""
    cpu = found.cpu
    if not cpu:
        return
    columns = {name: each for name, each in cpu.items() if name != LOADER} | {"together": found.together}
    if found.floor_together:
        columns["floor's"] = found.floor_together
    if LOADER in cpu:
        columns[LOADER] = cpu[LOADER]
    print(f"    {f'CPU µs, best of {len(found.reached)}':22}{''.join(f'{name:>{COLUMN}}' for name in columns)}")
    print(f"    {found.unit:22}{''.join(f'{number(each):>{COLUMN}}' for each in columns.values())}", flush=True)


def stages(name: str, found: dict[str, float]) -> None:
    """Where the time of one event goes, microseconds, longest first."""
    print(f"  {name}: {sum(found.values()):.0f} µs an event", flush=True)
    for stage, microseconds in sorted(found.items(), key=lambda each: -each[1]):
        print(f"    {stage:32}{microseconds:8.1f}", flush=True)

"""Two runs beside each other by what a unit costs in CPU: the machine's mood moves a rate, hardly this."""

from collections.abc import Iterator
from pathlib import Path

from bench import results
from bench.goals import number
from bench.processes import BUSY_SHARE, LOADER
from bench.results import Result, Run

MOVED = 0.05


def compare(first: Path, second: Path) -> None:
    """Print both, the difference, and an asterisk where it is more than `MOVED`."""
    runs = results.read(first), results.read(second)
    for file, run in zip((first, second), runs, strict=True):
        print(f"{file.name}: {run.begun_at:%Y-%m-%d %H:%M}, load {run.load:.1f}, others {run.others_share:.0%}")
    if max(run.others_share for run in runs) > BUSY_SHARE:
        print("The machine was busy: others on the same cores make a unit dearer, so small differences mean little.")
    for line in lines(*runs):
        print(line)


def lines(first: Run, second: Run) -> Iterator[str]:
    """The table: of each result every process, and all together."""
    after = {each.name: each for each in second.results}
    yield f"{'CPU µs a unit':44}{'first':>10}{'second':>10}{'moved':>9}"
    for before in first.results:
        if before.name not in after:
            yield f"{before.name}: in the first run only"
            continue
        yield f"{before.name}, {before.unit}"
        yield from _of_one(before, after[before.name])
    names = {each.name for each in first.results}
    yield from (f"{name}: in the second run only" for name in after if name not in names)


def _of_one(before: Result, after: Result) -> Iterator[str]:
    for name in dict.fromkeys((*before.cpu, *after.cpu)):
        if name != LOADER:
            yield _line(name, before.cpu.get(name, 0.0), after.cpu.get(name, 0.0))
    yield _line("together", before.together, after.together)
    if before.floor_together and after.floor_together:
        yield _line("floor, together", before.floor_together, after.floor_together)
    if LOADER in before.cpu and LOADER in after.cpu:
        yield _line(f"{LOADER} (apart)", before.cpu[LOADER], after.cpu[LOADER])


def _line(name: str, before: float, after: float) -> str:
    if not before:
        return f"    {name:40}{number(before):>10}{number(after):>10}"
    moved = after / before - 1
    return f"    {name:40}{number(before):>10}{number(after):>10}{moved:>+9.1%}{' *' if abs(moved) > MOVED else ''}"

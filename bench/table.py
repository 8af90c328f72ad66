"""The table of the docs, written by the bench: each figure that has a goal, by how much it is missed, and why."""

from collections.abc import Iterator
from pathlib import Path

from bench.goals import number
from bench.results import Figure, Run

DOCUMENT = Path("docs/operate.md")
BEGINNING, END = "<!-- written by make bench -->\n", "<!-- until here -->\n"


def write(run: Run, document: Path) -> None:
    """Put the table between its two marks. Raises ValueError where the document has none."""
    before, _, rest = document.read_text().partition(BEGINNING)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no place for the table: {BEGINNING.strip()} ... {END.strip()}")
    document.write_text(f"{before}{BEGINNING}\n{''.join(lines(run))}\n{END}{after}")


def lines(run: Run) -> Iterator[str]:
    yield (
        f"{run.begun_at:%Y-%m-%d}, {run.cores} cores, load {run.load:.1f}, {run.others_share:.0%} used by others, "
        f"{run.pace:.0f} ns a step of a loop in Python.\n\n"
    )
    yield "| what | reached | floor | ratio | goal | why it is missed |\n|---|---|---|---|---|---|\n"
    for result in run.results:
        head = result.figures[0].what
        for found in result.figures:
            if found.goals:
                is_part = found.what.startswith(" ")
                yield _row(found, f"{head}: {found.what.strip()}" if is_part else found.what)


def _row(found: Figure, what: str) -> str:
    floor, ratio = ("" if each is None else number(each) for each in (found.floor, found.ratio))
    verdicts = "; ".join(each.verdict(found.reached, found.ratio) for each in found.goals)
    columns = (
        what,
        number(found.reached),
        floor,
        ratio,
        verdicts.replace("missed", "**missed**"),
        " ".join(found.reasons),
    )
    return f"| {' | '.join(columns)} |\n"

"""What a person sees while the demo runs: a live board on a terminal, plain lines elsewhere. All of it is counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.demo.chart import Chart, Raised, Step
from deploy.queries import Count

ZONE = ZoneInfo("America/New_York")
FEED_LINES = 9
ORDINARY = frozenset(
    {"SessionScheduled", "SessionCheckedIn", "SessionAttended", "SessionCancelled", "ReferralPrepared"}
)
"""Too frequent for a line of their own; the board counts them."""
TIER_STYLE = {1: "cyan", 2: "yellow", 3: "dark_orange", 4: "bold red"}


@dataclass
class Seen:
    """What is known at one moment of the demo."""

    now: datetime
    week: int
    counts: Mapping[str, Count]
    lost: int
    charts: Mapping[str, Chart]
    """By the letter of the patient."""
    labels: Mapping[str, str]


@dataclass
class Board:
    """Shows each `Seen`. Used as a context manager around the run."""

    console: Console
    feed: list[Text] = field(default_factory=list)
    shown: dict[str, int] = field(default_factory=dict)
    live: Live | None = None

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live = Live(console=self.console, refresh_per_second=10, transient=False)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, seen: Seen) -> None:
        for at, letter, step in sorted(self._fresh(seen.charts), key=lambda fresh: fresh[0]):
            self._add(_line(at, letter, step))
        if self.live is not None:
            self.live.update(board(seen, self.feed))

    def _fresh(self, charts: Mapping[str, Chart]) -> Iterable[tuple[datetime, str, Step]]:
        for letter, chart in charts.items():
            known = self.shown.get(letter, 0)
            self.shown[letter] = len(chart.steps)
            for step in chart.steps[known:]:
                if step.event not in ORDINARY:
                    yield step.at, letter, step

    def _add(self, line: Text) -> None:
        if self.live is None:
            self.console.print(line)
        self.feed = [*self.feed, line][-FEED_LINES:]


def board(seen: Seen, feed: Iterable[Text]) -> RenderableType:
    """The whole board."""
    title = f"IOP Hub · {seen.now.astimezone(ZONE):%A %d %B %Y, %H:%M} · week {seen.week} of 12"
    return Panel(
        Group(_services(seen), Text(), _patients(seen), Text(), _strip(seen.charts), Text(), _last(feed)),
        title=title,
        title_align="left",
        border_style="blue",
    )


def _last(feed: Iterable[Text]) -> Table:
    """The newest lines, each on one line."""
    table = Table(box=None, show_header=False, padding=0)
    table.add_column(no_wrap=True)
    for line in feed:
        table.add_row(line)
    return table


def _services(seen: Seen) -> Table:
    table = Table("service", box=None)
    for name in ("decided", "emitted", "withheld", "unsent", "parked"):
        table.add_column(name, justify="right")
    for name, count in seen.counts.items():
        numbers = (count.decided, count.emitted, count.withheld, count.unsent, count.parked)
        table.add_row(name, *(str(each) for each in numbers))
    table.add_row(Text(f"lost {seen.lost}", style="bold green" if seen.lost == 0 else "bold red"))
    return table


def _patients(seen: Seen) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", min_width=1)
    table.add_column("patient")
    table.add_column("where", min_width=22)
    for name in ("attended", "missed", "excused", "tests"):
        table.add_column(name, justify="right", min_width=len(name))
    for letter, chart in seen.charts.items():
        outcomes = [each.outcome for each in chart.sessions.values()]
        numbers = [outcomes.count(each) for each in ("attended", "missed", "excused")]
        table.add_row(
            Text(letter, style="bold"),
            Text(f"{chart.patient[:8]}  {seen.labels[letter]}", no_wrap=True, overflow="ellipsis"),
            chart.stage,
            *(str(each) for each in (*numbers, len(chart.results))),
        )
    return table


def _strip(charts: Mapping[str, Chart]) -> Text:
    """Every escalation so far: open ones in the colour of their tier, retracted ones struck through."""
    chips = [
        _chip(letter, raised)
        for letter, chart in charts.items()
        for raised in sorted(chart.escalations.values(), key=lambda escalation: escalation.raised_at)
    ]
    return Text("escalations  ") + Text("  ").join(chips or [Text("none", style="dim")])


def _chip(letter: str, raised: Raised) -> Text:
    text = f"{letter} T{raised.tier} {raised.reason}"
    match raised.ended:
        case "":
            return Text(f"● {text}", style=TIER_STYLE[raised.tier])
        case "retracted":
            return Text(f"○ {text}", style="dim strike")
        case _:
            return Text(f"✓ {text}", style="green")


def _line(at: datetime, letter: str, step: Step) -> Text:
    line = Text(f"{at.astimezone(ZONE):%a %d %b %H:%M}  {letter}  {step.event:<24} ")
    if step.event.startswith("Escalation"):
        line.stylize("yellow")
    return line.append(step.summary, style="dim")

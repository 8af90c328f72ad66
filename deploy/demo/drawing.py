"""The sheet a timeline is drawn on: twelve weeks from left to right, rows from top to bottom, and its marks.

Shape and label carry every meaning; colour only helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from deploy.demo.markup import Markup, element, text

ZONE = ZoneInfo("America/New_York")
WIDTH, LEFT, RIGHT, TOP, WEEKS = 1180, 132, 20, 40, 12
LANE, GAP, NEAR = 26.0, 18.0, 78.0
DAY = timedelta(days=1)


@dataclass
class Sheet:
    """`y` is where the next row begins."""

    monday: datetime
    y: float = TOP

    @property
    def end(self) -> datetime:
        return self.monday + timedelta(weeks=WEEKS)

    def x(self, moment: datetime) -> float:
        share = (moment - self.monday) / timedelta(weeks=WEEKS)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def take(self, height: float) -> float:
        """The top of a new row of this height."""
        top, self.y = self.y, self.y + height + GAP
        return top


def row_name(label: str, y: float, kind: str = "row") -> Markup:
    return element("text", label, x=LEFT - 14, y=y + 4, class_=kind, text_anchor="end")


def mark(x: float, y: float, shape: str, kind: str, tip: str) -> Markup:
    """A small sign with a tip: `dot`, `ring`, `cross`, `square`, `diamond`, `triangle`, `barred`."""
    drawn = {
        "dot": element("circle", cx=x, cy=y, r=4.5),
        "ring": element("circle", cx=x, cy=y, r=4.5, class_="hollow"),
        "cross": element("path", d=f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10", class_="stroke"),
        "square": element("rect", x=x - 5, y=y - 5, width=10, height=10, rx=1.5),
        "diamond": element("path", d=f"M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"),
        "triangle": element("path", d=f"M{x:.1f} {y - 7:.1f}l7 12.5h-14z"),
        "barred": text(
            element("circle", cx=x, cy=y, r=5.5, class_="hollow"),
            element("path", d=f"M{x - 3.9:.1f} {y + 3.9:.1f}l7.8 -7.8", class_="stroke"),
        ),
    }[shape]
    return element("g", element("title", tip), drawn, class_=kind)


def bar(x: float, to: float, y: float, height: float, kind: str, tip: str) -> Markup:
    rounded = min(4.0, height / 2)
    drawn = element("rect", x=x, y=y, width=max(to - x, 3.0), height=height, rx=rounded)
    return element("g", element("title", tip), drawn, class_=kind)


def labels(placed: Sequence[tuple[float, str]], y: float) -> Markup:
    """Labels under marks: near ones lean away from each other, so that none is written over another."""
    written = []
    for number, (x, label) in enumerate(placed):
        last = placed[number - 1][0] if number else -WIDTH
        following = placed[number + 1][0] if number + 1 < len(placed) else 2 * WIDTH
        at, anchor = x, "middle"
        if x - last < NEAR:
            at, anchor = max(x - 6, (last + x) / 2 + 4), "start"
        elif following - x < NEAR:
            at, anchor = min(x + 6, (x + following) / 2 - 4), "end"
        elif x > WIDTH - RIGHT - NEAR / 2:
            at, anchor = x + 6, "end"
        written.append(element("text", label, x=at, y=y, class_="label", text_anchor=anchor))
    return text(*written)


def shown_at(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%a %d %b %H:%M}"

"""What the program did, month by month: the same numbers as `iop measures`, and a chart of the hours delivered."""

from collections.abc import Sequence

from deploy.demo.markup import Markup, element, table
from deploy.measures import Measure, Month

ROW, LABEL, BAR = 26, 90, 520
"""Pixels: of a month's row, before its bar, and of the longest bar."""
Months = Sequence[tuple[Month, Sequence[Measure]]]


def section(months: Months) -> Markup:
    names = [each.name for each in months[0][1]] if months else []
    rows = [(name, *(_shown(its[number]) for _, its in months)) for number, name in enumerate(names)]
    head = ("measure", *(month.name for month, _ in months))
    return element(
        "section",
        element("h2", "What the program did"),
        element("p", "Counted from the tables as iop measures counts them, and named by nobody.", class_="facts"),
        element("div", _hours(months), class_="scroll", tabindex="0", role="region", aria_label="hours delivered"),
        table(head, rows, "By month of the clinic"),
    )


def _shown(measure: Measure) -> str:
    if measure.value is None:
        return "–"
    number = f"{measure.value:g}"
    of = f" of {measure.of}" if measure.of is not None else ""
    return f"{number}{of}" if measure.unit == "1" else f"{number} {measure.unit}{of}"


def _hours(months: Months) -> Markup:
    hours = [next(each.value or 0 for each in its if each.name == "hours-delivered") for _, its in months]
    most = max([*hours, 1.0])
    bars = [
        element(
            "g",
            element("text", month.name, x=0, y=number * ROW + 17, class_="row"),
            element("rect", x=LABEL, y=number * ROW + 4, width=BAR * held / most, height=ROW - 8, class_="hours"),
            element("text", f"{held:g} h", x=LABEL + BAR * held / most + 8, y=number * ROW + 17, class_="label"),
        )
        for number, ((month, _), held) in enumerate(zip(months, hours, strict=True))
    ]
    return element(
        "svg",
        element("title", "Hours delivered by month"),
        *bars,
        viewBox=f"0 0 {LABEL + BAR + 100} {max(len(months), 1) * ROW}",
        role="img",
    )

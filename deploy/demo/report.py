"""The HTML report: one self-contained page, from Kafka's records and counts only. Nobody's name is in it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from deploy.demo.chart import Chart
from deploy.demo.drawing import WEEKS, mark, shown_at
from deploy.demo.markup import Markup, element, table, text
from deploy.demo.months import Months
from deploy.demo.months import section as measured
from deploy.demo.summary import Tally
from deploy.demo.timeline import draw

STYLE = Path(__file__).with_name("report.css")
SIGNS = (
    ("dot", "attended", "attended"),
    ("cross", "missed", "missed"),
    ("ring", "excused", "excused"),
    ("ring", "expected", "test ordered of the laboratory"),
    ("dot", "expected", "as expected"),
    ("diamond", "expected", "expected positive (prescribed)"),
    ("square", "baseline", "baseline"),
    ("triangle", "corrected", "positive, corrected"),
    ("triangle", "sent", "referral sent"),
    ("barred", "withheld", "withheld by the consent gate"),
)
RULES = {
    "R5": "medication for opioid use disorder is to be started: medically managed care is needed (1.7)",
    "R12": "no safe housing: beside an outpatient level, a recovery residence",
    "R14": "structure is needed several days a week: intensive outpatient (2.1)",
    "R19": "weekly outpatient care was not holding",
}
"""A sentence for each rule that the demo's patients meet; the rules themselves are intake's."""


def write(
    path: Path,
    charts: Mapping[str, Chart],
    labels: Mapping[str, str],
    found: Tally,
    monday: datetime,
    months: Months,
) -> None:
    """Write the page whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(charts, labels, found, monday, months), encoding="utf-8")


def page(charts: Mapping[str, Chart], labels: Mapping[str, str], found: Tally, monday: datetime, months: Months) -> str:
    """The report as text."""
    title = "Twelve weeks of an intensive outpatient program"
    last = monday + timedelta(weeks=WEEKS, days=-1)
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{title} · IOP Hub"),
        element("style", Markup(STYLE.read_text())),
    )
    body = element(
        "main",
        element("h1", title),
        element(
            "p",
            f"{monday:%d %B} to {last:%d %B %Y}, on a stepped clock. Three synthetic patients; everything below is ",
            "counted from the hub's Kafka topics and databases, nothing comes from the script that drove it.",
            class_="lead",
        ),
        _tiles(found),
        *(_patient(letter, chart, labels[letter], monday) for letter, chart in charts.items()),
        measured(months),
        _counts(found),
        _footer(),
    )
    return f"<!doctype html>\n{element('html', head, element('body', body), lang='en')}\n"


def _tiles(found: Tally) -> Markup:
    events, summary = found.events, found.disclosures
    zeros = (
        ("events lost", len(found.lost)),
        ("left in outboxes", found.unsent),
        ("events parked", found.parked),
    )
    others = (
        ("events on Kafka", len(found.records)),
        ("escalations raised", events["EscalationRaised"]),
        ("retracted", events["EscalationRetracted"]),
        ("resolved", events["EscalationResolved"]),
        ("disclosures made", summary["made"]),
        ("disclosures withheld", summary["withheld"]),
    )
    tiles: list[tuple[str, int, str | None]] = [(name, value, None) for name, value in others[:1]]
    tiles += [(name, value, "bad" if value else "good") for name, value in zeros]
    tiles += [(name, value, None) for name, value in others[1:]]
    return element(
        "ul",
        *(element("li", element("strong", value), element("span", name), class_=kind) for name, value, kind in tiles),
        class_="tiles",
    )


def _patient(letter: str, chart: Chart, label: str, monday: datetime) -> Markup:
    return element(
        "section",
        element(
            "header",
            element("span", letter, class_="letter", aria_hidden="true"),
            element(
                "div",
                element("h2", f"Patient {letter}: {label}", id=f"patient-{letter}"),
                element("p", element("code", chart.patient), f" · {chart.stage}", class_="facts"),
            ),
            class_="patient",
        ),
        element(
            "div", draw(letter, chart, monday), class_="scroll", tabindex="0", role="region", aria_label="timeline"
        ),
        _legend() if chart.sessions else _reasons(chart),
        _events(letter, chart),
        aria_labelledby=f"patient-{letter}",
    )


def _legend() -> Markup:
    def sign(shape: str, kind: str) -> Markup:
        return element("svg", mark(9, 9, shape, kind, kind), viewBox="0 0 18 18", aria_hidden="true")

    return element(
        "ul", *(element("li", sign(shape, kind), meaning) for shape, kind, meaning in SIGNS), class_="legend"
    )


def _reasons(chart: Chart) -> Markup:
    rules = [element("li", element("code", each), f" {RULES.get(each, '')}") for each in chart.rules]
    conditions = [element("li", "with the condition ", element("code", each)) for each in chart.conditions]
    return element("ul", *rules, *conditions, class_="rules")


def _events(letter: str, chart: Chart) -> Markup:
    """The timeline as text, event by event, for screen readers too."""
    rows = ((shown_at(step.at), step.event, step.summary) for step in chart.steps)
    return element(
        "details",
        element("summary", f"All {len(chart.steps)} events about patient {letter}"),
        table(("clinic time", "event", "in short"), rows, "In the order of their emission"),
    )


def _counts(found: Tally) -> Markup:
    services = (
        (name, count.decided, count.emitted, count.withheld, count.unsent, count.parked)
        for name, count in found.counts.items()
    )
    return element(
        "section",
        element("h2", "Counted at the end"),
        element(
            "div",
            table(("service", "decided", "emitted", "withheld", "unsent", "parked"), services, "In the four databases"),
            table(("topic", "events"), sorted(found.by_topic.items()), "On Kafka"),
            table(("event", "times"), _most_frequent(found), "Events"),
            class_="two",
        ),
    )


def _most_frequent(found: Tally) -> Iterator[tuple[str, int]]:
    yield from sorted(found.events.items(), key=lambda counted: (-counted[1], counted[0]))


def _footer() -> Markup:
    return element(
        "footer",
        text(
            "Delivery is at-least-once, effects are effectively once. The hub recommends and explains; a licensed ",
            "clinician signs placement, step-up and discharge. Patients are opaque ids here as on every topic.",
        ),
    )

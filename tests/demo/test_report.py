"""The report: one page that needs nothing else, shows what was read, and lets nothing in as markup."""

import re
from datetime import datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from deploy.demo import report, summary
from deploy.demo.chart import Chart
from deploy.demo.markup import element, table, text
from deploy.demo.stay import ZONE
from deploy.demo.timeline import draw
from deploy.measures import Measure, month_of
from deploy.queries import Count
from tests.demo import events
from tests.demo.events import FRIDAY, MONDAY, TUESDAY, chart, record

FIRST_MONDAY = datetime(2025, 7, 7, tzinfo=ZONE)
HOSTILE = '"><script>alert(1)</script>'
JULY = month_of(FIRST_MONDAY, ZONE)
MONTHS = [
    (JULY, [Measure("census", 2, "1"), Measure("hours-delivered", 40.5, "h"), Measure("contacts-made", 1, "1", 3)]),
    (
        month_of(JULY.until, ZONE),
        [Measure("census", 1, "1"), Measure("hours-delivered", 81.0, "h"), Measure("contacts-made", 0, "1", 0)],
    ),
]
UNQUIET = (
    record(events.admitted()),
    record(events.attended(MONDAY)),
    record(events.missed(TUESDAY)),
    record(events.excused(FRIDAY)),
    record(events.resulted("unexpected-positive-presumptive")),
    record(events.corrected("expected-negative")),
    record(events.raised()),
    record(events.retracted()),
)


def page(*charts: Chart) -> str:
    letters = dict(zip("ABC", charts, strict=False))
    found = summary.tally(UNQUIET, {"intake": Count(decided=1, emitted=8)}, [])
    return report.page(letters, dict.fromkeys(letters, "somebody made up"), found, FIRST_MONDAY, MONTHS)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    written = page(chart(*UNQUIET))
    assert re.findall(r"(?:src|href)\s*=|@import|url\(|<script|https?://", written) == []


def test_every_element_that_is_opened_is_closed() -> None:
    open_ones: list[str] = []

    class ResourceReader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag != "meta":
                open_ones.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_ones.pop() == tag

    ResourceReader().feed(page(chart(*UNQUIET), chart(record(events.declined()))))
    assert open_ones == []


def test_what_comes_from_outside_is_never_markup() -> None:
    written = page(chart(record(events.admitted(track=HOSTILE)), record(events.raised(reason=HOSTILE))))
    assert "<script" not in written
    assert "&lt;script&gt;" in written


def test_the_months_are_a_table_and_a_chart_of_their_hours() -> None:
    written = page(chart(*UNQUIET))
    assert '<th scope="col">2025-07</th>' in written
    assert "<td>hours-delivered</td><td>40.5 h</td><td>81 h</td>" in written
    assert "<td>contacts-made</td><td>1 of 3</td><td>0 of 0</td>" in written
    widths = [float(each) for each in re.findall(r'<rect x="90"[^>]* width="([0-9.]+)"[^>]* class="hours"', written)]
    assert widths == [260.0, 520.0]


def test_a_timeline_shows_each_thing_that_happened() -> None:
    drawn = draw("B", chart(*UNQUIET), FIRST_MONDAY)
    for emitted in (
        "in the IOP, track stimulant",
        "9 h",
        "20 h",
        "missed",
        "T2 unexpected-positive-presumptive → retracted",
    ):
        assert emitted in drawn
    assert "positive, corrected" in drawn
    assert "first reported: unexpected-positive-presumptive" in drawn


def test_a_drug_test_that_the_laboratory_took_is_in_the_row_of_drug_tests_and_in_the_list() -> None:
    written = page(chart(*UNQUIET, record(events.ordered(HOSTILE))))
    assert ">ordered</text>" in written
    assert "LaboratoryOrderSent" in written and ", new</td>" in written
    assert "<script" not in written


def test_a_timeline_can_be_read_without_being_seen() -> None:
    drawn = ElementTree.fromstring(draw("B", chart(*UNQUIET), FIRST_MONDAY))
    title, description, *_ = drawn
    assert drawn.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert description.text == (
        "in the IOP. Sessions: 1 attended, 1 missed, 1 excused. Drug tests: 1. Escalations: 1, of them 1 retracted "
        "and 0 resolved."
    )


def test_who_was_declined_is_shown_with_the_level_and_every_rule() -> None:
    written = page(chart(record(events.declined())))
    assert "not the IOP now: level 2.7 recommended and signed, by rules R5, R12, R14" in written
    assert "no safe housing" in written


@pytest.mark.parametrize("hostile", ["<b>", "a&b", '"quoted"'])
def test_text_attributes_and_cells_are_escaped(hostile: str) -> None:
    for written in (element("p", hostile), element("p", title=hostile), table((hostile,), [(hostile,)], hostile)):
        assert hostile not in written
    assert text(element("b", "kept"), hostile).startswith("<b>kept</b>")

"""A curated table: rows that are right are meetings, the others are named by line and column for who writes it."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.meetings import table
from services.aftercare.meetings.meeting import Fault, Feed, Meeting, Source
from shared.events.wire import Unreadable
from tests.laws import examples

LESS = settings(max_examples=examples(60))
SOURCE = Source(feed="others", fellowship="smart", zone="America/New_York")
ROW = {
    "id": "riverbend-1",
    "name": "SMART Recovery Riverbend",
    "fellowship": "",
    "day": "Tuesday",
    "time": "7:00 PM",
    "timezone": "",
    "types": "Open",
    "location": "Sample Hall",
    "address": "100 Main St",
    "city": "Riverbend",
    "state": "NY",
    "postal_code": "12345",
    "conference_url": "",
    "url": "",
}


def sheet(*rows: dict[str, str]) -> bytes:
    written = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def read(*rows: dict[str, str]) -> Feed:
    return table.read(SOURCE, sheet(*rows))


def test_a_row_becomes_a_meeting_of_the_feeds_fellowship_or_of_its_own() -> None:
    (found,) = read(ROW).meetings
    assert found == Meeting(
        feed="others",
        slug="riverbend-1",
        name="SMART Recovery Riverbend",
        fellowship="smart",
        weekdays=(2,),
        start="19:00",
        end="20:00",
        timezone="America/New_York",
        venues=("in-person",),
        types=("O",),
        location="Sample Hall",
        places=("Riverbend",),
        state="NY",
        postal_code="12345",
        address="100 Main St, Riverbend",
    )
    assert read({**ROW, "fellowship": "recovery-dharma"}).meetings[0].fellowship == "recovery-dharma"


@pytest.mark.parametrize(
    ("wrong", "column", "reason"),
    [
        ({"id": ""}, "id", "name-or-slug"),
        ({"name": ""}, "name", "name-or-slug"),
        ({"day": "Someday"}, "day", "day-unreadable"),
        ({"day": "1st Monday"}, "day", "day-unreadable"),
        ({"day": ""}, "day", "day-or-time"),
        ({"time": ""}, "time", "day-or-time"),
        ({"time": "7"}, "time", "time-unreadable"),
        ({"end_time": "late"}, "end_time", "end-unreadable"),
        ({"timezone": "New York"}, "timezone", "zone-unreadable"),
        ({"types": "Open, Merry"}, "types", "type-unknown"),
        ({"address": "Riverbend"}, "address", "place-and-link"),
        ({"latitude": "north", "longitude": "1"}, "latitude", "coordinates-unreadable"),
        ({"conference_url": "zoom.us/j/1"}, "conference_url", "link-unreadable"),
        ({"conference_phone": "555-0100"}, "conference_phone", "phone-unreadable"),
        ({"url": "www.example.org"}, "url", "page-unreadable"),
        ({"updated": "yesterday"}, "updated", "updated-unreadable"),
        ({"fellowship": "SMART Recovery"}, "fellowship", "fellowship"),
    ],
)
def test_a_row_that_lacks_anything_is_refused_by_line_and_column(
    wrong: dict[str, str], column: str, reason: str
) -> None:
    found = read(ROW, {**ROW, "id": "2", **wrong}, {**ROW, "id": "3"})
    assert found.faults == (Fault(3, column, reason),)
    assert ([each.slug for each in found.meetings], found.left_out) == (["riverbend-1", "3"], {reason: 1})


def test_an_id_is_of_one_row() -> None:
    found = read(ROW, {**ROW, "day": "Friday"})
    assert (found.faults, len(found.meetings)) == ((Fault(3, "id", "id-repeated"),), 1)


def test_a_column_that_is_none_is_named_and_the_rows_are_read() -> None:
    found = read({**ROW, "adress": "100 Main St"})
    assert (found.faults, len(found.meetings)) == ((Fault(1, "adress", "column-unknown"),), 1)


def test_a_comma_too_many_moves_nothing() -> None:
    content = sheet({"name": "a", "id": "1", "day": "1", "time": "19:00"}) + b"b,2,1,19:00,100 Main St\r\n"
    assert table.read(SOURCE, content).faults[-1] == Fault(3, "", "row-unreadable")


def test_a_table_of_the_columns_that_are_documented_has_no_unknown_one() -> None:
    assert read(dict.fromkeys(table.COLUMNS, "x")).left_out and all(
        each.reason != "column-unknown" for each in read(dict.fromkeys(table.COLUMNS, "x")).faults
    )


@pytest.mark.parametrize("content", [b"", b"id,day\n1,2", b"<html>"])
def test_what_is_no_table_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        table.read(SOURCE, content)


fields = some.sampled_from(["", "1", "Monday", "7 PM", "https://a.example/1", "O", "5555550100", "x", '"', ",", "\n"])
rows = some.dictionaries(some.sampled_from([*table.COLUMNS, "other"]), fields | some.text(max_size=4), max_size=8)


@LESS
@given(some.lists(rows.map(lambda each: ROW | each), min_size=1, max_size=4))
def test_whatever_a_table_holds_each_row_is_a_meeting_or_named(raw: list[dict[str, str]]) -> None:
    found = read(*raw)
    assert found.entries == len(found.meetings) + sum(found.left_out.values()) and found.merged == 0
    assert found.lacking == {} and len({each.line for each in found.faults if each.line > 1}) == sum(
        found.left_out.values()
    )

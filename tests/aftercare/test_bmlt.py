"""The meetings of Narcotics Anonymous as a BMLT root server, or an aggregator of several, answers them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.feeds.directory import written
from services.aftercare.feeds.reading import read
from services.aftercare.meetings import bmlt, document
from services.aftercare.meetings.meeting import Feed, Meeting, Source
from shared.events.wire import Unreadable
from tests.laws import examples

LESS = settings(max_examples=examples(60))
SOURCE = Source(feed="region", zone="America/New_York")
INFO = [{"version": "3.0.4", "nativeLang": "en", "defaultDuration": "01:30:00", "default_closed_status": False}]


def format_(id_: str, letters: str, world_id: str | None, name: str, **more: str) -> dict[str, Any]:
    return {"id": id_, "key_string": letters, "world_id": world_id, "name_string": name, "lang": "en"} | more


FORMATS = [
    format_("4", "C", "CLOSED", "Closed"),
    format_("17", "O", "OPEN", "Open"),
    format_("32", "W", "W", "Women"),
    format_("33", "WC", "WCHR", "Wheelchair"),
    format_("22", "SD", "S-D", "Speaker/Discussion"),
    format_("54", "VM", "VM", "Virtual Meeting"),
    format_("55", "TC", "TC", "Temporarily Closed Facility"),
    format_("56", "HY", "HYBR", "Hybrid Meeting"),
    format_("9", "ES", "LANG", "Español"),
    format_("49", "L/R", "LANG", "Lithuanian/Russian"),
    format_("2", "BL", "LANG", "Bi-Lingual"),
    format_("38", "Ag", None, "Agnostic"),
    format_("90", "ZZ", "NEW", "Since this table"),
]
LINK = "https://meet.example.org/na?pwd=WHISPERED"
ROW: dict[str, Any] = {
    "id_bigint": "101",
    "worldid_mixed": "G0001",
    "service_body_bigint": "3",
    "weekday_tinyint": "2",
    "venue_type": "1",
    "start_time": "19:00:00",
    "duration_time": "01:15:00",
    "time_zone": "",
    "formats": "O,SD,WC",
    "format_shared_id_list": "17,22,33",
    "lang_enum": "en",
    "longitude": "-73.9",
    "latitude": "40.7",
    "published": "1",
    "meeting_name": "Just for Today &amp; Tonight",
    "location_text": "Grace Church",
    "location_street": "12 Main St",
    "location_municipality": "Riverbend",
    "location_sub_province": "River County",
    "location_province": "New York",
    "location_postal_code_1": "12345",
    "location_nation": "USA",
    "phone_meeting_number": "",
    "virtual_meeting_link": "",
    "virtual_meeting_additional_info": "",
}


def feed(*rows: Any, info: Any = INFO, formats: Any = FORMATS) -> Feed:
    return bmlt.read(SOURCE, info, formats, list(rows))


def one(**changes: Any) -> Meeting:
    (found,) = feed({**ROW, **changes}).meetings
    return found


def test_a_row_becomes_a_meeting() -> None:
    assert one() == Meeting(
        feed="region",
        slug="101",
        name="Just for Today & Tonight",
        fellowship="na",
        weekdays=(1,),
        start="19:00",
        end="20:15",
        timezone="America/New_York",
        venues=("in-person",),
        types=("O", "SP", "D", "X"),
        location="Grace Church",
        places=("Riverbend", "River County"),
        state="NY",
        postal_code="12345",
        latitude=40.7,
        longitude=-73.9,
        address="12 Main St, Riverbend",
    )
    assert feed(ROW).lacking == {}


@pytest.mark.parametrize(("weekday", "day"), [("1", 0), ("7", 6), (4, 3)])
def test_weekdays_count_from_one(weekday: Any, day: int) -> None:
    assert one(weekday_tinyint=weekday).weekdays == (day,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"weekday_tinyint": day}, "day-unreadable") for day in ("0", "8", "", None, "Monday")),
        *(({"start_time": time}, "time-unreadable") for time in ("", None, "25:00:00")),
        *(({"published": value}, "unpublished") for value in ("0", "", 0, False, "no")),
        ({"id_bigint": ""}, "name-or-slug"),
        ({"meeting_name": ""}, "name-or-slug"),
    ],
)
def test_a_row_that_is_no_meeting_is_counted_by_why(changes: dict[str, Any], reason: str) -> None:
    found = feed({**ROW, **changes}, ROW)
    assert (len(found.meetings), found.left_out) == (1, {reason: 1})


@pytest.mark.parametrize(
    ("duration", "end"),
    [("01:00:00", "20:00"), ("", "20:30"), ("06:00", "01:00"), ("24:00:00", "19:00"), ("long", "20:00")],
)
def test_a_meeting_ends_its_duration_later_or_the_servers(duration: str, end: str) -> None:
    assert one(duration_time=duration).end == end
    assert feed({**ROW, "duration_time": "long"}).lacking == {"end-unreadable": 1}


@pytest.mark.parametrize(
    ("venue_type", "formats", "venues"),
    [
        ("1", "17", ("in-person",)),
        ("2", "17", ("online",)),
        ("3", "17", ("in-person", "online")),
        (3, "17", ("in-person", "online")),
        ("1", "17,54", ("online",)),
        ("3", "17,54,56", ("in-person", "online")),
        ("3", "17,55", ("online",)),
        ("", "54", ("online",)),
        ("", "56", ("in-person", "online")),
        ("", "17", ("in-person", "online")),
        ("9", "17", ("online",)),
    ],
)
def test_a_virtual_meeting_is_no_place_to_go_to(venue_type: Any, formats: str, venues: tuple[str, ...]) -> None:
    """A meeting in person has no link, whatever was left in the row; one whose facility is closed has no place."""
    assert one(venue_type=venue_type, format_shared_id_list=formats, virtual_meeting_link=LINK).venues == venues


def test_a_venue_type_that_is_none_is_counted() -> None:
    assert feed({**ROW, "venue_type": "9", "virtual_meeting_link": LINK}).lacking == {"venue-type-unknown": 1}


def test_how_to_join_is_the_groups_secret() -> None:
    found = one(venue_type="2", virtual_meeting_link=LINK, virtual_meeting_additional_info="code WHISPERED",
                phone_meeting_number="+1 555 555 0100,,WHISPERED")  # fmt: skip
    assert (found.link, found.notes, found.venues) == (LINK, "code WHISPERED", ("online", "phone"))
    assert "WHISPERED" not in repr(found) + msgspec.json.encode(written(found, "NA of Riverbend")).decode()


@pytest.mark.parametrize(
    ("formats", "types"),
    [
        ("32,4", ("W", "C")),
        ("17,4", ("C",)),
        ("9", ("S",)),
        ("49", ("LT", "RUS")),
        ("38", ()),
        ("", ()),
    ],
)
def test_a_format_is_what_its_world_id_says(formats: str, types: tuple[str, ...]) -> None:
    assert one(format_shared_id_list=formats, formats="").types == types


def test_without_numbers_formats_are_found_by_their_letters() -> None:
    assert one(format_shared_id_list=None, formats="W,C").types == ("W", "C")


@pytest.mark.parametrize("formats", ["999", "90"])
def test_a_format_that_is_none_is_counted(formats: str) -> None:
    found = feed({**ROW, "format_shared_id_list": formats})
    assert (found.meetings[0].types, found.lacking) == ((), {"format-unknown": 1})


def test_a_language_without_a_name_is_the_rows_own_and_is_counted() -> None:
    found = feed({**ROW, "format_shared_id_list": "2", "lang_enum": "es"})
    assert (found.meetings[0].types, found.lacking) == (("S",), {"language-unknown": 1})


def test_a_server_may_call_closed_what_states_neither() -> None:
    (found,) = feed({**ROW, "format_shared_id_list": "33"}, info=[{"default_closed_status": True}]).meetings
    assert found.types == ("X", "C")
    assert one(format_shared_id_list="33").types == ("X",)


def test_the_numbers_of_one_root_server_mean_nothing_on_another() -> None:
    formats = [
        format_("7", "M", "M", "Men", root_server_id="1"),
        format_("7", "W", "W", "Women", root_server_id="2"),
    ]
    rows = [{**ROW, "format_shared_id_list": "7", "root_server_id": root} for root in ("1", "2")]
    found = feed(*rows, formats=formats).meetings
    assert [(each.slug, each.types) for each in found] == [("1-101", ("M",)), ("2-101", ("W",))]


def test_formats_in_several_languages_are_one_and_english_names_it() -> None:
    finnish = [format_("46", "FIN", "LANG", "Finnois", lang="fr"), format_("46", "FIN", "LANG", "Finnish")]
    (found,) = feed({**ROW, "format_shared_id_list": "46"}, formats=finnish).meetings
    assert found.types == ("FI",)


def test_results_with_their_used_formats_are_read_by_them() -> None:
    results = {"meetings": [ROW], "formats": FORMATS}
    assert bmlt.read(SOURCE, INFO, None, results) == feed(ROW)


def test_jsonp_is_the_same_document() -> None:
    content = f"callback({json.dumps([ROW])});".encode()
    assert bmlt.read(SOURCE, INFO, FORMATS, document.json_value("region", content)) == feed(ROW)


@pytest.mark.parametrize(
    ("formats", "results"), [(None, [ROW]), ({}, [ROW]), (FORMATS, None), (FORMATS, {"error": "x"}), (FORMATS, "x")]
)
def test_without_formats_or_results_there_is_no_feed(formats: Any, results: Any) -> None:
    with pytest.raises(Unreadable):
        bmlt.read(SOURCE, INFO, formats, results)


def test_zeros_are_no_coordinates() -> None:
    found = feed({**ROW, "latitude": "0", "longitude": "0"})
    assert (found.meetings[0].latitude, found.lacking) == (None, {})


values = (
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5) | some.lists(some.none())
)
odd = some.dictionaries(
    some.sampled_from([*ROW, "root_server_id"]), values | some.sampled_from(["1", "2", LINK]), max_size=6
)


@LESS
@given(
    some.lists(odd.map(lambda each: ROW | each) | odd | values, max_size=4),
    some.lists(odd | values, max_size=3),
    values | odd,
)
def test_whatever_a_server_answers_each_row_is_a_meeting_merged_or_left_out(
    rows: list[Any], formats: list[Any], info: Any
) -> None:
    found = bmlt.read(SOURCE, info, [*FORMATS, *formats], rows)
    assert found.entries == len(rows) == len(found.meetings) + found.merged + sum(found.left_out.values())
    assert all(("online" in each.venues) == (each.link is not None) for each in found.meetings)


@LESS
@given(odd)
def test_venue_type_2_is_never_in_person(row: dict[str, Any]) -> None:
    assert all("in-person" not in each.venues for each in feed({**ROW, **row, "venue_type": "2"}).meetings)


def test_a_server_may_answer_with_callbacks_and_one_number_too_large_spoils_its_own_row() -> None:
    huge = json.dumps([ROW, {**ROW, "id_bigint": "102", "weekday_tinyint": 7777}]).replace("7777", "7" * 5000)
    documents = [f"c({each});".encode() for each in (json.dumps(INFO), json.dumps(FORMATS), huge)]
    counts = read("bmlt", SOURCE, documents)[0].counts
    assert (counts.meetings, counts.left_out) == (1, {"day-unreadable": 1})

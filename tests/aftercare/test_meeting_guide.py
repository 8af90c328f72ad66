"""Reading a public meeting feed as its publishers write it: whatever it holds, each entry is a meeting, part of one, or
counted by why it is none."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.feeds.directory import written
from services.aftercare.meetings import meeting_guide, reading
from services.aftercare.meetings.collecting import MEETINGS_MOST
from services.aftercare.meetings.meeting import Feed, Meeting, Source
from shared.events.wire import Unreadable
from tests.laws import examples

LESS = settings(max_examples=examples(60))
DEMO = Path(__file__).parents[2] / "deploy" / "meetings" / "riverbend.json"
SOURCE = Source(feed="riverbend", fellowship="aa", zone="America/New_York")
ROOM = "https://meet.example.org/room?pwd=TOPSECRET"
ENTRY: dict[str, Any] = {
    "name": "First Step",
    "slug": "first-step",
    "day": 1,
    "time": "18:30",
    "end_time": "19:45",
    "timezone": "America/New_York",
    "types": ["O", "BE"],
    "location": "Sample Hall",
    "formatted_address": "100 Sample Street, Riverbend, NY 00000, USA",
    "city": "Riverbend",
    "region": "Riverbend County",
}
BERLIN = {"formatted_address": None, "city": "Berlin", "postal_code": "10115"}


def parse(content: bytes, source: Source = SOURCE) -> Feed:
    return meeting_guide.read(source, content)


def feed(*entries: Any) -> Feed:
    return parse(json.dumps(entries).encode())


def one(**changes: Any) -> Meeting:
    (found,) = feed({**ENTRY, **changes}).meetings
    return found


def test_an_entry_becomes_a_meeting() -> None:
    assert one() == Meeting(
        feed="riverbend",
        slug="first-step",
        name="First Step",
        fellowship="aa",
        weekdays=(1,),
        start="18:30",
        end="19:45",
        timezone="America/New_York",
        venues=("in-person",),
        types=("O", "BE"),
        location="Sample Hall",
        places=("Riverbend", "Riverbend County"),
        state="NY",
        postal_code="00000",
        address="100 Sample Street, Riverbend, NY 00000, USA",
    )
    assert one().id == "riverbend|first-step" and feed(ENTRY).lacking == {}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        None,
        7,
        "x",
        [],
        {"name": "No slug"},
        {"slug": "no-name"},
        {"name": "", "slug": "a"},
        {"name": "a", "slug": []},
        {"name": ROOM, "slug": "only-a-room"},
    ],
)
def test_a_bad_entry_is_left_out_and_counted(bad: Any) -> None:
    found = feed(bad, ENTRY)
    assert (len(found.meetings), found.left_out) == (1, {"name-or-slug": 1})


def test_only_name_and_slug_are_required() -> None:
    (found,) = feed({"name": "By appointment", "slug": 7}).meetings
    assert (found.slug, found.weekdays, found.start, found.end, found.venues) == ("7", (), None, None, ())


@pytest.mark.parametrize(
    ("day", "weekdays"),
    [
        (0, (0,)),
        ([5, 1, 1], (1, 5)),
        ("3", (3,)),
        (2.0, (2,)),
        ("Monday", (1,)),
        ("Friday ", (5,)),
        ("SATURDAYS", (6,)),
        ("Tues.", (2,)),
        ("miércoles", (3,)),
        (["1", "Wed"], (1, 3)),
        ("1,3,5", (1, 3, 5)),
        ("Mon, Wed & Fri", (1, 3, 5)),
        ("Monday/Thursday", (1, 4)),
        ("Mon-Fri", (1, 2, 3, 4, 5)),
        ("Sat to Mon", (0, 1, 6)),
        ("Daily", (0, 1, 2, 3, 4, 5, 6)),
        ({"0": 1, "2": 3}, (1, 3)),
        (None, ()),
        ("", ()),
        ([], ()),
    ],
)
def test_a_day_is_a_number_from_sunday_a_name_or_several(day: Any, weekdays: tuple[int, ...]) -> None:
    assert one(day=day).weekdays == weekdays


@pytest.mark.parametrize(
    ("time", "start"),
    [
        ("18:30", "18:30"),
        ("9:05", "09:05"),
        ("07:00:00", "07:00"),
        ("7:00 PM", "19:00"),
        ("7:00pm", "19:00"),
        ("7 p.m.", "19:00"),
        ("12:00 AM", "00:00"),
        ("12:15 pm", "12:15"),
        ("19h30", "19:30"),
        ("noon", "12:00"),
        ("Midnight", "00:00"),
        (None, None),
        ("", None),
    ],
)
def test_a_time_is_of_24_hours_or_says_which_half_of_the_day(time: Any, start: str | None) -> None:
    assert one(time=time).start == start


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        *(({"day": day}, "day-unreadable") for day in (7, -1, True, False, "Someday", "1st Monday", "1-5", [9], " ")),
        *(({"time": time}, "time-unreadable") for time in ("25:00", "24:00", "13:00 PM", "7:60", "9", "late")),
    ],
)
def test_a_day_or_time_that_cannot_be_read_makes_no_meeting_by_appointment(entry: dict[str, Any], reason: str) -> None:
    found = feed({**ENTRY, **entry})
    assert (found.meetings, found.left_out) == ((), {reason: 1})


@pytest.mark.parametrize("day", [["1", "x"], [1, 9], [1, None], [True, 1], ["Monday", "1st Tuesday"]])
def test_of_days_half_read_the_readable_stand_and_the_rest_is_counted(day: list[Any]) -> None:
    found = feed({**ENTRY, "day": day})
    assert (found.meetings[0].weekdays, found.lacking) == ((1,), {"day-partly-unreadable": 1})


@pytest.mark.parametrize("half", [{"day": None}, {"time": ""}])
def test_a_day_without_a_time_is_counted_and_so_is_a_time_without_a_day(half: dict[str, Any]) -> None:
    assert feed({**ENTRY, **half}).lacking == {"day-or-time": 1}
    assert feed({**ENTRY, "day": None, "time": None}).lacking == {}


@pytest.mark.parametrize(("time", "end"), [("18:30", "19:30"), ("23:30", "00:30")])
def test_without_an_end_that_can_be_read_a_meeting_lasts_an_hour(time: str, end: str) -> None:
    assert one(time=time, end_time=None).end == one(time=time, end_time="late").end == end
    assert feed({**ENTRY, "end_time": "late"}).lacking == {"end-unreadable": 1}


@pytest.mark.parametrize(
    ("types", "codes"),
    [
        (["O", "BE"], ("O", "BE")),
        ("O,BE", ("O", "BE")),
        ("Open, Newcomer", ("O", "BE")),
        (["Abierta", "Nykomling"], ("O", "BE")),
        ({"0": "O", "3": "BE"}, ("O", "BE")),
        ({"O": True, "C": False, "BE": "1"}, ("O", "BE")),
        (["o", "be", "O"], ("O", "BE")),
        (["O", "C"], ("C",)),
        (11, ("11",)),
        ("Location Temporarily Closed", ("TC",)),
        (None, ()),
    ],
)
def test_types_are_codes_or_names_in_a_list_a_text_or_an_object(types: Any, codes: tuple[str, ...]) -> None:
    assert one(types=types).types == codes


def test_a_type_that_is_none_is_counted_and_is_no_code() -> None:
    found = feed({**ENTRY, "types": ["O", "not a code", " ", "two  spaces"]})
    assert (found.meetings[0].types, found.lacking) == (("O",), {"type-unknown": 1})


def test_narcotics_anonymous_states_its_formats_as_types_and_others_do_not() -> None:
    entries = json.dumps([{**ENTRY, "types": ["BEG", "S-D", "NS"]}]).encode()
    assert parse(entries, Source(feed="na", fellowship="na")).meetings[0].types == ("BE", "SP", "D")
    assert parse(entries).meetings[0].types == ()


@pytest.mark.parametrize(
    "no_address",
    [
        {"approximate": "yes"},
        {"approximate": "YES"},
        {"approximate": True},
        {"approximate": "\u0000"},
        {"types": ["O", "TC"]},
        {"types": "Emplacement temporairement fermé"},
        {"types": ["一時的休止中"]},
        {"attendance_option": "online"},
        {"attendance_option": "inactive"},
        {"location": "Online Meeting"},
        {"location": "Hall (cl&shy;osed)"},
        {"formatted_address": "Riverbend, NY, USA"},
        {"formatted_address": "Online"},
        {"formatted_address": None, "address": "Riverbend"},
        {"formatted_address": None, "location": "Sample Hall"},
        {"formatted_address": None, "types": ["ONL"], "latitude": "40.1", "longitude": "-73.2", "approximate": "no"},
        {"formatted_address": None, "latitude": 40.1, "longitude": -73.2},
        {"formatted_address": None, "latitude": "0", "longitude": "0", "approximate": "no"},
        {"formatted_address": None, "coordinates": "40.1,-73.2,41,-72", "approximate": "no"},
    ],
)
def test_a_place_without_a_door_is_no_place_to_go_to(no_address: dict[str, Any]) -> None:
    assert one(**no_address, conference_url="https://meet.example.org/1").venues == ("online",)
    found = feed({**ENTRY, **no_address})
    assert found.lacking == {"place-and-link": 1} and found.meetings[0].location is None


@pytest.mark.parametrize(
    "exact",
    [
        {"approximate": "no"},
        {"approximate": False, "attendance_option": "hybrid", "types": ["ONL"]},
        {"formatted_address": None, "address": "Corner of Main and Oak"},
        {"formatted_address": None, "latitude": "40.1", "longitude": "-73.2", "approximate": "no"},
        {"formatted_address": None, "coordinates": "40.1, -73.2", "approximate": "no"},
    ],
)
def test_an_exact_address_or_coordinates_stated_exact_are_a_door(exact: dict[str, Any]) -> None:
    assert one(**exact).venues == ("in-person",)


@pytest.mark.parametrize(
    ("stated", "degrees"),
    [
        ({"latitude": 40.1, "longitude": -73.2}, (40.1, -73.2)),
        ({"latitude": "40.1", "longitude": " -73.2"}, (40.1, -73.2)),
        ({"coordinates": "40.1,-73.2"}, (40.1, -73.2)),
        ({"latitude": "0", "longitude": 0}, (None, None)),
        ({"latitude": 40.1, "longitude": 0}, (None, None)),
        ({"latitude": 91, "longitude": 10}, (None, None)),
        ({"latitude": True, "longitude": "west"}, (None, None)),
    ],
)
def test_coordinates_are_both_in_range_or_none(stated: dict[str, Any], degrees: tuple[float, float]) -> None:
    assert (one(**stated).latitude, one(**stated).longitude) == degrees


def test_coordinates_that_cannot_be_read_are_counted_and_zeros_are_none() -> None:
    assert feed({**ENTRY, "latitude": "north", "longitude": 1}).lacking == {"coordinates-unreadable": 1}
    assert feed({**ENTRY, "latitude": "0.000", "longitude": 0}).lacking == {}


@pytest.mark.parametrize(
    ("stated", "area"),
    [
        ({"formatted_address": "100 Main St, Riverbend, NY 12345-6789, USA"}, ("Riverbend", "NY", "12345")),
        ({"formatted_address": "Riverbend, New York, USA"}, ("Riverbend", "NY", None)),
        ({"formatted_address": "100 Main St, NY 12345"}, (None, "NY", "12345")),
        ({"formatted_address": "Calle Mayor 1, Madrid, Spain"}, (None, None, None)),
        ({"formatted_address": None, "city": "Salem", "state": "Massachusetts", "zip": 1970}, ("Salem", "MA", "01970")),
        ({**BERLIN, "country": "Germany"}, ("Berlin", None, None)),
        ({**BERLIN, "state": "Berlin"}, ("Berlin", None, None)),
    ],
)
def test_without_a_city_the_address_says_where_it_is(stated: dict[str, Any], area: tuple[str | None, ...]) -> None:
    found = one(**{"city": None, "region": None, **stated})
    assert (found.places[0] if found.places else None, found.state, found.postal_code) == area


def test_a_meeting_without_any_place_is_in_the_regions_of_its_feed() -> None:
    source = Source(feed="x", regions=("Riverbend County",))
    entries = json.dumps([{"name": "a", "slug": "b"}, {"name": "a", "slug": "c", "city": "Elsewhere"}]).encode()
    assert [each.places for each in parse(entries, source).meetings] == [("Riverbend County",), ("Elsewhere",)]


def test_a_zone_that_is_none_is_counted_and_the_feeds_own_stands() -> None:
    assert one(timezone="America/Chicago").timezone == "America/Chicago"
    found = feed({**ENTRY, "timezone": "EDT (New York)"}, {**ENTRY, "slug": "b", "timezone": ""})
    assert [each.timezone for each in found.meetings] == ["America/New_York"] * 2
    assert found.lacking == {"zone-unreadable": 1}
    assert parse(b'[{"name": "a", "slug": "b"}]', Source(feed="x")).lacking == {"zone": 1, "place-and-link": 1}


def test_how_to_join_is_the_groups_secret_and_stands_in_three_members_alone() -> None:
    found = one(
        conference_url=ROOM, conference_url_notes="password TOPSECRET", conference_phone="+1 555 555 0100,,TOPSECRET#"
    )
    assert found.venues == ("in-person", "online", "phone")
    assert (found.link, found.notes) == (ROOM, "password TOPSECRET")
    assert "TOPSECRET" not in repr(found) and b"TOPSECRET" not in msgspec.json.encode(written(found, "West Intergroup"))


@pytest.mark.parametrize(
    "link",
    ["zoom.us/j/1", "javascript:alert(1)", "https://zoom.us@evil.example/", "https://", "843 2222 1111", "http://[x"],
)
def test_what_is_no_link_is_no_way_in(link: str) -> None:
    found = feed({**ENTRY, "conference_url": link, "conference_url_notes": "TOPSECRET"})
    assert (found.meetings[0].venues, found.lacking) == (("in-person",), {"link-unreadable": 1})
    assert found.meetings[0].notes is None


@pytest.mark.parametrize(
    ("phone", "is_one"),
    [
        ("+1 555 555 0100,,123#", True),
        ("(555) 555-0100", True),
        (5555550100, True),
        ("555-0100,,84322221111#", False),
        ("ask the group", False),
        ("1" * 30, False),
    ],
)
def test_a_number_to_dial_has_ten_digits(phone: Any, is_one: bool) -> None:
    found = feed({**ENTRY, "conference_phone": phone})
    assert ("phone" in found.meetings[0].venues) == is_one == (found.lacking == {})


@pytest.mark.parametrize("page", ["https://us02web.zoom.us/j/8432222111?pwd=TOPSECRET", ROOM])
def test_a_room_in_the_place_of_a_page_is_no_page(page: str) -> None:
    found = feed({**ENTRY, "url": page, "conference_url": ROOM})
    assert (found.meetings[0].url, found.lacking) == (None, {"page-unreadable": 1})
    assert one(url="https://meetings.example.org/first-step").url == "https://meetings.example.org/first-step"


@pytest.mark.parametrize(
    ("updated", "day"),
    [("2025-01-02 12:00:00", "2025-01-02"), ("2025-01-02T12:00:00Z", "2025-01-02"), ("1/2/2025", "2025-01-02")],
)
def test_a_source_is_as_old_as_its_day_says(updated: str, day: str) -> None:
    assert one(updated=updated).updated == day
    assert feed({**ENTRY, "updated": "2025-13-02"}).lacking == {"updated-unreadable": 1}


def test_tags_and_entities_are_read_as_their_text() -> None:
    name, location = "Women&#8217;s <b>Step</b> &amp;amp; Study", "St. Paul&rsquo;s<br/>Hall"
    found = one(name=name, slug="a &amp; b", location=location)
    assert (found.name, found.slug, found.location) == ("Women’s Step & Study", "a & b", "St. Paul’s Hall")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_feed_is_of_utf_8_or_of_latin_1(encoding: str) -> None:
    content = json.dumps([{**ENTRY, "name": "Café Sobriété"}], ensure_ascii=False).encode(encoding)
    assert parse(content).meetings[0].name == "Café Sobriété"


def test_one_broken_letter_spoils_no_other() -> None:
    content = json.dumps([{**ENTRY, "name": "Café"}, {**ENTRY, "slug": "b", "name": "X?"}], ensure_ascii=False).encode()
    assert [each.name for each in parse(content.replace(b"X?", b"X\xff")).meetings] == ["Café", "X\ufffd"]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda rows: {"meetings": rows, "formats": [{"id": "1"}]},
        lambda rows: {"warnings": [], "meetings": rows},
        lambda rows: {"meetings": {"0": rows[0], "7": rows[1]}},
        lambda rows: {"data": rows},
        lambda rows: {
            "range": "A1",
            "values": [list(rows[0]), *(list(map(str, each.values())) for each in rows), [], [""]],
        },
    ],
)
def test_the_array_may_stand_within_an_object(wrapped: Any) -> None:
    rows = [{"name": "a", "slug": "1"}, {"name": "b", "slug": "2"}]
    assert [each.slug for each in parse(json.dumps(wrapped(rows)).encode()).meetings] == ["1", "2"]
    assert len(parse(f"callback({json.dumps(wrapped(rows))});".encode()).meetings) == 2


def test_a_published_sheet_is_read_by_the_names_of_its_columns() -> None:
    sheet = (
        "Name,ID,Day,Time,Types,Full Address,Conference URL,Updated\r\n"
        '"First, Step",1,Monday,7:00 PM,"Open, Newcomer","100 Main St, Riverbend, NY 12345, USA",,12/31/2024\r\n'
        ",,,,,,,\r\n"
        f'Online,2,"Tuesday, Friday",Noon,,"Riverbend, NY, USA",{ROOM},\r\n'
    )
    first, second = parse(sheet.encode()).meetings
    assert (first.slug, first.name, first.weekdays, first.start) == ("1", "First, Step", (1,), "19:00")
    assert (first.venues, first.types, first.updated) == (("in-person",), ("O", "BE"), "2024-12-31")
    assert (second.venues, second.weekdays, second.start, second.places) == (
        ("online",),
        (2, 5),
        "12:00",
        ("Riverbend",),
    )


def test_a_field_too_long_for_a_sheet_spoils_its_own_row() -> None:
    sheet = f"name,slug\na,1\n{'x' * 200_000},2\nb,3\n"
    found = parse(sheet.encode())
    assert ([each.slug for each in found.meetings], found.left_out) == (["1", "3"], {"name-or-slug": 1})


def test_a_number_too_large_to_be_any_spoils_its_own_entry() -> None:
    content = json.dumps([{**ENTRY, "day": 7777}, {**ENTRY, "slug": "b"}]).encode().replace(b"7777", b"7" * 5000)
    assert (len(parse(content).meetings), parse(content).left_out) == (1, {"day-unreadable": 1})


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b"[", b"\xff\xfe", b"[" * 100_000, b"<html>\nname,slug", b"a,b\n1,2"]
)
def test_what_holds_no_entries_is_unreadable_and_echoes_nothing(content: bytes) -> None:
    with pytest.raises(Unreadable) as wrong:
        parse(content)
    assert wrong.value.place == "meeting feed riverbend"


def test_nul_and_lone_surrogates_end_in_no_database() -> None:
    content = b'[{"name": "a\\u0000b\\ud800", "slug": "s\\u0000"}]'
    (found,) = parse(content).meetings
    assert (found.name, found.slug) == ("a b", "s")


def test_a_feed_beyond_the_limit_is_cut_and_counted() -> None:
    found = feed(*({"name": "a", "slug": str(number)} for number in range(MEETINGS_MOST + 5)))
    assert (len(found.meetings), found.left_out["too-many"]) == (MEETINGS_MOST, 5)


def test_a_slug_for_each_day_and_one_for_the_week_are_the_same_meeting() -> None:
    daily = feed(*({**ENTRY, "day": day} for day in (3, 1, 5)), ENTRY)
    assert daily.meetings == feed({**ENTRY, "day": [1, 3, 5]}).meetings and daily.merged == 3


def test_two_meetings_of_one_slug_are_both_there_whatever_their_order() -> None:
    """As BMLT publishes: a slug made of the name alone."""
    rows = [
        ENTRY,
        {**ENTRY, "day": 2},
        {**ENTRY, "time": "07:00"},
        {**ENTRY, "formatted_address": "9 Elm St, Salem, MA"},
    ]
    found, turned = feed(*rows), feed(*reversed(rows))
    assert len({each.id for each in found.meetings}) == 3 and found.merged == 1
    assert set(found.meetings) == set(turned.meetings)
    assert "first-step" in {each.slug for each in found.meetings}


def test_of_two_names_for_one_slug_at_one_hour_the_first_stands() -> None:
    found = feed(ENTRY, {**ENTRY, "name": "Again"})
    assert [each.name for each in found.meetings] == ["First Step"]
    assert found.left_out == {"slug-repeated": 1}


def test_the_demo_feed_lacks_only_the_place_that_is_closed_for_now() -> None:
    found = parse(DEMO.read_bytes())
    assert (found.lacking, found.left_out) == ({"place-and-link": 1}, {}) and len(found.meetings) >= 40


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.floats(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
likely = some.sampled_from(["1", "Monday", "18:30", "7 PM", "O,C", "40.1", 0, "a", "12 Main St", ROOM, "5555550100"])
members = some.sampled_from(
    [*ENTRY, "address", "state", "postal_code", "country", "regions", "latitude", "longitude", "coordinates",
     "approximate", "attendance_option", "conference_url", "conference_phone", "conference_url_notes", "url", "updated",
     "id", "notes"]
)  # fmt: skip
rows = some.dictionaries(members, likely | anything, max_size=9).map(lambda each: {"name": "a", "slug": "b"} | each)
entries = some.lists(rows | anything, max_size=5)


@LESS
@given(entries)
def test_whatever_a_feed_holds_each_entry_is_a_meeting_merged_or_left_out(raw: list[Any]) -> None:
    found = feed(*raw)
    assert found.entries == len(raw) == len(found.meetings) + found.merged + sum(found.left_out.values())
    assert len({each.id for each in found.meetings}) == len(found.meetings)
    assert all(0 < count <= len(found.meetings) for count in found.lacking.values())


@LESS
@given(entries)
def test_whatever_a_feed_holds_a_meeting_is_within_its_limits(raw: list[Any]) -> None:
    for each in feed(*raw).meetings:
        texts = [each.slug, each.name, each.location, *each.places, each.address, each.phone]
        assert all(len(text or "") <= 2 * reading.TEXT_CHARACTERS_MOST + 2 for text in texts)
        assert ("online" in each.venues) == (each.link is not None)
        assert ("phone" in each.venues) == (each.phone is not None)
        assert "in-person" in each.venues or each.location is None
        assert (each.latitude is None) == (each.longitude is None)
        assert each.weekdays == tuple(sorted({*each.weekdays} & set(range(7))))


@LESS
@given(some.binary(max_size=60) | some.text(max_size=60).map(str.encode))
def test_whatever_bytes_come_they_are_read_or_unreadable(content: bytes) -> None:
    try:
        found = parse(content)
    except Unreadable as wrong:
        assert wrong.place == "meeting feed riverbend"
    else:
        assert found.entries == len(found.meetings) + found.merged + sum(found.left_out.values())


@LESS
@given(rows)
def test_no_secret_of_a_group_is_printed_or_published(row: dict[str, Any]) -> None:
    secrets = {
        "conference_url": "https://room.example/WHISPERED",
        "conference_phone": "5555550100,,WHISPERED",
        "conference_url_notes": "WHISPERED",
        "url": "https://us02web.zoom.us/WHISPERED",
    }
    for each in feed({"name": "a", "slug": "b", **row, **secrets}).meetings:
        assert "WHISPERED" not in repr(each) + msgspec.json.encode(written(each, "West Intergroup")).decode()

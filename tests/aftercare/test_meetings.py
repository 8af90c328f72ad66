"""Reading a public meeting feed as it comes, and choosing from it what fits one patient."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.meetings.matching import Wishes, match
from services.aftercare.meetings.meeting import LANGUAGES, Feed, Meeting, Source
from services.aftercare.meetings.meeting_guide import MEETINGS_MOST
from services.aftercare.meetings.meeting_guide import read as read_feed
from shared.events.wire import Unreadable
from tests.aftercare.given import meeting
from tests.laws import examples

LESS = settings(max_examples=examples(60))
DEMO = Path(__file__).parents[2] / "deploy" / "meetings" / "riverbend.json"
ENTRY: dict[str, Any] = {
    "name": "First Step",
    "slug": "first-step",
    "day": 1,
    "time": "18:30",
    "end_time": "19:45",
    "timezone": "America/New_York",
    "types": ["O", "BE"],
    "formatted_address": "100 Sample Street, Riverbend, NY 00000, USA",
    "city": "Riverbend",
    "region": "Riverbend County",
}


def parse(content: bytes) -> Feed:
    return read_feed(Source(feed="riverbend"), content)


def read(*entries: Any) -> tuple[Meeting, ...]:
    return parse(json.dumps(entries).encode()).meetings


def one(**changes: Any) -> Meeting:
    (found,) = read({**ENTRY, **changes})
    return found


def test_an_entry_becomes_a_meeting() -> None:
    assert one() == Meeting(
        feed="riverbend",
        slug="first-step",
        name="First Step",
        weekdays=(1,),
        start="18:30",
        end="19:45",
        timezone="America/New_York",
        venues=("in-person",),
        types=("O", "BE"),
        places=("Riverbend", "Riverbend County"),
        address="100 Sample Street, Riverbend, NY 00000, USA",
    )
    assert one().id == "riverbend|first-step"


def test_what_is_printed_of_a_meeting_shows_no_secret_of_its_group() -> None:
    found = Meeting(
        feed="riverbend",
        slug="a",
        name="A",
        link="https://x.example/?pwd=TOPSECRET",
        phone="TOPSECRET",
        notes="TOPSECRET",
    )
    assert "TOPSECRET" not in repr(found) and "name='A'" in repr(found)


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
    ],
)
def test_a_bad_entry_is_skipped_and_counted(bad: Any) -> None:
    feed = parse(json.dumps([bad, ENTRY]).encode())
    assert (len(feed.meetings), feed.left_out) == (1, {"name-or-slug": 1})


def test_only_name_and_slug_are_required() -> None:
    (found,) = read({"name": "By appointment", "slug": 7})
    assert (found.slug, found.weekdays, found.start, found.end, found.venues) == ("7", (), None, None, ())


def test_of_two_entries_with_one_slug_the_first_stands() -> None:
    feed = parse(json.dumps([ENTRY, {**ENTRY, "name": "Again"}]).encode())
    assert [each.name for each in feed.meetings] == ["First Step"]
    assert feed.left_out == {"slug-repeated": 1}


@pytest.mark.parametrize(
    ("day", "weekdays"),
    [
        (0, (0,)),
        ([5, 1, 1], (1, 5)),
        ("3", (3,)),
        (None, ()),
        ([9, 2], (2,)),
    ],
)
def test_a_day_is_a_number_from_sunday_or_several(day: Any, weekdays: tuple[int, ...]) -> None:
    assert one(day=day).weekdays == weekdays


@pytest.mark.parametrize(
    ("time", "start"),
    [("18:30", "18:30"), ("9:05", "09:05"), ("07:00:00", "07:00"), (None, None)],
)
def test_a_time_is_of_24_hours_or_none(time: Any, start: str | None) -> None:
    assert one(time=time).start == start


@pytest.mark.parametrize(("time", "end"), [("18:30", "19:30"), ("23:30", "00:30")])
def test_without_an_end_a_meeting_lasts_an_hour(time: str, end: str | None) -> None:
    assert one(time=time, end_time=None).end == end


def test_the_address_of_an_online_room_is_never_kept() -> None:
    room = "https://meet.example.org/room?pwd=TOPSECRET"
    found = one(
        conference_url=room, conference_url_notes="password TOPSECRET", conference_phone="+15555550100,,TOPSECRET#"
    )
    assert found.venues == ("in-person", "online", "phone")
    assert b"TOPSECRET" not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    "no_address",
    [
        {"approximate": "yes"},
        {"approximate": "YES"},
        {"approximate": True},
        {"types": ["O", "TC"]},
        {"attendance_option": "online"},
        {"attendance_option": "inactive"},
        {"location": "Online Meeting"},
        {"formatted_address": "Riverbend, NY, USA"},
        {"formatted_address": "Online"},
        {"formatted_address": None, "address": "Riverbend"},
        {"formatted_address": None, "location": "Sample Hall"},
        {"formatted_address": None, "types": ["ONL"], "latitude": "40.1", "longitude": "-73.2", "approximate": "no"},
        {"formatted_address": None, "latitude": 40.1, "longitude": -73.2},
        {"formatted_address": None, "latitude": "0", "longitude": "0", "approximate": "no"},
    ],
)
def test_a_place_without_a_door_is_no_place_to_go_to(no_address: dict[str, Any]) -> None:
    assert one(**no_address, conference_url="https://meet.example.org/1").venues == ("online",)
    feed = parse(json.dumps([{**ENTRY, **no_address}]).encode())
    assert feed.lacking == {"place-and-link": 1}


@pytest.mark.parametrize(
    "exact",
    [
        {"approximate": "no"},
        {"approximate": False, "attendance_option": "hybrid", "types": ["ONL"]},
        {"formatted_address": None, "address": "Corner of Main and Oak"},
        {"formatted_address": None, "latitude": "40.1", "longitude": "-73.2", "approximate": "no"},
    ],
)
def test_an_exact_address_or_coordinates_stated_exact_are_a_door(exact: dict[str, Any]) -> None:
    assert one(**exact).venues == ("in-person",)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        *(({"day": day}, "day-unreadable") for day in (7, -1, True, "Monday", [9])),
        *(({"time": time}, "time-unreadable") for time in ("25:00", "noon", 9)),
    ],
)
def test_a_day_or_time_that_cannot_be_read_makes_no_meeting_by_appointment(entry: dict[str, Any], reason: str) -> None:
    feed = parse(json.dumps([{**ENTRY, **entry}]).encode())
    assert (feed.meetings, feed.left_out) == ((), {reason: 1})


@pytest.mark.parametrize("day", [["1", "x"], [1, 9], [1, None], [True, 1]])
def test_of_days_half_read_the_readable_stand_and_the_rest_is_counted(day: list[Any]) -> None:
    feed = parse(json.dumps([{**ENTRY, "day": day}]).encode())
    assert (feed.meetings[0].weekdays, feed.lacking) == ((1,), {"day-partly-unreadable": 1})


def test_where_none_is_near_those_of_any_area_are_offered() -> None:
    wishes = Wishes(area="Elsewhere")
    assert match([one()], wishes, 12) == ("riverbend|first-step",)
    near = meeting("near", 2, "08:00", places=("Elsewhere",))
    assert match([one(), near], wishes, 12) == ("riverbend|near",)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_array_is_unreadable_and_echoes_nothing(content: bytes) -> None:
    with pytest.raises(Unreadable) as wrong:
        parse(content)
    assert wrong.value.place == "meeting feed riverbend"


def test_nul_and_lone_surrogates_end_in_no_database() -> None:
    content = b'[{"name": "a\\u0000b\\ud800", "slug": "s\\u0000"}]'
    (found,) = parse(content).meetings
    assert (found.name, found.slug) == ("a b", "s")


def test_a_byte_order_mark_is_forgiven() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps([ENTRY]).encode()).meetings


def test_a_feed_beyond_the_limit_is_cut_and_counted() -> None:
    many = [{"name": "a", "slug": str(number)} for number in range(MEETINGS_MOST + 5)]
    feed = parse(json.dumps(many).encode())
    assert (len(feed.meetings), feed.left_out["too-many"]) == (MEETINGS_MOST, 5)


def test_the_demo_feed_lacks_only_the_place_that_is_closed_for_now() -> None:
    feed = parse(DEMO.read_bytes())
    assert feed.lacking == {"place-and-link": 1} and len(feed.meetings) >= 40


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.floats(allow_nan=False),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@LESS
@given(
    some.lists(some.dictionaries(some.sampled_from([*ENTRY, "slug", "name", "conference_url"]), anything), max_size=4)
)
def test_any_array_is_read_and_each_entry_is_kept_or_counted(entries: list[dict[str, Any]]) -> None:
    feed = parse(json.dumps(entries).encode())
    assert feed.entries == len(entries) == len(feed.meetings) + feed.merged + sum(feed.left_out.values())
    match(feed.meetings, Wishes(newcomer=True, area="Riverbend"), 12)


def test_a_newcomer_is_offered_newcomer_meetings_first() -> None:
    found = match(
        [meeting("plain", 1, "08:00", "C"), meeting("welcome", 1, "20:00", "O", "BE")], Wishes(newcomer=True), 1
    )
    assert found == ("riverbend|welcome",)


def test_a_patient_with_two_diagnoses_is_offered_dual_diagnosis_first() -> None:
    choice = [meeting("plain", 1, "08:00", "O", "BE"), meeting("dual", 1, "20:00", "C", "DD")]
    assert match(choice, Wishes(newcomer=True, dual_diagnosis=True), 2)[0] == "riverbend|dual"


def test_who_must_prove_attendance_is_offered_proof_first() -> None:
    choice = [meeting("plain", 1, "08:00", "O"), meeting("proof", 1, "20:00", "C", "POA")]
    assert match(choice, Wishes(attendance_proof=True), 1) == ("riverbend|proof",)


def test_a_wheelchair_needs_an_accessible_place_or_none_at_all() -> None:
    choice = [
        meeting("stairs", 1, "18:00"),
        meeting("ramp", 2, "18:00", "X"),
        meeting("online", 3, "18:00", venues=("online",)),
        meeting("both", 4, "18:00", venues=("in-person", "online")),
    ]
    assert set(match(choice, Wishes(wheelchair=True), 12)) == {"riverbend|ramp", "riverbend|online", "riverbend|both"}


def test_a_closed_place_is_left_out_unless_it_meets_online_too() -> None:
    choice = [
        meeting("closed", 1, "18:00", "TC"),
        meeting("online-meanwhile", 2, "18:00", "TC", venues=("in-person", "online")),
    ]
    assert match(choice, Wishes(), 12) == ("riverbend|online-meanwhile",)


def test_a_place_elsewhere_is_left_out_an_online_meeting_never_is() -> None:
    choice = [
        meeting("near", 1, "18:00", places=("Oak Hollow", "Riverbend County")),
        meeting("far", 2, "18:00", places=("Quarry Town",)),
        meeting("online", 3, "18:00", venues=("online",), places=()),
    ]
    assert match(choice, Wishes(area="riverbend county"), 12) == ("riverbend|near", "riverbend|online")
    assert len(match(choice, Wishes(area=None), 12)) == 3


def test_the_patients_language_comes_first_english_after_it_and_no_third_one() -> None:
    choice = [meeting("english", 1, "08:00"), meeting("spanish", 1, "20:00", "S"), meeting("french", 1, "09:00", "FR")]
    assert match(choice, Wishes(language="es-MX"), 12) == ("riverbend|spanish", "riverbend|english")
    assert match(choice, Wishes(language="tlh"), 12) == ("riverbend|english",)


def test_meetings_for_some_are_offered_last() -> None:
    choice = [meeting("men", 1, "08:00", "O", "BE", "M"), meeting("everyone", 1, "20:00")]
    assert match(choice, Wishes(newcomer=True), 12)[0] == "riverbend|everyone"


def test_who_comes_in_the_evening_is_offered_evenings_and_who_comes_online_online() -> None:
    choice = [
        meeting("morning", 1, "08:00"),
        meeting("late", 1, "19:00"),
        meeting("room", 1, "07:00", venues=("online",)),
    ]
    assert match(choice, Wishes(evening=True), 1) == ("riverbend|late",)
    assert match(choice, Wishes(telehealth=True), 1) == ("riverbend|room",)


def test_the_list_is_spread_over_the_week() -> None:
    choice = [meeting(f"{day}-{hour}", day, f"{hour}:00") for day in range(7) for hour in (10, 12, 18)]
    days = [each.partition("|")[2][0] for each in match(choice, Wishes(), 14)]
    assert all(days.count(str(day)) == 2 for day in range(7))


def test_two_that_are_worth_the_same_at_the_same_hour_stand_in_the_order_of_their_names() -> None:
    first, second = meeting("a", 1, "18:00"), meeting("b", 1, "18:00")
    assert (
        match([second, first], Wishes(), 12) == match([first, second], Wishes(), 12) == ("riverbend|a", "riverbend|b")
    )


def test_a_meeting_by_appointment_is_on_no_list() -> None:
    regular = meeting("regular", 1, "18:00")
    irregular = [msgspec.structs.replace(regular, weekdays=()), msgspec.structs.replace(regular, start=None)]
    assert match(irregular, Wishes(), 12) == ()


meetings = some.lists(
    some.builds(
        Meeting,
        feed=some.just("riverbend"),
        slug=some.integers(0, 40).map(str),
        name=some.just("a meeting"),
        weekdays=some.sets(some.integers(0, 6)).map(lambda days: tuple(sorted(days))),
        start=some.none() | some.sampled_from(["07:00", "12:00", "19:30"]),
        venues=some.sets(some.sampled_from(["in-person", "online", "phone"])).map(lambda ways: tuple(sorted(ways))),
        types=some.sets(some.sampled_from(["O", "C", "BE", "DD", "X", "TC", "W", "M", "S", "EN", "FR", "POA"])).map(
            tuple
        ),
        places=some.sampled_from([(), ("Riverbend",), ("Oak Hollow",)]),
    ),
    unique_by=lambda each: each.slug,
    max_size=25,
)
wishes = some.builds(
    Wishes,
    newcomer=some.booleans(),
    dual_diagnosis=some.booleans(),
    attendance_proof=some.booleans(),
    wheelchair=some.booleans(),
    telehealth=some.booleans(),
    evening=some.booleans(),
    language=some.sampled_from([*LANGUAGES, "tlh"]),
    area=some.sampled_from([None, "Riverbend", "Nowhere"]),
)


@LESS
@given(meetings, wishes, some.integers(0, 14), some.randoms(use_true_random=False))
def test_the_order_of_a_feed_decides_nothing(
    choice: list[Meeting], wish: Wishes, most: int, dice: random.Random
) -> None:
    shuffled = sorted(choice, key=lambda _: dice.random())
    assert match(choice, wish, most) == match(shuffled, wish, most)


@LESS
@given(meetings, wishes, some.integers(0, 14))
def test_every_meeting_on_a_list_can_be_gone_to(choice: list[Meeting], wish: Wishes, most: int) -> None:
    """All are in the patient's area, or, where none is there, of any."""
    by_id, found = {each.id: each for each in choice}, match(choice, wish, most)
    assert len(found) == len(set(found)) <= most
    listed = [by_id[identity] for identity in found]
    near = [can_be_gone_to(each, wish, wish.area) for each in listed]
    assert all(near) or (not any(near) and all(can_be_gone_to(each, wish, None) for each in listed))


def can_be_gone_to(one: Meeting, wish: Wishes, area: str | None) -> bool:
    here = "in-person" in one.venues and "TC" not in one.types and ("X" in one.types or not wish.wheelchair)
    return bool({"online", "phone"} & set(one.venues)) or (here and area in {None, *one.places})


@LESS
@given(meetings, wishes)
def test_a_longer_list_begins_with_the_shorter_one(choice: list[Meeting], wish: Wishes) -> None:
    assert match(choice, wish, 12)[:5] == match(choice, wish, 5)

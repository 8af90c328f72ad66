"""Two feeds with the same meeting are one meeting; two meetings are never one, and no day is lost."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.meetings.meeting import Meeting
from services.aftercare.meetings.uniting import united
from tests.laws import examples

LESS = settings(max_examples=examples(100))
INTERGROUP = Meeting(
    feed="intergroup",
    slug="first-step",
    name="The First Step Group",
    fellowship="aa",
    weekdays=(1, 3),
    start="18:30",
    timezone="America/New_York",
    venues=("in-person",),
    places=("Riverbend", "Riverbend County"),
    address="100 North Main Street, Riverbend, NY",
)
DIRECTORY = msgspec.structs.replace(
    INTERGROUP, feed="directory", slug="9", name="First step", weekdays=(1,), address="100 N. Main St, Riverbend"
)
ONLINE = msgspec.structs.replace(INTERGROUP, venues=("online",), address=None, link="https://meet.example.org/1?pwd=a")


def changed(meeting: Meeting, **changes: object) -> Meeting:
    return msgspec.structs.replace(meeting, **changes)


def test_the_same_meeting_of_two_feeds_is_one() -> None:
    assert united([DIRECTORY, INTERGROUP]) == (INTERGROUP,)


def test_of_the_other_what_days_it_has_besides_stand() -> None:
    later = changed(DIRECTORY, weekdays=(3, 5))
    assert united([INTERGROUP, later]) == (later, changed(INTERGROUP, weekdays=(1,)))


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Second Step"},
        {"start": "19:30"},
        {"fellowship": "na"},
        {"timezone": "America/Chicago"},
        {"venues": ("in-person", "online")},
        {"address": "102 N. Main St, Riverbend"},
        {"places": ("Salem",), "address": "100 N. Main St, Salem"},
        {"feed": "intergroup"},
    ],
)
def test_what_differs_is_two_meetings(other: dict[str, object]) -> None:
    assert len(united([INTERGROUP, changed(DIRECTORY, **other)])) == 2


def test_an_online_meeting_is_the_same_by_its_room() -> None:
    same = changed(ONLINE, feed="directory", link="https://Meet.example.org/1/")
    assert len(united([ONLINE, same])) == 1
    assert len(united([ONLINE, changed(same, link="https://meet.example.org/2")])) == 2


def test_by_phone_it_is_the_same_by_its_number_and_its_code() -> None:
    first = changed(ONLINE, venues=("phone",), link=None, phone="+1 (555) 555-0100,,123#")
    assert len(united([first, changed(first, feed="directory", phone="1-555-555-0100 code 123")])) == 1
    assert len(united([first, changed(first, feed="directory", phone="1-555-555-0100 code 124")])) == 2


def test_a_meeting_by_appointment_is_one_too() -> None:
    first = changed(INTERGROUP, weekdays=(), start=None)
    assert united([first, changed(first, feed="directory")]) == (changed(first, feed="directory"),)


meetings = some.lists(
    some.builds(
        Meeting,
        feed=some.sampled_from(["a", "b", "c"]),
        slug=some.integers(0, 30).map(str),
        name=some.sampled_from(["First Step", "The first step group", "Other"]),
        weekdays=some.sets(some.integers(0, 6)).map(lambda days: tuple(sorted(days))),
        start=some.sampled_from(["07:00", "19:00"]),
        venues=some.just(("in-person",)),
        places=some.just(("Riverbend",)),
        address=some.sampled_from(["1 Main St", "1 Main Street", None]),
        updated=some.sampled_from([None, "2025-01-01"]),
    ),
    unique_by=lambda each: each.id,
    max_size=12,
)


@LESS
@given(meetings, some.randoms(use_true_random=False))
def test_the_order_given_decides_nothing(choice: list[Meeting], dice: random.Random) -> None:
    assert united(choice) == united(sorted(choice, key=lambda _: dice.random()))


@LESS
@given(meetings)
def test_united_again_nothing_changes(choice: list[Meeting]) -> None:
    assert united(united(choice)) == united(choice)


@LESS
@given(meetings)
def test_no_day_is_lost_and_none_is_twice(choice: list[Meeting]) -> None:
    """By a plain reading: what a meeting is, without its feed, on each of its days."""

    def occasions(those: tuple[Meeting, ...] | list[Meeting]) -> list[tuple[object, ...]]:
        return [
            (each.name.casefold().replace("the ", "").replace(" group", ""), each.start, street(each), day)
            for each in those
            for day in each.weekdays
        ]

    def street(each: Meeting) -> object:
        return each.address.replace("Street", "St") if each.address else each.id

    found = united(choice)
    assert set(occasions(found)) == set(occasions(choice))
    feeds = [(occasion, each.feed) for each in found for occasion in occasions([each])]
    assert all(len({feed for other, feed in feeds if other == occasion}) == 1 for occasion, _ in feeds)


@LESS
@given(meetings)
def test_a_feed_alone_is_as_it_was(choice: list[Meeting]) -> None:
    alone = [each for each in choice if each.feed == "a"]
    assert set(united(alone)) == set(alone)

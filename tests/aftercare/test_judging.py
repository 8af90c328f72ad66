"""What becomes of a feed after each look, and what operations hear of it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.aftercare.feeds.judging import (
    AGAIN_AFTER,
    JITTER,
    PROGRAM_MEETINGS_MOST,
    Failed,
    Look,
    Read,
    Unchanged,
    doubt,
    fact,
    is_due,
    judged,
)
from services.aftercare.feeds.reading import Reading
from shared.path.transaction.feeds import Counts, StoredFeed
from tests.aftercare.feeds import registered

MONDAY = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
WEST = registered("https://west.example/feed.json")
NEW = StoredFeed(program="demo", name="west")


def reading(meetings: int) -> Reading:
    return Reading(counts=Counts(meetings=meetings, entries=meetings), digest=f"of {meetings}")


def stored(meetings: int, asked: str = "") -> StoredFeed:
    return StoredFeed(program="demo", name="west", meetings=meetings, asked=asked)


@pytest.mark.parametrize(
    ("read", "copy", "of_others", "why"),
    [
        (0, 0, 0, "empty"),
        (0, 10, 0, "empty"),
        (4, 10, 0, "shrunk"),
        (5, 10, 0, None),
        (1, 0, 0, None),
        (99, 10, 0, None),
        (5, 10, PROGRAM_MEETINGS_MOST - 5, None),
        (5, 10, PROGRAM_MEETINGS_MOST - 4, "program-full"),
    ],
)
def test_a_feed_that_is_empty_too_many_or_less_than_half_of_its_copy_is_not_trusted(
    read: int, copy: int, of_others: int, why: str | None
) -> None:
    assert doubt(reading(read), stored(copy), 50, of_others) == why


def test_a_person_who_has_looked_trusts_it_once_or_by_a_setting_but_never_an_empty_one() -> None:
    assert doubt(reading(1), stored(10, asked="trust"), 50, 0) is None
    assert doubt(reading(1), stored(10, asked="refresh"), 50, 0) == "shrunk"
    assert doubt(reading(1), stored(10), 0, 0) is None
    assert doubt(reading(0), stored(10, asked="trust"), 0, 0) == "empty"


def test_what_is_as_published_is_looked_at_again_after_its_hours_and_a_little_more() -> None:
    after = judged(NEW, WEST, Read(reading(3)), "origin", MONDAY)
    assert after.next_at is not None
    assert WEST.every <= after.next_at - MONDAY <= WEST.every * (1 + JITTER)
    assert (is_due(after, MONDAY), is_due(after, after.next_at), is_due(NEW, MONDAY)) == (False, True, True)


def test_two_feeds_are_not_looked_at_in_the_same_second_again() -> None:
    east = registered("https://east.example/feed.json", "east")
    assert judged(NEW, WEST, Unchanged(), "", MONDAY).next_at != judged(NEW, east, Unchanged(), "", MONDAY).next_at


def test_a_publisher_that_asks_to_be_left_alone_for_longer_is() -> None:
    after = judged(NEW, WEST, Failed("http-503", timedelta(hours=7)), "", MONDAY)
    assert after.next_at == MONDAY + timedelta(hours=7)


def test_a_feed_that_is_fetched_every_hour_is_not_asked_more_often_in_trouble() -> None:
    after = judged(NEW, msgspec.structs.replace(WEST, every_hours=1), Failed("slow"), "", MONDAY)
    assert after.next_at is not None and after.next_at >= MONDAY + AGAIN_AFTER


def test_operations_hear_that_it_is_in_trouble_which_copy_counts_and_what_to_do() -> None:
    good = judged(NEW, WEST, Read(reading(3)), "origin", MONDAY)
    bad = judged(good, WEST, Failed("slow"), "origin", MONDAY + timedelta(days=1))
    event = fact(good, bad)
    assert event is not None and event.details == (
        "Of program demo, feed west is in trouble (slow): its last good copy counts, with 3 meetings. "
        "`iop feeds show west` says what to do."
    )


looks: some.SearchStrategy[Look] = some.one_of(
    some.builds(lambda number: Read(reading(number)), some.integers(1, 9)),
    some.just(Unchanged()),
    some.builds(Failed, some.sampled_from(["slow", "shrunk", "http-500"]), some.timedeltas(timedelta(), timedelta(1))),
)
waits = some.timedeltas(timedelta(seconds=1), timedelta(days=9))


@given(some.lists(some.tuples(looks, waits), max_size=12))
def test_of_any_looks_the_copy_is_the_last_good_one_and_a_trouble_is_emitted_once(
    course: list[tuple[Look, timedelta]],
) -> None:
    now, before, last_good, emitted = MONDAY, NEW, 0, list[str]()
    for look, wait in course:
        now += wait
        after = judged(before, WEST, look, "origin", now)
        last_good = look.reading.counts.meetings if isinstance(look, Read) else last_good
        event = fact(before, after)
        emitted += [type(event).__name__] if event else []
        assert after.meetings == last_good and bool(after.trouble) == isinstance(look, Failed)
        assert after.next_at is not None and after.next_at > now
        assert (after.troubled_at is None) == (not after.trouble)
        assert (event is None) == (after.trouble == before.trouble)
        before = after
    open_ = 0
    for name in emitted:
        assert name == "FeedTroubled" or open_
        open_ = name == "FeedTroubled"
    assert bool(open_) == bool(before.trouble)

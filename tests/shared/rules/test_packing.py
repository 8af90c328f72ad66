"""Small forms give back what was packed."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as some

from shared.rules.packing import day_in, instant, pack_id, seconds, unpack_id


@given(some.uuids())
def test_an_id_is_packed_into_22_characters_and_comes_back(identity: object) -> None:
    assert len(pack_id(str(identity))) == 22
    assert unpack_id(pack_id(str(identity))) == str(identity)


def test_an_instant_comes_back_by_the_second() -> None:
    monday = datetime(2025, 3, 10, 14, 15, tzinfo=UTC)
    assert instant(seconds(monday.replace(microsecond=999_999))) == monday


def test_an_evening_in_new_york_is_a_day_of_its_own_there_and_the_next_one_in_london() -> None:
    late = seconds(datetime(2025, 3, 11, 1, 30, tzinfo=UTC))
    assert day_in("America/New_York", late) == date(2025, 3, 10)
    assert day_in("Europe/London", late) == date(2025, 3, 11)

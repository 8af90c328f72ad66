"""The need of a dimension: the latest decides, and a source that takes its own back leaves the one before."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as some

from services.intake.messages import StatedNeed
from services.intake.placement.needs import MISTAKEN, SOURCES_MOST, latest, stated_needs
from tests.intake.given import MONDAY

HOUR = timedelta(hours=1)


def need(level: str, hours: int = 0, source: str = "1", dimension: str = "withdrawal") -> StatedNeed:
    return StatedNeed(dimension, level, MONDAY + hours * HOUR, f"Observation/{source}")


def levels(needs: tuple[StatedNeed, ...]) -> dict[str, str]:
    return {each.dimension: each.level for each in latest(needs)}


def test_the_latest_need_decides_in_whatever_order_it_came() -> None:
    earlier, later = need("3.7"), need("1.7", 1, "2")
    assert levels(stated_needs(stated_needs((), [earlier]), [later])) == {"withdrawal": "1.7"}
    assert levels(stated_needs(stated_needs((), [later]), [earlier])) == {"withdrawal": "1.7"}


def test_a_mistaken_need_leaves_and_the_one_of_another_source_decides() -> None:
    known = stated_needs((), [need("3.7"), need("none", 1, "2")])
    assert levels(stated_needs(known, [need(MISTAKEN, 1, "2")])) == {"withdrawal": "3.7"}
    assert levels(stated_needs(known, [need(MISTAKEN, -5, "2")])) == {"withdrawal": "3.7"}
    assert levels(stated_needs((), [need(MISTAKEN)])) == {}


def test_a_correction_counts_whatever_its_time() -> None:
    known = stated_needs((), [need("1.0", 2)])
    assert levels(stated_needs(known, [need("3.7", 1)])) == {"withdrawal": "3.7"}


def test_a_source_that_says_something_else_now_takes_its_need_along() -> None:
    known = stated_needs((), [need("1.0")])
    assert levels(stated_needs(known, [need("2.1", dimension="biomedical")])) == {"biomedical": "2.1"}
    assert stated_needs(known, [], ["Observation/1"]) == ()


def test_a_need_from_before_sources_were_remembered_is_corrected_by_its_minute() -> None:
    before = (StatedNeed("withdrawal", "1.0", MONDAY),)
    assert stated_needs(before, [need(MISTAKEN)]) == ()
    assert levels(stated_needs(before, [need("2.1", -1)])) == {"withdrawal": "1.0"}


needs = some.builds(need, some.sampled_from(["none", "2.1", "3.7"]), some.integers(-9, 9), some.sampled_from("12345"))


@given(some.lists(needs, max_size=8, unique_by=lambda each: each.source), some.data())
def test_any_order_and_repetition_of_needs_decides_the_same(stated: list[StatedNeed], data: some.DataObject) -> None:
    one: tuple[StatedNeed, ...] = ()
    for each in stated:
        one = stated_needs(one, [each])
    other: tuple[StatedNeed, ...] = ()
    for each in data.draw(some.permutations([*stated, *stated])):
        other = stated_needs(other, [each])
    assert one == other
    assert len(one) <= SOURCES_MOST

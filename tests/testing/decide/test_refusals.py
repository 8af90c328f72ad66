"""A refused collection asks for more where something else came near it, and is never a positive."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.messages import OrderDrugTest, ReportCollection
from services.testing.orders.ordered import Kind
from shared.events.envelope import Command, name_id
from tests.laws import examples
from tests.testing.given import NAMES, admitted, day, medications, report
from tests.testing.story import BASELINE, Story


def order(name: str, opens: float) -> OrderDrugTest:
    return OrderDrugTest(order_id=name_id(NAMES, name), opens_at=day(opens), closes_at=day(opens + 1))


def collection(name: str, kind: Kind | None, when: float) -> ReportCollection:
    identity = name_id(NAMES, f"specimen of {name}")
    return ReportCollection(order_id=name_id(NAMES, name), collection_id=identity, kind=kind, at=day(when))


def story(*happened: Command) -> Story:
    """Ordered are tests of the days 14 and 16."""
    known = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    known.then(order("first", 14), order("second", 16), at=day(6))
    known.then(*happened, at=day(30))
    return known


REFUSED = collection("first", "refused", 14.5)
OTHERS: dict[str, Command] = {
    "unexpected-positive-presumptive": report("weekly", 9, COCAINE="positive"),
    "prescribed-medication-absent": report("weekly", 9, BUPRENORPHINE="negative"),
    "recollection-needed": report("weekly", 9, condition="dilute", COCAINE="negative"),
    "specimen-substituted-or-adulterated": report("weekly", 9, condition="substituted", COCAINE="negative"),
    "collection-missed": collection("second", "missed", 16.5),
}


def test_alone_it_is_tier_two() -> None:
    assert story(REFUSED).escalations == {"collection-refused": 2}


@pytest.mark.parametrize("reason", OTHERS)
def test_with_another_signal_within_seven_days_it_is_tier_three_whichever_is_known_first(reason: str) -> None:
    for happened in ((OTHERS[reason], REFUSED), (REFUSED, OTHERS[reason])):
        found = story(*happened).escalations
        assert found.keys() == {reason, "collection-refused"} and found["collection-refused"] == 3
        assert found.get("collection-missed", 2) == 2


def test_a_test_that_is_missed_stays_tier_two_whatever_else_there_is() -> None:
    found = story(OTHERS["unexpected-positive-presumptive"], collection("first", "missed", 15)).escalations
    assert found == {"unexpected-positive-presumptive": 2, "collection-missed": 2}


def test_two_refusals_are_tier_three() -> None:
    assert story(REFUSED, collection("second", "refused", 16.5)).escalations == {"collection-refused": 3}


def test_further_apart_they_are_two_things() -> None:
    apart = report("weekly", 7, COCAINE="positive")
    assert story(apart, REFUSED).escalations["collection-refused"] == 2


def test_what_cannot_show_new_use_is_no_other_signal() -> None:
    known = Story(admitted(), report("baseline", 12, FENTANYL="positive"))
    known.then(order("first", 14), at=day(13))
    known.then(REFUSED, at=day(15))
    assert known.escalations == {"baseline-opioid-safety": 2, "collection-refused": 2}


def test_it_is_taken_back_where_the_specimen_was_given_after_all() -> None:
    known = story(REFUSED, OTHERS["unexpected-positive-presumptive"])
    known.then(collection("first", None, 14.5), at=day(31))
    assert known.escalations == {"unexpected-positive-presumptive": 2}


HAPPENED = some.sampled_from(
    [REFUSED, *OTHERS.values(), collection("second", "refused", 16.2), collection("first", None, 14.5)]
)


def _positives(known: Story) -> set[str]:
    signals = (each for open_ in known.state.escalations for each in open_.escalation.signals)
    return {each.evidence for each in signals if each.code == "unexpected-positive"}


@settings(max_examples=examples(100), deadline=None)
@given(some.lists(HAPPENED, max_size=8))
def test_a_refusal_is_never_a_positive_and_repeated_it_says_nothing(happened: list[Command]) -> None:
    known = story(*happened)
    assert _positives(known) == _positives(
        story(*(each for each in happened if not isinstance(each, ReportCollection)))
    )
    assert all(known.then(each, at=day(31)) == [] for each in happened[-1:])

"""The weekly template and the flags of an admission (domain 2.9)."""

from collections.abc import Sequence
from itertools import combinations

import msgspec
import pytest

from services.intake.messages import TemplateSlot
from services.intake.schedule import flags, template
from services.intake.settings import WEEK_MINUTES, Settings
from services.intake.table import TABLE
from tests.intake.given import IOP_NEEDS, SETTINGS, known


def weekly_minutes(slots: Sequence[TemplateSlot]) -> int:
    """Minutes in an average week; a session every second week counts half."""
    return sum(slot.minutes // slot.every_weeks for slot in slots)


def test_the_default_week_is_three_blocks_one_individual_and_half_a_family_session() -> None:
    slots = template((), SETTINGS)
    assert [(each.kind, each.weekday, each.minutes, each.every_weeks) for each in slots] == [
        ("group", 0, 180, 1),
        ("group", 2, 180, 1),
        ("group", 4, 180, 1),
        ("individual", 1, 60, 1),
        ("family", 3, 60, 2),
    ]
    assert weekly_minutes(slots) == 630


def test_who_works_days_comes_in_the_evening() -> None:
    assert {each.start for each in template(("evening",), SETTINGS)} == {"17:30"}


def test_who_cannot_be_in_a_group_gets_the_same_hours_alone() -> None:
    slots = template(("individual-only",), SETTINGS)
    assert "group" not in {each.kind for each in slots}
    assert weekly_minutes(slots) == weekly_minutes(template((), SETTINGS))


def test_every_combination_of_flags_keeps_the_hours_of_level_2_1() -> None:
    least, below = WEEK_MINUTES["2.1"]
    chosen = [each.code for each in TABLE.flag]
    for size in range(len(chosen) + 1):
        for some in combinations(chosen, size):
            assert least <= weekly_minutes(template(some, SETTINGS)) < below


@pytest.mark.parametrize(
    ("offers", "change"),
    [
        (("2.1",), {"group_minutes": 150}),
        (("2.1",), {"group_minutes": 360}),
        (("2.1",), {"group_weekdays": (0, 2)}),
        (("2.5",), {}),
        (("1.5",), {}),
        (("2.1", "2.5"), {}),
        (("3.1",), {}),
    ],
)
def test_a_level_without_a_weekly_template_of_its_hours_stops_the_start(
    offers: tuple[str, ...], change: dict[str, object]
) -> None:
    with pytest.raises(msgspec.ValidationError, match="weekly template"):
        offering(offers, change)


@pytest.mark.parametrize(
    ("offers", "change"),
    [
        (("2.1",), {}),
        (("2.5",), {"group_minutes": 360, "group_weekdays": (0, 2, 4, 5)}),
        (("1.5",), {"group_weekdays": (0,)}),
        ((), {}),
    ],
)
def test_a_level_with_its_hours_is_offered(offers: tuple[str, ...], change: dict[str, object]) -> None:
    assert offering(offers, change).offers == offers


def offering(offers: tuple[str, ...], change: dict[str, object]) -> Settings:
    whole = msgspec.to_builtins(SETTINGS)
    return msgspec.convert({**whole, "offers": offers, "week": {**whole["week"], **change}}, type=Settings)


@pytest.mark.parametrize(
    ("fact", "flag"),
    [
        ("moud-continue", "moud"),
        ("moud-start", "moud"),
        ("opioid-use-disorder", "opioid-history"),
        ("low-literacy", "special-assignment"),
        ("cognitive-limits", "special-assignment"),
        ("group-intolerance", "individual-only"),
        ("c-ssrs-q3", "suicide-risk"),
        ("recent-overdose", "overdose-risk"),
        ("works-days", "evening"),
        ("telehealth-only", "telehealth"),
    ],
)
def test_a_fact_sets_its_flag(fact: str, flag: str) -> None:
    assert flag in flags(known(IOP_NEEDS, fact))


def test_without_facts_there_are_no_flags() -> None:
    assert flags(known(IOP_NEEDS)) == ()


def test_neither_day_nor_evening_is_telehealth() -> None:
    assert flags(known(IOP_NEEDS, "not available-day", "not available-evening")) == ("telehealth",)

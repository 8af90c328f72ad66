"""The weekly template and the flags of an admission (domain 2.9)."""

import re
from collections.abc import Sequence
from itertools import combinations

import msgspec
import pytest

from services.intake.messages import TemplateSlot
from services.intake.placement import schedule
from services.intake.placement.schedule import flags
from services.intake.settings import Settings
from services.intake.stages import WEEK_MINUTES, Stage, Week, after, first_of
from services.intake.table import TABLE
from tests.intake.given import IOP_NEEDS, SETTINGS, known

ENGAGEMENT = SETTINGS.stages["engagement"]


def template(*chosen: str, stage: Stage = ENGAGEMENT, track: str = "general") -> tuple[TemplateSlot, ...]:
    return schedule.template(stage, track, chosen, SETTINGS.sessions)


def weekly_minutes(slots: Sequence[TemplateSlot]) -> int:
    """Minutes in an average week; a session every second week counts half."""
    return sum(slot.minutes // slot.every_weeks for slot in slots)


def test_the_first_week_is_three_blocks_one_individual_and_half_a_family_session() -> None:
    slots = template()
    assert [(each.kind, each.weekday, each.minutes, each.every_weeks) for each in slots] == [
        ("group", 0, 180, 1),
        ("group", 2, 180, 1),
        ("group", 4, 180, 1),
        ("individual", 1, 60, 1),
        ("family", 3, 60, 2),
    ]
    assert weekly_minutes(slots) == 630


def test_the_hours_taper_to_the_least_of_the_level_and_below_it() -> None:
    weeks = {name: weekly_minutes(template(stage=stage)) for name, stage in SETTINGS.stages.items()}
    assert weeks == {"engagement": 630, "early-recovery": 630, "maintenance": 540, "continuing-care": 150}


def test_a_track_may_have_a_week_of_its_own() -> None:
    own = Week(group_weekdays=(0, 1, 2, 3), group_blocks=2, individual_weekdays=(4,), family_weekdays=())
    stage = msgspec.structs.replace(ENGAGEMENT, tracks={"dual-diagnosis": own})
    assert weekly_minutes(template(stage=stage, track="dual-diagnosis")) == 780
    assert template(stage=stage, track="opioid") == template()


def test_blocks_with_a_pause_between_them_are_sessions_of_their_own() -> None:
    """Two groups of ninety minutes, a quarter of an hour apart: the same hours."""
    apart = msgspec.structs.replace(SETTINGS.sessions, block_pause_minutes=15)
    slots = schedule.template(ENGAGEMENT, "general", ("evening",), apart)
    monday = [(each.start, each.minutes) for each in slots if each.weekday == 0]
    assert monday == [("17:30", 90), ("19:15", 90)]
    assert weekly_minutes(slots) == weekly_minutes(template("evening"))


@pytest.mark.parametrize(
    ("sessions", "change", "named"),
    [
        ({"block_pause_minutes": 15, "evening_start": "21:00"}, {}, "before midnight"),
        (
            {"block_pause_minutes": 5},
            {"group_weekdays": (0, 1, 2, 4, 5), "group_blocks": 3, "individual_weekdays": (), "family_weekdays": ()},
            "at most 12 blocks",
        ),
        ({"block_pause_minutes": 181}, {}, "block_pause_minutes"),
    ],
)
def test_blocks_that_no_day_or_state_holds_stop_the_start(
    sessions: dict[str, object], change: dict[str, object], named: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=named):
        offering(("2.1",), "engagement", change, sessions)


def test_who_works_days_comes_in_the_evening() -> None:
    assert {each.start for each in template("evening")} == {"17:30"}


def test_who_cannot_be_in_a_group_gets_the_same_hours_alone() -> None:
    slots = template("individual-only")
    assert "group" not in {each.kind for each in slots}
    assert weekly_minutes(slots) == weekly_minutes(template())


@pytest.mark.parametrize("name", SETTINGS.stages)
def test_every_combination_of_flags_keeps_the_hours_of_the_level(name: str) -> None:
    stage = SETTINGS.stages[name]
    least, below = WEEK_MINUTES[stage.level]
    chosen = [each.code for each in TABLE.flag]
    for size in range(4):
        for some in combinations(chosen, size):
            assert least <= weekly_minutes(template(*some, stage=stage)) < below


def test_a_stay_begins_in_the_first_stage_of_its_level() -> None:
    assert first_of(SETTINGS.stages, "2.1") == "engagement"
    assert first_of(SETTINGS.stages, "1.5") == "continuing-care"
    assert first_of(SETTINGS.stages, "2.5") == ""


def test_stages_follow_each_other_as_they_are_written_and_none_the_last() -> None:
    assert after(SETTINGS.stages, "engagement") == "early-recovery"
    assert after(SETTINGS.stages, "continuing-care") == ""
    assert after(SETTINGS.stages, "renamed-since") == ""


FOUR_DAYS = {"group_weekdays": (0, 2, 4, 5), "individual_weekdays": (1,), "family_weekdays": (3,)}


@pytest.mark.parametrize(
    ("stage", "change", "named"),
    [
        ("engagement", {"group_blocks": 1}, "stages.engagement: its week"),
        ("engagement", {"group_blocks": 4}, "stages.engagement: its week"),
        ("maintenance", {"group_weekdays": (0, 2)}, "stages.maintenance: its week"),
        ("maintenance", {"group_weekdays": (0, 2), "group_blocks": 4}, "stages.maintenance: its week"),
        ("continuing-care", {"group_weekdays": (0, 1, 3), "group_blocks": 3}, "stages.continuing-care: its week"),
        ("maintenance", {"level": "2.5"}, "stages.maintenance: its week"),
        ("maintenance", {"level": "3.1"}, "stages.maintenance.level"),
        ("maintenance", {"tracks": {"drunk": FOUR_DAYS | {"group_blocks": 2}}}, "stages.maintenance.tracks"),
        ("maintenance", {"tracks": {"opioid": FOUR_DAYS | {"group_blocks": 1}}}, "maintenance.tracks.opioid: its week"),
        ("maintenance", {"group_weekdays": ()}, "a stage without a session is none"),
        ("maintenance", {"group_weekdays": (0, 1, 2, 3, 4, 5)}, "length <= 5"),
    ],
)
def test_a_week_without_the_hours_and_days_of_its_level_stops_the_start(
    stage: str, change: dict[str, object], named: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(named)):
        offering(("2.1",), stage, change)


@pytest.mark.parametrize("offers", [("2.5",), ("2.1", "2.5"), ("3.1",)])
def test_a_level_without_a_stage_is_not_offered(offers: tuple[str, ...]) -> None:
    with pytest.raises(msgspec.ValidationError, match="offers: "):
        offering(offers, "engagement", {})


@pytest.mark.parametrize(
    ("offers", "change"),
    [
        (("2.1",), {}),
        (("2.1", "1.5"), {}),
        (("2.5", "2.1"), FOUR_DAYS | {"level": "2.5", "group_blocks": 4}),
        ((), {}),
    ],
)
def test_a_level_with_its_hours_is_offered(offers: tuple[str, ...], change: dict[str, object]) -> None:
    assert offering(offers, "engagement", change).offers == offers


def offering(
    offers: tuple[str, ...], stage: str, change: dict[str, object], sessions: dict[str, object] | None = None
) -> Settings:
    whole = msgspec.to_builtins(SETTINGS)
    whole["sessions"] |= sessions or {}
    stages = {**whole["stages"], stage: {**whole["stages"][stage], **change}}
    return msgspec.convert({**whole, "offers": offers, "stages": stages}, type=Settings)


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
        ("barrier-transport", "telehealth"),
        ("barrier-childcare", "telehealth"),
        ("barrier-caregiving", "telehealth"),
        ("barrier-work-hours", "evening"),
        ("barrier-school", "evening"),
        *((each, each) for each in sorted(TABLE.facts()) if each in {one.code for one in TABLE.flag}),
    ],
)
def test_a_fact_sets_its_flag(fact: str, flag: str) -> None:
    assert flag in flags(known(IOP_NEEDS, fact))


@pytest.mark.parametrize("barrier", ["barrier-phone", "barrier-language", "barrier-money", "barrier-legal-dates"])
def test_a_barrier_of_another_kind_chooses_neither_evening_nor_telehealth(barrier: str) -> None:
    assert flags(known(IOP_NEEDS, barrier)) == (barrier,)


def test_a_barrier_that_was_denied_is_no_flag() -> None:
    assert flags(known(IOP_NEEDS, "not barrier-transport")) == ()


@pytest.mark.parametrize(
    ("facts", "track", "others"),
    [
        (("not-ready-for-abstinence", "primary-opioid"), "pretreatment", ("opioid",)),
        (
            ("not-ready-for-abstinence", "psychiatric-skilled-treatment", "primary-alcohol"),
            "pretreatment",
            ("dual-diagnosis", "alcohol"),
        ),
        (("psychiatric-skilled-treatment", "primary-alcohol"), "dual-diagnosis", ("alcohol",)),
        (("primary-alcohol", "opioid-use-disorder"), "alcohol", ()),
        ((), "general", ()),
    ],
)
def test_tracks_add_up_of_each_axis_one(facts: tuple[str, ...], track: str, others: tuple[str, ...]) -> None:
    about = known(IOP_NEEDS, *facts)
    assert (schedule.choose(TABLE.track, about) or "general") == track
    assert schedule.other_tracks(track, about) == others


def test_every_track_has_its_axis() -> None:
    assert {each.axis for each in TABLE.track} == {"population", "focus", "substance"}


def test_without_facts_there_are_no_flags() -> None:
    assert flags(known(IOP_NEEDS)) == ()


def test_neither_day_nor_evening_is_telehealth() -> None:
    assert flags(known(IOP_NEEDS, "not available-day", "not available-evening")) == ("telehealth",)

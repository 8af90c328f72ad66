"""Who comes and what happens to them is chance, and the same chance for the same seed."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

from deploy.simulation.meetings import Change, Meeting, change
from deploy.simulation.people import EVERY_MANNER, people
from deploy.simulation.visits import Act, Session, acts

MONDAY = date(2026, 2, 23)
START = datetime(2026, 2, 25, 14, tzinfo=UTC)
GROUP = Session(START, START + timedelta(hours=3), "group")


SHORT = Session(START, START + timedelta(minutes=45), "individual")


def visits(seed: int, session: Session = GROUP) -> list[list[Act]]:
    found = people(seed, 300, 52, MONDAY)
    return [acts(each, session, Random(f"{seed}:{each.number}")) for each in found]


def test_the_same_seed_gives_the_same_people_and_the_same_reports() -> None:
    assert list(people(7, 50, 4, MONDAY)) == list(people(7, 50, 4, MONDAY))
    assert visits(7) == visits(7)
    assert visits(7) != visits(8)


def test_they_come_on_workdays_and_leave_after_they_came() -> None:
    for each in people(1, 500, 52, MONDAY):
        assert each.comes_on.weekday() < 5 and each.leaves_on.weekday() < 5
        assert MONDAY <= each.comes_on < each.leaves_on


def test_each_manner_reports_and_all_that_may_happen_does() -> None:
    assert Counter(each.manner for each in people(1, 300, 52, MONDAY)).keys() == set(EVERY_MANNER)
    sent = [act for one in visits(1) for act in one]
    assert {each.did for each in sent} == {"encounter", "withdraw", "appointment", "decline", "move"}
    assert {each.status for each in sent} == {"", "arrived", "fulfilled", "noshow", "cancelled", "booked"}


def test_nobody_reports_before_it_happened() -> None:
    for act in (act for one in visits(3) for act in one):
        assert act.came is None or act.came <= act.at or act.at >= GROUP.end
        assert act.left is None or act.left <= max(act.at, GROUP.end)


def test_nobody_leaves_before_they_came_also_of_a_short_session() -> None:
    for act in (act for one in (*visits(3, GROUP), *visits(3, SHORT)) for act in one):
        assert act.came is None or act.left is None or act.came < act.left


def test_no_group_moves_a_session_to_where_it_is() -> None:
    def changes(meeting: Meeting) -> set[Change]:
        return {each for seed in range(300) for each in change(meeting, 0, START, Random(seed))}

    elsewhere = Meeting("day-1", "slot", START - timedelta(hours=4), START)
    there = Meeting("day-1", "slot", START, START + timedelta(hours=3))
    assert changes(elsewhere) == {Change(elsewhere, None), Change(elsewhere, START)}
    assert changes(there) == {Change(there, None)}

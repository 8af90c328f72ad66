"""The recount by itself, on days written by hand; and that it does not agree with a hub that is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.paths import SETTINGS
from deploy.simulation.program import numbers
from tests.year.comparing import differences
from tests.year.observed import Patient, Seen
from tests.year.recount import Counted, Line, Program, Reason, Stay, Visit, recount

ADMITTED = datetime(2026, 2, 23, 13, tzinfo=UTC)
MONDAY, WEDNESDAY, FRIDAY = (datetime(2026, 2, day, 14, tzinfo=UTC) for day in (23, 25, 27))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def days(*lines: Line, until: datetime = WEDNESDAY) -> list[Line]:
    """One patient's log: admitted on Monday at eight, the clock stepping by the half hour."""
    began = {"at": ADMITTED, "did": "began", "program": numbers(SETTINGS)}
    admitted = {"at": ADMITTED, "did": "admitted", "patient": 1, "id": "one", "evening": False, "payer": "default"}
    steps, at = [], ADMITTED
    while at <= until:
        steps.append({"at": at, "did": "step"})
        at += HOUR / 2
    away = [(each["since"], each["at"]) for each in lines if each["did"] == "outage"]
    steps = [each for each in steps if not any(since < each["at"] < back for since, back in away)]
    rank = {"outage": 0, "step": 1}
    timed = sorted([*steps, *lines], key=lambda each: (each["at"], rank.get(each["did"], 2)))
    return [began, admitted, *timed]


def counted(*lines: Line, until: datetime = WEDNESDAY) -> Counted:
    (one,) = recount(days(*lines, until=until))
    return one


def report(at: datetime, start: datetime, left: datetime | None, **more: Any) -> Line:
    session = {"start": start, "end": start + 3 * HOUR, "kind": "group"}
    encounter = {"did": "encounter", "patient": 1, "name": "1", "came": start, "left": left, "refused": False}
    return {"at": at, **session, **encounter, **more}


def test_who_is_silent_misses_the_session_a_quarter_of_an_hour_after_its_start() -> None:
    monday = counted().visits[0]
    assert (monday.start, monday.status, monday.missed_at) == (MONDAY, "missed", [MONDAY + HOUR / 2])
    reported = counted(report(MONDAY, MONDAY, None), report(MONDAY + 3 * HOUR, MONDAY, MONDAY + 3 * HOUR))
    assert (reported.visits[0].status, reported.visits[0].minutes(), reported.visits[0].missed_at) == (
        "attended",
        180,
        [],
    )


def test_after_an_outage_silence_counts_once_senders_had_as_long() -> None:
    outage = {"at": MONDAY + HOUR, "did": "outage", "since": MONDAY - HOUR / 2}
    missed = counted(outage).visits[0]
    assert missed.missed_at == [MONDAY + 3 * HOUR]


def test_two_encounters_count_the_minute_that_they_share_once() -> None:
    middle = MONDAY + 90 * MINUTE
    first = report(MONDAY + 3 * HOUR, MONDAY, middle + 5 * MINUTE)
    second = report(MONDAY + 3 * HOUR, MONDAY, MONDAY + 3 * HOUR, name="2", came=middle - 5 * MINUTE)
    assert counted(first, second).visits[0].minutes() == 180


def test_two_misses_within_a_week_are_asked_about_until_a_person_answers() -> None:
    night = datetime(2026, 2, 26, 4, 30, tzinfo=UTC)
    both = {("missed-session", (MONDAY,)), ("missed-session", (WEDNESDAY,))}
    tuesday = datetime(2026, 2, 24, 14, tzinfo=UTC)
    came = report(tuesday + HOUR, tuesday, tuesday + HOUR, end=tuesday + HOUR, kind="individual")
    asked = counted(came, until=night + HOUR).reasons[night]
    assert asked == both | {("two-misses-in-7-days", (MONDAY, WEDNESDAY))}
    answer = {"at": night - HOUR, "did": "answered", "patient": 1, "answer": "acted-on", "session": MONDAY}
    answered = counted(came, answer | {"reason": "two-misses-in-7-days"}, until=night + HOUR)
    assert answered.reasons[night] == both


def in_a_group(*lines: Line, until: datetime) -> list[Counted]:
    """Two patients, admitted one after the other, and a group of one seat."""
    second = {"at": ADMITTED + MINUTE, "did": "admitted", "patient": 2, "id": "two", "evening": False}
    began, *rest = days({**second, "payer": "default"}, *lines, until=until)
    began["program"]["attendance"]["groups"] = {"day-1": {"seats": 1, "time": "day"}}
    return list(recount([began, *rest]))


def test_of_two_one_has_the_seat_and_the_other_waits_until_it_is_free() -> None:
    tuesday, night = (datetime(2026, 2, day, 4, 30, tzinfo=UTC) for day in (24, 26))
    left = {"at": tuesday + 8 * HOUR, "left": tuesday + 8 * HOUR, "did": "discharged", "patient": 1}
    first, second = in_a_group(until=night)
    assert [each.start for each in first.visits if each.kind == "group"] == [MONDAY, WEDNESDAY]
    assert [each.start for each in second.visits if each.kind == "group"] == []
    assert ("group-seat", ()) in second.reasons[night] - first.reasons[night]

    first, second = in_a_group(left, until=night)
    assert [each.start for each in second.visits if each.kind == "group"] == [WEDNESDAY]
    assert ("group-seat", ()) in second.reasons[tuesday]
    assert ("group-seat", ()) not in second.reasons[night]


def test_the_last_stage_has_the_hours_in_groups_and_nothing_beside_them() -> None:
    tuesday = MONDAY + DAY
    advanced = {"at": tuesday - HOUR, "did": "advanced", "patient": 1}
    visits = counted(advanced, until=WEDNESDAY + HOUR).visits
    assert [(each.kind, each.status) for each in visits] == [
        ("group", "missed"),
        ("individual", "cancelled"),
        ("group", "missed"),
    ]


def test_a_week_without_a_seat_is_short_by_what_was_planned_then_whatever_is_planned_since() -> None:
    advanced = {"at": MONDAY + 16 * DAY, "did": "advanced", "patient": 2}
    for lines in ((), (advanced,)):
        _, second = in_a_group(*lines, until=MONDAY + 19 * DAY)
        assert [(each.finding, each.minutes) for each in second.weeks] == [("short", 0)]


def test_a_discharge_that_is_known_late_takes_back_the_misses_since_then_alone() -> None:
    tuesday = MONDAY + DAY
    known = {"at": WEDNESDAY + HOUR, "left": tuesday + 6 * HOUR, "did": "discharged", "patient": 1}
    monday, individual, wednesday, *_ = counted(known, until=WEDNESDAY + DAY).visits
    assert [each.status for each in (monday, individual, wednesday)] == ["missed", "missed", "cancelled"]
    assert wednesday.missed_at == [WEDNESDAY + HOUR / 2]


def test_who_is_treated_alone_has_the_same_hours_and_gives_the_seat_to_who_waits() -> None:
    tuesday, night = (datetime(2026, 2, day, 13, 30, tzinfo=UTC) for day in (24, 25))
    chose = {"at": tuesday, "did": "chose", "patient": 1, "choice": "individual-therapy"}
    again = {**chose, "at": night, "choice": "any"}
    first, second = in_a_group(chose, until=WEDNESDAY + HOUR)
    assert [(each.start, each.kind) for each in first.visits if each.length == 3 * HOUR and not each.mark] == [
        (MONDAY, "group"),
        (WEDNESDAY, "individual"),
    ]
    assert [each.start for each in second.visits if each.kind == "group"] == [WEDNESDAY]

    first, second = in_a_group(chose, again, until=WEDNESDAY + 15 * HOUR)
    *_, last = [reasons for at, reasons in first.reasons.items() if at > WEDNESDAY]
    assert ("group-seat", ()) in last and all(each.mark == "ended" for each in first.visits if each.group == "-")


def test_a_week_for_which_there_was_no_seat_is_projected_short_from_wednesday_noon_on() -> None:
    tuesday, wednesday = (datetime(2026, 3, day, 4, 30, tzinfo=UTC) for day in (4, 5))
    _, second = in_a_group(until=wednesday + 72 * HOUR)
    assert ("projected-week-short", ()) in second.reasons[wednesday] - second.reasons[tuesday]


def of_days(*lines: Line, until: datetime) -> Counted:
    """Of one whose payer asks for three days of three hours."""
    began, admitted, *rest = days(*lines, until=until)
    (one,) = recount([began, admitted | {"payer": "medicaid"}, *rest])
    return one


def test_a_make_up_on_a_day_that_counts_leaves_the_week_a_day_short() -> None:
    monday, wednesday, friday = (each + 7 * DAY for each in (MONDAY, WEDNESDAY, FRIDAY))
    night = wednesday + 14 * HOUR + 30 * MINUTE

    def asked(start: datetime) -> bool:
        times = {"start": start, "end": start + 3 * HOUR, "kind": "group", "makes_up": monday, "to": None}
        book = {"at": monday + HOUR, "did": "book", "patient": 1, "refused": False, **times}
        came = report(wednesday + 3 * HOUR, wednesday, wednesday + 3 * HOUR)
        return ("projected-week-short", ()) in of_days(book, came, until=friday + HOUR).reasons[night]

    assert asked(friday + 4 * HOUR) and not asked(friday + DAY)


def test_nobody_could_be_in_two_sessions_of_a_day_at_once() -> None:
    stay = Stay(Program(numbers(SETTINGS)), Counted(1), {"at": ADMITTED, "payer": "medicaid", "evening": False}, FRIDAY)
    first, same, later = (
        Visit(start, start + 90 * MINUTE, "group", start) for start in (MONDAY, MONDAY, MONDAY + 90 * MINUTE)
    )
    assert (stay._possible_days([first, same]), stay._possible_days([first, later])) == (0, 1)


def test_an_excused_session_that_is_held_alone_in_its_place_is_owed_once() -> None:
    monday, wednesday, friday = (each + 7 * DAY for each in (MONDAY, WEDNESDAY, FRIDAY))
    cancelled = {"did": "appointment", "status": "cancelled", "patient": 1, "kind": "group", "refused": False}
    excused = {**cancelled, "at": monday - HOUR, "start": wednesday, "reason": "illness"}
    chose = {"at": monday, "did": "chose", "patient": 1, "choice": "individual-therapy"}
    alone = {**cancelled, "kind": "individual", "at": friday - HOUR, "start": friday, "reason": "prov"}
    nights = friday + 7 * DAY
    short, _ = in_a_group(excused, chose, until=nights)
    assert [each.finding for each in short.weeks] == ["short"]
    fewer, _ = in_a_group(excused, chose, alone, until=nights)
    assert [each.finding for each in fewer.weeks] == [""]


def test_what_was_left_with_the_group_is_no_session_near_the_one_that_is_booked() -> None:
    left = {"at": WEDNESDAY - 2 * HOUR, "did": "chose", "patient": 1, "choice": "leave"}
    near = WEDNESDAY + 10 * MINUTE
    times = {"start": near, "end": near + 3 * HOUR, "kind": "group", "makes_up": None, "to": None}
    book = {"at": WEDNESDAY - HOUR, "did": "book", "patient": 1, "refused": False, **times}
    first, _ = in_a_group(left, book, until=WEDNESDAY + HOUR)
    assert [each.start for each in first.visits if each.is_booked] == [near]
    stayed, _ = in_a_group(book, until=WEDNESDAY + HOUR)
    assert not any(each.is_booked for each in stayed.visits)


def test_no_patient_books_again_alone_what_their_group_has_called_off_for_all() -> None:
    near = WEDNESDAY + 10 * MINUTE
    times = {"start": near, "end": near + 3 * HOUR, "kind": "group", "makes_up": None, "to": None}
    book = {"at": WEDNESDAY - HOUR, "did": "book", "patient": 1, "refused": True, **times}
    off = {"at": WEDNESDAY - 2 * HOUR, "did": "meeting", "group": "day-1", "start": WEDNESDAY, "to": None}
    first, _ = in_a_group(off, book, until=WEDNESDAY + HOUR)
    assert first.wrongly_refused == []
    first, _ = in_a_group(book, until=WEDNESDAY + HOUR)
    assert len(first.wrongly_refused) == 1


def test_a_session_that_its_group_does_not_hold_is_nobodys_miss_and_one_that_it_moves_is_held_then() -> None:
    off = {"at": WEDNESDAY, "did": "meeting", "group": "day-1", "start": MONDAY, "to": None}
    moved = {**off, "start": WEDNESDAY, "to": WEDNESDAY + 4 * HOUR, "at": WEDNESDAY - HOUR}
    first, _ = in_a_group(off, moved, until=WEDNESDAY + 5 * HOUR)
    groups = [(each.start, each.status, each.missed_at) for each in first.visits if each.kind == "group"]
    at_one = WEDNESDAY + 4 * HOUR
    assert groups == [
        (MONDAY, "cancelled", [MONDAY + HOUR / 2]),
        (WEDNESDAY, "cancelled", []),
        (at_one, "missed", [at_one + HOUR / 2]),
    ]


def test_what_a_group_moves_to_a_time_that_is_taken_is_held_then_once_that_is_free() -> None:
    at_one = WEDNESDAY + 4 * HOUR
    own = {"start": at_one, "end": at_one + HOUR, "kind": "individual", "patient": 1, "refused": False, "to": None}
    book = {"at": WEDNESDAY - 2 * HOUR, "did": "book", **own}
    moved = {"at": WEDNESDAY - HOUR, "did": "meeting", "group": "day-1", "start": WEDNESDAY, "to": at_one}
    cancelled = {"at": WEDNESDAY + HOUR, "did": "appointment", "status": "cancelled", "reason": "prov", **own}

    def held_at_one(*lines: Line) -> list[tuple[str, str]]:
        first, _ = in_a_group(*lines, until=WEDNESDAY + 5 * HOUR)
        return [(each.kind, each.status) for each in first.visits if each.start == at_one]

    assert held_at_one(book, moved) == [("individual", "missed")]
    assert held_at_one(book, moved, cancelled) == [("individual", "cancelled"), ("group", "missed")]


def test_a_make_up_is_one_of_the_week_of_its_miss_and_its_minutes_are_the_weeks() -> None:
    instead = {"start": FRIDAY + 5 * HOUR, "end": FRIDAY + 8 * HOUR, "kind": "group", "makes_up": MONDAY, "to": None}
    book = {"at": WEDNESDAY, "did": "book", "patient": 1, "refused": False, **instead}
    came = report(FRIDAY + 8 * HOUR, FRIDAY + 5 * HOUR, FRIDAY + 8 * HOUR)
    made_up = counted(book, came, until=FRIDAY + 9 * HOUR)
    assert made_up.wrongly_refused == []
    assert [(each.start, each.status) for each in made_up.visits if each.makes_up] == [(FRIDAY + 5 * HOUR, "attended")]
    assert made_up.visits[0].status == "missed"

    twice = {**book, "start": FRIDAY + 9 * HOUR, "end": FRIDAY + 12 * HOUR}
    of_none = {**book, "makes_up": FRIDAY}
    next_week = {**book, "start": FRIDAY + 77 * HOUR, "end": FRIDAY + 80 * HOUR}
    for wrong in ([book, twice], [of_none], [next_week]):
        assert len(counted(*wrong, until=FRIDAY + 9 * HOUR).wrongly_refused) == 1


def hub(*sessions: Seen) -> Patient:
    return Patient(sessions={each.id: each for each in sessions})


def seen(event: str, missed_at: datetime | None) -> Seen:
    return Seen("monday", MONDAY, "group", event, {}, [] if missed_at is None else [missed_at])


def test_a_missed_miss_a_false_one_and_a_late_one_are_each_a_difference() -> None:
    until = MONDAY + HOUR
    (silent,), (present,) = recount(days(until=until)), recount(days(report(MONDAY, MONDAY, None), until=until))
    agreed, false = seen("SessionMissed", MONDAY + HOUR / 2), seen("SessionMissed", MONDAY + HOUR / 2)

    assert list(differences(silent, hub(agreed), until)) == []
    assert len(list(differences(silent, hub(seen("SessionScheduled", None)), until))) == 1
    assert len(list(differences(silent, hub(seen("SessionMissed", MONDAY + HOUR)), until))) == 1
    assert len(list(differences(silent, hub(), until))) == 1
    assert len(list(differences(present, hub(false), until))) == 1


def test_of_two_cancelled_at_one_time_each_is_compared_with_its_like() -> None:
    missed_at, end = MONDAY + HOUR / 2, MONDAY + 3 * HOUR
    own = [Visit(MONDAY, end, "group", end, mark="off", missed_at=missed) for missed in ([missed_at], [])]
    first, second = (
        Seen(name, MONDAY, "group", "SessionCancelled", {}, each.missed_at)
        for name, each in zip("ab", own, strict=True)
    )
    for theirs in ((first, second), (second, first)):
        assert list(differences(Counted(1, visits=own), hub(*theirs), end)) == []
    first.missed_at = []
    assert len(list(differences(Counted(1, visits=own), hub(first, second), end))) == 1


def test_of_two_that_ended_the_one_that_was_never_booked_is_in_nobodys_place() -> None:
    missed_at, end = MONDAY + HOUR / 2, MONDAY + 3 * HOUR
    left, missed = (Visit(MONDAY, end, "group", end, mark="ended", missed_at=each) for each in ([], [missed_at]))
    theirs = Seen("a", MONDAY, "group", "SessionCancelled", {}, [missed_at])
    assert list(differences(Counted(1, visits=[left, missed]), hub(theirs), end)) == []


def test_what_began_long_before_it_is_looked_at_is_named_by_either() -> None:
    numbers = {"correction_days": 35, "long_window_days": 14}

    def found(old: datetime) -> int:
        reasons: dict[datetime, frozenset[Reason]] = {
            FRIDAY: frozenset({("late-or-partial-in-14-days", (old, WEDNESDAY))})
        }
        theirs = hub()
        theirs.tasks.append((WEDNESDAY, "task", ("late-or-partial-in-14-days", (WEDNESDAY,))))
        return len(list(differences(Counted(1, reasons=reasons, numbers=numbers), theirs, FRIDAY)))

    assert (found(FRIDAY - 49 * DAY), found(FRIDAY - 49 * DAY - MINUTE)) == (1, 0)


def test_an_encounter_withdrawn_twice_is_listened_to_anew_once() -> None:
    gone = {"name": "1", "came": None, "did": "withdraw"}
    came, back = report(MONDAY, MONDAY, MONDAY + 3 * HOUR), report(MONDAY + 4 * HOUR, MONDAY, None, **gone)
    monday = counted(came, back, back).visits[0]
    assert (monday.status, monday.missed_at) == ("missed", [MONDAY + 4 * HOUR + HOUR / 2])


def test_what_an_overlapping_encounter_adds_may_be_less_once_the_other_is_corrected() -> None:
    until, end = MONDAY + 4 * HOUR, MONDAY + 3 * HOUR
    first, second = report(end, MONDAY, MONDAY + 2 * HOUR), report(end, MONDAY, end, name="2", came=MONDAY + HOUR)
    (one,) = recount(days(first, second, report(until, MONDAY, MONDAY + HOUR), until=until))
    stale = Seen("monday", MONDAY, "group", "SessionAttended", {"1": 60, "2": 60}, [MONDAY + HOUR / 2])
    assert (one.visits[0].minutes(), one.visits[0].shared) == (180, HOUR)
    assert list(differences(one, hub(stale), until)) == []
    stale.encounters["2"] = 30
    assert len(list(differences(one, hub(stale), until))) == 1

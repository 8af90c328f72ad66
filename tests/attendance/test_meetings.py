"""A group's session is called off or moved: every member hears of it once, in order, and it counts against no one."""

from datetime import datetime, timedelta

import msgspec

from services.attendance.decide.marks import OFF_FOR_ALL
from services.attendance.groups.plan import Meeting
from services.attendance.groups.sessions import (
    BEGUN,
    CLOSED,
    NOT_AHEAD,
    NOT_THERE,
    TOO_FAR,
    TWO_AT_ONCE,
    UNPLANNED,
    WHOLE_MINUTES,
)
from services.attendance.groups.timetable import MeetingChange, minute
from services.attendance.messages import (
    CallOffSession,
    CancelSession,
    MeetingsChanged,
    MoveSession,
    ReinstateSession,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
)
from shared.rules.calendar import Calendar
from shared.rules.decision import Refused
from tests.attendance.given import FRIDAY, GRACE, MONDAY, WEDNESDAY, evening
from tests.attendance.groups import ANNA, BEN, CARA, EVENING, GroupWithMembers, with_groups
from tests.attendance.story import starts

THURSDAY = evening(0, 3)
HOUR = timedelta(hours=1)


def test_a_group_books_its_sessions_as_far_ahead_as_its_members_are_booked() -> None:
    group = GroupWithMembers(ANNA)
    assert [each.start for each in group.group.state.timetable.sessions] == [
        evening(w, d) for w in (0, 1) for d in (0, 2, 4)
    ]
    assert {each.status for each in group.group.slots.values()} == {"free"}
    group.until(evening(1, 0, 12))
    assert group.slot(evening(2, 4)).status == "free"


def test_with_the_last_seat_taken_its_slots_are_busy_and_free_again_once_it_is_left() -> None:
    group = GroupWithMembers(ANNA, BEN, seats=2)
    assert {each.status for each in group.group.slots.values()} == {"busy"}
    group.until(WEDNESDAY + GRACE)
    group.leave(ANNA)
    assert (group.slot(MONDAY).status, group.slot(FRIDAY).status) == ("busy", "free")


def test_a_session_called_off_reaches_every_member_in_the_order_of_their_seats() -> None:
    group = GroupWithMembers(ANNA, BEN, CARA)
    assert group.call_off(WEDNESDAY) == [ANNA, BEN, CARA]
    assert group.outcomes(WEDNESDAY) == ["cancelled"] * 3
    assert [starts(group.story(each).emitted, SessionCancelled) for each in (ANNA, BEN, CARA)] == [[WEDNESDAY]] * 3
    assert group.slot(WEDNESDAY).status == "busy-unavailable"
    group.until(WEDNESDAY + 2 * GRACE)
    assert group.outcomes(WEDNESDAY) == ["cancelled"] * 3


def test_called_off_twice_nobody_is_told_again() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.call_off(WEDNESDAY)
    assert group.call_off(WEDNESDAY) == []


def test_who_joins_after_it_was_called_off_is_told_with_the_seat_and_once() -> None:
    group = GroupWithMembers(ANNA)
    group.call_off(WEDNESDAY)
    cara = group.admit(CARA)
    assert cara.outcome(WEDNESDAY) == "cancelled"
    assert starts(cara.all_emitted, SessionCancelled) == [WEDNESDAY]
    assert group.outcomes(FRIDAY) == ["planned"] * 2


def test_who_has_left_before_is_not_told() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.leave(ANNA)
    before = group.story(ANNA).state
    assert group.call_off(WEDNESDAY) == [BEN]
    assert group.story(ANNA).state == before


def test_who_was_there_was_there_whatever_was_called_off_afterwards() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.until(MONDAY)
    group.attend(ANNA, MONDAY)
    group.call_off(MONDAY)
    assert group.outcomes(MONDAY) == ["attended", "cancelled"]


def test_called_off_after_silence_the_misses_are_taken_back_and_nobody_is_asked_about_them() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.until(MONDAY + GRACE + HOUR)
    assert group.outcomes(MONDAY) == ["missed"] * 2
    assert group.story(ANNA).escalations
    group.call_off(MONDAY)
    assert group.outcomes(MONDAY) == ["cancelled"] * 2
    assert not group.story(ANNA).escalations
    assert not group.story(BEN).escalations


def test_called_off_after_the_fact_it_takes_back_the_miss_of_who_has_left_since() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.until(MONDAY + GRACE + HOUR)
    group.leave(ANNA)
    assert group.call_off(MONDAY) == [BEN, ANNA]
    assert group.outcomes(MONDAY) == ["cancelled"] * 2


def test_what_takes_place_after_all_is_planned_again_and_silence_is_listened_to_anew() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.call_off(WEDNESDAY)
    assert group.put(WEDNESDAY) == [ANNA, BEN]
    assert group.outcomes(WEDNESDAY) == ["planned"] * 2
    assert group.slot(WEDNESDAY).status == "free"
    group.until(WEDNESDAY + GRACE)
    assert [starts(group.story(each).all_emitted, SessionMissed) for each in (ANNA, BEN)] == [[MONDAY, WEDNESDAY]] * 2


def test_a_patient_who_is_excused_stays_so_when_it_is_called_off_and_takes_place_after_all() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.happens(ANNA, CancelSession(session_id=group.session(ANNA, WEDNESDAY), reason="pat"))
    group.call_off(WEDNESDAY)
    group.put(WEDNESDAY)
    assert group.outcomes(WEDNESDAY) == ["excused", "planned"]


def test_a_session_moved_is_cancelled_and_booked_for_every_member() -> None:
    group = GroupWithMembers(ANNA, BEN)
    assert group.put(WEDNESDAY, at=THURSDAY) == [ANNA, BEN]
    for each in (ANNA, BEN):
        emitted = group.story(each).emitted
        assert (starts(emitted, SessionCancelled), starts(emitted, SessionScheduled)) == ([WEDNESDAY], [THURSDAY])
    assert (group.slot(WEDNESDAY).start, group.slot(WEDNESDAY).status) == (THURSDAY, "free")
    group.until(THURSDAY + GRACE)
    assert (group.outcomes(WEDNESDAY), group.outcomes(THURSDAY)) == (["cancelled"] * 2, ["missed"] * 2)


def test_moved_again_and_back_there_is_one_session_and_no_miss_of_the_others() -> None:
    group = GroupWithMembers(ANNA)
    group.put(WEDNESDAY, at=THURSDAY)
    group.put(WEDNESDAY, at=evening(0, 3, 9))
    assert group.outcomes(evening(0, 3, 9)) == ["planned"]
    group.put(WEDNESDAY)
    assert group.outcomes(WEDNESDAY) == ["planned"]
    group.until(FRIDAY - HOUR)
    assert starts(group.story(ANNA).all_emitted, SessionMissed) == [MONDAY, WEDNESDAY]


def test_who_joins_after_a_move_is_booked_where_it_is_held() -> None:
    group = GroupWithMembers(ANNA)
    group.put(WEDNESDAY, at=THURSDAY)
    cara = group.admit(CARA)
    assert (cara.outcome(WEDNESDAY), cara.outcome(THURSDAY)) == ("cancelled", "planned")


def test_moved_and_called_off_where_it_is_held_it_counts_nowhere() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.put(WEDNESDAY, at=THURSDAY)
    group.call_off(WEDNESDAY)
    group.until(FRIDAY - HOUR)
    assert (group.outcomes(WEDNESDAY), group.outcomes(THURSDAY)) == (["cancelled"] * 2, ["cancelled"] * 2)


def test_off_where_it_is_moved_to_it_takes_place_there_alone_though_its_first_time_has_passed() -> None:
    group = GroupWithMembers(ANNA)
    group.put(WEDNESDAY, at=THURSDAY, takes_place=False)
    group.until(WEDNESDAY + HOUR)
    group.put(WEDNESDAY, at=THURSDAY)
    group.until(THURSDAY - HOUR)
    assert (group.outcomes(WEDNESDAY), group.outcomes(THURSDAY)) == (["cancelled"], ["planned"])


def test_off_and_moved_at_once_it_is_read_as_called_off_where_it_went() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.put(WEDNESDAY, at=THURSDAY, takes_place=False)
    for each in (ANNA, BEN):
        emitted = (one for one in group.story(each).emitted if isinstance(one, SessionCancelled))
        assert [(one.start, one.reason) for one in emitted] == [(WEDNESDAY, "moved"), (THURSDAY, "called-off")]
    group.put(WEDNESDAY, at=THURSDAY)
    assert starts(group.story(ANNA).emitted, SessionScheduled) == [THURSDAY]


def test_who_hears_late_of_a_move_has_missed_nothing_where_it_was_not_held() -> None:
    """As after a bug: what was decided of the group waited for this patient."""
    group = GroupWithMembers(ANNA)
    since, story = minute(group.now), group.story(ANNA)
    story.until(WEDNESDAY + GRACE)
    assert story.outcome(WEDNESDAY) == "missed"
    moved = MeetingChange(minute(WEDNESDAY), minute(THURSDAY), off=False)
    story.then(MeetingsChanged(group=EVENING, since=since, changes=(moved,)))
    assert (story.outcome(WEDNESDAY), story.outcome(THURSDAY)) == ("cancelled", "planned")
    story.until(FRIDAY - HOUR)
    too_late = MeetingChange(minute(MONDAY), minute(evening(0, 1)), off=False)
    story.then(MeetingsChanged(group=EVENING, since=since, changes=(moved, too_late)))
    assert story.outcome(MONDAY) == "cancelled"
    assert "missed" not in story.escalations


def test_a_session_behind_what_a_member_has_booked_is_called_off_once_it_would_be_booked() -> None:
    group = GroupWithMembers(ANNA)
    group.until(evening(0, 1, 8))
    last = group.group.state.timetable.sessions[-1].start
    group.call_off(last)
    group.until(group.now + timedelta(days=2))
    assert group.outcomes(last) == ["cancelled"]


def test_a_session_behind_what_a_member_has_booked_is_held_where_it_is_moved_to_and_nowhere_else() -> None:
    group = GroupWithMembers(ANNA)
    group.group.until(group.group.state.timetable.books_on_at or group.now)  # before the member books on
    last = group.group.state.timetable.sessions[-1].start
    assert last not in {each.start for each in group.story(ANNA).state.sessions}
    group.put(last, at=THURSDAY)
    assert group.outcomes(THURSDAY) == ["planned"]
    group.until(group.now + timedelta(days=2))
    assert (group.outcomes(last), starts(group.story(ANNA).all_emitted, SessionScheduled).count(last)) == (
        ["cancelled"],
        0,
    )


def test_what_cannot_be_is_refused_with_the_rule() -> None:
    group = GroupWithMembers(ANNA)
    group.until(MONDAY + timedelta(minutes=1))

    def refused(start: datetime, at: datetime | None = None) -> Refused | None:
        group.put(start, at=at)
        return group.group.refused

    assert refused(MONDAY, at=THURSDAY) == BEGUN
    assert refused(WEDNESDAY, at=MONDAY - HOUR) == NOT_AHEAD
    assert refused(WEDNESDAY, at=FRIDAY + HOUR) == TWO_AT_ONCE
    assert refused(WEDNESDAY, at=evening(3, 1)) == TOO_FAR
    assert refused(WEDNESDAY, at=THURSDAY + timedelta(seconds=5)) == WHOLE_MINUTES, UNPLANNED
    assert refused(evening(5, 0)) == NOT_THERE
    assert group.outcomes(WEDNESDAY) == ["planned"]


def test_nothing_is_moved_to_a_closed_day_nor_takes_place_on_one() -> None:
    group = GroupWithMembers(ANNA)
    closed = Calendar(closed={"2026-01-08": "holiday", "2026-01-09": "holiday"})
    group.settings = group.group.settings = msgspec.structs.replace(group.settings, calendar=closed)
    group.story(ANNA).settings = group.settings
    group.put(WEDNESDAY, at=THURSDAY)
    assert group.group.refused == CLOSED
    group.until(evening(0, 1, 12))
    assert group.slot(FRIDAY).status == "busy-unavailable"
    group.put(FRIDAY)
    assert group.group.refused == CLOSED


def test_while_the_patient_has_another_session_then_the_moved_one_is_off_for_them_alone() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.happens(ANNA, MoveSession(session_id=group.session(ANNA, FRIDAY), start=THURSDAY + HOUR))
    group.put(WEDNESDAY, at=THURSDAY)
    assert group.outcomes(WEDNESDAY) == ["cancelled"] * 2
    assert THURSDAY not in {each.start for each in group.story(ANNA).state.sessions}
    assert (group.story(ANNA).outcome(THURSDAY + HOUR), group.story(BEN).outcome(THURSDAY)) == ("planned", "planned")
    group.happens(ANNA, MoveSession(session_id=group.session(ANNA, THURSDAY + HOUR), start=FRIDAY))
    assert group.outcomes(THURSDAY) == ["planned"] * 2


def test_whom_a_person_moved_away_alone_the_group_leaves_there() -> None:
    group = GroupWithMembers(ANNA, BEN)
    group.happens(ANNA, MoveSession(session_id=group.session(ANNA, WEDNESDAY), start=evening(0, 1)))
    group.put(WEDNESDAY, at=THURSDAY)
    group.call_off(WEDNESDAY)
    assert (group.story(ANNA).outcome(evening(0, 1)), group.story(BEN).outcome(THURSDAY)) == ("planned", "cancelled")


def test_who_was_in_another_group_meanwhile_finds_what_takes_place_after_all() -> None:
    group = GroupWithMembers(ANNA)
    group.call_off(WEDNESDAY)
    group.happens(ANNA, MeetingsChanged(group="evening-b", since=minute(group.now), changes=()))
    assert group.outcomes(WEDNESDAY) == ["cancelled"]
    group.put(WEDNESDAY)
    assert group.outcomes(WEDNESDAY) == ["planned"]


def test_one_member_s_appointment_is_not_booked_while_the_session_is_off_for_all() -> None:
    group = GroupWithMembers(ANNA)
    group.call_off(WEDNESDAY)
    group.happens(ANNA, ReinstateSession(session_id=group.session(ANNA, WEDNESDAY)))
    assert group.story(ANNA).refused == OFF_FOR_ALL
    group.happens(ANNA, CallOffSession(session_id=group.session(ANNA, WEDNESDAY)))
    group.put(WEDNESDAY)
    assert group.outcomes(WEDNESDAY) == ["planned"]


def test_other_meetings_in_program_toml_make_other_slots_and_those_of_before_are_off() -> None:
    group = GroupWithMembers(ANNA)
    tuesdays = with_groups(meetings=(Meeting(1, "18:00", 180), Meeting(4, "18:00", 180)))
    group.settings = group.group.settings = group.story(ANNA).settings = tuesdays
    group.until(evening(0, 1, 12))
    statuses = {each: group.slot(each).status for each in (WEDNESDAY, evening(0, 1), FRIDAY)}
    assert list(statuses.values()) == ["busy-unavailable", "free", "free"]
    group.put(WEDNESDAY)
    assert group.group.refused == UNPLANNED

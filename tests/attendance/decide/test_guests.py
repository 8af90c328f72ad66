"""A make-up in one session of another group: its seat is asked for, given or not, and returned."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid5

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.decide.guesting import REFUSED
from services.attendance.groups import groups
from services.attendance.groups import guests as group_guests
from services.attendance.groups import sessions as group_sessions
from services.attendance.groups.groups import Group
from services.attendance.groups.plan import GROUP, group_key
from services.attendance.messages import (
    BookSession,
    CancelSession,
    ChangeMeeting,
    CheckIn,
    GuestAsked,
    GuestLeft,
    MoveSession,
    ReinstateSession,
    SeatAsked,
    SeatLeft,
    SessionCancelled,
    SessionRequested,
    SessionScheduled,
)
from services.attendance.record import BY_ITSELF, Session, SessionSlot
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import EscalationRaised, EscalationResolved
from shared.events.internal import To
from shared.events.listed import schedule_id, slot_id
from shared.rules.decision import Moment, Refused
from tests.attendance.decide.test_ehr_booking import booking
from tests.attendance.given import GRACE, NAMES, SETTINGS, discharged, evening
from tests.attendance.grouping_story import EVENING_A, Patient, ProgramStory, plan
from tests.attendance.story import refusal
from tests.laws import examples
from tests.story import only

HOUR = timedelta(hours=1)
TUESDAYS = "tuesdays"
"""A group that meets on an evening on which the others do not: in it a miss is made up."""
MISSED = evening(1, 0)
TUESDAY, THURSDAY = evening(1, 1), evening(1, 3)
TWO_EVENINGS = [[1, "18:00", 180], [3, "18:00", 180]]


def program(seats: int = 1) -> ProgramStory:
    """Patients of one group who missed the second Monday, and another group with so many seats, in which nobody is."""
    plans = {EVENING_A: plan(), TUESDAYS: plan(seats=seats, meetings=TWO_EVENINGS)}
    return ProgramStory(plans)


def missing(here: ProgramStory, *names: str) -> list[Patient]:
    found = [here.admits(each) for each in names]
    here.until(MISSED + GRACE)
    return found


def make_up(patient: Patient, start: datetime = TUESDAY, group: str = TUESDAYS, kind: str = "group") -> BookSession:
    assert patient.state.episode is not None
    missed = next(each for each in patient.state.sessions if each.start == MISSED)
    slot = SessionSlot(kind, BY_ITSELF, "", 180, group=group)
    book = booking(start, kind, 180)
    identity = patient.state.episode.session_id(missed)
    return msgspec.structs.replace(book, slot=slot, makes_up=identity, appointment_id=name_id(patient.patient, "asked"))


def at(patient: Patient, start: datetime) -> Session:
    return next(each for each in patient.state.sessions if each.start == start and each.mark != "moved")


def identity(patient: Patient, start: datetime) -> str:
    assert patient.state.episode is not None
    return patient.state.episode.session_id(at(patient, start))


def guests(here: ProgramStory, group: str = TUESDAYS) -> list[str]:
    found = here.groups.get(group_key("demo", group), Group())
    return [each.patient_id for each in found.guests]


def changes(here: ProgramStory, start: datetime, to: datetime, *, off: bool = False) -> None:
    """A person changes the session of the group that was planned for `start`."""
    identity = slot_id(schedule_id("demo", TUESDAYS), int(start.timestamp()) // 60)
    key = group_key("demo", TUESDAYS)
    command = ChangeMeeting(slot_id=identity, start=to, end=to + 3 * HOUR, takes_place=not off)
    moment = Moment(here.now, here.now, here.settings, uuid5(NAMES, f"{start} {to} {off}"), key, "demo")
    emitted = group_sessions.decide(here.groups[key], command, moment)
    assert not isinstance(emitted, Refused)
    for each in emitted:
        if isinstance(each, To):
            here.lane.append(each)
        else:
            here.groups[key] = groups.evolve(here.groups[key], each)
    here.drains()


def test_it_is_pending_until_the_group_has_answered_and_booked_then() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.holds = True
    emitted = here.then(robin.patient, make_up(robin))
    assert [each.start for each in only(emitted, SessionRequested)] == [TUESDAY]
    assert only(emitted, SessionScheduled) == [] and at(robin, TUESDAY).mark == "asked"
    before = len(robin.all_emitted)
    here.drains()
    (booked,) = only(robin.all_emitted[before:], SessionScheduled)
    assert (booked.start, booked.group) == (TUESDAY, TUESDAYS)
    assert at(robin, TUESDAY).outcome == "planned" and guests(here) == [robin.patient]


def test_of_two_who_ask_for_the_last_seat_one_gets_it_and_a_person_hears_of_the_other() -> None:
    here = program(seats=1)
    robin, kim = missing(here, "robin", "kim")
    here.holds = True
    here.then(robin.patient, make_up(robin))
    here.then(kim.patient, make_up(kim))
    here.drains()
    assert guests(here) == [robin.patient]
    assert (at(robin, TUESDAY).outcome, at(kim, TUESDAY).mark) == ("planned", "unseated")
    (cancelled,) = [each for each in only(kim.all_emitted, SessionCancelled) if each.start == TUESDAY]
    assert cancelled.reason == "no-seat"
    raised = [each.escalation for each in only(kim.all_emitted, EscalationRaised)]
    assert [(each.reason, each.tier) for each in raised if each.reason == "guest-seat-refused"] == [
        ("guest-seat-refused", 1)
    ]


@pytest.mark.parametrize("group", [TUESDAYS, ""])
def test_who_looks_for_another_session_is_asked_no_more_once_one_is_booked(group: str) -> None:
    """As a guest elsewhere, or by itself; while the other is pending, they look on."""
    here = program(seats=1)
    robin, kim = missing(here, "robin", "kim")
    here.then(robin.patient, make_up(robin))
    here.then(kim.patient, make_up(kim))
    assert guests(here) == [robin.patient] and REFUSED in asked_of(kim)
    here.holds = bool(group)
    again = msgspec.structs.replace(make_up(kim, THURSDAY, group), appointment_id=name_id(kim.patient, "again"))
    here.then(kim.patient, again)
    assert (REFUSED in asked_of(kim)) == bool(group)
    here.drains()
    assert at(kim, THURSDAY).outcome == "planned" and REFUSED not in asked_of(kim)
    closed = [each.reason for each in only(kim.all_emitted, EscalationResolved) if each.escalation.reason == REFUSED]
    assert closed == ["made-up"]


def asked_of(patient: Patient) -> list[str]:
    return [each.kind for each in patient.state.escalations]


def test_what_is_pending_counts_for_nothing_and_whoever_came_came() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.holds = True
    here.then(robin.patient, make_up(robin))
    robin.until(TUESDAY + 2 * GRACE)
    assert at(robin, TUESDAY).outcome == "cancelled"
    came = CheckIn(
        session_ids=(identity(robin, TUESDAY),),
        encounter_id=name_id(NAMES, "guest"),
        periods=((TUESDAY, TUESDAY + HOUR),),
    )
    here.now = TUESDAY + HOUR
    here.then(robin.patient, came)
    assert at(robin, TUESDAY).outcome == "attended"
    here.drains()
    assert at(robin, TUESDAY).outcome == "attended"


@pytest.mark.parametrize("cancelled", [True, False])
def test_who_cancels_or_leaves_frees_the_seat_for_another(cancelled: bool) -> None:
    here = program(seats=1)
    robin, kim = missing(here, "robin", "kim")
    here.then(robin.patient, make_up(robin))
    leaves: Command | Event = CancelSession(session_id=identity(robin, TUESDAY), reason="illness")
    if not cancelled:
        assert robin.state.episode is not None
        leaves = discharged(here.now, episode=robin.state.episode.id)
    here.then(robin.patient, leaves)
    assert guests(here) == [] and robin.state.guests == ()
    here.then(kim.patient, make_up(kim))
    assert guests(here) == [kim.patient]


def test_what_is_taken_back_while_it_is_pending_is_asked_no_more() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.holds = True
    here.then(robin.patient, make_up(robin))
    here.then(robin.patient, CancelSession(session_id=identity(robin, TUESDAY)))
    here.drains()
    assert guests(here) == [] and at(robin, TUESDAY).mark == "mistaken"


def test_who_is_excused_and_comes_after_all_asks_again() -> None:
    here = program(seats=1)
    robin, kim = missing(here, "robin", "kim")
    here.then(robin.patient, make_up(robin))
    here.then(robin.patient, CancelSession(session_id=identity(robin, TUESDAY), reason="illness"))
    here.then(kim.patient, make_up(kim))
    here.then(robin.patient, ReinstateSession(session_id=identity(robin, TUESDAY)))
    assert guests(here) == [kim.patient] and at(robin, TUESDAY).mark == "unseated"
    here.then(kim.patient, CancelSession(session_id=identity(kim, TUESDAY), reason="illness"))
    here.then(robin.patient, ReinstateSession(session_id=identity(robin, TUESDAY)))
    assert guests(here) == [robin.patient] and at(robin, TUESDAY).outcome == "planned"


def test_who_moves_it_asks_for_a_seat_where_it_is_held_then() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin))
    here.then(robin.patient, MoveSession(session_id=identity(robin, TUESDAY), start=THURSDAY))
    assert at(robin, THURSDAY).outcome == "planned"
    (guest,) = here.groups[group_key("demo", TUESDAYS)].guests
    assert guest.minute == at(robin, THURSDAY).minute


def test_a_session_that_is_called_off_reaches_its_guests_and_counts_against_none() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin))
    changes(here, TUESDAY, TUESDAY, off=True)
    assert at(robin, TUESDAY).mark == "off"
    changes(here, TUESDAY, TUESDAY)
    assert at(robin, TUESDAY).outcome == "planned" and guests(here) == [robin.patient]


def test_one_that_is_moved_within_the_week_of_the_miss_is_held_there() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin))
    changes(here, TUESDAY, TUESDAY - HOUR)
    there = at(robin, TUESDAY - HOUR)
    assert (there.outcome, there.makes_up) == ("planned", at(robin, MISSED).place)
    here.then(robin.patient, CancelSession(session_id=identity(robin, TUESDAY - HOUR), reason="illness"))
    assert guests(here) == []


def test_one_that_is_moved_into_another_week_makes_up_nothing_and_is_called_off_for_them() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin))
    changes(here, TUESDAY, evening(2, 1, 12))
    assert at(robin, TUESDAY).mark == "off"


def test_a_member_goes_before_a_guest_and_takes_no_guests_seat() -> None:
    here = program(seats=1)
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin))
    key = group_key("demo", TUESDAYS)
    asks = SeatAsked(patient=str(uuid5(NAMES, "kim")), group=TUESDAYS, ask="ask", since=here.now)
    moment = Moment(here.now, here.now, here.settings, uuid5(NAMES, "member"), key, "demo")
    state = here.groups[key]
    for each in (asks, *group_sessions.react(state, asks, moment)):
        state = state if isinstance(each, To) else groups.evolve(state, each)
    assert (len(state.members), len(state.line), len(state.guests)) == (0, 1, 1)
    later = GuestAsked(patient=str(uuid5(NAMES, "lee")), group=TUESDAYS, ask="other", at=minute(THURSDAY), minutes=180)
    (answer,) = group_guests.react(state, later, moment)
    assert isinstance(answer, To) and type(answer.event).__name__ == "GuestSeatRefused"


REFUSALS = {
    "their own group": ({"group": EVENING_A, "start": TUESDAY}, ("conflict", "Appointment.slot")),
    "another kind": ({"kind": "skills"}, ("business-rule", "Appointment.slot")),
    "no group": ({"group": "nowhere"}, ("business-rule", "Appointment.slot")),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_no_seat_is_asked_for_in(what: str) -> None:
    changed, refused = REFUSALS[what]
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, make_up(robin, **changed))  # type: ignore[arg-type]
    assert refusal(robin) == refused and guests(here) == []


def test_a_guests_seat_is_for_a_make_up() -> None:
    here = program()
    (robin,) = missing(here, "robin")
    here.then(robin.patient, msgspec.structs.replace(make_up(robin), makes_up=""))
    assert refusal(robin) == ("business-rule", "Appointment.slot")


def minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


PEOPLE = [str(uuid5(NAMES, f"person {number}")) for number in range(5)]
Step = tuple[str, int, int]


@settings(max_examples=examples(60))
@given(
    some.lists(
        some.tuples(some.sampled_from(["asks", "leaves", "joins", "goes"]), some.integers(0, 4), some.integers(0, 1)),
        max_size=40,
    )
)
def test_no_session_ever_has_more_than_its_seats(steps: Sequence[Step]) -> None:
    """Members and guests together, each patient once, in any order and any repetition; and whoever was given a seat
    that was not returned has it."""
    plans = {TUESDAYS: plan(seats=2, meetings=TWO_EVENINGS)}
    settings_now = msgspec.structs.replace(SETTINGS, groups=plans)
    key, now, state = group_key("demo", TUESDAYS), MISSED + HOUR, Group()
    for number, (what, who, when) in enumerate(steps):
        patient, at = PEOPLE[who], minute((TUESDAY, THURSDAY)[when])
        about = {"patient": patient, "group": TUESDAYS}
        event = {
            "asks": GuestAsked(**about, ask=f"g{when}", at=at, minutes=180),
            "leaves": GuestLeft(**about, ask=f"g{when}"),
            "joins": SeatAsked(**about, ask="m", since=now),
            "goes": SeatLeft(**about, ask="m"),
        }[what]
        moment = Moment(now, now, settings_now, uuid5(NAMES, f"law {number}"), key, "demo")
        emitted = group_sessions.react(state, event, moment)  # type: ignore[arg-type]
        state = groups.evolve(state, event)
        for each in emitted:
            state = state if isinstance(each, To) else groups.evolve(state, each)
        for session in state.timetable.sessions:
            assert len(group_guests.present(state, session)) <= 2
        to_patient = [each for each in emitted if isinstance(each, To) and each.kind == GROUP]
        assert to_patient == []

"""Laws of patients and groups, whatever happens and however long what one asks the other is on its way."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given as given_that
from hypothesis import settings as with_settings
from hypothesis import strategies as some

from services.attendance.fitting import kind_in_groups
from services.attendance.groups import groups
from services.attendance.messages import FlagsChanged
from services.attendance.state import State, due
from shared.events.envelope import Event
from shared.path.service import STATE_BYTES_MOST
from tests.attendance.decide.test_grouping import SHORT, advanced, ends, pause, resume, withdrawn
from tests.attendance.given import EVENINGS
from tests.attendance.grouping_story import EVENING_A, EVENING_B, Patient, ProgramStory, plan
from tests.attendance.test_groups import STATE_BYTES_OF_GROUP
from tests.laws import examples

NAMES = ("anna", "ben", "cara", "dora", "eve")
SEATS = {EVENING_A: 1, EVENING_B: 2}
STEPS = ("admits", "ends", "withdraws", "pauses", "resumes", "alone", "shared", "short", "long", "again")
PLANS = {name: plan(seats=seats) for name, seats in SEATS.items()}
steps = some.tuples(some.sampled_from(STEPS), some.sampled_from(NAMES))
lane = some.tuples(some.just("takes"), some.integers(1, 6))
hours = some.tuples(some.just("hours"), some.integers(1, 100))
histories = some.lists(some.one_of(steps, steps, steps, lane, hours), min_size=10, max_size=60)


def happens(program: ProgramStory, admitted: dict[str, Patient], step: str, name: str) -> None:
    if step == "admits":
        if name not in admitted:
            admitted[name] = program.admits(name)
        return
    if (patient := admitted.get(name)) is None:
        return
    event: Event
    match step:
        case "ends":
            ends(program, patient)
            return
        case "withdraws":
            event = withdrawn(patient, program)
        case "pauses":
            event = pause(patient, program)
        case "resumes":
            event = resume(patient, program)
        case "alone" | "shared":
            flags = ("evening", "individual-only") if step == "alone" else ("evening",)
            event = FlagsChanged(flags=flags, ended=(), changed_at=program.now)
        case "short" | "long":
            event = advanced(patient, program, SHORT if step == "short" else EVENINGS)
        case _:
            event = FlagsChanged(flags=("evening",), ended=(), changed_at=program.now)
    program.then(patient.patient, event)


def lived(history: Sequence[tuple[str, object]]) -> ProgramStory:
    """Lines are short, so that even they are full."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(groups, "WAITING_MOST", 1)
        return _lived(history)


def _lived(history: Sequence[tuple[str, object]]) -> ProgramStory:
    program, admitted = ProgramStory(PLANS), dict[str, Patient]()
    program.holds = True
    for step, about in history:
        if step == "takes":
            for _ in range(min(int(str(about)), len(program.lane))):
                program.takes()
        elif step == "hours":
            program.until(program.now + timedelta(hours=int(str(about))))
        else:
            happens(program, admitted, step, str(about))
        assert all(len(program.members(each)) <= seats for each, seats in SEATS.items())
    return program


@with_settings(max_examples=examples(100), deadline=None)
@given_that(histories)
def test_law_once_the_lane_is_empty_each_knows_of_the_other_what_it_remembers_itself(
    history: Sequence[tuple[str, object]],
) -> None:
    program = lived(history)
    program.drains()
    for name in PLANS:
        here = {each.patient for each in program.patients.values() if each.group == name}
        assert program.members(name) == here
        asked = {each.patient: each.asked for each in program.patients.values() if each.state.seat is not None}
        waiting = {patient for patient, answers in asked.items() if answers.get(name) == "waits"}
        assert set(program.line(name)) == waiting
    taken = Counter(each for name in PLANS for each in (*program.members(name),))
    assert all(times == 1 for times in taken.values())


@with_settings(max_examples=examples(100), deadline=None)
@given_that(histories)
def test_law_who_needs_a_seat_has_one_or_waits_or_a_person_was_asked(history: Sequence[tuple[str, object]]) -> None:
    program = lived(history)
    program.drains()
    for each in program.patients.values():
        stay, seat = each.state.episode, each.state.seat
        if stay is None or stay.is_over or stay.paused_at or "individual-only" in stay.flags:
            continue
        assert kind_in_groups(stay, program.settings) == "group" and seat is not None
        is_asked = any(one.kind == "group-seat" for one in each.state.escalations)
        fits = seat.group != "" and sum(one.minutes for one in each.week) == sum(
            stay.template[slot].minutes for slot in stay.slots_of_care
        )
        assert is_asked != fits


@with_settings(max_examples=examples(100), deadline=None)
@given_that(histories)
def test_law_sessions_ahead_are_those_of_the_group_in_which_the_patient_is(
    history: Sequence[tuple[str, object]],
) -> None:
    program = lived(history)
    program.drains()
    for each in program.patients.values():
        assert each.groups_of(each.booked) <= {each.group or ""}
        if not each.group:
            assert all(each.state.episode.template[one.slot].kind != "group" for one in each.booked)  # type: ignore[union-attr]


@with_settings(max_examples=examples(100), deadline=None)
@given_that(histories)
def test_law_states_stay_small_and_every_deadline_moves(history: Sequence[tuple[str, object]]) -> None:
    program = lived(history)
    program.until(program.now + timedelta(hours=1))
    for each in program.patients.values():
        body = msgspec.json.encode(each.state)
        assert len(body) <= STATE_BYTES_MOST and msgspec.json.decode(body, type=State) == each.state
        assert (at := due(each.state)) is None or at > each.now
    assert all(len(msgspec.json.encode(each)) <= STATE_BYTES_OF_GROUP for each in program.groups.values())

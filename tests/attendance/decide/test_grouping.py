"""Which group a patient is in: the one that fits, a seat in it, and nobody forgotten where none is free."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.attendance.groups import groups
from services.attendance.groups.plan import group_id
from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    DischargeWithdrawn,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    FlagsChanged,
    SessionCancelled,
    SessionScheduled,
    StageAdvanced,
    WeeklyHoursFellShort,
)
from shared.events import codes, fhir
from shared.events.envelope import name_id
from shared.events.escalation import EscalationEvent, EscalationRaised, EscalationResolved
from shared.events.intake import TemplateSlot
from tests.attendance.given import ADMISSION, EVENINGS, NAMES, admitted, discharged, evening
from tests.attendance.grouping_story import (
    EVENING_A,
    EVENING_B,
    THREE_EVENINGS,
    Patient,
    ProgramStory,
    plan,
    stay_of,
)
from tests.attendance.story import Story
from tests.story import only

DAY = timedelta(days=1)
SHORT = tuple(TemplateSlot("group", each, "18:00", 90) for each in (0, 2, 4))
THREE_SHORT = [[each.weekday, each.start, each.minutes] for each in SHORT]


def ends(program: ProgramStory, patient: Patient) -> None:
    program.then(patient.patient, discharged(program.now, episode=stay_of(patient.patient)))


def pause(patient: Patient, program: ProgramStory) -> EpisodePaused:
    return EpisodePaused(
        episode_id=stay_of(patient.patient), level="2.1", referral_id="", admitted_at=ADMISSION, at=program.now
    )


def resume(patient: Patient, program: ProgramStory) -> EpisodeResumed:
    return EpisodeResumed(
        episode_id=stay_of(patient.patient), level="2.1", referral_id="", admitted_at=ADMISSION, at=program.now
    )


def advanced(patient: Patient, program: ProgramStory, template: Sequence[TemplateSlot]) -> StageAdvanced:
    return StageAdvanced(
        episode_id=stay_of(patient.patient),
        plan_id=name_id(NAMES, "plan"),
        stage="maintenance",
        former="engagement",
        template=tuple(template),
        admitted_at=ADMISSION,
        advanced_at=program.now,
    )


def step(patient: Patient, program: ProgramStory, *template: TemplateSlot) -> EpisodeStepped:
    return EpisodeStepped(
        episode_id=stay_of(patient.patient),
        plan_id=name_id(NAMES, "plan"),
        referral_id=name_id(NAMES, "referral"),
        level="1.5",
        direction="step-down",
        track="general",
        flags=(),
        template=template,
        admitted_at=ADMISSION,
        stepped_at=program.now,
        signed=name_id(NAMES, "sign"),
        by="clinician-1",
    )


def withdrawn(patient: Patient, program: ProgramStory) -> DischargeWithdrawn:
    return DischargeWithdrawn(
        episode_id=stay_of(patient.patient),
        encounter_id=name_id(NAMES, "stay"),
        plan_id="",
        admitted_at=ADMISSION,
        withdrawn_at=program.now,
        client="ehr",
    )


def test_whoever_begins_has_a_seat_and_their_sessions_are_those_of_the_group() -> None:
    program = ProgramStory({EVENING_A: plan(topic="relapse", therapist="t-7", room="r-2")})
    anna = program.admits("anna")
    assert (anna.group, program.members(EVENING_A)) == (EVENING_A, {anna.patient})
    assert [(each.weekday, each.start, each.minutes) for each in anna.week] == [tuple(each) for each in THREE_EVENINGS]
    assert {(each.group, each.topic, each.therapist, each.room) for each in anna.week} == {
        (EVENING_A, "relapse", "t-7", "r-2")
    }
    assert anna.groups_of(anna.booked) == {EVENING_A}
    assert not only(anna.all_emitted, SessionCancelled), "what no group has yet is not booked"


def test_without_a_group_in_program_toml_everything_is_as_it_was() -> None:
    program = ProgramStory({})
    anna, alone = program.admits("anna"), Story()
    alone.then()
    assert (anna.state.seat, anna.groups_of(anna.booked)) == (None, {""})
    assert not program.groups


def test_the_other_sessions_of_the_week_stay_as_they_are() -> None:
    template = (*EVENINGS, TemplateSlot("individual", 1, "10:00", 60), TemplateSlot("family", 3, "10:00", 60, 2))
    anna = ProgramStory({EVENING_A: plan()}).admits("anna", template=template)
    assert [each.kind for each in anna.week] == ["group", "group", "group", "individual", "family"]
    assert [each.group for each in anna.week] == [EVENING_A, EVENING_A, EVENING_A, "", ""]


def test_of_two_for_the_last_seat_one_has_it_and_the_other_has_no_session_of_it_and_a_person_hears() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    assert (anna.group, ben.group, ben.asked) == (EVENING_A, "", {EVENING_A: "waits"})
    assert ben.booked == []
    (raised,) = only(ben.all_emitted, EscalationRaised)
    asked = raised.escalation
    assert (asked.reason, asked.tier, asked.owner) == ("group-seat", 1, "case-manager")
    assert asked.signals[0].evidence == f"EpisodeOfCare/{stay_of(ben.patient)}"
    assert not only(anna.all_emitted, EscalationRaised)


def test_a_seat_that_a_discharge_frees_goes_to_whoever_waits_longest_and_the_task_is_closed() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    program.until(program.now + timedelta(hours=1))
    cara = program.admits("cara")
    ends(program, anna)
    assert (ben.group, cara.group) == (EVENING_A, "")
    assert ben.groups_of(ben.booked) == {EVENING_A}
    assert [each.reason for each in only(ben.all_emitted, EscalationResolved)] == ["seat-given"]
    assert (ben.escalations, cara.escalations) == ({}, {"group-seat": 1})


def test_the_task_names_the_groups_that_had_no_seat_as_long_as_it_stands() -> None:
    full = {EVENING_A: plan(seats=1), EVENING_B: plan(seats=1), "by-day": plan(time="day")}
    program = ProgramStory(full)
    anna, _, cara = (program.admits(each) for each in ("anna", "ben", "cara"))
    asked = tuple(group_id("demo", each) for each in (EVENING_A, EVENING_B))
    (raised,) = only(cara.all_emitted, EscalationRaised)
    inputs: Any = raised.write(cara.patient)[0]["input"]
    named = [
        each["valueReference"]["reference"] for each in inputs if each["type"] == fhir.concept(codes.INPUT, "group")
    ]
    assert (raised.groups, named) == (asked, [f"Group/{each}" for each in asked])
    program.then(cara.patient, AcknowledgeEscalation(escalation_id=raised.escalation.id))
    ends(program, anna)
    assert [each.groups for each in only(cara.all_emitted, EscalationEvent)] == [asked] * 3


def test_where_one_group_is_full_the_next_that_fits_is_asked_and_only_one_seat_is_taken() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1), EVENING_B: plan(seats=1)})
    anna, ben, cara = (program.admits(each) for each in ("anna", "ben", "cara"))
    assert (anna.group, ben.group, cara.group) == (EVENING_A, EVENING_B, "")
    assert program.line(EVENING_A) == program.line(EVENING_B) == [cara.patient]
    assert ben.asked == {}, "whoever has a seat waits for no other"
    assert cara.asked == {EVENING_A: "waits", EVENING_B: "waits"}


def test_whoever_waits_in_two_lines_takes_one_seat_and_leaves_the_other_to_the_next() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1), EVENING_B: plan(seats=1)})
    anna, ben, cara, dora = (program.admits(each) for each in ("anna", "ben", "cara", "dora"))
    program.holds = True
    ends(program, anna)
    ends(program, ben)
    program.drains()
    assert {cara.group, dora.group} == {EVENING_A, EVENING_B}
    assert program.members(EVENING_A) | program.members(EVENING_B) == {cara.patient, dora.patient}


@pytest.mark.parametrize(
    ("about", "flags"),
    [
        ({"time": "day"}, ()),
        ({"gender": "female"}, ()),
        ({"language": "es"}, ()),
        ({"track": "opioid"}, ()),
        ({"literacy": "special-assignment"}, ()),
        ({}, ("special-assignment",)),
        ({}, ("barrier-language",)),
        ({}, ("telehealth",)),
        ({"modality": "video"}, ()),
        ({"kind": "skills"}, ()),
        ({"meetings": THREE_EVENINGS[:2]}, ()),
        ({"meetings": [[0, "18:00", 90], [2, "18:00", 90], [4, "18:00", 90]]}, ()),
        ({"closed_from": "2026-01-01"}, ()),
    ],
)
def test_a_group_that_does_not_fit_is_not_asked(about: dict[str, Any], flags: tuple[str, ...]) -> None:
    anna = ProgramStory({EVENING_A: plan(**about)}).admits("anna", *flags)
    assert anna.group == ""
    assert anna.state.seat is None or anna.asked == {}


@pytest.mark.parametrize(
    ("about", "flags"),
    [
        ({"track": "substance"}, ()),
        ({"literacy": "special-assignment"}, ("special-assignment",)),
        ({"modality": "phone"}, ("telehealth",)),
        ({"closed_from": "2026-01-06"}, ()),
        ({"meetings": [*THREE_EVENINGS, [5, "10:00", 180]]}, ()),
        ({"meetings": [[day, at, 90] for day in (0, 2, 4) for at in ("18:00", "19:45")]}, ()),
    ],
)
def test_a_group_that_fits_is_joined(about: dict[str, Any], flags: tuple[str, ...]) -> None:
    anna = ProgramStory({EVENING_A: plan(**about)}).admits("anna", *flags)
    assert anna.group == EVENING_A
    assert {each.weekday for each in anna.week} == {0, 2, 4}


def test_where_no_group_fits_a_person_hears_of_it_once() -> None:
    program = ProgramStory({EVENING_A: plan(gender="female")})
    anna = program.admits("anna")
    program.until(program.now + 3 * DAY)
    assert len(only(anna.all_emitted, EscalationRaised)) == 1
    assert anna.booked == []


def test_who_cannot_be_in_a_group_has_the_same_hours_alone_and_asks_for_none() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna", "individual-only")
    assert (anna.group, program.groups) == ("", {})
    assert [(each.kind, each.weekday, each.minutes) for each in anna.week] == [
        ("individual", 0, 180),
        ("individual", 2, 180),
        ("individual", 4, 180),
    ]
    assert anna.escalations == {}


def test_who_cannot_be_in_a_group_any_more_leaves_it_and_keeps_the_hours() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    changed = FlagsChanged(flags=("evening", "individual-only"), ended=(), changed_at=program.now)
    emitted = program.then(anna.patient, changed)
    assert (anna.group, ben.group) == ("", EVENING_A)
    assert len(only(emitted, SessionCancelled)) == len(only(emitted, SessionScheduled)) == 6
    assert {each.kind for each in only(emitted, SessionScheduled)} == {"individual"}


def test_a_step_to_a_week_without_groups_frees_the_seat() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    program.until(program.now + DAY)
    stepped = step(anna, program, TemplateSlot("individual", 1, "18:00", 60))
    program.then(anna.patient, stepped)
    assert (anna.group, ben.group) == ("", EVENING_A)
    assert [each.kind for each in anna.week] == ["individual"]


@pytest.mark.parametrize(
    ("tracks", "group"),
    [
        ({"track": "dual-diagnosis"}, EVENING_A),
        ({"track": "substance", "other_tracks": ("dual-diagnosis",)}, EVENING_A),
        ({"track": "mental-health"}, ""),
    ],
    ids=["the first", "another", "none of the group's"],
)
def test_a_step_to_another_track_opens_the_groups_of_that_track(tracks: dict[str, Any], group: str) -> None:
    program = ProgramStory({EVENING_A: plan(track="dual-diagnosis")})
    anna = program.admits("anna")
    program.until(program.now + DAY)
    assert (anna.group, "group-seat" in anna.escalations) == ("", True)
    program.then(anna.patient, replace(step(anna, program, *EVENINGS), **tracks))
    assert (anna.group, "group-seat" in anna.escalations) == (group, not group)


@pytest.mark.parametrize(("track", "group"), [("mental-health", EVENING_B), ("", EVENING_A)])
def test_a_stage_moves_a_patient_to_the_group_of_its_track_and_without_one_changes_nothing(
    track: str, group: str
) -> None:
    program = ProgramStory({EVENING_A: plan(track="substance"), EVENING_B: plan(track="mental-health")})
    anna = program.admits("anna")
    program.until(program.now + DAY)
    program.then(anna.patient, replace(advanced(anna, program, EVENINGS), track=track))
    assert anna.group == group


def test_a_later_week_with_fewer_days_is_that_of_the_group_on_these_days() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    program.until(program.now + DAY)
    program.then(anna.patient, advanced(anna, program, EVENINGS[:2]))
    assert anna.group == EVENING_A
    assert [(each.weekday, each.group) for each in anna.week] == [(0, EVENING_A), (2, EVENING_A)]


def test_a_later_week_of_other_hours_stays_in_the_group_until_one_that_fits_has_a_seat() -> None:
    program = ProgramStory({EVENING_A: plan(), EVENING_B: plan(seats=1, meetings=THREE_SHORT)})
    anna, ben = program.admits("anna"), program.admits("ben", template=SHORT)
    program.until(program.now + DAY)
    program.then(anna.patient, advanced(anna, program, SHORT))
    assert (anna.group, anna.asked, "group-seat" in anna.escalations) == (EVENING_A, {EVENING_B: "waits"}, True)
    ends(program, ben)
    assert (anna.group, anna.asked, "group-seat" in anna.escalations) == (EVENING_B, {}, False)
    assert program.members(EVENING_A) == set()
    assert anna.groups_of(anna.booked) == {EVENING_B}


def test_a_seat_is_held_for_a_week_of_nights_elsewhere_and_then_goes_to_the_next() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    program.then(anna.patient, pause(anna, program))
    program.until(program.now + 6 * DAY)
    assert (anna.group, ben.group) == (EVENING_A, "")
    program.until(program.now + 2 * DAY)
    assert (anna.group, ben.group) == ("", EVENING_A)
    program.then(anna.patient, resume(anna, program))
    assert anna.asked == {EVENING_A: "waits"}


def test_whoever_comes_back_in_time_has_their_seat_and_their_sessions() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna = program.admits("anna")
    program.then(anna.patient, pause(anna, program))
    program.until(program.now + 3 * DAY)
    program.then(anna.patient, resume(anna, program))
    assert anna.group == EVENING_A
    assert anna.groups_of(anna.booked) == {EVENING_A}
    program.until(program.now + 20 * DAY)
    assert anna.group == EVENING_A


def test_a_member_of_a_group_that_has_closed_stays_in_it() -> None:
    program = ProgramStory({EVENING_A: plan(closed_from="2026-01-06")})
    anna = program.admits("anna")
    program.until(program.now + 3 * DAY)
    ben = program.admits("ben")
    assert (anna.group, ben.group, ben.escalations) == (EVENING_A, "", {"group-seat": 1})


def test_what_has_begun_is_not_touched_when_the_seat_comes_later() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    program.until(evening(0, 2) + timedelta(hours=1))
    ends(program, anna)
    assert ben.group == EVENING_A
    assert min(each.start for each in ben.booked) == evening(0, 4)


def test_a_stay_that_began_under_an_older_release_is_put_into_no_group_by_the_hub() -> None:
    program = ProgramStory({})
    anna = program.admits("anna")
    stay = anna.state.episode
    assert stay is not None
    anna.state = replace(anna.state, episode=replace(stay, tracks=()))
    program.lists({EVENING_A: plan()})
    program.until(program.now + 2 * DAY)
    assert (anna.group, "group-seat" in anna.escalations) == ("", True)


def test_groups_that_are_configured_during_a_stay_are_asked_and_its_sessions_become_theirs() -> None:
    program = ProgramStory({})
    anna = program.admits("anna")
    program.lists({EVENING_A: plan()})
    program.until(program.now + 2 * DAY)
    assert anna.group == EVENING_A
    assert anna.groups_of(anna.booked) == {EVENING_A}


def test_a_discharge_that_is_withdrawn_asks_anew() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben = program.admits("anna"), program.admits("ben")
    ends(program, anna)
    program.then(anna.patient, withdrawn(anna, program))
    assert (ben.group, anna.group, anna.asked) == (EVENING_A, "", {EVENING_A: "waits"})
    assert anna.booked == []
    ends(program, ben)
    assert anna.group == EVENING_A
    assert len(anna.booked) == 6


def test_a_week_for_whose_hours_no_group_had_a_seat_is_short_by_them() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)})
    program.admits("anna")
    ben = program.admits("ben")
    program.until(evening(2, 2))
    (short,) = only(ben.all_emitted, WeeklyHoursFellShort)
    assert (short.minutes, short.minimum_minutes) == (0, 540)


def test_from_wednesday_noon_on_a_person_is_asked_for_the_hours_of_who_waits() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1)}, make_up_weekdays=(0, 1, 2, 3, 4))
    anna, ben = program.admits("anna"), program.admits("ben")
    program.until(evening(1, 2, 11))
    assert set(ben.escalations) == {"group-seat"}
    program.until(evening(1, 2, 12))
    assert set(ben.escalations) == {"group-seat", "projected-week-short"}
    ends(program, anna)
    assert ben.group == EVENING_A
    assert set(ben.escalations) == {"projected-week-short"}, "Monday's three hours are missing all the same"
    program.until(evening(2, 0, 9))
    assert "projected-week-short" not in ben.escalations


def test_a_seat_that_is_returned_before_the_week_is_looked_at_was_had_in_it_all_the_same() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    program.until(evening(1, 0, 9))
    stay = anna.state.episode
    assert stay is not None
    week = [each for each in anna.booked if each.start < evening(2, 0, 0)]
    program.then(anna.patient, *(CallOffSession(session_id=stay.session_id(each)) for each in week))
    program.until(evening(2, 0, 9))
    ends(program, anna)
    program.until(evening(2, 3))
    assert len(week) == 3
    assert not any(isinstance(each, WeeklyHoursFellShort) for each in anna.all_emitted)


def test_another_stay_asks_anew_and_leaves_the_seat_of_the_one_before() -> None:
    program = ProgramStory({EVENING_A: plan()})
    anna = program.admits("anna")
    before = anna.seat.ask
    again = admitted("evening", at=program.now + DAY, episode=stay_of("another"))
    program.until(program.now + DAY)
    program.then(anna.patient, again)
    assert (anna.group, anna.seat.episode_id) == (EVENING_A, stay_of("another"))
    assert anna.seat.ask != before
    assert program.members(EVENING_A) == {anna.patient}


def test_whoever_finds_even_the_line_full_asks_again_the_next_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "WAITING_MOST", 1)
    program = ProgramStory({EVENING_A: plan(seats=1)})
    anna, ben, cara = (program.admits(each) for each in ("anna", "ben", "cara"))
    assert ben.asked == {EVENING_A: "waits"} and cara.asked == {EVENING_A: "refused"}
    assert cara.escalations == {"group-seat": 1}
    ends(program, anna)
    assert (ben.group, cara.group) == (EVENING_A, "")
    program.until(program.now + DAY)
    assert cara.asked == {EVENING_A: "waits"}
    ends(program, ben)
    assert cara.group == EVENING_A


def test_whoever_waits_for_a_group_that_closes_waits_for_it_no_more() -> None:
    program = ProgramStory({EVENING_A: plan(seats=1, closed_from="2026-01-07")})
    anna, ben = program.admits("anna"), program.admits("ben")
    program.until(program.now + 3 * DAY)
    ends(program, anna)
    assert (ben.group, ben.asked, program.members(EVENING_A)) == ("", {}, set())
    assert "group-seat" in ben.escalations

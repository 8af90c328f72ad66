"""Nights elsewhere that began before the stay, or while it was over, pause it as long as they last."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from services.intake import messages as w
from shared.events.envelope import Command
from tests.intake.decide.test_planning import planned
from tests.intake.decide.test_seating import ANNA, Clinic
from tests.intake.given import IOP_NEEDS, MONDAY, assessment, referral, sign
from tests.intake.story import Story, admitted, referred
from tests.laws import examples
from tests.story import names, only

WARD = "8b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e"
HOUSE = "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"
BEFORE, NOON = MONDAY - timedelta(days=1), MONDAY + timedelta(hours=4)
TUESDAY, FRIDAY = (MONDAY + timedelta(days=days) for days in (1, 4))


def nights(identity: str = WARD, kind: w.CareKind = "inpatient", since: datetime = BEFORE) -> w.ReportCareElsewhere:
    return w.ReportCareElsewhere(encounter_id=identity, kind=kind, started_at=since)


def home(identity: str = WARD, at: datetime = TUESDAY) -> w.EndCareElsewhere:
    return w.EndCareElsewhere(encounter_id=identity, ended_at=at)


def none_were(identity: str = WARD) -> w.WithdrawCareElsewhere:
    return w.WithdrawCareElsewhere(encounter_id=identity)


def signed(story: Story) -> Story:
    return story.and_then(sign(story.state))


def reasons(story: Story) -> list[str]:
    return [
        *(each.escalation.reason for each in story.state.escalations),
        *(each.reason for each in story.state.reviews),
    ]


def status(story: Story) -> str:
    assert story.state.episode is not None
    return story.state.episode.status


def test_who_is_in_a_hospital_at_the_admission_is_in_a_stay_on_hold_and_a_person_is_asked() -> None:
    story = signed(referred().and_then(nights()))
    (paused,) = only(story.emitted, w.EpisodePaused)
    assert (paused.at, paused.admitted_at) == (MONDAY, MONDAY)
    assert names(story.emitted).index("EpisodeAdmitted") < names(story.emitted).index("EpisodePaused")
    assert (status(story), reasons(story)) == ("onhold", ["care-elsewhere", "care-elsewhere"])
    (resumed,) = only(story.at(TUESDAY).and_then(home()).emitted, w.EpisodeResumed)
    assert (resumed.paused_at, resumed.at, status(story)) == (MONDAY, TUESDAY, "active")
    assert "follow-up" in reasons(story)


def test_a_residence_asks_for_the_placement_alone() -> None:
    story = signed(referred().and_then(nights(kind="residential")))
    assert (status(story), reasons(story)) == ("onhold", ["care-elsewhere"])


def test_nights_that_came_before_the_referral_count_too() -> None:
    story = signed(Story(nights()).and_then(assessment(IOP_NEEDS, "safe-housing"), referral()))
    assert (len(only(story.emitted, w.EpisodePaused)), status(story)) == (1, "onhold")


def test_nights_that_outlast_the_record_of_an_earlier_stay_are_remembered_for_the_next() -> None:
    story = discharged(admitted().at(NOON).and_then(nights(since=NOON)), TUESDAY)
    story.until(TUESDAY + timedelta(days=story.settings.retention_days + 1))
    assert (story.state.ended, [each.since for each in story.state.nights]) == (None, [int(NOON.timestamp())])


def test_a_start_that_comes_by_itself_during_nights_elsewhere_begins_on_hold() -> None:
    story = planned(FRIDAY).at(TUESDAY).and_then(nights(since=TUESDAY))
    assert (story.emitted, story.state.episode) == ([], None)
    story.at(FRIDAY).and_then(w.TimePassed())
    (paused,) = only(story.emitted, w.EpisodePaused)
    assert (paused.at, status(story)) == (FRIDAY, "onhold")
    assert [(each.status, each.until) for each in paused.history.statuses] == [("planned", FRIDAY)]


def test_a_seat_that_is_given_during_nights_elsewhere_begins_on_hold() -> None:
    clinic = Clinic(1)
    clinic.patients[ANNA].and_then(nights())
    clinic.signs(ANNA)
    assert clinic.patients[ANNA].state.episode is not None
    assert (status(clinic.patients[ANNA]), reasons(clinic.patients[ANNA])) == (
        "onhold",
        ["care-elsewhere", "care-elsewhere"],
    )


@pytest.mark.parametrize("over", [home(at=BEFORE + timedelta(hours=9)), none_were(), nights(kind="emergency")])
def test_what_was_over_or_was_none_before_the_admission_pauses_nothing(over: Command) -> None:
    story = signed(referred().and_then(nights(), over))
    assert only(story.emitted, w.EpisodePaused) == []
    assert (status(story), reasons(story)) == ("active", [])


def test_an_end_before_the_admission_that_becomes_known_late_takes_back_what_was_asked() -> None:
    story = signed(referred().and_then(nights()))
    story.at(NOON).and_then(home(at=BEFORE + timedelta(hours=9)))
    (resumed,) = only(story.emitted, w.EpisodeResumed)
    assert (resumed.paused_at, resumed.at, status(story), reasons(story)) == (None, MONDAY, "active", [])


def test_the_stay_goes_on_with_the_end_of_the_last_nights_alone() -> None:
    story = signed(referred().and_then(nights(), nights(HOUSE, "residential")))
    assert len(only(story.emitted, w.EpisodePaused)) == 1
    assert only(story.at(TUESDAY).and_then(home()).emitted, w.EpisodeResumed) == []
    assert len(only(story.and_then(home(HOUSE)).emitted, w.EpisodeResumed)) == 1


def discharged(story: Story, at: datetime) -> Story:
    assert story.state.episode is not None
    over = w.Discharge(episode_id=story.state.episode.id, encounter_id=HOUSE, disposition="ama", at=at)
    return story.at(at).and_then(over)


def test_nights_that_began_while_the_discharge_stood_pause_the_stay_that_goes_on() -> None:
    story = discharged(admitted(), TUESDAY).at(FRIDAY).and_then(nights(since=FRIDAY - timedelta(days=1)))
    assert story.emitted == []
    (paused,) = only(story.and_then(w.WithdrawDischarge()).emitted, w.EpisodePaused)
    assert (paused.at, status(story)) == (FRIDAY - timedelta(days=1), "onhold")
    assert reasons(story) == ["care-elsewhere", "care-elsewhere"]


def test_nights_before_a_discharge_pause_the_stay_again_from_the_discharge_on() -> None:
    story = discharged(admitted().at(NOON).and_then(nights(since=NOON)), TUESDAY)
    (paused,) = only(story.at(FRIDAY).and_then(w.WithdrawDischarge()).emitted, w.EpisodePaused)
    assert (paused.at, status(story)) == (TUESDAY, "onhold")
    assert reasons(story).count("care-elsewhere") == 2


def test_nights_that_ended_while_the_discharge_stood_pause_nothing() -> None:
    story = discharged(admitted().at(NOON).and_then(nights(since=NOON)), TUESDAY).and_then(home())
    assert only(story.at(FRIDAY).and_then(w.WithdrawDischarge()).emitted, w.EpisodePaused) == []
    assert status(story) == "active"


STATED = st.one_of(
    st.builds(nights, st.sampled_from((WARD, HOUSE)), st.sampled_from(("inpatient", "residential", "emergency"))),
    st.builds(home, st.sampled_from((WARD, HOUSE)), st.sampled_from((BEFORE, MONDAY))),
    st.builds(none_were, st.sampled_from((WARD, HOUSE))),
)


@settings(max_examples=examples(60))
@drawn(st.lists(STATED, max_size=6), st.integers(0, 6))
def test_in_whatever_order_the_stay_is_on_hold_exactly_while_nights_last(stated: list[Command], turn: int) -> None:
    story = signed(referred().and_then(*stated[:turn])).and_then(*stated[turn:])
    lasting: dict[str, bool] = {}
    for each in stated:
        if isinstance(each, w.ReportCareElsewhere):
            lasting[each.encounter_id] = each.kind != "emergency"
        elif isinstance(each, w.EndCareElsewhere | w.WithdrawCareElsewhere):
            lasting[each.encounter_id] = False
    turns = [each for each in story.all_emitted if isinstance(each, w.EpisodePaused | w.EpisodeResumed)]
    assert status(story) == ("onhold" if any(lasting.values()) else "active")
    assert [isinstance(each, w.EpisodePaused) for each in turns] == [not n % 2 for n in range(len(turns))]
    assert len(turns) % 2 == any(lasting.values())

"""The meeting list a patient is given."""

import msgspec
import pytest
from msgspec.structs import replace

from services.aftercare.decide import react
from services.aftercare.matcher import matched
from services.aftercare.meetings.matching import Index
from services.aftercare.meetings.meeting import Meeting
from services.aftercare.messages import ContactKnown, EpisodeAdmitted, MeetingListPrepared, MeetingsAsked, PatientDied
from services.aftercare.state import evolve
from shared.events.escalation import EscalationRaised
from tests.aftercare.given import (
    ADMITTED,
    DISCHARGED,
    IDENTIFIED,
    MEETINGS,
    PLAN,
    SETTINGS,
    admitted,
    discharged,
    meeting,
)
from tests.aftercare.story import Story
from tests.story import names, only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def asked(patient: Story) -> MeetingsAsked:
    """The question of an admission that nobody has answered yet."""
    event = admitted()
    emitted = react(patient.state, event, patient._moment())
    for each in (event, *emitted):
        patient.state = evolve(patient.state, each)
    (question,) = only(emitted, MeetingsAsked)
    return question


def test_what_fits_is_not_listed_twice_nor_where_nobody_asked() -> None:
    patient = Story(IDENTIFIED)
    answer = matched(asked(patient), Index.of(MEETINGS), "digest")
    assert names(patient.then(answer)) == ["MeetingListPrepared", "MeetingListDetailed"]
    assert patient.then(answer) == []
    assert Story(IDENTIFIED, admitted()).then(replace(answer, list_id=REFERRAL)) == []


@pytest.mark.parametrize("meetings", [MEETINGS, ()])
def test_for_who_died_meanwhile_there_is_no_list_and_nobody_is_asked(meetings: tuple[Meeting, ...]) -> None:
    patient = Story(IDENTIFIED)
    question = asked(patient)
    patient.then(PatientDied(died_at=None, reported_at=DISCHARGED))
    assert patient.then(matched(question, Index.of(meetings), "digest")) == []


def test_of_a_care_that_is_over_nobody_is_asked_why_nothing_fits() -> None:
    patient = Story(IDENTIFIED)
    question = asked(patient)
    patient.then(discharged())
    assert patient.then(matched(question, Index.of(()), "digest")) == []


def test_admission_prepares_a_meeting_list_for_a_newcomer() -> None:
    (prepared,) = only(Story(IDENTIFIED).then(admitted(), at=ADMITTED), MeetingListPrepared)
    assert prepared.plan_id == PLAN
    assert prepared.meetings == ("riverbend|newcomers", "riverbend|two-sided")


def test_the_list_fits_the_area() -> None:
    choice = (meeting("far", 1, "08:00"), meeting("near", 1, "20:00", places=("Elsewhere",)))
    patient = Story(
        IDENTIFIED,
        ContactKnown(area="Elsewhere", language="en"),
        meetings=choice,
    )
    (prepared,) = only(patient.then(admitted()), MeetingListPrepared)
    assert prepared.meetings == ("riverbend|near",)


def test_the_first_list_is_for_a_newcomer_the_last_one_for_somebody_who_knows_the_way() -> None:
    choice = (meeting("plain", 1, "08:00", "C"), meeting("welcome", 1, "20:00", "O", "BE"))
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings_most=1), meetings=choice)
    (first,), (last,) = (only(patient.then(each), MeetingListPrepared) for each in (admitted(), discharged()))
    assert (first.meetings, last.meetings) == (("riverbend|welcome",), ("riverbend|plain",))


@pytest.mark.parametrize("episode", [admitted(track="dual-diagnosis"), admitted(flags=("wheelchair",))])
def test_the_list_fits_the_track_and_the_flags(episode: EpisodeAdmitted) -> None:
    choice = (meeting("plain", 1, "08:00", "O", "BE"), meeting("fitting", 1, "20:00", "C", "DD", "X"))
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings_most=1), meetings=choice)
    for event in (episode, discharged()):
        (prepared,) = only(patient.then(event), MeetingListPrepared)
        assert prepared.meetings == ("riverbend|fitting",)


def test_without_any_meeting_a_person_is_asked() -> None:
    patient = Story(IDENTIFIED, meetings=())
    (raised,) = only(patient.then(admitted()), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("no-meeting-list", 1)

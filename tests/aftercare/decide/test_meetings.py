"""The meeting list a patient is given."""

import msgspec
import pytest

from services.aftercare.meetings.matching import Wishes
from services.aftercare.messages import ContactKnown, EpisodeAdmitted, MeetingListPrepared
from shared.events.escalation import EscalationRaised
from tests.aftercare.given import ADMITTED, IDENTIFIED, PLAN, SETTINGS, admitted, discharged, meeting
from tests.aftercare.story import Story
from tests.story import only

REFERRAL = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c11"


def test_admission_prepares_a_meeting_list_for_a_newcomer() -> None:
    (prepared,) = only(Story(IDENTIFIED).then(admitted(), at=ADMITTED), MeetingListPrepared)
    assert prepared.plan_id == PLAN
    assert prepared.meetings == ("riverbend|newcomers", "riverbend|two-sided")


def test_the_list_fits_the_area() -> None:
    choice = (meeting("far", 1, "08:00"), meeting("near", 1, "20:00", places=("Elsewhere",)))
    patient = Story(
        IDENTIFIED,
        ContactKnown(area="Elsewhere", language="en"),
        settings=msgspec.structs.replace(SETTINGS, meetings=choice),
    )
    (prepared,) = only(patient.then(admitted()), MeetingListPrepared)
    assert prepared.meetings == ("riverbend|near",)


def test_the_first_list_is_for_a_newcomer_the_last_one_for_somebody_who_knows_the_way() -> None:
    choice = (meeting("plain", 1, "08:00", "C"), meeting("welcome", 1, "20:00", "O", "BE"))
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=choice, meetings_most=1))
    (first,), (last,) = (only(patient.then(each), MeetingListPrepared) for each in (admitted(), discharged()))
    assert (first.meetings, last.meetings) == (("riverbend|welcome",), ("riverbend|plain",))


@pytest.mark.parametrize("episode", [admitted(track="dual-diagnosis"), admitted(flags=("wheelchair",))])
def test_the_list_fits_the_track_and_the_flags(episode: EpisodeAdmitted) -> None:
    choice = (meeting("plain", 1, "08:00", "O", "BE"), meeting("fitting", 1, "20:00", "C", "DD", "X"))
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=choice, meetings_most=1))
    for event in (episode, discharged()):
        (prepared,) = only(patient.then(event), MeetingListPrepared)
        assert prepared.meetings == ("riverbend|fitting",)


def test_for_the_same_wishes_the_list_is_chosen_once() -> None:
    first, again = (SETTINGS.meeting_list(Wishes(newcomer=True, area="Riverbend")) for _ in range(2))
    assert first and first is again


def test_without_any_meeting_a_person_is_asked() -> None:
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=()))
    (raised,) = only(patient.then(admitted()), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("no-meeting-list", 1)

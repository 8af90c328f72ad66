"""A list of meetings that a person asks for, and what the patient wishes of every list from then on."""

from typing import Any

import pytest

from services.aftercare.meetings.meeting import Meeting
from services.aftercare.messages import (
    AskMeetings,
    ContactKnown,
    MeetingListDetailed,
    MeetingListPrepared,
    MeetingsRequested,
    PatientDied,
)
from shared.events.escalation import EscalationRaised
from tests.aftercare.given import DISCHARGED, IDENTIFIED, admitted, discharged, meeting
from tests.aftercare.story import Story
from tests.story import names, only

REQUEST, ANOTHER = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c21", "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c22"
CHOICE = (
    meeting("plain", 1, "08:00"),
    meeting("women", 1, "09:00", "W"),
    meeting("men", 1, "10:00", "M"),
    meeting("young", 1, "11:00", "Y"),
    meeting("secular", 1, "12:00", "A"),
    meeting("ramp", 1, "13:00", "X"),
    meeting("proof", 1, "14:00", "POA"),
    meeting("rainbow", 1, "15:00", "LGBTQ"),
    meeting("spanish", 1, "16:00", "S"),
    meeting("late", 1, "20:00"),
    meeting("smart", 1, "07:00", fellowship="smart"),
    meeting("room", 1, "06:00", venues=("online",), places=()),
)


def asks(*wishes: str, request_id: str = REQUEST) -> AskMeetings:
    return AskMeetings(request_id=request_id, wishes=wishes or None, asked_by="case-manager-1")


def first(patient: Story, what: AskMeetings) -> str:
    (prepared,) = only(patient.then(what), MeetingListPrepared)
    return prepared.meetings[0].partition("|")[2]


@pytest.mark.parametrize(
    ("wish", "offered"),
    [
        ("women", "women"),
        ("men", "men"),
        ("young-people", "young"),
        ("lgbtq", "rainbow"),
        ("secular", "secular"),
        ("wheelchair", "room"),
        ("attendance-proof", "proof"),
        ("online", "room"),
        ("evening", "late"),
        ("fellowship:smart", "smart"),
        ("language:es", "spanish"),
    ],
)
def test_each_wish_is_seen_in_the_list(wish: str, offered: str) -> None:
    patient = Story(IDENTIFIED, admitted(), meetings=CHOICE)
    listed = only(patient.then(asks(wish)), MeetingListPrepared)[0].meetings
    assert f"riverbend|{offered}" in listed[:2]


def test_the_list_is_based_on_the_request_which_is_over_at_once() -> None:
    emitted = Story(IDENTIFIED, admitted(), meetings=CHOICE).then(asks("women"))
    assert names(emitted) == ["MeetingsRequested", "MeetingListPrepared", "MeetingListDetailed"]
    (request,) = only(emitted, MeetingsRequested)[0].write("patient")
    assert (request["id"], request["status"]) == (REQUEST, "completed")
    (listed,) = only(emitted, MeetingListPrepared)[0].write("patient")
    assert listed["basedOn"] == [{"reference": f"CommunicationRequest/{REQUEST}"}]


def test_what_the_patient_wishes_counts_for_every_list_until_they_wish_otherwise() -> None:
    patient = Story(IDENTIFIED, admitted(), meetings=CHOICE)
    assert first(patient, asks("young-people")) == "young"
    assert first(patient, asks(request_id=ANOTHER)) == "young"
    (at_discharge,) = only(patient.then(discharged()), MeetingListPrepared)
    assert at_discharge.meetings[0] == "riverbend|young"
    patient.then(AskMeetings(request_id=ANOTHER, wishes=()))
    assert patient.state.wishes == ()


def test_when_and_how_near_stands_beside_the_list_and_on_no_topic() -> None:
    near = (meeting("near", 2, "18:00", latitude=42.73, longitude=-73.68, timezone="America/Chicago"),)
    known = ContactKnown(place=(42.75, -73.65), zone="America/New_York")
    emitted = Story(IDENTIFIED, known, meetings=near).then(asks())
    ((offer,),) = [each["extension"] for each in payload(only(emitted, MeetingListDetailed)[0])]
    assert offer["extension"] == [
        {"url": "weekday", "valueCode": "tue"},
        {"url": "start", "valueTime": "19:00:00"},
        {"url": "way", "valueCode": "in-person"},
        {"url": "miles", "valueInteger": 5},
    ]
    assert [set(each) for each in payload(only(emitted, MeetingListPrepared)[0])] == [{"contentReference"}]


def payload(event: MeetingListPrepared | MeetingListDetailed) -> list[Any]:
    (written,) = event.write("patient")
    found: Any = written["payload"]
    return list(found)


@pytest.mark.parametrize("meetings", [CHOICE, ()])
def test_for_the_dead_nothing_is_listed(meetings: tuple[Meeting, ...]) -> None:
    patient = Story(IDENTIFIED, admitted(), PatientDied(died_at=None, reported_at=DISCHARGED), meetings=meetings)
    assert patient.refusal(asks()).code == "business-rule"


def test_of_somebody_unknown_nothing_is_listed() -> None:
    assert Story(meetings=CHOICE).refusal(asks()).code == "not-found"


def test_where_nothing_fits_a_person_is_asked_once() -> None:
    patient = Story(IDENTIFIED, meetings=())
    (raised,) = only(patient.then(asks()), EscalationRaised)
    assert raised.escalation.signals[0].evidence == f"CommunicationRequest/{REQUEST}"
    assert only(patient.then(asks(request_id=ANOTHER)), EscalationRaised) == []

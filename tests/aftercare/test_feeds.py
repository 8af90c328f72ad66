"""The cached feeds: whatever they hold is read, and every meeting can be shown as valid FHIR."""

import json
from pathlib import Path

import msgspec
import pytest

from services.aftercare.feeds import directory
from services.aftercare.meetings.meeting import Meeting, Source
from services.aftercare.meetings.meeting_guide import read as read_feed
from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    CompleteFollowUp,
    ContactAttempted,
    CorrectFollowUp,
    FollowUpCompleted,
    FollowUpFellDue,
    LetterListed,
    MeetingListDetailed,
    MeetingListPrepared,
    PartnerAnswered,
    RecordAttempt,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
)
from shared.edge.fhir import parse as read
from shared.edge.fhir import validate
from shared.events.contact import Answer
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent
from shared.events.internal import StateEvent
from tests.aftercare.given import (
    AGAIN,
    CONSENT,
    DISCHARGED,
    IDENTIFIED,
    accepted,
    admitted,
    discharged,
    gave_up,
    made,
    withheld,
)
from tests.aftercare.story import Story, plan_contacts
from tests.story import only

DEMO = Path(__file__).parents[2] / "deploy" / "meetings" / "riverbend.json"
RIVERBEND = read_feed(Source(feed="riverbend"), DEMO.read_bytes()).meetings
SPARSE = Meeting(feed="riverbend", slug="by appointment", name="By appointment")


@pytest.mark.parametrize("meeting", [*RIVERBEND, SPARSE], ids=lambda each: each.slug)
def test_each_meeting_is_valid_fhir(meeting: Meeting) -> None:
    assert validate(read(msgspec.json.encode(directory.written(meeting, "West Intergroup")))) == ()


def test_what_a_feed_calls_a_type_need_not_be_a_code() -> None:
    entry = {"name": "a", "slug": "b", "types": ["O", "not a code", " ", "two  spaces"]}
    (meeting,) = read_feed(Source(feed="riverbend"), json.dumps([entry]).encode()).meetings
    assert validate(read(msgspec.json.encode(directory.written(meeting, "West Intergroup")))) == ()


def test_everything_aftercare_says_is_valid_fhir() -> None:
    patient = Story(IDENTIFIED, meetings=RIVERBEND)
    emitted = patient.then(admitted())
    emitted += patient.then(discharged())
    alumni, clinic = only(emitted, ReferralPrepared)
    emitted += patient.then(withheld(alumni)) + patient.then(gave_up(clinic))
    (again,) = only(patient.then(CONSENT), ReferralPrepared)
    emitted += (
        patient.then(made(again)) + patient.then(accepted(again)) + patient.until(DISCHARGED.replace(month=4, day=20))
    )
    (asked,) = only(patient.then(AGAIN), ReferralPrepared)
    emitted.append(asked)
    begins = DISCHARGED.replace(month=5, day=20)
    emitted += patient.then(withheld(asked, reason="consent-not-yet-in-force", until=begins, ledger_version=9))
    emitted += patient.then(admitted("0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a02"))
    emitted += contacts_of_who_left()
    published = [each for each in emitted if not isinstance(each, StateEvent)]
    assert {type(each) for each in published if not isinstance(each, EscalationEvent)} == {
        AftercarePlanned, MeetingListPrepared, MeetingListDetailed, ReferralPrepared, ReferralWithheld,
        ReferralRefused, ReferralSent, PartnerAnswered, FollowUpFellDue, FollowUpCompleted, AftercareEnded,
        ReferralWithdrawn, ContactAttempted, LetterListed,
    }  # fmt: skip
    for event in published:
        for resource in event.write("patient"):
            assert validate(read(msgspec.json.encode(resource))) == ()


def contacts_of_who_left() -> list[Event]:
    """Asked back, tried, and reached with answers, which are corrected."""
    patient = Story(IDENTIFIED, admitted())
    emitted = patient.then(discharged("ama")) + patient.until(DISCHARGED.replace(month=4, day=4))
    contact, back = plan_contacts(emitted)[0].follow_up_id, only(emitted, FollowUpFellDue)[0].follow_up_id
    tried = RecordAttempt(task_id=contact, channel="PHONE", outcome="no-answer", at=DISCHARGED, by="case-manager-1")
    answers = (Answer("abstinence", "using"), Answer("other", "uncoded"))
    made = CompleteFollowUp(task_id=contact, by="case-manager-1", answers=answers, made_at=DISCHARGED)
    right = CorrectFollowUp(
        task_id=contact, reach="not-reached", by="case-manager-1", due_at=DISCHARGED, act_by=DISCHARGED
    )
    assert contact != back
    return emitted + patient.then(tried, made, right)

"""The cached feeds: whatever they hold is read, and every meeting can be shown as valid FHIR."""

import json
from pathlib import Path

import msgspec
import pytest

from services.aftercare import feeds
from services.aftercare.meetings import Meeting, parse
from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    FollowUpCompleted,
    FollowUpFellDue,
    MeetingListPrepared,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
)
from shared.edge.fhir import parse as read
from shared.edge.fhir import validate
from tests.aftercare.given import (
    AGAIN,
    CONSENT,
    DISCHARGED,
    IDENTIFIED,
    SETTINGS,
    admitted,
    discharged,
    gave_up,
    made,
    withheld,
)
from tests.aftercare.story import Story
from tests.story import only

DEPLOY = Path(__file__).parents[2] / "deploy"
SPARSE = Meeting(feed="riverbend", slug="by appointment", name="By appointment")


@pytest.mark.parametrize("meeting", [*feeds.load(DEPLOY, ["riverbend"]), SPARSE], ids=lambda each: each.slug)
def test_each_meeting_is_valid_fhir(meeting: Meeting) -> None:
    assert validate(read(msgspec.json.encode(feeds.written(meeting)))) == ()


def test_what_a_feed_calls_a_type_need_not_be_a_code() -> None:
    entry = {"name": "a", "slug": "b", "types": ["O", "not a code", " ", "two  spaces"]}
    (meeting,) = parse("riverbend", json.dumps([entry]).encode()).meetings
    assert validate(read(msgspec.json.encode(feeds.written(meeting)))) == ()


def test_a_feed_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "meetings").mkdir()
    (tmp_path / "meetings" / "broken.json").write_text("{")
    (tmp_path / "meetings" / "good.json").write_text('[{"name": "a", "slug": "b"}]')
    assert [each.id for each in feeds.load(tmp_path, ["broken", "missing", "good"])] == ["good|b"]


def test_everything_aftercare_says_is_valid_fhir() -> None:
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, meetings=feeds.load(DEPLOY, ["riverbend"])))
    emitted = patient.then(admitted())
    emitted += patient.then(discharged())
    alumni, clinic = only(emitted, ReferralPrepared)
    emitted += patient.then(withheld(alumni)) + patient.then(gave_up(clinic))
    (again,) = only(patient.then(CONSENT), ReferralPrepared)
    emitted += patient.then(made(again)) + patient.until(DISCHARGED.replace(month=4, day=20))
    (asked,) = only(patient.then(AGAIN), ReferralPrepared)
    emitted.append(asked)
    begins = DISCHARGED.replace(month=5, day=20)
    emitted += patient.then(withheld(asked, reason="consent-not-yet-in-force", until=begins, ledger_version=9))
    emitted += patient.then(admitted("0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a02"))
    assert {type(each) for each in emitted} == {
        AftercarePlanned, MeetingListPrepared, ReferralPrepared, ReferralWithheld, ReferralRefused, ReferralSent,
        FollowUpFellDue, FollowUpCompleted, AftercareEnded, ReferralWithdrawn,
    }  # fmt: skip
    for event in emitted:
        for resource in event.write("patient"):
            assert validate(read(msgspec.json.encode(resource))) == ()

"""The cached feeds: whatever they hold is read, and every meeting can be shown as valid FHIR."""

import json
from pathlib import Path

import msgspec
import pytest

from services.aftercare.feeds import directory, files
from services.aftercare.feeds.snapshot import Snapshots
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
    SETTINGS,
    accepted,
    admitted,
    discharged,
    gave_up,
    made,
    withheld,
)
from tests.aftercare.running import Aftercare
from tests.aftercare.story import Story, plan_contacts
from tests.story import only

DEPLOY = Path(__file__).parents[2] / "deploy"
SPARSE = Meeting(feed="riverbend", slug="by appointment", name="By appointment")


@pytest.mark.parametrize("meeting", [*files.load(DEPLOY, ["riverbend"]), SPARSE], ids=lambda each: each.slug)
def test_each_meeting_is_valid_fhir(meeting: Meeting) -> None:
    assert validate(read(msgspec.json.encode(directory.written(meeting)))) == ()


def test_what_a_feed_calls_a_type_need_not_be_a_code() -> None:
    entry = {"name": "a", "slug": "b", "types": ["O", "not a code", " ", "two  spaces"]}
    (meeting,) = read_feed(Source(feed="riverbend"), json.dumps([entry]).encode()).meetings
    assert validate(read(msgspec.json.encode(directory.written(meeting)))) == ()


def test_a_feed_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "meetings").mkdir()
    (tmp_path / "meetings" / "broken.json").write_text("{")
    (tmp_path / "meetings" / "good.json").write_text('[{"name": "a", "slug": "b"}]')
    assert [each.id for each in files.load(tmp_path, ["broken", "missing", "good"])] == ["good|b"]


def of(count: int) -> tuple[Meeting, ...]:
    return tuple(msgspec.structs.replace(SPARSE, slug=f"meeting-{number}") for number in range(count))


@pytest.mark.parametrize(
    ("read", "copy", "doubt"),
    [
        (0, 0, "empty-or-unreadable"),
        (0, 10, "empty-or-unreadable"),
        (4, 10, "shrunk"),
        (5, 10, None),
        (1, 0, None),
        (99, 10, None),
    ],
)
def test_a_feed_that_is_empty_or_less_than_half_of_its_last_good_copy_is_not_trusted(
    read: int, copy: int, doubt: str | None
) -> None:
    assert files.why_not_trusted(of(read), of(copy), 50) == doubt


def test_a_person_who_has_looked_trusts_it_by_a_setting() -> None:
    assert files.why_not_trusted(of(1), of(10), 0) is None


async def test_the_last_good_copy_counts_until_a_feed_can_be_trusted_again(
    aftercare_alone: Aftercare, tmp_path: Path
) -> None:
    pool, now, snapshots = aftercare_alone.pool, aftercare_alone.inbox.clock.now(), Snapshots()
    (tmp_path / "meetings").mkdir()

    async def counts(read: int, percent_least: int = 50) -> int:
        entries = [{"name": str(each), "slug": str(each)} for each in range(read)]
        (tmp_path / "meetings" / "riverbend.json").write_text(json.dumps(entries))
        settings = msgspec.structs.replace(SETTINGS, feed_percent_least=percent_least)
        await files.trusted(snapshots, tmp_path, pool, {"another": settings}, now)
        return len(snapshots.current("another"))

    assert [await counts(each) for each in (0, 10, 0, 4, 9, 4, 5)] == [0, 10, 10, 10, 9, 9, 5]
    assert await counts(1, percent_least=0) == await counts(0) == 1


def test_a_feed_cut_in_half_or_of_another_format_or_with_one_id_has_fewer_meetings_or_none(tmp_path: Path) -> None:
    (tmp_path / "meetings").mkdir()
    whole = [{"name": str(each), "slug": str(each)} for each in range(10)]
    broken = {
        "cut": json.dumps(whole)[:100],
        "other": json.dumps({"rows": whole}),
        "rows": json.dumps([{"id_bigint": "1", "meeting_name": "a"}] * 10),
        "repeated": json.dumps([{**each, "slug": "same"} for each in whole]),
        "none": "[]",
    }
    for name, text in broken.items():
        (tmp_path / "meetings" / f"{name}.json").write_text(text)
    counts = {name: len(files.load(tmp_path, [name])) for name in broken}
    assert counts == {"cut": 0, "other": 0, "rows": 0, "repeated": 1, "none": 0}


def test_everything_aftercare_says_is_valid_fhir() -> None:
    patient = Story(IDENTIFIED, meetings=files.load(DEPLOY, ["riverbend"]))
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
        AftercarePlanned, MeetingListPrepared, ReferralPrepared, ReferralWithheld, ReferralRefused, ReferralSent,
        PartnerAnswered, FollowUpFellDue, FollowUpCompleted, AftercareEnded, ReferralWithdrawn, ContactAttempted,
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

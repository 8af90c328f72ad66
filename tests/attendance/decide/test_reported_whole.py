"""Whatever is corrected of a report, also beyond its sessions, is emitted; and of one Encounter, its sessions agree."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.attendance.messages import CheckIn, CheckInWithdrawn, SessionAttended, SessionCheckedIn
from shared.events.attendance import PresenceEvent
from tests.attendance.given import MONDAY, WEDNESDAY, admitted, check_in, encounter, session
from tests.attendance.story import Story
from tests.story import only

HOUR = timedelta(hours=1)
WHOLE = check_in(MONDAY)
LONGER = msgspec.structs.replace(WHOLE, periods=((MONDAY - HOUR, MONDAY + 4 * HOUR),))


def both(until: datetime, *starts: datetime) -> CheckIn:
    names = tuple(session(each) for each in starts)
    return CheckIn(session_ids=names, encounter_id=encounter(MONDAY), periods=((MONDAY + HOUR, until),))


def story_after(*reports: CheckIn) -> Story:
    story = Story(admitted())
    story.until(WEDNESDAY + 3 * HOUR)
    story.then(*reports)
    return story


@pytest.mark.parametrize(
    ("corrected", "expected"),
    [
        (msgspec.structs.replace(WHOLE, class_code="VR"), ("VR", MONDAY, MONDAY + 3 * HOUR)),
        (LONGER, ("AMB", MONDAY - HOUR, MONDAY + 4 * HOUR)),
    ],
)
def test_a_class_or_times_beyond_the_session_are_corrected_though_its_minutes_stay(
    corrected: CheckIn, expected: tuple[str, datetime, datetime]
) -> None:
    story = story_after(WHOLE)
    (now,) = only(story.then(corrected), SessionAttended)
    assert (now.class_code, now.came_at, now.left_at) == expected and now.minutes == 180
    assert story.then(corrected) == []


def test_an_arrival_that_was_by_video_is_corrected() -> None:
    story = Story(admitted())
    story.until(MONDAY + HOUR)
    story.then(check_in(MONDAY, None))
    (now,) = only(story.then(msgspec.structs.replace(check_in(MONDAY, None), class_code="VR")), SessionCheckedIn)
    assert now.class_code == "VR"


def test_a_correction_in_one_session_names_the_others_and_all_minutes() -> None:
    story = story_after(both(WEDNESDAY + HOUR, MONDAY, WEDNESDAY))
    last = only(story.then(both(WEDNESDAY + 2 * HOUR, MONDAY, WEDNESDAY)), SessionAttended)[-1]
    assert {last.session_id, *last.also} == {session(MONDAY), session(WEDNESDAY)} and last.minutes == 240


def test_an_encounter_that_leaves_one_of_its_sessions_ends_as_held() -> None:
    story = story_after(both(WEDNESDAY + HOUR, MONDAY, WEDNESDAY))
    emitted = only(story.then(both(WEDNESDAY + HOUR, MONDAY)), PresenceEvent)
    assert [(type(each), each.start) for each in emitted] == [(CheckInWithdrawn, WEDNESDAY), (SessionAttended, MONDAY)]
    assert emitted[-1].also == ()

"""A snapshot: what a list is chosen from, replaced whole."""

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meetings.meeting import Meeting
from tests.aftercare.given import MEETINGS, meeting


def snapshots(*of_demo: Meeting) -> Snapshots:
    found = Snapshots()
    found.replace("demo", of_demo, "1")
    return found


def test_a_program_without_feeds_has_no_meetings() -> None:
    here = snapshots(*MEETINGS)
    assert (here.current("elsewhere"), here.digest("elsewhere")) == ((), "")


def test_another_meeting_is_another_digest_and_another_tuple() -> None:
    here = snapshots(*MEETINGS)
    before = here.current("demo")
    assert before is here.current("demo") and here.digest("demo") == "1"
    here.replace("demo", (*MEETINGS[:-1], meeting("big-book", 3, "12:30", "C", "B")), "2")
    assert (before, here.digest("demo"), here.current("demo")[-1].start) == (MEETINGS, "2", "12:30")

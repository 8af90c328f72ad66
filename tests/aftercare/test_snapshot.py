"""A snapshot: what a list is chosen from, replaced whole."""

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meetings.meeting import Meeting
from tests.aftercare.given import MEETINGS, meeting


def snapshots(*of_demo: Meeting) -> Snapshots:
    found = Snapshots()
    found.replace("demo", of_demo)
    return found


def test_a_program_without_feeds_has_no_meetings() -> None:
    here = snapshots(*MEETINGS)
    assert (here.current("elsewhere"), here.digest("elsewhere")) == ((), "")


def test_two_processes_name_the_same_meetings_by_the_same_digest() -> None:
    assert snapshots(*MEETINGS).digest("demo") == snapshots(*MEETINGS).digest("demo") != ""


def test_another_meeting_is_another_digest_and_another_tuple() -> None:
    here = snapshots(*MEETINGS)
    before = here.current("demo"), here.digest("demo")
    here.replace("demo", (*MEETINGS[:-1], meeting("big-book", 3, "12:30", "C", "B")))
    assert before[0] == MEETINGS and before[1] != here.digest("demo") and here.current("demo")[-1].start == "12:30"

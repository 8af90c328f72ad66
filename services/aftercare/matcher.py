"""Answers which meetings fit: the lane's side of a patient's list, of the snapshot that counts now."""

from collections.abc import Sequence

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meeting_lists import MeetingsAsked, MeetingsMatched
from services.aftercare.meetings.matching import match
from services.aftercare.meetings.meeting import Meeting


class Matcher:
    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def answer(self, program: str, question: MeetingsAsked) -> MeetingsMatched:
        return matched(question, self._snapshots.current(program), self._snapshots.digest(program))


def matched(question: MeetingsAsked, meetings: Sequence[Meeting], digest: str) -> MeetingsMatched:
    """The answer, of these meetings."""
    return MeetingsMatched(
        list_id=question.list_id,
        plan_id=question.plan_id,
        meetings=match(meetings, question.wishes, question.most),
        snapshot=digest,
    )

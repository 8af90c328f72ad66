"""Answers which meetings fit: the lane's side of a patient's list, of the snapshot that counts now."""

import asyncio
from dataclasses import dataclass

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meeting_lists import MeetingsAsked, MeetingsMatched
from services.aftercare.meetings.matching import Index


@dataclass(frozen=True, slots=True)
class _Indexed:
    digest: str
    index: Index


class Matcher:
    """Indexes each snapshot once, in a thread: 100,000 meetings take seconds, and the loop has other work."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._indexed: dict[str, _Indexed] = {}

    async def answer(self, program: str, question: MeetingsAsked) -> MeetingsMatched:
        indexed = await self._index(program)
        return matched(question, indexed.index, indexed.digest)

    async def _index(self, program: str) -> _Indexed:
        digest = self._snapshots.digest(program)
        known = self._indexed.get(program)
        if known is None or known.digest != digest:
            known = _Indexed(digest, await asyncio.to_thread(Index.of, self._snapshots.current(program)))
            self._indexed[program] = known
        return known


def matched(question: MeetingsAsked, index: Index, digest: str) -> MeetingsMatched:
    """The answer, of these meetings."""
    found = index.match(question.wishes, question.most, question.asked_at, question.near_miles)
    return MeetingsMatched(
        list_id=question.list_id,
        plan_id=question.plan_id,
        request_id=question.request_id,
        offers=found.offers,
        is_near=found.is_near,
        snapshot=digest,
    )

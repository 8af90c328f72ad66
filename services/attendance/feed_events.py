"""What a patient asks of their program's feed and what it answers: internal, from one key to another, on no topic.

The feed is all that reports to the hub who came to the program's sessions: an EHR, its interface, a kiosk.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from services.attendance.record import moment_of
from shared.events.envelope import Command, Event
from shared.events.internal import OfSilence, StateEvent

FEED: Final = "feed"
"""The kind of key."""


def feed_key(program: str) -> str:
    """The key of a program's feed: it names no patient, so that a person may read it."""
    return f"{program}/feed"


class Unreported(msgspec.Struct, frozen=True, array_like=True):
    """A session of which nothing was reported: whose it is (packed), its place, and until when (in seconds) its patient
    waits for the answer. `answered`: they were told that silence about it counts."""

    patient: str
    minute: int
    slot: int
    until: int
    answered: bool = False

    @property
    def name(self) -> tuple[str, int, int]:
        return self.patient, self.minute, self.slot

    @property
    def starts(self) -> int:
        """In seconds since 1970."""
        return self.minute * 60


class Feed(msgspec.Struct, frozen=True, array_like=True):
    """Of one program; instants in seconds since 1970, 0 for never.

    `reported_at` is the last report that is known, `run` what was due since and not reported, in order of time. From
    `silent_since` to `spoke_at` nothing was reported; from `counts_at` on silence about sessions of then counts again.
    `task` is the open question to the operator, asked at `raised_at` about so many `sessions`; somebody `accepted` it.
    """

    reported_at: int = 0
    run: tuple[Unreported, ...] = ()
    silent_since: int = 0
    spoke_at: int = 0
    counts_at: int = 0
    task: str = ""
    raised_at: int = 0
    sessions: int = 0
    accepted: bool = False
    look_at: datetime | None = None

    @property
    def pending(self) -> tuple[Unreported, ...]:
        return tuple(each for each in self.run if not each.answered)

    def answers_from(self, starts: int) -> datetime:
        """From when silence about a session counts that began then, in seconds since 1970."""
        return moment_of(self.counts_at if starts <= self.spoke_at else 0)


class AbsenceAsked(Event, frozen=True, kw_only=True, tag=True):
    """Of these sessions of the patient (minute and slot) nothing was reported: does that mean that they did not come?
    They wait `until` then for the answer; the program's last report was decided at `reported_at`."""

    patient: str
    places: tuple[tuple[int, int], ...]
    until: int
    reported_at: datetime


class SilenceCounts(OfSilence, frozen=True, kw_only=True, tag=True):
    """The feed speaks: who was not reported at these places, by `since`, did not come. `until` is of the question."""

    places: tuple[tuple[int, int], ...]
    until: int
    since: datetime


class FeedChanged(StateEvent, frozen=True, kw_only=True):
    """The feed, as it is known now."""

    feed: Feed


FeedAnswer = Literal["taken-on", "nothing-to-report"]
"""Somebody looks at the interface; or it stood by, and there was nothing to report: nobody came."""


class AnswerFeed(Command, frozen=True, kw_only=True, tag=True):
    """A person answers the Task about a silent feed."""

    task_id: str
    answer: FeedAnswer

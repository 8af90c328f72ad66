"""Every command of attendance, as it may be asked of any story."""

from collections.abc import Callable

import msgspec
from hypothesis import strategies as some

from services.attendance import messages as w
from services.attendance.groups.seat import ALONE, ANY, LEFT
from shared.events.envelope import Command
from tests.attendance.given import EPISODE
from tests.attendance.grouping_story import EVENING_A, EVENING_B, plan
from tests.attendance.story import Story
from tests.attendance.test_laws import command, stories
from tests.reopening import reopenings

STORIES = stories()


def _asked(*done: str) -> Callable[[Story], some.SearchStrategy[Command]]:
    def of(story: Story) -> some.SearchStrategy[Command]:
        attempts = some.tuples(some.sampled_from(done), some.integers(0, 40), some.none() | some.integers(0, 1000))
        return attempts.map(lambda attempt: command(story, attempt))

    return of


def _choices(story: Story) -> some.SearchStrategy[Command]:
    """In a program that has groups from now on."""
    story.settings = msgspec.structs.replace(story.settings, groups={EVENING_A: plan()})
    chosen = some.sampled_from([EVENING_A, EVENING_B, ALONE, LEFT, ANY])
    return some.builds(w.ChooseGroup, episode_id=some.just(EPISODE), group=chosen, by=some.just("primary-therapist-1"))


COMMANDS: dict[type[Command], Callable[[Story], some.SearchStrategy[Command]]] = {
    w.CheckIn: _asked("come", "come late", "come again", "come unnamed"),
    w.WithdrawCheckIn: _asked("withdraw"),
    w.ConfirmAttendance: _asked("arrive"),
    w.AcceptSession: _asked("accept session"),
    w.CancelSession: _asked("cancel", "decline", "excuse"),
    w.CallOffSession: _asked("call off"),
    w.ReinstateSession: _asked("reinstate"),
    w.MarkMissed: _asked("miss"),
    w.MoveSession: _asked("move"),
    w.BookSession: _asked("book"),
    w.BookReportedSession: _asked("book held"),
    w.ChooseGroup: _choices,
    w.MakeUpMiss: _asked("make up"),
    w.WithdrawBooking: _asked("withdraw booking"),
    w.AcknowledgeEscalation: _asked("accept"),
    w.ActOnEscalation: _asked("act"),
    w.HandOverEscalation: _asked("hand over"),
    w.RecordOutreach: _asked("reach"),
    w.ReopenEscalation: reopenings,
    w.ResolveEscalation: _asked("resolve"),
}

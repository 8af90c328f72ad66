"""A program's feed: as long as nobody speaks, silence accuses nobody.

Whoever was not reported is asked about here before their absence is concluded (`decide/asking.py`). Where a report of
the program came since the session began, the feed speaks, and silence counts. Else the session joins the run of those
of which nothing was reported; a run that is long enough, or the whole of a day, is a silent feed: nobody is answered,
operations hear of it, and a person is asked. The patients ask again by themselves.

A key of its own kind (`feed_key`), for no patient knows what was reported of others.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

import msgspec

from services.attendance import messages
from services.attendance.feed_events import Feed, Unreported
from services.attendance.record import moment_of, second_of
from services.attendance.settings import Settings
from shared.events.envelope import Command, Event
from shared.events.internal import To
from shared.path.service import PATIENT
from shared.rules.decision import Moment, Refused
from shared.rules.packing import pack_id, unpack_id

VERSION = 1
LOOK_MINUTES = 10
"""So often it looks whether a silent feed speaks again."""


def react(state: Feed, event: messages.ConsumesOfFeeds, moment: Moment[Settings]) -> list[messages.EmitsOfFeeds]:
    """Whom it answers that silence counts, and what operations hear. Total: a repeat is answered again."""
    watch = _Watch(state, moment)
    match event:
        case messages.AbsenceAsked():
            watch.learn(event.reported_at)
            watch.ask(event)
        case messages.TimePassed(reported_at=reported_at):
            watch.learn(reported_at)
            watch.look()
        case _:
            assert_never(event)
    return watch.emitted()


def decide(
    state: Feed, command: messages.AnswerFeed, moment: Moment[Settings]
) -> list[messages.EmitsOfFeeds] | Refused:
    """Somebody looks at it; or nothing was to be reported, and silence counts: as if a report had come now."""
    if not state.silent_since or command.task_id != state.task:
        return Refused("business-rule", "The feed speaks again: this Task is completed.", "Task.status")
    watch = _Watch(state, moment)
    if command.answer == "taken-on":
        watch.take_on()
    else:
        watch.trust()
    return watch.emitted()


def evolve(state: Feed, event: Event | Command) -> Feed:
    """The state after an event. Total: what it does not know changes nothing."""
    return event.feed if isinstance(event, messages.FeedChanged) else state


def due(state: Feed) -> datetime | None:
    return state.look_at


class _Watch:
    """One decision as it goes."""

    def __init__(self, feed: Feed, moment: Moment[Settings]) -> None:
        self._before = feed
        self._moment = moment
        self._zone = ZoneInfo(moment.settings.timezone)
        self._answers: list[To] = []
        self._facts: list[messages.EmitsOfFeeds] = []
        self.feed = feed

    def learn(self, reported_at: datetime | None) -> None:
        """When the last report came, which may be news."""
        at = 0 if reported_at is None else second_of(reported_at)
        if at <= self.feed.reported_at:
            return
        if self.feed.silent_since:
            self._speaks(at)
        spoken = [each for each in self.feed.pending if each.starts <= at]
        self._change(reported_at=at, run=tuple(each for each in self.feed.run if each.starts > at))
        self._answer(spoken)

    def ask(self, event: messages.AbsenceAsked) -> None:
        if self.feed.silent_since:
            return
        run = {each.name: each for each in self.feed.run}
        for minute, slot in event.places:
            asked = Unreported(pack_id(event.patient), minute, slot, event.until)
            known = run.get(asked.name)
            if asked.starts <= self.feed.reported_at or (known is not None and known.answered):
                self._answer([asked])
            else:
                run[asked.name] = asked
        self._change(run=tuple(sorted(run.values(), key=lambda each: (each.minute, each.name))))
        if len(self.feed.run) >= self._moment.settings.silent_sessions:
            self._falls_silent()

    def look(self) -> None:
        """All that was asked at one instant has come: what is no long run counts."""
        if self.feed.silent_since:
            return
        if self._silent_day():
            self._falls_silent()
            return
        pending = self.feed.pending
        self._change(run=tuple(msgspec.structs.replace(each, answered=True) for each in self.feed.run))
        self._answer(pending)

    def take_on(self) -> None:
        self._change(accepted=True)
        self._ask_person("accepted")

    def trust(self) -> None:
        now = self._moment.now
        text = f"Of program {self._moment.program}, a person answered that there was nothing to report."
        self._ends("nothing-to-report", text)
        self._change(reported_at=second_of(now))

    def emitted(self) -> list[messages.EmitsOfFeeds]:
        self._change(look_at=self._looks_at())
        changed = [messages.FeedChanged(feed=self.feed)] if self.feed != self._before else []
        return [*changed, *self._answers, *self._facts]

    def _change(self, **changes: object) -> None:
        self.feed = msgspec.structs.replace(self.feed, **changes)

    def _answer(self, sessions: Sequence[Unreported]) -> None:
        for each in sessions:
            since = max(self.feed.answers_from(each.starts), self._moment.now)
            counts = messages.SilenceCounts(places=((each.minute, each.slot),), until=each.until, since=since)
            self._answers.append(To(kind=PATIENT, key=unpack_id(each.patient), event=counts))

    def _falls_silent(self) -> None:
        run, now = self.feed.run, self._moment.now
        since, sessions = run[0].starts, len(run)
        task = self._moment.new_id("task")
        self._change(run=(), silent_since=since, raised_at=second_of(now), task=task, sessions=sessions, accepted=False)
        silent = messages.FeedSilent(
            outcome_id=self._moment.new_id("silent"),
            service="attendance",
            details=f"Of program {self._moment.program}, nothing was reported of the last {sessions} sessions, "
            f"since {moment_of(since):%Y-%m-%dT%H:%MZ}. No absence is concluded until its feed speaks, or a person "
            f"answers Task/{task}.",
        )
        self._facts.append(silent)
        self._ask_person("requested")

    def _speaks(self, at: int) -> None:
        """Senders' queues drain first: silence counts again once they had as long as the silence was, at most so many
        hours, and the grace time after that."""
        settings, silent = self._moment.settings, at - self.feed.silent_since
        drained = at + min(silent, settings.feed_catch_up_hours * 3600)
        counts_at = drained + settings.grace_minutes * 60
        text = (
            f"Of program {self._moment.program}, reports come again since {moment_of(at):%Y-%m-%dT%H:%MZ}. Whoever is "
            f"not reported of the sessions before has missed them at {moment_of(counts_at):%Y-%m-%dT%H:%MZ}."
        )
        self._ends("reports-come", text)
        self._change(spoke_at=at, counts_at=counts_at)

    def _ends(self, reason: str, text: str) -> None:
        """The silence is over, and nobody is asked about it any more."""
        self._ask_person("completed", reason)
        spoke = messages.FeedSpoke(outcome_id=self._moment.new_id("spoke"), service="attendance", details=text)
        self._facts.append(spoke)
        self._change(silent_since=0, task="", raised_at=0, sessions=0, accepted=False)

    def _ask_person(self, status: Literal["requested", "accepted", "completed"], reason: str = "") -> None:
        feed = self.feed
        asked = messages.FeedQuestioned(
            task_id=feed.task,
            status=status,
            reason=reason,
            raised_at=moment_of(feed.raised_at),
            changed_at=self._moment.now,
            silent_since=moment_of(feed.silent_since),
            sessions=feed.sessions,
        )
        self._facts.append(asked)

    def _silent_day(self) -> bool:
        """Whether a day of the program is over that had sessions enough, none of them reported."""
        least = self._moment.settings.silent_day_sessions
        days = Counter(self._day(each) for each in self.feed.run)
        return least > 0 and any(
            count >= least and self._over(day) <= self._moment.now and not self._spoke_on(day)
            for day, count in days.items()
        )

    def _spoke_on(self, day: date) -> bool:
        return moment_of(self.feed.reported_at).astimezone(self._zone).date() >= day

    def _day(self, session: Unreported) -> date:
        return moment_of(session.starts).astimezone(self._zone).date()

    def _over(self, day: date) -> datetime:
        return datetime.combine(day + timedelta(days=1), time(), self._zone)

    def _looks_at(self) -> datetime | None:
        now = self._moment.now
        if self.feed.silent_since:
            return now + timedelta(minutes=LOOK_MINUTES)
        if self.feed.pending:
            return now
        ends = (self._over(self._day(each)) for each in self.feed.run)
        return min((each for each in ends if each > now), default=None)

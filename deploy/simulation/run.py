"""A simulation from nothing to its log: a hub is started, the days pass step by step, everything stops.

The clinic's clock is set to a few times of each day. At each the hub first decides what fell due; then the EHR sends
what it has to send by then, many patients at once, each one's in order.
"""

import asyncio
import heapq
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from itertools import count
from pathlib import Path
from random import Random
from typing import TypeVar

from rich.console import Console

from deploy.demo import hub
from deploy.driver import Driver
from deploy.simulation import program
from deploy.simulation.feed import Chart, Feed, RefusedError, Resource, group_of
from deploy.simulation.log import Log
from deploy.simulation.meetings import Change, advances, change, choice
from deploy.simulation.people import people
from deploy.simulation.visits import Act, Session, acts, bookings, make_up
from shared.events import fhir

MORNING, NIGHT = day_time(7, 30), day_time(23, 30)
DEADLINES = (day_time(9, 16), day_time(17, 46))
"""A minute after silence decides the sessions of the day track, and of the evening."""
STEPS = (
    MORNING,
    day_time(9, 10),
    day_time(9, 40),
    day_time(12, 5),
    day_time(13, 10),
    day_time(16),
    day_time(17, 40),
    day_time(18, 10),
    day_time(20, 35),
)
MADE_UP_ON = 3
MIDDAY, BOOKED_ON = day_time(13), 3
"""When a session that the EHR books by itself begins, and on which weekday."""
WAVE = day_time(9, 10)
HALF_DAY = timedelta(hours=12)
AT_ONCE = 10
"""Patients. With more the EHR is slower: what its pool of connections costs grows with their square."""
ATTENDANCE = "attendance"
RESTART_SECONDS_MOST = 90.0
SETTLE_SECONDS_MOST = 180.0
ANSWERED_PERCENT = 30
"""Of what is asked of persons, each morning."""
ANSWERS = ("acted-on", "reached", "not-reached")
ANSWERED = frozenset(
    {
        "missed-session",
        "two-misses-in-7-days",
        "three-misses-in-14-days",
        "three-consecutive-misses",
        "no-contact-after-miss",
        "no-attendance",
    }
)
OUTAGES = (timedelta(hours=3), timedelta(minutes=10), timedelta(days=1), timedelta(hours=8), timedelta(days=3))
"""One in each month, by turns."""
KILLED_ON, AWAY_ON = (2, 1), (1, 2)
"""Week of each four weeks, and weekday, Monday being 0."""

T = TypeVar("T")
After = Callable[[Path], None]

STILL_IN, STILL_EVERY = 3, 26
STILL = ((1, day_time(16)), (3, day_time(9, 30)))
"""In this week, and every so many weeks, the interface stands still from one weekday and time to another: the EHR sends
nothing, and afterwards all of it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked for: how many patients, how many weeks, by which chance; the log; the hub's folder."""

    patients: int
    weeks: int
    seed: int
    log: Path
    data: Path
    monday: date = program.FIRST_MONDAY


@dataclass
class Days:
    """The simulation as it goes. `ahead` is what is to be sent, by the time from which on."""

    asked: Asked
    driver: Driver
    feed: Feed
    log: Log
    charts: list[Chart]
    ahead: list[tuple[datetime, int, Chart, Act]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)
    sent: int = 0
    outages: int = 0
    owes_morning: bool = False
    """What an EHR sends in the morning was not sent yet: its interface stands still."""

    async def pass_all(self, console: Console) -> None:
        """Every step of every day."""
        began = time.monotonic()
        for week in range(self.asked.weeks):
            for day in range(7):
                await self._pass(week, day)
            await self.driver.settle(SETTLE_SECONDS_MOST)
            line = f"week {week + 1} of {self.asked.weeks}: {self.sent} reports sent, {time.monotonic() - began:.0f} s"
            console.print(line, markup=False)

    async def _pass(self, week: int, weekday: int) -> None:
        day = self.asked.monday + timedelta(weeks=week, days=weekday)
        for each in sorted((*STEPS, *DEADLINES, NIGHT)):
            at = self._at(day, each)
            if at <= self.driver.now or not self._is_wanted(at, each):
                continue
            await self._step(at)
            self.owes_morning |= each == MORNING
            if self._stands_still(week, weekday, each):
                self.log.write(self.driver.now, "silent")
                continue
            if self.owes_morning:
                self.owes_morning = False
                await self._morning(day)
            await self._send_due(week, weekday, each)
            if each == MORNING and (week % 4, weekday) == AWAY_ON:
                await self._away(OUTAGES[self.outages % len(OUTAGES)])

    async def _send_due(self, week: int, weekday: int, step: day_time) -> None:
        """Nothing at night, when somebody looks at what the day led to."""
        if step == NIGHT:
            return
        if step == WAVE and (week % 4, weekday) == KILLED_ON:
            await self._send_while_killed(self._due())
        else:
            await self._send(self._due())

    def _is_wanted(self, at: datetime, step: day_time) -> bool:
        has_to_send = self.owes_morning or (bool(self.ahead) and self.ahead[0][0] <= at)
        return step in (MORNING, NIGHT, *DEADLINES) or has_to_send

    def _stands_still(self, week: int, weekday: int, step: day_time) -> bool:
        since, until = STILL
        return week % STILL_EVERY == STILL_IN and since <= (weekday, step) < until

    async def _step(self, at: datetime) -> None:
        """The other services follow in their own time: nothing that they decide of it comes back to attendance."""
        self.driver.clock_set(at)
        await self.driver.decided(ATTENDANCE, SETTLE_SECONDS_MOST)
        self.log.write(at, "step")

    async def _morning(self, day: date) -> None:
        """Who leaves is discharged, who comes is admitted, the sessions of the week are looked up, persons answer."""
        coming = await self._leave_and_come(day)
        here = [each for each in self.charts if each.is_here]
        await self._all(here if day.weekday() == 0 else coming, self._plan_week)
        chose = [each for each in here if await self._choose(each)]
        for each in here:
            await self._perhaps_advance(each)
        now, waiting = self.driver.now, [each for each in here if each.waits_for_seat and each not in chose]
        await self._all([*chose, *waiting], lambda each: self._look_again(each, now, self._end_of_week(now)))
        await self._answer()
        await self._change_meetings(day)
        if day.weekday() == MADE_UP_ON:
            await self._make_up(day)

    async def _make_up(self, day: date) -> None:
        """Who missed something this week may come at midday tomorrow instead."""
        by_id: dict[str, list[Session]] = {each.id: [] for each in self.charts if each.is_here}
        for patient, session in await self.feed.missed(
            self._at(day - timedelta(days=day.weekday()), day_time()), self.driver.now
        ):
            by_id.get(patient, []).append(session)
        midday = self._at(day + timedelta(days=1), MIDDAY)
        for chart in (each for each in self.charts if each.is_here):
            known = [each for each in by_id[chart.id] if (each.start, each.kind) in chart.appointments]
            known.sort(key=lambda each: (each.start, each.kind))
            act = make_up(known, self.driver.now, midday, self._chance(chart, f"make-up:{midday}"))
            if act is not None:
                self._put(chart, act)
                self._put_all(chart, act.session)

    async def _leave_and_come(self, day: date) -> list[Chart]:
        """One after the other; who comes is given back. After an outage of days, or an interface that stood still, some
        of it is late: who has left was discharged in the morning of their day."""
        leaving = [each for each in self.charts if each.is_here and each.person.leaves_on <= day]
        coming = [each for each in self.charts if not each.id and each.person.comes_on <= day]
        for each in leaving:
            await self._discharge(each)
        await self._all(coming, self.feed.refer)
        for each in coming:
            await self._admit(each)
        return coming

    async def _change_meetings(self, day: date) -> None:
        """What is said this morning of the groups' sessions, of yesterday and the next days."""
        since, until = self._at(day - timedelta(days=1), day_time()), self._at(day + timedelta(days=3), day_time())
        for meeting in sorted(await self.feed.meetings(since, until), key=lambda each: (each.start, each.group)):
            held_on = meeting.start.astimezone(program.zone()).date()
            chance = Random(f"{self.asked.seed}:{meeting.group}:{meeting.start}")
            for each in change(meeting, (held_on - day).days, self._at(held_on, MIDDAY), chance):
                await self._change(each)

    async def _change(self, change: Change) -> None:
        meeting = change.meeting
        try:
            await self.feed.change(change)
        except RefusedError:  # the group has another session then
            return
        await self.driver.decided(ATTENDANCE, SETTLE_SECONDS_MOST)
        self.log.write(self.driver.now, "meeting", group=meeting.group, start=meeting.start, to=change.to)
        place = meeting.start, "group"
        members = [
            each
            for each in self.charts
            if place in each.appointments and group_of(each.appointments[place]) == meeting.group
        ]
        for each in members:
            each.off.add(place)
        if change.to is not None:
            to = change.to
            await self._all(members, lambda each: self._look_again(each, to, to + timedelta(minutes=1)))

    async def _discharge(self, chart: Chart) -> None:
        await self._pass_second()
        left = self._at(chart.person.leaves_on, MORNING)
        await self.feed.discharge(chart, left)
        self.log.write(self.driver.now, "discharged", patient=chart.person.number, left=left)
        await self.driver.settle(SETTLE_SECONDS_MOST, consumers=(ATTENDANCE,))

    async def _admit(self, chart: Chart) -> None:
        await self._pass_second()
        await self.feed.sign(chart)
        stay = {"id": chart.id, "evening": chart.person.evening, "payer": chart.person.payer}
        self.log.write(self.driver.now, "admitted", patient=chart.person.number, **stay)
        await self.driver.settle(SETTLE_SECONDS_MOST, consumers=(ATTENDANCE,))

    async def _choose(self, chart: Chart) -> bool:
        """Whether the therapist has chosen something for this patient."""
        chosen = choice(chart.choice, self._chance(chart, f"choice:{self.driver.now:%F}"))
        if chosen:
            await self._pass_second()
            await self.feed.choose(chart, chosen)
            self.log.write(self.driver.now, "chose", patient=chart.person.number, choice=chosen)
            await self.driver.decided(ATTENDANCE, SETTLE_SECONDS_MOST)
        return bool(chosen)

    async def _perhaps_advance(self, chart: Chart) -> None:
        if chart.is_in_last_stage or not advances(self._chance(chart, f"stage:{self.driver.now:%F}")):
            return
        await self._pass_second()
        await self.feed.advance(chart)
        self.log.write(self.driver.now, "advanced", patient=chart.person.number)
        await self.driver.settle(SETTLE_SECONDS_MOST, consumers=(ATTENDANCE,))
        await self.feed.drop(chart, self.driver.now, self._end_of_week(self.driver.now))

    async def _pass_second(self) -> None:
        """Whoever comes or leaves does so before the next one: who has a seat, and who waits for it, is no chance."""
        await self._step(self.driver.now + timedelta(seconds=1))

    async def _look_again(self, chart: Chart, since: datetime, until: datetime) -> None:
        """Whoever waited for a seat in a group may have one by now; and where a group's session moved to, it is new."""
        known = set(chart.appointments)
        for session in await self.feed.look_up(chart, since, until):
            if (session.start, session.kind) not in known:
                self._put_all(chart, session)

    def _end_of_week(self, now: datetime) -> datetime:
        local = now.astimezone(program.zone()).date()
        return self._at(local + timedelta(days=7 - local.weekday()), day_time())

    def _put_all(self, chart: Chart, session: Session) -> None:
        for act in acts(chart.person, session, self._chance(chart, session.name)):
            self._put(chart, act)

    async def _plan_week(self, chart: Chart) -> None:
        now = self.driver.now
        local = now.astimezone(program.zone()).date()
        sessions = await self.feed.look_up(chart, now, self._end_of_week(now))
        midday = self._at(local + timedelta(days=BOOKED_ON - local.weekday()), MIDDAY)
        booked = bookings(sessions, midday, self._chance(chart, f"{midday}")) if midday > now else []
        for act in booked:
            self._put(chart, act)
        for session in (*sessions, *(each.session for each in booked if each.session.start == midday)):
            self._put_all(chart, session)

    def _put(self, chart: Chart, act: Act) -> None:
        heapq.heappush(self.ahead, (act.at, next(self.numbers), chart, act))

    def _chance(self, chart: Chart, about: str) -> Random:
        return Random(f"{self.asked.seed}:{chart.person.number}:{about}")

    async def _answer(self) -> None:
        """Persons resolve some of what is asked of them."""
        by_id = {each.id: each for each in self.charts if each.id}
        of_patients = [each for each in await self.feed.open_tasks() if {"for", "reasonCode"} <= each.keys()]
        by_patient: dict[str, list[Resource]] = {}
        for task in of_patients:
            by_patient.setdefault(task["for"]["reference"].partition("/")[2], []).append(task)

        async def of_one(patient: str) -> None:
            for task in by_patient[patient]:
                await self._perhaps_resolve(by_id[patient], task)

        await self._all(list(by_patient), of_one)

    async def _perhaps_resolve(self, chart: Chart, task: Resource) -> None:
        reason = fhir.code_of(task["reasonCode"])
        chance = self._chance(chart, f"{reason}:{self.driver.now}")
        if reason in ANSWERED and chance.randrange(100) < ANSWERED_PERCENT:
            await self._resolve(chart, task, reason, chance.choice(ANSWERS))

    async def _resolve(self, chart: Chart, task: Resource, reason: str, answer: str) -> None:
        start = await self.feed.session_of(task)
        try:
            await self.feed.answer(task, answer)
        except RefusedError:  # closed by what they answered before it
            return
        self.log.write(
            self.driver.now, "answered", patient=chart.person.number, reason=reason, session=start, answer=answer
        )

    def _due(self) -> list[tuple[Chart, Act]]:
        found = []
        while self.ahead and self.ahead[0][0] <= self.driver.now:
            _, _, chart, act = heapq.heappop(self.ahead)
            found.append((chart, act))
        return found

    async def _send(self, due: Sequence[tuple[Chart, Act]]) -> None:
        """Each patient's in order, many patients at once."""
        by_chart: dict[int, list[tuple[Chart, Act]]] = {}
        for chart, act in due:
            by_chart.setdefault(chart.person.number, []).append((chart, act))

        async def of_one(mine: list[tuple[Chart, Act]]) -> None:
            for chart, act in mine:
                await self._send_one(chart, act)

        await self._all(list(by_chart.values()), of_one)

    async def _send_one(self, chart: Chart, act: Act) -> None:
        """What is about a session after the discharge is nobody's business any more, nor about one that was refused."""
        place = act.session.start, act.session.kind
        known = act.did == "book" or (place in chart.appointments and place not in chart.off)
        if not known or (chart.discharged_at is not None and act.session.start >= chart.discharged_at):
            return
        try:
            await self.feed.send(chart, act)
            refused = False
        except RefusedError:
            refused = True
        self.sent += 1
        stated = {name: getattr(act, name) for name in ("name", "came", "left", "status", "reason", "to", "makes_up")}
        session = {"start": act.session.start, "end": act.session.end, "kind": act.session.kind}
        self.log.write(self.driver.now, act.did, patient=chart.person.number, refused=refused, **session, **stated)
        if act.did in ("decline", "move") or act.status == "cancelled":
            await self._look_for_the_moved(chart, act.session.start)

    async def _look_for_the_moved(self, chart: Chart, freed: datetime) -> None:
        """Where their group moved a session to, they may have time now."""
        if any(abs(start - freed) < HALF_DAY for start, _ in chart.off):
            await self._look_again(chart, freed - HALF_DAY, freed + HALF_DAY)

    async def _send_while_killed(self, due: Sequence[tuple[Chart, Act]]) -> None:
        """Attendance is killed in the midst of what it is sent, as a power cut would: the EHR sends again."""
        await self.driver.heartbeat(ATTENDANCE)
        already, wanted = self.sent, len(due) // 3

        async def kill() -> int:
            while self.sent < already + wanted:  # noqa: ASYNC110 (whoever sends counts, and wakes nobody)
                await asyncio.sleep(0.001)
            return self._kill()

        _, before = await asyncio.gather(self._send(due), kill())
        await self._restarted(before)
        self.log.write(self.driver.now, "killed")

    async def _away(self, length: timedelta) -> None:
        """Attendance is away while the clinic goes on. What was to be sent meanwhile is sent once it is back."""
        self.outages += 1
        since = self.driver.now
        await self.driver.heartbeat(ATTENDANCE)
        before = self._kill()
        self.driver.clock_set(since + length)
        await self._restarted(before)
        self.log.write(self.driver.now, "outage", since=since)
        await self.driver.decided(ATTENDANCE, SETTLE_SECONDS_MOST)
        self.log.write(self.driver.now, "step")
        await self._send(self._due())

    def _kill(self) -> int:
        pid = self.driver.pid(ATTENDANCE)
        os.kill(pid, signal.SIGKILL)
        return pid

    async def _restarted(self, before: int) -> None:
        """The runner has started another process, and it is ready."""
        async with asyncio.timeout(RESTART_SECONDS_MOST):
            while self.driver.pid(ATTENDANCE) == before:  # noqa: ASYNC110 (another process writes it, to a file)
                await asyncio.sleep(0.05)

    async def _all(self, each_of: Sequence[T], do: Callable[[T], Awaitable[object]]) -> None:
        """So many at once; the first that fails ends all."""
        places = asyncio.Semaphore(AT_ONCE)

        async def in_turn(one: T) -> None:
            async with places:
                await do(one)

        await asyncio.gather(*(in_turn(each) for each in each_of))

    def _at(self, day: date, at: day_time) -> datetime:
        return datetime.combine(day, at, program.zone()).astimezone(UTC)


def begin(asked: Asked, console: Console, then: After | None = None) -> None:
    """Start a hub, let the weeks pass, stop it. `then` is called with the folder of the hub while it still runs.

    Raises:
        CannotContinueError: the hub does not start, or refuses what it is sent.
    """
    settings = program.settings(asked.data / "settings", asked.patients, asked.weeks)
    starts_at = datetime.combine(asked.monday, day_time(), program.zone())
    with hub.running(asked.data, starts_at, {}, settings):
        asyncio.run(_simulate(asked, console, settings))
        if then is not None:
            then(asked.data)


async def _simulate(asked: Asked, console: Console, settings: Path) -> None:
    with Log(asked.log) as log:
        async with Driver.of(asked.data) as driver:
            charts = [Chart(each) for each in people(asked.seed, asked.patients, asked.weeks, asked.monday)]
            log.write(driver.now, "began", seed=asked.seed, program=program.numbers(settings))
            days = Days(asked, driver, Feed(driver), log, charts)
            await days.pass_all(console)

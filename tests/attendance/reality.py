"""What is reported of three weeks, in any order; and what it must end in, worked out a second time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as some

from services.attendance.messages import (
    CallOffSession,
    CancelSession,
    CheckIn,
    Coding,
    MarkMissed,
    WithdrawCheckIn,
)
from services.attendance.record import Period
from shared.events.envelope import Command, name_id
from tests.attendance.given import ADMISSION, NAMES, TIME_PASSED, admitted, discharged, evening, session
from tests.attendance.story import MAKE_UPS, UNHURRIED, Story

STARTS = [evening(week, weekday) for week in (0, 1, 2) for weekday in (0, 2, 4)]
LONG, HOUR = timedelta(hours=3), timedelta(hours=1)
BEFORE, LAST = evening(0, 0, 9), evening(3, 0, 9)
"""Before the first session; after the last one, when the second week has been looked at."""
WEEK = (evening(1, 0, 0), evening(2, 0, 0))
Source = str
"""An Encounter's id, or an Appointment's."""
Reports = Mapping[Source, Sequence[Command]]
"""What each source reports, version after version; each of sessions that are over."""


@dataclass(frozen=True)
class Reality:
    """What is reported in all, and (or None) when the stay ended."""

    reports: Reports
    left: datetime | None


@dataclass(frozen=True)
class Order:
    """In which order the sources report, and after how many sessions; when the end of the stay is reported; and after
    which sessions nobody listened for half a day."""

    turns: Sequence[Source]
    after: Sequence[int]
    left_reported: int
    deaf: frozenset[int]


# --- what is reported

PERIODS = some.lists(some.tuples(some.integers(-30, 170), some.integers(1, 240)), min_size=1, max_size=2)
"""Minutes after the start, and how long; two where somebody was on leave between."""


@some.composite
def versions(draw: some.DrawFn, start: datetime, encounter: Source) -> list[Command]:
    """What an Encounter reports of a session, perhaps of the next one too, corrected or withdrawn afterwards."""
    found: list[Command] = []
    for kind in draw(
        some.lists(some.sampled_from(["come", "come", "both", "open", "unclear", "elsewhere", "error"]), max_size=3)
    ):
        next_one = start + timedelta(days=2 if start.weekday() < 4 else 3)
        both = kind == "both" and next_one in STARTS
        ids = (session(start), session(next_one)) if both else (session(start),)
        periods: list[Period] = []
        at = start
        for first, lasts in draw(PERIODS):
            since = at + timedelta(minutes=max(first, 0) if periods else first)
            at = since + timedelta(minutes=lasts)
            periods.append((since, at))
        if kind == "open":
            periods = [(periods[0][0], None)]
        elif both:
            periods = [(periods[0][0], next_one + HOUR)]
        elif kind == "elsewhere":
            periods = [(start + 5 * HOUR, start + 6 * HOUR)]
        known = kind != "unclear"
        shown = tuple(periods if known else periods[:1])
        came = CheckIn(session_ids=ids, encounter_id=encounter, periods=shown, minutes_known=known)
        found.append(WithdrawCheckIn(encounter_id=encounter) if kind == "error" else came)
    return found


MARKS = some.sampled_from(["illness", "late", "off", "noshow"])


def mark(start: datetime, kind: str) -> Command:
    """What the Appointment of a session that has begun may report."""
    match kind:
        case "illness":
            return CancelSession(session_id=session(start), reason="illness", stated=(Coding("", "illness"),))
        case "late":
            return CancelSession(session_id=session(start))
        case "off":
            return CallOffSession(session_id=session(start), stated=(Coding("", "prov"),))
        case _:
            return MarkMissed(session_id=session(start))


@some.composite
def realities(draw: some.DrawFn) -> Reality:
    reports: dict[Source, list[Command]] = {}
    for start in STARTS:
        if draw(some.booleans()):
            for name in ("one", "two"):
                identity = name_id(NAMES, f"{name} {start}")
                reports[identity] = draw(versions(start, identity))
        if draw(some.integers(0, 3)) == 0:
            reports[session(start)] = [mark(start, each) for each in draw(some.lists(MARKS, max_size=2))]
    left = draw(some.none() | some.none() | some.sampled_from(STARTS[3:]).map(lambda start: start + 4 * HOUR))
    return Reality({source: each for source, each in reports.items() if each}, left)


@some.composite
def orders(draw: some.DrawFn, reality: Reality) -> Order:
    turns = draw(some.permutations([source for source, all_ in reality.reports.items() for _ in all_]))
    after = draw(some.lists(some.integers(0, len(STARTS)), min_size=len(turns), max_size=len(turns)))
    deaf = draw(some.frozensets(some.integers(0, len(STARTS) - 1), max_size=2))
    return Order(turns, sorted(after), draw(some.integers(0, len(STARTS))), deaf)


@some.composite
def twice_reported(draw: some.DrawFn) -> tuple[Reality, Order, Order]:
    reality = draw(realities())
    return reality, draw(orders(reality)), draw(orders(reality))


# --- in which order


def reported(reality: Reality, order: Order) -> Story:
    """Silence concludes what nobody has reported yet. Each report comes twice, once its sessions are over."""
    story = Story(admitted(), **UNHURRIED, **MAKE_UPS)
    story.until(BEFORE)
    waiting = list(zip(order.turns, order.after, strict=True))
    versions_left = {source: list(each) for source, each in reality.reports.items()}
    for number, start in enumerate([*STARTS, LAST]):
        if number in order.deaf:
            story.now = story.listening_since = start + 12 * HOUR
        story.until(LAST if start == LAST else start + 12 * HOUR)
        if reality.left is not None and story.now >= reality.left and number >= order.left_reported:
            story.then(discharged(reality.left), discharged(reality.left), admitted())
        for turn in [each for each in waiting if each[1] <= number]:
            report = versions_left[turn[0]][0]
            if is_over(report, story.now):
                story.then(report, report)
                versions_left[turn[0]].pop(0)
                waiting.remove(turn)
    story.then(TIME_PASSED)
    story.until(LAST + 3 * HOUR)
    return story


def is_over(report: Command, now: datetime) -> bool:
    """Whether all has happened that is reported."""
    match report:
        case CheckIn(periods=periods):
            return all(end is None or end <= now for _, end in periods) and periods[0][0] + LONG <= now
        case CancelSession(session_id=identity) | CallOffSession(session_id=identity) | MarkMissed(session_id=identity):
            return all(start <= now for start in STARTS if session(start) == identity)
        case _:
            return True


# --- what it ends in

Sessions = Mapping[datetime, tuple[str, int]]
Asked = set[tuple[str, tuple[datetime, ...]]]
Ending = tuple[Sessions, Asked, list[tuple[int, str]]]
"""Outcome and minutes of every session; what is asked of persons, with the sessions behind it; the second week."""


def ending(story: Story) -> Ending:
    sessions = {start: (story.outcome(start), story.minutes(start)) for start in STARTS}
    asked = {
        (each.reason, () if each.reason == "check-presence" else tuple(one.at for one in each.signals))
        for each in story.still_open
    }
    weeks = [each for each in story.state.weeks if each.start * 60 == WEEK[0].timestamp() and each.finding]
    return sessions, asked, [(each.minutes, each.finding) for each in weeks]


def expected(reality: Reality) -> Ending:
    newest = {source: versions[-1] for source, versions in reality.reports.items()}
    came = [each for each in newest.values() if isinstance(each, CheckIn)]
    sessions = {start: session_ends(reality, start, came) for start in STARTS}
    asked: Asked = {("report-minutes", (start,)) for start, (outcome, _) in sessions.items() if outcome == "present"}
    asked |= {("check-presence", ()) for each in came if not any(touches(each, start) for start in STARTS)}
    misses = [start for start, (outcome, _) in sessions.items() if outcome in ("missed", "cancelled-late")]
    if reality.left is None:
        asked |= of_misses(misses, sessions) | of_silence(misses, sessions)
        asked |= of_shortfalls(came, sessions) | of_walk_outs(came, sessions)
    return sessions, asked, week_ends(reality, sessions)


def touches(came: CheckIn, start: datetime) -> bool:
    """An open one that began before the session's end lasts; an ended one overlaps it."""
    named = session(start) in came.session_ids
    return named and any(since < start + LONG and (end is None or end > start) for since, end in came.periods)


def session_ends(reality: Reality, start: datetime, came: Sequence[CheckIn]) -> tuple[str, int]:
    here = [each for each in came if touches(each, start)]
    if here:
        minutes = {
            minute
            for each in here
            for since, end in each.periods
            if end is not None and each.minutes_known
            for minute in range(*(int((one - start).total_seconds()) // 60 for one in (since, end)))
            if 0 <= minute < 180
        }
        lasts = any(end is None or not each.minutes_known for each in here for _, end in each.periods)
        return ("present" if lasts else "attended"), len(minutes)
    if reality.left is not None and start >= reality.left:
        return "cancelled", 0
    return appointment_ends(reality.reports.get(session(start), ())), 0


def appointment_ends(reports: Sequence[Command]) -> str:
    """What its Appointment says last; that nobody came takes back neither an excuse nor a cancellation."""
    outcome = "missed"
    for each in reports:
        match each:
            case CallOffSession():
                outcome = "cancelled"
            case CancelSession(reason=reason):
                outcome = "excused" if reason else "cancelled-late"
    return outcome


def of_misses(misses: Sequence[datetime], sessions: Sessions) -> Asked:
    """Each for itself; two in a week, three in a row, three in two weeks: every session of every such run, the newest
    four shown; and each beyond the sixth."""
    asked: Asked = {("missed-session", (each,)) for each in misses}
    two = {one for last in misses for one in runs(misses, last, 7, 2)}
    near = {one for last in misses for one in runs(misses, last, 14, 3)}
    held = [start for start in STARTS if sessions[start][0] in ("missed", "cancelled-late", "attended", "present")]
    row = {
        one for at in range(2, len(held)) if set(held[at - 2 : at + 1]) <= set(misses) for one in held[at - 2 : at + 1]
    }
    if beyond := misses[6:]:
        asked.add(("misses-over-cap", tuple(sorted(beyond)[-4:])))
    if two:
        asked.add(("two-misses-in-7-days", tuple(sorted(two)[-4:])))
    if row or near:
        reason = "three-consecutive-misses" if row else "three-misses-in-14-days"
        asked.add((reason, tuple(sorted(row | near)[-4:])))
    return asked


def of_silence(misses: Sequence[datetime], sessions: Sessions) -> Asked:
    """Since the session attended last: three days after the first miss, two weeks after that session."""
    now = LAST + 3 * HOUR
    attended = [start for start in STARTS if sessions[start][0] in ("attended", "present")]
    since = [each for each in misses if not attended or each > attended[-1]]
    asked: Asked = set()
    if since and since[0] + timedelta(days=3) <= now:
        asked.add(("no-contact-after-miss", tuple(since[-4:])))
    if since and max([ADMISSION, *attended]) + timedelta(days=14) <= now:
        asked.add(("no-attendance", tuple(since[-4:])))
    return asked


def of_shortfalls(came: Sequence[CheckIn], sessions: Sessions) -> Asked:
    """Two within two weeks, of those that were attended for less than 135 of 180 minutes, or begun after the grace."""
    found = []
    for start, (outcome, minutes) in sessions.items():
        periods = (each for report in came if touches(report, start) for each in report.periods)
        here = [since for since, end in periods if since < start + LONG and (end is None or end > start)]
        if (outcome == "attended" and minutes < 135) or (here and min(here) > start + timedelta(minutes=15)):
            found.append(start)
    several = {one for last in found for one in runs(found, last, 14, 2)}
    return {("late-or-partial-in-14-days", tuple(sorted(several)[-4:]))} if several else set()


def of_walk_outs(came: Sequence[CheckIn], sessions: Sessions) -> Asked:
    """Three within five weeks, attended for less than 135 minutes, and left a quarter of an hour before the end
    or sooner."""
    found = []
    for start, (outcome, minutes) in sessions.items():
        ends = [end for report in came if touches(report, start) for _, end in report.periods if end is not None]
        left = max((end for end in ends if end > start), default=start)
        if outcome == "attended" and minutes < 135 and int((left - start).total_seconds()) // 60 < 180 - 15:
            found.append(start)
    several = {one for last in found for one in runs(found, last, 35, 3)}
    return {("leaves-groups", tuple(sorted(several)[-4:]))} if several else set()


def runs(misses: Sequence[datetime], last: datetime, days: int, least: int) -> list[datetime]:
    found = [each for each in misses if last - timedelta(days=days) < each <= last]
    return found if len(found) >= least else []


def week_ends(reality: Reality, sessions: Sessions) -> list[tuple[int, str]]:
    inside = [ending for start, ending in sessions.items() if WEEK[0] <= start < WEEK[1]]
    minutes = sum(each for _, each in inside)
    nobody_could = any(outcome == "cancelled" for outcome, _ in inside)
    if minutes >= 540 or nobody_could or (reality.left is not None and reality.left < WEEK[1]):
        return []
    return [(minutes, "unknown" if any(outcome == "present" for outcome, _ in inside) else "short")]

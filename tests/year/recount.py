"""A simulated program counted again, by plain loops over what its log names: every miss, minute, week and open reason.

It reads the rules of docs/clinical-rules.md (3.1, 3.3, 5.2) for itself and imports nothing of `services/`: where it and
the hub differ, one of the two is wrong.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Line = dict[str, Any]
Reason = tuple[str, tuple[datetime, ...]]
"""What a person is asked, and the newest four of the sessions that it is about, by their starts."""
NAMED_MOST = 4
EXCUSED, LATE, PRESENT = ("excused", "declined"), ("late", "declined-late"), ("arrived", "fulfilled")
SETTLED = ("off", "ended", "moved")
CATCH_UP_MOST, GAP_MOST = timedelta(hours=4), timedelta(minutes=1)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LOOKED_AT = timedelta(days=1, hours=7, minutes=30)
"""After its end a week is looked at: a day later, and at the first step of the morning."""
ALONE = "individual-therapy"


@dataclass(eq=False)
class Visit:
    """A session that one patient owes, and what was reported of it. `mark` is what its Appointment says last,
    `periods` the Encounters by name. `decides_at` is when silence makes it a miss, `missed_at` when it became one."""

    start: datetime
    end: datetime
    kind: str
    decides_at: datetime
    mark: str = ""
    is_concluded: bool = False
    periods: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    missed_at: list[datetime] = field(default_factory=list)
    shared: timedelta = timedelta(0)
    """Time that several of its Encounters reported, before one of them was corrected."""
    group: str = ""
    """Whose session it is; "-" for what is held alone in its place."""
    moved_from: "Visit | None" = None
    goes_to: datetime | None = None
    """Where its group holds it instead, and the patient has something else."""
    is_off_for_all: bool = False
    is_booked: bool = False
    """By the EHR, beside those of the week."""
    makes_up: "Visit | None" = None

    def report(self, name: str, came: datetime, left: datetime | None) -> None:
        known = self.periods.get(name)
        if known is not None and known[1] is not None and known != (came, left):
            each = [min(end, self.end) - max(start, self.start) for start, end in self.periods.values() if end]
            self.shared = max(self.shared, sum(each, timedelta(0)) - self.present())
        self.periods[name] = (came, left)

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def is_open(self) -> bool:
        """Somebody came, and nobody knows for how long."""
        if self.periods:
            return any(left is None for _, left in self.periods.values())
        return self.mark == "arrived"

    @property
    def status(self) -> str:
        if self.periods or self.mark in PRESENT:
            return "present" if self.is_open else "attended"
        if self.mark in SETTLED:
            return "cancelled"
        if self.mark in EXCUSED:
            return "excused"
        if self.mark in LATE:
            return "cancelled-late"
        return "missed" if self.is_concluded or self.mark == "noshow" else "planned"

    @property
    def is_miss(self) -> bool:
        return self.status == "missed" or (self.status == "cancelled-late" and self.is_concluded)

    @property
    def waits(self) -> bool:
        return not self.is_concluded and self.status in ("planned", "cancelled-late")

    def minutes(self) -> int:
        return int(self.present() / MINUTE)

    def present(self) -> timedelta:
        """All that anybody reported, each second counted once."""
        if not self.periods:
            return self.length if self.mark == "fulfilled" else timedelta(0)
        inside = [
            (max(came, self.start), min(left, self.end)) for came, left in self.periods.values() if left is not None
        ]
        total, reached = timedelta(0), self.start
        for came, left in sorted(inside):
            total += max(timedelta(0), left - max(came, reached))
            reached = max(reached, left)
        return total

    def expected(self, at: datetime, numbers: Mapping[str, Any]) -> timedelta:
        """What is not known yet is not too little: from when somebody came on it may be attended whole."""
        reports_over = self.end + timedelta(hours=numbers["week_closes_hours"]) <= at
        if self.status == "planned" or self.is_open or (self.shortfall(numbers) and not reports_over):
            came = min((came for came, _ in self.periods.values()), default=self.start)
            return self.end - max(came, self.start)
        return self.present()

    def shortfall(self, numbers: Mapping[str, Any]) -> str:
        """How somebody was there, by their Encounters: in part, or late; "" for neither."""
        if not self.periods:
            return ""
        if not self.is_open and self.present() * 100 < self.length * numbers["partial_below_percent"]:
            return "partial"
        came = min(came for came, _ in self.periods.values())
        return "late" if came > self.start + timedelta(minutes=numbers["grace_minutes"]) else ""


@dataclass
class Week:
    """A whole week of a stay; `finding` is "short", "unknown", or "" where it has its hours or is not judged."""

    start: datetime
    finding: str
    minutes: int


@dataclass
class Counted:
    """One patient, counted. `reasons` are what persons were asked at each night; `refused` the log's lines that the hub
    was right, or wrong, to refuse."""

    number: int
    id: str = ""
    visits: list[Visit] = field(default_factory=list)
    weeks: list[Week] = field(default_factory=list)
    reasons: dict[datetime, frozenset[Reason]] = field(default_factory=dict)
    wrongly_refused: list[Line] = field(default_factory=list)
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def shortfall(self, visit: Visit) -> str:
        return visit.shortfall(self.numbers) if visit.periods else ""


def read(log: Path) -> list[Line]:
    """Its lines, with their times as such."""
    times = ("at", "since", "start", "end", "session", "came", "left", "to", "makes_up")
    lines = []
    for text in log.read_text().splitlines():
        line = json.loads(text)
        lines.append({name: _time(value) if name in times else value for name, value in line.items()})
    return lines


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def recount(lines: list[Line]) -> Iterator[Counted]:
    """All patients; their program's feed is one."""
    program, until = Program(lines[0]["program"]), lines[-1]["at"]
    feed, seats, stays, since = Feed(program), Seats(program), dict[int, Stay](), None
    for line in lines[1:]:
        match line["did"]:
            case "admitted":
                counted = Counted(line["patient"], line["id"], numbers=program.numbers)
                stays[counted.number] = Stay(program, counted, line, until)
                seats.ask(stays[counted.number], line["at"])
            case "discharged":
                stays[line["patient"]].follow(line, feed)
                seats.leave(stays[line["patient"]], line["at"])
            case "chose":
                seats.choose(stays[line["patient"]], line["choice"], line["at"])
            case "meeting":
                seats.change(line)
            case "outage":
                since = _after_outage(line, since)
            case "step":
                _step(line["at"], feed, stays.values(), since)
            case _ if "patient" in line:
                stays[line["patient"]].follow(line, feed)
    for stay in stays.values():
        yield stay.finished()


def _step(at: datetime, feed: "Feed", stays: Iterable["Stay"], since: datetime | None) -> None:
    """Silence decides what it has been listened to for; at night somebody looks at what is asked of persons."""
    asked = [visit for stay in stays for visit in stay.due(at, since)]
    for visit in feed.counting(at, sorted(asked, key=lambda each: each.start)):
        visit.is_concluded = True
        if visit.status == "missed":
            visit.missed_at.append(at)
    for stay in stays:
        stay.look(at)


def _after_outage(line: Line, since: datetime | None) -> datetime | None:
    """Senders have as long as the outage was, at most four hours, before silence counts again."""
    away = line["at"] - line["since"]
    again = line["at"] + min(away, CATCH_UP_MOST)
    return max(again, since or again) if away > GAP_MOST else since


class Program:
    """The numbers of its program.toml, and its sessions of a day."""

    def __init__(self, stated: Mapping[str, Any]) -> None:
        self.zone = ZoneInfo(stated["timezone"])
        numbers = stated["attendance"]
        self.numbers = numbers
        self.grace = timedelta(minutes=numbers["grace_minutes"])
        self.payers: Mapping[str, Mapping[str, int]] = stated["payers"]
        self._stage = next(iter(stated["intake"]["stages"].values()))
        self._sessions = stated["intake"]["sessions"]
        self.groups: Mapping[str, Mapping[str, Any]] = numbers.get("groups", {})
        self._closed = _days(numbers["calendar"]["closed"])
        self._instead: dict[date, list[date]] = {}
        for closed, instead in numbers["calendar"]["replaced"].items():
            self._instead.setdefault(date.fromisoformat(instead), []).append(date.fromisoformat(closed))

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def is_closed(self, moment: datetime) -> bool:
        return self.day(moment) in self._closed

    def day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def monday(self, moment: datetime) -> date:
        day = self.day(moment)
        return day - timedelta(days=day.weekday())

    def visits(self, admitted: datetime, until: datetime, evening: bool) -> list[Visit]:
        """All that a stay owes from its admission on."""
        found: list[Visit] = []
        day = self.day(admitted)
        while day <= self.day(until):
            if day not in self._closed:
                held = self._of_day(day, day, admitted, evening)
                for closed in self._instead.get(day, ()):
                    for each in self._of_day(closed, day, admitted, evening):
                        if all(each.end <= one.start or one.end <= each.start for one in held):
                            held.append(each)
                found += [each for each in held if admitted <= each.start < until]
            day += timedelta(days=1)
        return sorted(found, key=lambda each: each.start)

    def _of_day(self, owed_on: date, held_on: date, admitted: datetime, evening: bool) -> list[Visit]:
        shared, stage = self._sessions, self._stage
        at = time.fromisoformat(shared["evening_start"] if evening else shared["day_start"])
        start = datetime.combine(held_on, at, self.zone).astimezone(admitted.tzinfo)
        weeks = (owed_on - self.monday(admitted)).days // 7
        found = []
        if owed_on.weekday() in stage["group_weekdays"]:
            found.append(("group", stage["group_blocks"] * shared["block_minutes"]))
        if owed_on.weekday() in stage["individual_weekdays"]:
            found.append(("individual", shared["individual_minutes"]))
        if owed_on.weekday() in stage["family_weekdays"] and weeks % shared["family_every_weeks"] == 0:
            found.append(("family", shared["family_minutes"]))
        return [Visit(start, start + minutes * MINUTE, kind, start + self.grace) for kind, minutes in found]


def _days(closed: Mapping[str, str]) -> set[date]:
    found = set()
    for line in closed:
        first, _, last = line.partition("/")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            found.add(day)
            day += timedelta(days=1)
    return found


class Feed:
    """Whether the program's senders speak: a row of sessions of which nothing was reported accuses nobody (3.3)."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.reported: datetime | None = None
        self.row: list[Visit] = []
        self.silent_since: datetime | None = None
        self.spoke: datetime | None = None
        self.counts: datetime | None = None

    def report(self, at: datetime) -> None:
        """Somebody is reported to be there, or not to be."""
        if self.silent_since is not None:
            most = timedelta(hours=self.program.numbers["feed_catch_up_hours"])
            self.spoke, self.counts = at, at + min(at - self.silent_since, most) + self.program.grace
        self.reported, self.silent_since = at, None
        self.row = [each for each in self.row if each.start > at]

    def counting(self, at: datetime, asked: list[Visit]) -> list[Visit]:
        """Those of them of which silence counts by now; the others are asked about again."""
        self._look_at_days(at)
        if self.silent_since is not None:
            return []
        ready = [each for each in asked if not self._catches_up(each, at)]
        spoken = [each for each in ready if self.reported is not None and each.start <= self.reported]
        silent = [each for each in ready if each not in spoken]
        row = [*self.row, *(each for each in silent if each not in self.row)]
        if len(row) >= self.program.numbers["silent_sessions"] and silent:
            self.silent_since, self.row = min(each.start for each in row), []
            return spoken
        self.row = row
        return [*spoken, *silent]

    def _catches_up(self, visit: Visit, at: datetime) -> bool:
        if self.spoke is None or self.counts is None:
            return False
        return visit.start <= self.spoke and at < self.counts

    def _look_at_days(self, at: datetime) -> None:
        """A whole day of the program without a report."""
        least = self.program.numbers["silent_day_sessions"]
        days = [self.program.day(each.start) for each in self.row]
        for day in days:
            over = self.program.midnight(day + timedelta(days=1)) <= at
            spoke = self.reported is not None and self.program.day(self.reported) >= day
            if over and not spoke and days.count(day) >= least and self.silent_since is None:
                self.silent_since, self.row = min(each.start for each in self.row), []
                return


class Seats:
    """Who is in which group, and who waits in which line (2.9): the first group with a free seat, of those at the
    patient's time of day; a freed seat is given to whoever has waited longest."""

    def __init__(self, program: Program) -> None:
        self.groups = program.groups
        self.members: dict[str, list[Stay]] = {name: [] for name in program.groups}
        self.lines: dict[str, list[Stay]] = {name: [] for name in program.groups}
        self.former: dict[str, list[Stay]] = {name: [] for name in program.groups}
        self.changes: dict[str, list[Line]] = {name: [] for name in program.groups}

    def change(self, line: Line) -> None:
        """Also for whoever left the group after it was held."""
        name = line["group"]
        self.changes[name].append(line)
        for stay in (*self.members[name], *self.former[name]):
            stay.group_changed(line, line["at"])

    def ask(self, stay: "Stay", at: datetime) -> None:
        for name, group in self.groups.items():
            if (group["time"] == "evening") == stay.evening and not stay.is_seated:
                self.lines[name].append(stay)
                self._fill(name, at)

    def choose(self, stay: "Stay", choice: str, at: datetime) -> None:
        stay.chosen(choice, at)
        self.leave(stay, at)
        if choice == "any":
            self.ask(stay, at)

    def leave(self, stay: "Stay", at: datetime) -> None:
        for name in self.groups:
            self.lines[name] = [each for each in self.lines[name] if each is not stay]
            if stay in self.members[name]:
                self.members[name].remove(stay)
                self.former[name].append(stay)
                self._fill(name, at)

    def _fill(self, name: str, at: datetime) -> None:
        while self.lines[name] and len(self.members[name]) < self.groups[name]["seats"]:
            first = self.lines[name][0]
            self.members[name].append(first)
            self.lines = {each: [one for one in line if one is not first] for each, line in self.lines.items()}
            first.seated(name, at)
            for line in self.changes[name]:
                first.group_changed(line, at)


class Stay:
    """One patient's stay, line by line."""

    def __init__(self, program: Program, counted: Counted, admission: Line, until: datetime) -> None:
        self.program = program
        self.counted = counted
        self.admitted: datetime = admission["at"]
        self.payer = program.payers[admission["payer"]]
        self.evening: bool = admission["evening"]
        self.until = until
        self.seat = ""
        self.choices: list[tuple[datetime, str]] = []
        self._of_group: dict[str, list[Visit]] = {}
        self.planned: list[datetime] = [self.admitted]
        self.discharged: datetime | None = None
        self.forgotten: datetime | None = None
        self.reached: list[datetime] = []
        owed = program.visits(self.admitted, until, self.evening)
        self._with_seat = [each for each in owed if each.kind == "group" and program.groups]
        self.visits = [each for each in owed if each not in self._with_seat]
        counted.visits = self.visits
        self._by_start = {(each.start, each.kind): each for each in self.visits}
        self._begun: list[Visit] = []
        self._ahead = list(reversed(self.visits))

    @property
    def is_seated(self) -> bool:
        return self.seat != "" or not self.program.groups

    def is_alone(self, at: datetime) -> bool:
        """Treated individually, by then."""
        return next((choice for since, choice in reversed(self.choices) if since <= at), "") == ALONE

    def seated(self, name: str, at: datetime) -> None:
        """From now on the sessions of the group are theirs."""
        self.seat = name
        self._owe_all(name, "group", at)

    def chosen(self, choice: str, at: datetime) -> None:
        """What was ahead of their group is no more, nor what was held instead."""
        for visit in self.visits:
            if visit.group and visit.start > at and visit.waits:
                visit.mark = "ended"
        self.seat = ""
        if choice == ALONE:
            for reason, visits in list(self._demands(at)):
                if reason == "leaves-groups":
                    for visit in visits:
                        visit.answered.add(reason)
            self._owe_all("-", "individual", at)
        self.choices.append((at, choice))

    def _owe_all(self, group: str, kind: str, at: datetime) -> None:
        own = [Visit(each.start, each.end, kind, each.decides_at, group=group) for each in self._with_seat]
        for visit in self._of_group.setdefault(group, own):
            if visit.start <= at or self._is_taken(visit.start, visit.end, visit):
                continue
            if visit not in self.visits:
                self._owe(visit, at)
            elif visit.mark == "ended" or (visit.mark == "moved" and self._is_ended_elsewhere(visit)):
                visit.mark = ""
                self._by_start[visit.start, visit.kind] = visit

    def _is_ended_elsewhere(self, left: Visit) -> bool:
        there = [each for each in self.visits if each.group == left.group and each.moved_from is left]
        return any(each.mark == "ended" for each in there)

    def _owe(self, visit: Visit, at: datetime) -> None:
        self._by_start[visit.start, visit.kind] = visit
        self.visits.append(visit)
        self.visits.sort(key=lambda each: each.start)
        self._ahead = [each for each in reversed(self.visits) if each.start > at]
        if visit.start <= at:
            self._begun.append(visit)

    def group_changed(self, line: Line, at: datetime) -> None:
        """Its session is called off or moved; what was settled for this patient alone stays so."""
        own = [each for each in self.visits if each.group == line["group"] and each.start == line["start"]]
        visit = next((each for each in own if each.mark != "moved"), None)
        if visit is None or visit.status not in ("planned", "missed", "cancelled-late"):
            return
        visit.mark, visit.goes_to, visit.is_off_for_all = "off", line["to"], True
        visit.answered.clear()
        self._move_with_the_group(visit, at)

    def _move_with_the_group(self, visit: Visit, at: datetime) -> None:
        to = visit.goes_to
        if to is None or to <= at or self._is_taken(to, to + visit.length, visit):
            return
        visit.mark, visit.goes_to = "moved", None
        there = Visit(to, to + visit.length, visit.kind, to + self.program.grace, group=visit.group)
        there.moved_from = visit
        self._owe(there, at)

    def _is_taken(self, start: datetime, end: datetime, but: Visit | None) -> bool:
        return any(each.start < end and start < each.end for each in self._held() if each is not but)

    def follow(self, line: Line, feed: Feed) -> None:
        match line["did"]:
            case "discharged":
                self._discharged(line["left"], line["at"])
            case "advanced":
                self._advanced(line["at"])
            case "answered":
                self._answered(line)
            case _:
                self._reported(line, feed)
                for visit in [each for each in self.visits if each.mark == "off" and each.group == self.seat != ""]:
                    self._move_with_the_group(visit, line["at"])

    def finished(self) -> Counted:
        self.counted.weeks = list(self._weeks())
        return self.counted

    def due(self, at: datetime, since: datetime | None) -> list[Visit]:
        """What silence decides now, as it was listened to all the time."""
        while self._ahead and self._ahead[-1].start <= at:
            self._begun.append(self._ahead.pop())
        self._begun = [each for each in self._begun if each.waits]
        found = [each for each in self._begun if each.decides_at <= at]
        for visit in found:
            visit.decides_at = max(visit.decides_at, max(visit.start, since or visit.start) + self.program.grace)
        return [each for each in found if each.decides_at <= at]

    def look(self, at: datetime) -> None:
        if at.astimezone(self.program.zone).hour == 23:
            self.counted.reasons[at] = frozenset(self._reasons(at))

    def _discharged(self, left: datetime, at: datetime) -> None:
        """Known late, it takes back the misses since then."""
        self.discharged = left
        self.forgotten = left + DAY * (self.program.numbers["retention_days"] + (at - left).days)
        for visit in self.visits:
            if visit.start >= left and visit.status not in ("present", "attended", "cancelled"):
                visit.mark = "ended"

    def _advanced(self, at: datetime) -> None:
        """From now on nothing is planned beside the groups; what had no seat before is of another week."""
        self.planned.append(at)
        for visit in self.visits:
            if visit.start > at and visit.waits and not visit.group and not visit.is_booked and visit.kind != "group":
                visit.mark = "ended"

    def _answered(self, line: Line) -> None:
        """Of these sessions nobody is asked the same again; who was reached has given a sign."""
        kind = _kind(line["reason"])
        asked = [each for each in self._demands(line["at"]) if each[0] == line["reason"]]
        if kind == "missed":
            asked = [each for each in asked if each[1][0].start == line["session"]]
        for _, visits in asked:
            for visit in visits:
                visit.answered.add(kind)
        if line["answer"] == "reached":
            self.reached.append(line["at"])

    def _reported(self, line: Line, feed: Feed) -> None:
        at, act = line["at"], line
        if act["did"] in ("book", "move"):
            if self._may_be_held(line) is bool(line["refused"]):
                self.counted.wrongly_refused.append(line)
            return
        visit = self._by_start[act["start"], act["kind"]]
        allowed = self.forgotten is None or at < self.forgotten
        before = visit.status
        if allowed:
            match act["did"]:
                case "encounter":
                    if visit.is_miss:
                        visit.answered.clear()
                    visit.report(act["name"], act["came"], act["left"])
                case "withdraw" if visit.periods.pop(act["name"], None) is not None:
                    if not visit.periods and visit.mark not in PRESENT:
                        self._undecided(visit, at)
                case "decline":
                    self._cancelled(visit, at, excuses=at < visit.start, to=("declined", "declined-late"))
                case "appointment":
                    allowed = self._marked(visit, at, act["status"], act["reason"])
        if visit.shortfall(self.program.numbers) == "":
            visit.answered -= {"late-or-partial", "leaves-groups"}
        if allowed and (act["did"] in ("encounter", "withdraw") or act["status"] in (*PRESENT, "noshow")):
            feed.report(at)
        if allowed is bool(line.get("refused")):
            self.counted.wrongly_refused.append(line)
        if visit.status == "missed" != before:
            visit.missed_at.append(at)

    def _may_be_held(self, line: Line) -> bool:
        """Whether the EHR may book it, or move it; then it is."""
        at, start = line["at"], line["to"] or line["start"]
        visit = Visit(start, start + (line["end"] - line["start"]), line["kind"], max(start, at) + self.program.grace)
        left = self._by_start.get((line["start"], line["kind"])) if line["did"] == "move" else None
        if left is not None and left.mark == "moved":
            return True
        if left is not None and (left.status != "planned" or left.start <= at or start <= at):
            return False
        if left is None and (near := self._near(visit)):
            if line.get("makes_up") is not None:
                return all(each.is_booked for each in near)
            return not all(each.is_off_for_all for each in near)
        if line.get("makes_up") is not None:
            visit.makes_up = self._by_start.get((line["makes_up"], line["kind"]))
            if visit.makes_up is None or not self._may_make_up(visit, visit.makes_up):
                return False
        taken = self._is_taken(visit.start, visit.end, left)
        if taken or self.program.is_closed(start) or start < self.admitted or self.discharged is not None:
            return False
        visit.is_booked = left is None or left.is_booked
        if left is not None:
            left.mark = "moved"
            visit.group, visit.moved_from = left.group, left
        self._owe(visit, at)
        return True

    def _near(self, visit: Visit) -> list[Visit]:
        """Those of its kind that begin within a few minutes of it: there is one."""
        most = timedelta(minutes=self.program.numbers["same_session_minutes"])
        near = [each for each in self.visits if each.kind == visit.kind and abs(each.start - visit.start) <= most]
        return [each for each in near if each.mark not in ("moved", "ended")]

    def _may_make_up(self, visit: Visit, missed: Visit) -> bool:
        """A miss, of its week, that no other session makes up."""
        if not missed.is_miss or self._week_start(visit.start) != self._week_start(missed.start):
            return False
        return all(each.makes_up is not missed for each in self._held())

    def _held(self) -> list[Visit]:
        return [each for each in self.visits if each.status not in ("cancelled", "excused", "cancelled-late")]

    def _marked(self, visit: Visit, at: datetime, status: str, reason: str) -> bool:
        """Whether the Appointment may have this status."""
        match status:
            case "arrived" | "fulfilled":
                visit.answered.clear()
                visit.mark = status
            case "noshow":
                if visit.mark not in ("noshow", *LATE):
                    visit.mark = "noshow"
            case "booked":
                if visit.periods or visit.mark == "noshow" or (visit.mark == "" and visit.is_concluded):
                    return False
                if visit.mark != "" and self.discharged is not None:
                    return False  # of a stay that is over an EHR puts it as noshow
                if visit.mark != "":
                    visit.mark = ""
                    self._undecided(visit, at)
            case "cancelled" if reason == "prov":
                visit.answered.clear()
                visit.mark = "off"
            case "cancelled":
                excuses = reason in self.program.numbers["excuse_reasons"] or (bool(reason) and at < visit.start)
                self._cancelled(visit, at, excuses=excuses, to=("excused", "late"))
        return True

    def _cancelled(self, visit: Visit, at: datetime, *, excuses: bool, to: tuple[str, str]) -> None:
        """What was agreed before stays so when the same comes again, later."""
        if visit.mark in (*SETTLED, *EXCUSED) or (visit.mark in LATE and not excuses):
            return
        visit.mark = to[0] if excuses else to[1]
        if not excuses and at >= visit.start:
            visit.is_concluded = True

    def _undecided(self, visit: Visit, at: datetime) -> None:
        """Silence is listened to anew."""
        visit.answered.clear()
        visit.is_concluded = False
        visit.decides_at = max(visit.start, at) + self.program.grace
        self._begun.append(visit)

    def _reasons(self, at: datetime) -> Iterator[Reason]:
        for reason, visits in self._demands(at):
            yield reason, tuple(each.start for each in visits[-NAMED_MOST:])

    def _demands(self, at: datetime) -> Iterator[tuple[str, list[Visit]]]:
        """All that persons are asked by then, and of which sessions."""
        if self.forgotten is not None and at >= self.forgotten:
            return
        numbers = self.program.numbers
        for visit in self.visits:
            if visit.is_open and visit.end + timedelta(hours=numbers["report_minutes_hours"]) <= at:
                yield "report-minutes", [visit]
        if self.discharged is not None:
            return
        if not self.is_seated and not self.is_alone(at):
            yield "group-seat", []
        if self._is_projected_short(at):
            yield "projected-week-short", []
        begun = [each for each in self.visits if each.start <= at]
        misses = [each for each in begun if each.is_miss]
        for visit in misses:
            if "missed" not in visit.answered:
                yield "missed-session", [visit]
        pairs = self._within(misses, numbers["miss_window_days"], numbers["misses_in_window"])
        if two := _standing(pairs, "two-misses"):
            yield "two-misses-in-7-days", two
        rows = _standing(self._in_a_row(begun), "three-misses")
        near = self._within(misses, numbers["long_window_days"], numbers["misses_in_long_window"])
        if three := _standing([rows, *near] if rows else near, "three-misses"):
            yield "three-consecutive-misses" if rows else "three-misses-in-14-days", three
        if beyond := [each for each in misses if self._is_beyond_cap(each, misses)]:
            yield "misses-over-cap", beyond
        over = at - timedelta(hours=numbers["week_closes_hours"])
        short = [each for each in begun if each.shortfall(numbers) and each.end <= over]
        often = self._within(short, numbers["shortfall_window_days"], numbers["shortfalls_in_window"])
        if several := _standing(often, "late-or-partial"):
            yield "late-or-partial-in-14-days", several
        left = self._within(
            [each for each in short if self._walked_out(each)],
            numbers["walk_out_window_days"],
            numbers["walk_outs_in_window"],
        )
        if several := _standing(left, "leaves-groups"):
            yield "leaves-groups", several
        yield from self._silences(at, begun, misses)

    def _is_beyond_cap(self, last: Visit, misses: list[Visit]) -> bool:
        numbers = self.program.numbers
        run = self._within([each for each in misses if each.start <= last.start], numbers["misses_cap_days"], 1)
        return 0 < numbers["misses_cap"] < len(run[-1]) and "over-cap" not in last.answered

    def _walked_out(self, visit: Visit) -> bool:
        """Of a group, attended in part, more than the grace time before its end."""
        if visit.kind != "group" or visit.is_open or visit.shortfall(self.program.numbers) != "partial":
            return False
        return max(left for _, left in visit.periods.values() if left) < visit.end - self.program.grace

    def _within(self, misses: list[Visit], days: int, least: int) -> list[list[Visit]]:
        """Each miss with those of so many days before it, by the clinic's clock."""
        found = []
        for last in misses:
            since = last.start.astimezone(self.program.zone) - timedelta(days=days)
            run = [each for each in misses if since < each.start <= last.start]
            if len(run) >= least:
                found.append(run)
        return found

    def _in_a_row(self, begun: list[Visit]) -> list[list[Visit]]:
        """So many misses with no session between them that was attended."""
        found, row = [], list[Visit]()
        for visit in begun:
            if visit.status in ("present", "attended"):
                row = []
            elif visit.is_miss:
                row = [*row, visit][-self.program.numbers["consecutive_misses"] :]
                if len(row) == self.program.numbers["consecutive_misses"]:
                    found.append(row)
        return found

    def _silences(self, at: datetime, begun: list[Visit], misses: list[Visit]) -> Iterator[tuple[str, list[Visit]]]:
        numbers = self.program.numbers
        attended = [each.start for each in begun if each.status in ("present", "attended")]
        contact = max([*attended, *self.reached], default=self.admitted)
        since = [each for each in misses if each.start >= contact and "no-contact" not in each.answered]
        if since and self._is_over(since[0].start + timedelta(hours=numbers["no_contact_hours"]), at):
            yield "no-contact-after-miss", since
        seen = max(attended, default=self.admitted)
        since = [each for each in misses if each.start >= seen and "no-attendance" not in each.answered]
        if since and self._is_over(seen + timedelta(days=numbers["no_attendance_days"]), at):
            yield "no-attendance", since

    def _is_over(self, ends: datetime, at: datetime) -> bool:
        """And silence has decided each session until then: while the feed is silent itself it decides none."""
        return ends <= at and not any(each.waits and each.start <= ends for each in self.visits)

    def _is_projected_short(self, at: datetime) -> bool:
        """From the middle of a whole week on: it will have fewer minutes, or fewer days, than it needs, though as many
        were owed."""
        start = self._week_start(at)
        if start < self.admitted or at < self._middle(start):
            return False
        end = self._boundary(self.program.day(start + DAY))
        here = [each for each in self.visits if start <= each.start < end]
        times = [(each, each.expected(at, self.program.numbers)) for each in here]
        owed = [each for each in here if each.mark not in ("ended", "moved")]
        least, minutes = self.payer["least_minutes"] * MINUTE, sum((time for _, time in times), timedelta(0))
        lacks_minutes = minutes < least <= _once(owed) + self._unseated(start, end, at) * MINUTE
        return lacks_minutes or self._days(times) < self.payer["least_days"] <= self._possible_days(owed)

    def _week_start(self, at: datetime) -> datetime:
        before = self._boundary(self.program.day(at) - timedelta(days=7))
        return max(each for each in (before, self._boundary(self.program.day(before + DAY))) if each <= at)

    def _middle(self, start: datetime) -> datetime:
        """The first such weekday and hour of a week."""
        numbers, local = self.program.numbers, start.astimezone(self.program.zone)
        day = local.date() + timedelta(days=(numbers["projection_weekday"] - local.weekday()) % 7)
        found = datetime.combine(day, time(numbers["projection_hour"]), self.program.zone)
        return found if found >= start else found + timedelta(days=7)

    def _weeks(self) -> Iterator[Week]:
        """Whole weeks of whoever pays that could be looked at by the end of the log."""
        day = self.program.day(self.admitted)
        while self._boundary(day) < self.admitted:
            day += timedelta(days=1)
        unknown = timedelta(hours=self.program.numbers["week_unknown_hours"])
        while True:
            start, end = self._boundary(day), self._boundary(day + timedelta(days=7))
            if end + unknown > self.until or (self.discharged is not None and self.discharged < end):
                return
            yield self._week(start, end)
            day += timedelta(days=7)

    def _boundary(self, day: date) -> datetime:
        """Where a week begins, on this day or the next that it may begin on."""
        ahead = (self.payer["week_begins_weekday"] - day.weekday()) % 7
        at = time(self.payer["week_begins_hour"])
        return datetime.combine(day + timedelta(days=ahead), at, self.program.zone)

    def _week(self, start: datetime, end: datetime) -> Week:
        payer, here = self.payer, [each for each in self.visits if start <= each.start < end]
        owed = [each for each in here if each.status != "cancelled"]
        minutes = int(sum((each.present() for each in here), timedelta(0)) / MINUTE)
        offered = int(_once(owed) / MINUTE) + self._unseated(start, end, end + LOOKED_AT)
        days, possible = self._days([(each, each.present()) for each in here]), self._possible_days(owed)
        is_short = minutes < payer["least_minutes"] <= offered or days < payer["least_days"] <= possible
        finding = "unknown" if any(each.is_open for each in here) else "short"
        return Week(start, finding if is_short else "", minutes)

    def _unseated(self, start: datetime, end: datetime, looked_at: datetime) -> int:
        """Minutes of group sessions in a week, since it was planned anew, for which there was no seat, and that nobody
        held alone."""
        since = max(each for each in self.planned if each <= looked_at)
        booked = [each for each in self.visits if each.group and each.mark not in ("ended", "moved")]
        planned, had = (
            sum((each.length for each in some if max(start, since) <= each.start < end), timedelta(0))
            for some in (self._with_seat, booked)
        )
        return max(0, int((planned - had) / MINUTE))

    def _days(self, times: list[tuple[Visit, timedelta]]) -> int:
        """On how many the payer's minutes of a day are in sessions of which that much is enough."""
        by_day: dict[date, timedelta] = {}
        for visit, length in times:
            if length * 100 >= visit.length * self.payer["session_percent"]:
                day = self.program.day(visit.start)
                by_day[day] = by_day.get(day, timedelta(0)) + length
        return sum(each >= self.payer["day_minutes"] * MINUTE for each in by_day.values())

    def _possible_days(self, owed: list[Visit]) -> int:
        """On how many they could be: nobody is in two sessions at once."""
        by_day: dict[date, list[Visit]] = {}
        for each in owed:
            by_day.setdefault(self.program.day(each.start), []).append(each)
        return sum(_once(each) >= self.payer["day_minutes"] * MINUTE for each in by_day.values())


def _once(visits: Iterable[Visit]) -> timedelta:
    """All of these, each minute once: one that was excused may have been replaced at its time."""
    total, reached = timedelta(0), datetime.min.replace(tzinfo=UTC)
    for each in sorted(visits, key=lambda each: each.start):
        total += max(timedelta(0), each.end - max(each.start, reached))
        reached = max(reached, each.end)
    return total


def _standing(runs: list[list[Visit]], kind: str) -> list[Visit]:
    """The sessions of all runs of which a person has not answered each miss."""
    found = {each.start: each for run in runs if any(kind not in one.answered for one in run) for each in run}
    return [found[start] for start in sorted(found)]


def _kind(reason: str) -> str:
    kinds = {
        "missed-session": "missed",
        "two-misses-in-7-days": "two-misses",
        "three-misses-in-14-days": "three-misses",
        "three-consecutive-misses": "three-misses",
        "no-contact-after-miss": "no-contact",
        "late-or-partial-in-14-days": "late-or-partial",
        "misses-over-cap": "over-cap",
    }
    return kinds.get(reason, reason)

"""States of earlier versions, on plain JSON: the same stay, as it is stored today."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.attendance.record import encounter_name, second_of

_KINDS = {
    "missed-session": "missed",
    "two-misses-in-7-days": "two-misses",
    "three-consecutive-misses": "three-misses",
    "three-misses-in-14-days": "three-misses",
}
_MARKS = {"excused": "excused", "cancelled": "off"}


def _with_retention(stored: Any) -> Any:
    """Version 3 adds how long an ended stay stays in the state: 30 days, where it ended before."""
    episode, *others = stored
    return [episode and [*episode, 30 if episode[-1] is not None else 0], *others]


def _as_reported(stored: Any) -> Any:
    """Version 4 holds what was reported of a session, not its outcome, and what persons are asked about it."""
    episode, sessions, still_open, *weeks = stored
    asked = {_KINDS[each[0][2]]: [_seconds(signal[1]) for signal in each[0][9]] for each in still_open}
    return [
        episode and [*episode, None, [24, 72]],
        [_session(each, asked) for each in sessions],
        [_request(each, sessions) for each in still_open],
        [_week(each) for each in (weeks[0] if weeks else ()) if _is_remembered(each, sessions)],
        False,
    ]


def _session(stored: Any, asked: dict[str, list[int]]) -> Any:
    """Misses of which nobody is asked any more were answered. Minutes are taken as those from the start on."""
    start, slot, outcome, minutes, deferred, *encounter = stored
    name = encounter_name(encounter[0]) if encounter else ""
    presences = {"present": [[name, [[0, None]]]], "attended": [[name, [[0, minutes * 60]]]]}.get(outcome, [])
    missed, at = outcome == "missed", _seconds(start)
    answered = [kind for kind in sorted({*_KINDS.values()}) if at not in asked.get(kind, ())] if missed else []
    mark = _MARKS.get(outcome, "")
    return [at // 60, slot, mark, missed, _seconds(deferred) if deferred else 0, presences, answered]


def _request(stored: Any, sessions: Any) -> Any:
    """What was asked of several misses at once is asked of the newest."""
    escalation, accepted, overdue = stored
    kind = _KINDS[escalation[2]]
    newest = _seconds(escalation[9][-1][1])
    slot = next((each[1] for each in sessions if _seconds(each[0]) == newest), 0)
    times = [_seconds(each) for each in escalation[6:9]]
    place = [newest // 60, slot] if kind == "missed" else [0, 0]
    done = 2 if accepted or overdue else 0
    return [escalation[0], kind, place, escalation[3], *times, accepted, done, ""]


def _is_remembered(week: Any, sessions: Any) -> bool:
    """Its minutes are counted anew from its sessions: of a week that is forgotten in part they would be too few."""
    return any(_seconds(each[0]) < _seconds(week[0]) for each in sessions)


def _week(stored: Any) -> Any:
    start, end, minutes, minimum = stored
    return [_seconds(start) // 60, _seconds(end) // 60, minimum, minutes, "short" if minutes < minimum else ""]


def _seconds(text: str) -> int:
    return second_of(datetime.fromisoformat(text))


def _same(stored: Any) -> Any:
    """Versions 2 and 5 to 12 only add, at the ends: the Encounter of a session, and the hours of the weeks looked at;
    the short form of a report, which is unknown of those before it; whether it is over without its minutes, and the
    short form of what a cancelled Appointment states; what was done about something that a person is asked;
    since when the stay is paused; of which slots a week is made now, and since when; who looks after the patient;
    which calendar of the program its sessions follow; how the patient was reached for; groups, payers, what the EHR
    books, and guests; the days that the running week needs and will have."""
    return stored


UPCAST: dict[int, Callable[[Any], Any]] = {
    1: _same,
    2: _with_retention,
    3: _as_reported,
    4: _same,
    5: _same,
    6: _same,
    7: _same,
    8: _same,
    9: _same,
    10: _same,
    11: _same,
}

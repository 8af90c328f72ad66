"""Former shapes of the state, a step to the next for each version. Pure, on what JSON holds."""

from collections.abc import Callable, Mapping
from typing import Any

from services.testing.specimens import VOID

_KEY_CHARACTERS = 8


def _with_retention(stored: Any) -> Any:
    """Version 2 adds how long an ended episode stays: 30 days, where it ended before."""
    episode, *others = stored
    return [episode and [*episode, 30 if episode[2] is not None else 0], *others]


def _by_specimen(stored: Any) -> Any:
    """Version 3 holds specimens: the reports of one become its versions, and what is open points to it.

    It also adds, at the end of an open escalation, who took it on: nobody is known of those before.
    """
    episode, listed_at, medications, to_review, reports, first_evicted_at, last_positive, escalations = stored
    specimens: dict[str, list[Any]] = {}
    ids: dict[str, str] = {}
    for report in reports:
        specimen = specimens.setdefault(report[1], [report[0], [report[1][:_KEY_CHARACTERS]], [], 0, []])
        ids[report[0]] = specimen[0]
        specimen[1] = sorted({*specimen[1], report[0][:_KEY_CHARACTERS]})
        specimen[2] += _versions(report)
    pointed = [_pointed(each, ids) for each in escalations]
    every = list(specimens.values())
    return [episode, listed_at, medications, to_review, every, first_evicted_at, last_positive, pointed]


def _versions(report: Any) -> list[Any]:
    """A version for what stands and one for what was cancelled."""
    identity, _, collected_at, issued_at, status, condition, measures = report
    cancelled = [each for each in measures if _letter(each) == "x" or status in VOID]
    standing = [each for each in measures if each not in cancelled]
    found = [(status, standing)] if standing or not cancelled else []
    found += (
        [(status if status in VOID else "cancelled", [_unsatisfactory(each) for each in cancelled])]
        if cancelled
        else []
    )
    condition = "" if condition == "valid" else condition
    report_key = identity[:_KEY_CHARACTERS]
    return [[report_key, issued_at, each, collected_at, False, condition, "", rows] for each, rows in found]


def _letter(measured: Any) -> str:
    return str(measured[-1] if isinstance(measured, str) else measured[3])


def _unsatisfactory(measured: Any) -> Any:
    if isinstance(measured, str):
        return measured[:-1] + "u"
    return [*measured[:3], "u", *measured[4:]]


def _pointed(escalation: Any, ids: Mapping[str, str]) -> Any:
    signals = [[code, at, ids.get(report, report)] for code, at, report in escalation[6]]
    return [*escalation[:6], signals, *escalation[7:]]


UPCAST: dict[int, Callable[[Any], Any]] = {
    1: _with_retention,
    2: _by_specimen,
    3: lambda stored: stored,
    4: lambda stored: stored,
    5: lambda stored: stored,
    6: lambda stored: stored,
    7: lambda stored: stored,
    8: lambda stored: stored,
    9: lambda stored: stored,
}
"""Version 4 only adds, at the ends: what the end of a stay closed. Version 5 likewise what a specimen is,
version 6 what was done about an open escalation, version 7 who looks after the patient,
version 8 by what the rows of a report are named among the patient's resources, letters for what a check shows,
whether a medication is a depot, and what is ordered;
version 9 by which code a test is ordered, and what its laboratory was told of it;
version 10 for what the laboratory's telling waits. What was not taken before goes again by a person alone."""

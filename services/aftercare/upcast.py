"""How a state stored by an earlier version is read."""

from collections.abc import Callable
from typing import Any


def _two_kinds_of_referral(stored: Any) -> Any:
    """Until version 2 both had a reason, an `until` and `contact_came` behind their first six members."""
    *before, on_its_way, on_hold, version, escalations = stored
    sent = [[*each[:6], each[6], each[8]] for each in map(_whole, on_its_way)]
    return [*before, sent, [_whole(each)[:8] for each in on_hold], version, escalations]


def _asked_by_whom(stored: Any) -> Any:
    """Version 5 adds who asked and why again behind a referral's first six members, and the patient's choices."""
    *before, on_its_way, on_hold, version, escalations = stored[:9]
    with_whom = [[[*each[:6], "", "", *each[6:]] for each in referrals] for referrals in (on_its_way, on_hold)]
    return [*before, *with_whom, version, escalations, *stored[9:]]


def _whose_turn(stored: Any) -> Any:
    """Version 6 adds when a referral's hold ends, and behind all the kinds whose next candidate is due: those of a
    referral that was taken back, but not by a person."""
    added: list[Any] = [False, [], [], []]
    whole = [*stored, *added[len(stored) - 9 :]]
    due = {kind for _, _, kind, *_, taken_back, _, _ in stored[5] if taken_back not in ("", "withdrawn-by-staff")}
    return [*whole, sorted(due)]


def _last_contact(stored: Any) -> Any:
    """Version 7 adds behind all the last contact made: of a plan of which one was, the one before those that are left,
    on its day for want of a better. What was done about an open escalation it only adds at the end."""
    plan = stored[4]
    if plan is None or len(plan) < 4 or not plan[3]:
        return [*stored, None]
    first = min((number for number, *_ in (*plan[1], *plan[2])), default=1)
    return [*stored, [first - 1, plan[3][-1]] if first > 1 else None]


def _whole(referral: list[Any]) -> list[Any]:
    """Version 1 had the first six members only."""
    return [*referral, *["", None, False][len(referral) - 6 :]]


UPCAST: dict[int, Callable[[Any], Any]] = {
    1: lambda stored: stored,
    2: _two_kinds_of_referral,
    3: lambda stored: stored,
    4: _asked_by_whom,
    5: _whose_turn,
    6: _last_contact,
    7: lambda stored: stored,
    8: lambda stored: stored,
}
"""Versions 2, 4, 8 and 9 only add, at the ends: why a referral is on hold and until when, more of the plan; then who
took an open escalation on, whether the patient is reported dead, which partners were tried, and what was sent lately;
then the answers to partners that referred, who looks after the patient, and the contacts."""

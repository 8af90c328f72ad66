"""How a state stored by an earlier version is read, on plain JSON."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import convert, to_builtins

from services.intake.signals import Naming, key_of, window_of
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.events.intake import Explanation
from shared.rules.packing import pack_id

_LONG_AGO = "2025-01-01T00:00:00Z"


def _with_retention(stored: Any) -> Any:
    """Version 2 adds how long a closed placement stays: 30 days, where it closed before."""
    *_, closed_at = stored
    return [*stored, 0 if closed_at is None else 30]


def _with_sources(stored: Any) -> Any:
    """Version 3 remembers of which source each answer is; of those before nobody remembers it. It adds the death of the
    patient (none was reported before), and clocks, for what waited without one: they have run out."""
    needs, findings, medications, referral, recommended, reviews, episode, *others = stored
    referral = referral and [*referral, name_id(referral[0], "task")]
    evidence: dict[str, list[Any]] = {}
    for minute, values in findings:
        for code, value in values.items():
            evidence.setdefault(code, []).append([minute, value, "", False])
    if recommended is not None:
        ids = (name_id(referral[0], each) for each in ("recommendation", "sign"))
        recommended = [*recommended, *ids, _LONG_AGO, None]
    clocked = [[*each, None, _LONG_AGO] for each in reviews]
    return [needs, evidence, medications, referral, recommended, clocked, episode and [*episode, ""], *others, None]


def _whole(stored: Any) -> Any:
    """Version 4 remembers the whole of what a person is asked, and the stay that ended last (of those before, nobody
    does). Since when something waits that waited before nobody remembers. The flags emitted last neither, of a stay
    that began before: they are looked at now."""
    needs, evidence, medications, referral, recommended, reviews, episode, *others = stored
    if recommended is not None:
        level, rules, conditions, track, _, identity, task_id, remind_at, expires_at = recommended
        made = [identity, task_id, referral[0], level, rules, conditions, None, [each[:2] for each in needs], track]
        recommended = [*made, None, None, expires_at, remind_at]
    whole = [_whole_review(each, referral, episode) for each in reviews]
    episode = episode and [*episode, "", "", None, _LONG_AGO]
    return [needs, evidence, medications, referral, recommended, whole, episode, *others]


def _whole_review(stored: Any, referral: Any, episode: Any) -> Any:
    identity, reason, about, act_by, remind_at = stored
    inputs = {"R0": [about, [], []], "older-answers": [[], about, []]}.get(reason, [[], [], about])
    focus = f"EpisodeOfCare/{episode[0]}" if episode else f"ServiceRequest/{referral[0]}" if referral else None
    return [identity, reason, focus, None, act_by, *inputs, remind_at]


def _packed_signals(stored: Any) -> Any:
    """Version 5 stores small what stands in the window, so that all of a stay has room. The tier of an escalation that
    was consumed before is remembered again with its next event."""
    before, (ids, signals), others = stored[:8], stored[8], stored[9:]
    standing = [(key_of(convert(signal, Signal)), named_by, answered) for signal, named_by, answered in signals]
    namings = {
        Naming(pack_id(identity), 1): [key for key, named_by, _ in standing if place in named_by]
        for place, identity in enumerate(ids)
    }
    window = window_of(namings, {key for key, _, answered in standing if answered})
    return [*before, to_builtins(window), *others]


def _unexplained(stored: Any) -> Any:
    """Version 6 adds, at the end of an open escalation, what was done about it, and of what is recommended why: of a
    recommendation that was made before, nobody remembers it."""
    recommended = stored[4]
    if recommended is None:
        return stored
    *made, remind_at = recommended
    return [*stored[:4], [*made, to_builtins(Explanation()), remind_at], *stored[5:]]


def _small_referrals(stored: Any) -> Any:
    """Version 7 stores a referral small, with what a person is asked about it beside another one. How urgent those
    before are, and which level they ask for, nobody remembers: they are routine, the oldest first. It remembers by
    which act an answer was ended; of those ended before nobody does (1). It adds, at the end of a stay, the nights
    elsewhere that pause it."""
    referral, reviews, seconds = stored[3], stored[5], stored[13:14]
    asked = {each[0]: each for each in reviews if each[1] == _SECOND}
    small = [[_small(each, asked) for each in others] for others in seconds]  # of an old state there are none
    left = [each for each in reviews if each[1] != _SECOND]
    first = referral and _small(referral, asked)
    evidence = {code: [[*piece, int(is_ended)] for *piece, is_ended in pieces] for code, pieces in stored[1].items()}
    return [stored[0], evidence, stored[2], first, stored[4], left, *stored[6:13], *small, *stored[14:]]


def _small(referral: Any, asked: dict[str, Any]) -> Any:
    identity, task_id = referral
    review = asked.get(name_id(identity, "review:second"))
    times = review and [at and int(convert(at, datetime).timestamp()) for at in (review[3], review[4], review[8])]
    return [pack_id(identity), pack_id(task_id), 3, "", 0, times]


_SECOND = "second-referral"


def _with_the_stays_life(stored: Any) -> Any:
    """Version 8 adds what lives on after a signature, at the ends: of states before, nothing of it was known. A review
    says, before its clock, what nobody could read, and of a discharge that is prepared where to; a recommendation, of
    which stay it is."""
    asked = [[*each[:-1], [], "", [], each[-1]] for each in stored[5]]
    recommended = stored[4] and [*stored[4][:-1], "", stored[4][-1]]
    return [*stored[:4], recommended, asked, *stored[6:]]


def _same(stored: Any) -> Any:
    """Version 9 only adds, at the ends: who pays, and when the need for a stay is certified anew."""
    return stored


UPCAST: dict[int, Callable[[Any], Any]] = {
    1: _with_retention,
    2: _with_sources,
    3: _whole,
    4: _packed_signals,
    5: _unexplained,
    6: _small_referrals,
    7: _with_the_stays_life,
    8: _same,
}

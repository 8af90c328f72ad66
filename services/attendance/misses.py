"""When a miss needs a person: the triggers of domain 5.2, from the set of missed sessions. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from services.attendance.settings import Settings
from services.attendance.state import Episode, Session
from shared.events.escalation import Signal
from shared.rules.escalation import Trigger, rule_version

RULES_VERSION = "2026.1"
MISS_SIGNAL = "missed-session"
OWNER_BY_TIER = {1: "case-manager", 2: "primary-therapist", 3: "primary-therapist"}
THREE = frozenset({"three-consecutive-misses", "three-misses-in-14-days"})
"""Two ways to the same T3 of the same owner: a person is asked once, by the first that came true."""
_RISKS = frozenset({"suicide-risk", "overdose-risk"})


def triggers(episode: Episode, sessions: Sequence[Session], latest: Session, settings: Settings) -> list[Trigger]:
    """What this miss sets off, together with the ones before it. Excused and called-off sessions count for nothing."""
    until = sorted((each for each in sessions if each.start <= latest.start), key=lambda each: each.start)
    misses = [each for each in until if each.outcome == "missed"]
    first = _trigger(episode, "missed-session", _first_tier(episode, latest, settings), [latest])
    # Somebody reaches out within a day of the session's start, whatever the tier.
    found = [replace(first, act_by=latest.start + timedelta(hours=settings.outreach_hours))]
    near = _within(misses, latest, settings.miss_window_days, settings)
    if len(near) >= settings.misses_in_window:
        found.append(_trigger(episode, "two-misses-in-7-days", 2, near))
    held = [each for each in until if each.outcome in ("missed", "attended", "present")]
    run = held[-settings.consecutive_misses :]
    long = _within(misses, latest, settings.long_window_days, settings)
    if len(run) == settings.consecutive_misses and all(each.outcome == "missed" for each in run):
        found.append(_trigger(episode, "three-consecutive-misses", 3, run))
    elif len(long) >= settings.misses_in_long_window:
        found.append(_trigger(episode, "three-misses-in-14-days", 3, long))
    return found


def asked_once(found: Sequence[Trigger], still_open: Collection[str]) -> list[Trigger]:
    """The same triggers, of which a second way to T3 goes to the escalation that is open by the first."""
    known = next((reason for reason in still_open if reason in THREE), None)
    return [replace(each, reason=known) if known is not None and each.reason in THREE else each for each in found]


def standing(episode: Episode, sessions: Sequence[Session], settings: Settings) -> dict[str, Trigger]:
    """The reasons that the missed sessions still give, each with its newest trigger."""
    missed = sorted((each for each in sessions if each.outcome == "missed"), key=lambda each: each.start)
    found = [trigger for each in missed for trigger in triggers(episode, sessions, each, settings)]
    return {trigger.reason: trigger for trigger in found}


def _first_tier(episode: Episode, missed: Session, settings: Settings) -> int:
    if _RISKS & set(episode.flags):
        return 3
    early = missed.start < episode.admitted_at + timedelta(days=settings.early_days)
    return 2 if early or "opioid-history" in episode.flags else 1


def _within(misses: Sequence[Session], latest: Session, days: int, settings: Settings) -> list[Session]:
    """Days of the clinic's clock: in the week of a clock change, Monday at six to Monday at six is seven days too."""
    since = latest.start.astimezone(ZoneInfo(settings.timezone)) - timedelta(days=days)
    return [each for each in misses if each.start > since]


def _trigger(episode: Episode, reason: str, tier: int, misses: Sequence[Session]) -> Trigger:
    return Trigger(
        category="attendance",
        reason=reason,
        tier=tier,
        owner=OWNER_BY_TIER[tier],
        rule=rule_version("attendance", reason, RULES_VERSION),
        signals=tuple(signal(episode, each) for each in misses),
    )


def signal(episode: Episode, session: Session) -> Signal:
    return Signal(MISS_SIGNAL, session.start, evidence_of(episode.session_id(session)))


def evidence_of(session_id: str) -> str:
    return f"Appointment/{session_id}"

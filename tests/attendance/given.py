"""Attendance's facts and commands: a patient on three evenings a week, and a few memorable moments."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.messages import (
    CancelSession,
    CheckIn,
    EpisodeAdmitted,
    EpisodeDischarged,
    TimePassed,
    WithdrawCheckIn,
)
from services.attendance.settings import Settings
from shared.events.envelope import name_id
from shared.events.intake import TemplateSlot
from shared.platform import settings as stored
from shared.rules.payers import Payer

SETTINGS: Settings = stored.load(Path(__file__).parents[2] / "deploy", "attendance", Settings)["demo"]
DEFAULT_PAYER = SETTINGS.payers["default"]
NEW_YORK = ZoneInfo("America/New_York")
NAMES = UUID(int=5)
PATIENT = str(uuid5(NAMES, "patient"))
EPISODE = str(uuid5(NAMES, "episode"))
EVENINGS = (
    TemplateSlot("group", 0, "18:00", 180),
    TemplateSlot("group", 2, "18:00", 180),
    TemplateSlot("group", 4, "18:00", 180),
)

ADMISSION = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
"""A Monday, nine in the morning in New York."""
GRACE = timedelta(minutes=SETTINGS.grace_minutes)
LONG_AGO = ADMISSION - timedelta(days=60)
TIME_PASSED = TimePassed()


def paying(**changed: int) -> dict[str, Payer]:
    """The program's table of payers, where the default one asks for something else."""
    return SETTINGS.payers | {"default": msgspec.structs.replace(DEFAULT_PAYER, **changed)}


def evening(week: int, weekday: int, hour: int = 18, minute: int = 0) -> datetime:
    """The instant of a local hour, counted from the Monday of admission: `evening(0, 2)` is the first Wednesday."""
    day = ADMISSION.astimezone(NEW_YORK).date() + timedelta(weeks=week, days=weekday)
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


MONDAY, WEDNESDAY, FRIDAY = evening(0, 0), evening(0, 2), evening(0, 4)
SECOND_MONDAY, SECOND_WEDNESDAY = evening(1, 0), evening(1, 2)
SETTLED = (evening(2, 0), evening(2, 2), evening(2, 4), evening(3, 0))
"""Sessions of the third week and after: the first 14 days are over."""


def session(start: datetime, slot: int | None = None, episode: str = EPISODE) -> str:
    """The id of the evening session that starts then."""
    place = start.astimezone(NEW_YORK).weekday() // 2 if slot is None else slot
    return name_id(episode, f"session:{start.isoformat()}:{place}")


def admitted(
    *flags: str, at: datetime = ADMISSION, template: Sequence[TemplateSlot] = EVENINGS, episode: str = EPISODE
) -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=episode,
        plan_id=name_id(NAMES, "plan"),
        referral_id=name_id(NAMES, "referral"),
        level="2.1",
        track="substance",
        flags=flags,
        template=tuple(template),
        admitted_at=at,
    )


def discharged(at: datetime, episode: str = EPISODE) -> EpisodeDischarged:
    return EpisodeDischarged(
        episode_id=episode,
        encounter_id=name_id(NAMES, "stay"),
        disposition="completed",
        admitted_at=ADMISSION,
        discharged_at=at,
    )


def check_in(start: datetime, minutes: int | None = 180, came_at: datetime | None = None) -> CheckIn:
    """The patient came to the session that starts then, on time unless said otherwise."""
    since = came_at or start
    until = None if minutes is None else since + timedelta(minutes=minutes)
    return CheckIn(session_ids=(session(start),), encounter_id=encounter(start), periods=((since, until),))


def present(start: datetime, since: datetime, until: datetime | None, name: str = "second") -> CheckIn:
    """Another Encounter of the same session, by its own times."""
    return CheckIn(session_ids=(session(start),), encounter_id=name_id(NAMES, name), periods=((since, until),))


def encounter(start: datetime) -> str:
    """The id of the Encounter by which `check_in` says so."""
    return name_id(NAMES, f"encounter {start}")


def in_error(start: datetime) -> WithdrawCheckIn:
    return WithdrawCheckIn(encounter_id=encounter(start))


def excused(start: datetime, reason: str = "pat") -> CancelSession:
    return CancelSession(session_id=session(start), reason=reason)


def cancelled(start: datetime) -> CancelSession:
    """Without a reason."""
    return CancelSession(session_id=session(start))

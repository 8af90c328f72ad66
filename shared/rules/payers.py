"""What who pays for a stay asks of its weeks, as data: `[program.NAME.payers.PAYER]`. By its codes intake tells whose a
Coverage is, by its numbers attendance counts the weeks."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from shared.events.intake import PayerSpan
from shared.rules.numbers import DaysOrNone, Percent, Weekday

DEFAULT = "default"
"""The payer that counts where nobody knows who pays."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
WEEK_MINUTES = 7 * 24 * 60


class Payer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`codes`: by which a Coverage names it (`system|code` of its type, of an identifier of its payor, or of a class).

    A session counts for a day from `session_percent` of its minutes on, and a day of the program's zone from
    `day_minutes` in such sessions; a week has its hours with `least_minutes` and `least_days`.
    """

    codes: tuple[str, ...] = ()
    week_begins_weekday: Weekday
    week_begins_hour: Annotated[int, msgspec.Meta(ge=0, le=23)]
    least_minutes: Annotated[int, msgspec.Meta(ge=0, le=WEEK_MINUTES)]
    least_days: Annotated[int, msgspec.Meta(ge=0, le=7)]
    day_minutes: Annotated[int, msgspec.Meta(ge=0, le=24 * 60)]
    session_percent: Percent
    recertification_days: DaysOrNone
    """So often somebody certifies anew that the stay is needed; 0 for never."""
    recertification_ask_days: DaysOrNone
    """So long before it is due its Task is there."""

    def __post_init__(self) -> None:
        if self.recertification_ask_days > self.recertification_days > 0:
            raise ValueError("recertification_ask_days: must not be more than recertification_days")
        if self.least_days * self.day_minutes > WEEK_MINUTES:
            raise ValueError("day_minutes: so many on least_days are more than a week has")
        if not all(all(each.partition("|")) for each in self.codes):
            raise ValueError("codes: must be system|code")

    def boundary_from(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first instant at which a week of its begins, this one or after it, as a UTC instant where `moment` is
        one. Clock changes keep the local hour."""
        local = moment.astimezone(zone)
        day = local.date() + timedelta(days=(self.week_begins_weekday - local.weekday()) % 7)
        at = time(self.week_begins_hour)
        found = datetime.combine(day, at, zone).astimezone(moment.tzinfo)
        if found >= moment:
            return found
        return datetime.combine(day + timedelta(days=7), at, zone).astimezone(moment.tzinfo)


def payer_at(paid: Iterable[PayerSpan], at: datetime, payers: Mapping[str, Payer]) -> str:
    """Who pays then, by a name of the payers' table: `default` where nobody knows, or the table knows them no more."""
    found = next((each.payer for each in paid if each.holds(at)), DEFAULT)
    return found if found in payers else DEFAULT


def require_payers(payers: Mapping[str, Payer]) -> None:
    """Raises ValueError, which names the line."""
    if DEFAULT not in payers:
        raise ValueError(f"payers.{DEFAULT}: is missing; it counts where nobody knows who pays")
    named: dict[str, str] = {}
    for name, payer in payers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"payers.{name}: must be a name of at most 32 small letters, digits and hyphens")
        for code in payer.codes:
            if named.setdefault(code, name) != name:
                raise ValueError(f"payers.{name}.codes: payers.{named[code]} has one of them already")

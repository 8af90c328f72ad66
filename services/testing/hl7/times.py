"""Times as HL7 v2 writes them (DTM, TS), and as senders do who know ISO 8601 better, as instants. Pure.

A time of day has its own offset, else that of MSH-7 (HL7 v2.5.1, 2.16.9.7), else the program's zone. A day is the
program's day: it begins with its midnight there.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cached_property

from services.testing.hl7.header import DATA_ERROR, Fault, Nak
from shared.edge.moments import ProgramTime, WrongMoment, happened

_OFFSET_HOURS_MOST = 14
_HL7 = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d+))?)?)?)?)?)?([+-]\d{4})?")
_ISO = re.compile(
    r"(\d{4})-?(?:(\d\d)-?(?:(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MessageTimes:
    """How the times of one message are read; `sent` is its MSH-7 as written."""

    time: ProgramTime
    sent: str

    @cached_property
    def _default(self) -> tzinfo:
        written = _found(self.sent)
        return (_offset(written[8]) if written and written[8] else None) or self.time.zone

    def happened(self, text: str, location: str) -> datetime | None:
        """When something that is over was. Raises Nak for what is no such time, or lies ahead.

        None where it is empty, or names no day: a month is not known to be its first.
        """
        if not text:
            return None
        if (known := self._known.get(text)) is not None:
            return known
        found = self._known[text] = self._read(text, location)
        return found

    @cached_property
    def _known(self) -> dict[str, datetime | None]:
        """By text, what was read: most rows of a message are of the same minute."""
        return {}

    def _read(self, text: str, location: str) -> datetime | None:
        written = _found(text)
        if written is None:
            raise _wrong(location)
        day, hour, offset = written.group(3, 4, 8)
        zone = _offset(offset) if offset else self._default if hour else self.time.zone
        if zone is None:
            raise _wrong(location)
        if day is None:
            return None
        try:
            return happened(_at(written, zone), self.time)
        except (ValueError, WrongMoment) as wrong:
            raise _wrong(location) from wrong


def names_a_minute(text: str) -> bool:
    """Midnight is how systems write that they know the day alone."""
    written = _found(text)
    return written is not None and bool(written[5]) and written.group(4, 5) != ("00", "00")


def _found(text: str) -> re.Match[str] | None:
    return _HL7.fullmatch(text) or _ISO.fullmatch(text)


def _at(written: re.Match[str], zone: tzinfo) -> datetime:
    year, month, day, hour, minute, second = (int(each or 0) for each in written.groups()[:6])
    microsecond = int((written[7] or "")[:6].ljust(6, "0"))
    return datetime(year, month, day, hour, minute, second, microsecond, zone)


def _offset(text: str) -> timezone | None:
    """None for what no place on earth has."""
    digits = text[1:].replace(":", "") or "0000"
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > _OFFSET_HOURS_MOST or minutes > 59:
        return None
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if text[0] == "-" else ahead)


def _wrong(location: str) -> Nak:
    return Nak("AE", Fault(location, DATA_ERROR))

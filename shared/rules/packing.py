"""Small forms of large things, so that a state stays small: ids as 22 characters, instants as seconds."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import overload
from zoneinfo import ZoneInfo

DAY = 86_400
"""In seconds."""


def pack_id(identity: str) -> str:
    """Of an id as the hub writes its own; without the UUID object in between, for a decision packs many of them."""
    return urlsafe_b64encode(bytes.fromhex(identity.replace("-", ""))).decode()[:22]


def unpack_id(packed: str) -> str:
    digits = urlsafe_b64decode(packed + "==").hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@overload
def seconds(moment: datetime) -> int: ...
@overload
def seconds(moment: None) -> None: ...
def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


@overload
def instant(count: int) -> datetime: ...
@overload
def instant(count: None) -> None: ...
def instant(count: int | None) -> datetime | None:
    return None if count is None else datetime.fromtimestamp(count, UTC)


# A decision asks for the same few hundred days, of each specimen several times.
@lru_cache(maxsize=4096)
def day_in(timezone: str, count: int) -> date:
    """The day there of an instant, as the time zone (IANA) names it."""
    return instant(count).astimezone(ZoneInfo(timezone)).date()

"""One value of a feed, however its publisher writes it: text, weekdays, a time, a coordinate, a link, a number. Pure.

What can't be read is None, and whoever asks counts it: never a guess.
"""

import html
import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

TEXT_CHARACTERS_MOST = 255
LINK_CHARACTERS_MOST = 1024
"""A longer link is none: cut, it leads elsewhere."""
TEXTS_MOST = 50
PHONE_DIGITS = range(10, 16)
"""Of a number that can be dialled from anywhere in the country, up to the longest there is (ITU-T E.164)."""
_ZONES = frozenset(available_timezones())
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->", re.DOTALL)
_PLAIN = re.compile(r"[ -%'-;=-~]*")
"""ASCII that can be seen, without tags and entities: most of what there is."""
_DAYS = (
    "sunday sun su domingo dom dimanche dim", "monday mon mo lunes lun lundi", "tuesday tues tue tu martes mar mardi",
    "wednesday weds wed we miércoles miercoles mié mie mercredi mer", "thursday thurs thur thu th jueves jue jeudi jeu",
    "friday fri fr viernes vie vendredi ven", "saturday sat sa sábado sabado sáb sab samedi sam",
)  # fmt: skip
_DAY = {name: number for number, names in enumerate(_DAYS) for name in names.split()} | {
    str(day): day for day in range(7)
}
"""As digits from Sunday = 0; 7 may be either end of a week, and is none."""
_SEVERAL_DAYS = {
    "daily": range(7), "every day": range(7), "everyday": range(7), "weekdays": range(1, 6), "weekends": (0, 6),
}  # fmt: skip
_BETWEEN_DAYS = re.compile(r"\s*[,;/&+|]\s*|\s+and\s+|\s+y\s+|\s+et\s+|\s+")
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2})(?::\d{2})?)?\s*(?:([ap])\.?\s?m\.?)?", re.ASCII)
_NAMED_TIMES = {"noon": "12:00", "12 noon": "12:00", "12:00 noon": "12:00", "midday": "12:00",
                "midnight": "00:00", "12 midnight": "00:00", "12:00 midnight": "00:00"}  # fmt: skip
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?|(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?", re.ASCII)


def text(value: Any, most: int = TEXT_CHARACTERS_MOST) -> str | None:
    """Printable text of bounded length, without tags and entities, or nothing: a feed is anybody's, and NUL ends in no
    database."""
    return whole_text(value)[:most].strip() or None


def whole_text(value: Any) -> str:
    """The same, however long; what isn't seen hides no word."""
    if isinstance(value, str):
        return _cleaned(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


@lru_cache(maxsize=4096)
def _cleaned(found: str) -> str:
    if _PLAIN.fullmatch(found):
        return " ".join(found.split())
    found = html.unescape(html.unescape(_TAG.sub(" ", found)))
    seen = (each for each in found if unicodedata.category(each) != "Cf")
    return " ".join("".join(each if each.isprintable() else " " for each in seen).split())


def is_absent(value: Any) -> bool:
    return value is None or value == ""


def several(value: Any) -> list[Any]:
    """The members of a list; of an object with numbers as names, as PHP writes a list with gaps, its values; of another
    object the names whose values say yes. Anything else is one."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return [] if is_absent(value) else [value]
    if all(each.isdecimal() for each in value):
        return list(value.values())
    return [name for name, yes in value.items() if yes not in (None, False, 0, "", "0", "no", "false")]


def texts(value: Any) -> list[str]:
    """The texts of a list, or of one text with commas between them."""
    return [part for each in several(value)[:TEXTS_MOST] for part in _parts(whole_text(each))][:TEXTS_MOST]


@lru_cache(maxsize=1024)
def _parts(stated: str) -> tuple[str, ...]:
    return tuple(found for part in re.split(r"[,;|]", stated) if (found := text(part)))


def weekdays(value: Any) -> tuple[tuple[int, ...], bool]:
    """Days from Sunday = 0, and whether all that is stated could be read: a number, names, several, or "Mon-Fri".

    One text is read whole or not at all: "1st Monday" is not each Monday.
    """
    found: set[int] = set()
    is_whole = True
    for each in several(value)[:TEXTS_MOST]:
        days, is_read = _days(each)
        found.update(days)
        is_whole = is_whole and is_read
    return tuple(sorted(found)), is_whole


def _days(value: Any) -> tuple[frozenset[int], bool]:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    days = _days_of(whole_text(value).casefold().strip(" .,"))
    return days or frozenset(), days is not None


@lru_cache(maxsize=1024)
def _days_of(stated: str) -> frozenset[int] | None:
    if stated in _SEVERAL_DAYS:
        return frozenset(_SEVERAL_DAYS[stated])
    stated = re.sub(r"\s*(?:-|–|—|\bto\b|\bthrough\b|\bthru\b)\s*", "-", stated)
    days: set[int] = set()
    for part in _BETWEEN_DAYS.split(stated):
        found = _range(part)
        if found is None:
            return None
        days.update(found)
    return frozenset(days)


def _range(part: str) -> set[int] | None:
    """The days of one word, or of a range of two names; a range of digits may be a date."""
    names = [each.removesuffix(".") for each in part.split("-")]
    days = [_DAY.get(each, _DAY.get(each.removesuffix("s"))) for each in names]
    if None in days or len(days) > 2 or (len(days) == 2 and part[0].isdigit()):
        return None
    first, last = days[0] or 0, days[-1] or 0
    return {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}


def time_of_day(value: Any) -> str | None:
    """HH:MM of 24 hours, from "19:00:00", "7:00 PM", "7 p.m.", "19h30", "noon"; an hour alone is none."""
    return _time((text(value) or "").casefold())


@lru_cache(maxsize=4096)
def _time(stated: str) -> str | None:
    if stated in _NAMED_TIMES:
        return _NAMED_TIMES[stated]
    found = _TIME.fullmatch(stated)
    if found is None or not (found[2] or found[3]):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        hour = hour % 12 + 12 * (found[3] == "p") if 1 <= hour <= 12 else 24
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def duration(value: Any) -> timedelta | None:
    """From "01:30:00" or "01:30", of a day at most."""
    found = re.fullmatch(r"(\d{1,2}):([0-5]\d)(:[0-5]\d)?", text(value) or "", re.ASCII)
    length = timedelta(hours=int(found[1]), minutes=int(found[2])) if found else timedelta()
    return length if timedelta() < length <= timedelta(days=1) else None


def after(start: str, length: timedelta) -> str:
    """HH:MM that much later, perhaps on the next day."""
    return f"{datetime.strptime(start, '%H:%M') + length:%H:%M}"


def coordinate(value: Any, most: int) -> float | None:
    """Degrees in range; 0 stands for none."""
    if isinstance(value, bool):
        return None
    found = (
        re.fullmatch(r"[+-]?\d{1,3}(\.\d+)?", str(value).strip(), re.ASCII)
        if isinstance(value, str | int | float)
        else None
    )
    degrees = float(found[0]) if found else 0.0
    return degrees if 0 < abs(degrees) <= most else None


def web_address(value: Any) -> str | None:
    """An http or https address with a host; nothing that shows one host and leads to another."""
    stated = whole_text(value)
    if not stated or len(stated) > LINK_CHARACTERS_MOST or " " in stated or '"' in stated or "\\" in stated:
        return None
    try:
        parts = urlsplit(stated)
        is_address = parts.scheme in {"http", "https"} and "." in (parts.hostname or "") and "@" not in parts.netloc
    except ValueError:
        return None
    return stated if is_address else None


def phone(value: Any) -> str | None:
    """A number to dial, as stated, with what is keyed in after it; the number itself has ten digits or more."""
    stated = whole_text(value)
    number = re.split(r"[,;#*]|\s+x|ext|code|pin|id", stated.casefold(), maxsplit=1)[0]
    digits = sum(each.isascii() and each.isdigit() for each in number)
    return stated if digits in PHONE_DIGITS and len(stated) <= TEXT_CHARACTERS_MOST else None


def day(value: Any) -> str | None:
    """YYYY-MM-DD, from an instant that begins so, or from month/day/year."""
    found = _DATE.fullmatch(text(value) or "")
    if found is None:
        return None
    year, month, of_month = (found[1], found[2], found[3]) if found[1] else (found[6], found[4], found[5])
    try:
        return date(int(year), int(month), int(of_month)).isoformat()
    except ValueError:
        return None


def zone(value: Any) -> str | None:
    """A name of the tz database."""
    stated = text(value)
    return stated if stated in _ZONES else None

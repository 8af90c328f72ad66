"""What a letter says, by language: the table `data/letters.toml`, read once. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Annotated, Final

import msgspec

from services.aftercare.activities import TABLE
from shared.platform.settings import ConfigurationError
from shared.platform.tables import structured
from shared.rules.organization import Organization

FILE = Path(__file__).parent / "data" / "letters.toml"
IN_EVERY_LETTER: Final = frozenset({"crisis-line"})
"""The activity whose text needs no plan."""
GAPS: Mapping[str, frozenset[str]] = {
    "day_and_night": frozenset({"phone"}),
    "phone": frozenset({"phone"}),
    "by_day": frozenset({"step", "day"}),
    "appointment": frozenset({"step", "day", "time"}),
    "contact_days": frozenset({"days"}),
    "check": frozenset({"day"}),
    "in_person": frozenset({"place"}),
    "within": frozenset({"miles"}),
    "online": frozenset({"how"}),
    "by_phone": frozenset({"how"}),
    "to_join": frozenset({"notes"}),
    "more": frozenset({"count"}),
    "gone": frozenset({"count"}),
    "source": frozenset({"sources"}),
    "day": frozenset({"weekday", "month", "number", "year"}),
    "time": frozenset({"hour", "minute", "half"}),
}
"""What a text leaves to be filled in, whole; the others leave nothing."""
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Texts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one language. `days` begin with Sunday, `halves` are those of a day."""

    title: Text
    not_yours: Text
    help: Text
    danger: Text
    crisis: Text
    day_and_night: Text
    phone: Text
    safe: Text
    planned: Text
    by_day: Text
    appointment: Text
    contacts: Text
    contact_days: Text
    meetings: Text
    check: Text
    none_near: Text
    in_person: Text
    within: Text
    online: Text
    by_phone: Text
    ask: Text
    to_join: Text
    more: Text
    gone: Text
    source: Text
    unprintable: Text
    days: Annotated[tuple[Text, ...], msgspec.Meta(min_length=7, max_length=7)]
    months: Annotated[tuple[Text, ...], msgspec.Meta(min_length=12, max_length=12)]
    day: Text
    time: Text
    halves: Annotated[tuple[Text, ...], msgspec.Meta(min_length=2, max_length=2)]
    safety: dict[str, Text]
    steps: dict[str, Text]

    def __post_init__(self) -> None:
        named = [*self.safety, *self.steps, *IN_EVERY_LETTER]
        if sorted(named) != sorted(TABLE):
            raise ValueError("safety, steps: must have each activity of plans.toml once, but for the crisis line")
        for name in self.__struct_fields__:
            for text in _texts(getattr(self, name)):
                if _gaps(text) != GAPS.get(name, frozenset()):
                    wanted = ", ".join(sorted(GAPS.get(name, ()))) or "nothing"
                    raise ValueError(f"{name}: must leave to be filled in: {wanted}")

    def date(self, at: datetime) -> str:
        """The day of a moment in the zone it is in, written out."""
        weekday, month = self.days[at.isoweekday() % 7], self.months[at.month - 1]
        return self.day.format(weekday=weekday, month=month, number=at.day, year=at.year)

    def clock(self, time: str) -> str:
        """HH:MM by the clock of twelve hours."""
        hour, minute = int(time[:2]), time[3:5]
        return self.time.format(hour=hour % 12 or 12, minute=minute, half=self.halves[hour >= 12])


def _texts(value: str | Iterable[str] | Mapping[str, str]) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value.values() if isinstance(value, Mapping) else value


def _gaps(text: str) -> frozenset[str]:
    return frozenset(field for _, field, _, _ in Formatter().parse(text) if field is not None)


def read(file: Path) -> dict[str, Texts]:
    """By language, two letters. Raises ConfigurationError."""
    found = structured(file, dict[str, Texts])
    if Organization(name="any").language not in found:
        raise ConfigurationError(f"{file}: must have the language of programs that state none.")
    return found


LANGUAGES: Mapping[str, Texts] = read(FILE)


def in_language(wished: Iterable[str | None], own: str) -> tuple[str, Texts]:
    """The first of these languages (BCP 47) that has texts, else the program's own."""
    known = (each.partition("-")[0].lower() for each in wished if each)
    language = next((each for each in known if each in LANGUAGES), own)
    return language, LANGUAGES[language]


def require_language(language: str, place: str) -> str:
    """Raises ConfigurationError naming the place."""
    if language not in LANGUAGES:
        raise ConfigurationError(f"{place}: must be one of {', '.join(sorted(LANGUAGES))} (letters.toml).")
    return language

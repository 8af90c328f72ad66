"""Track, flags and the weekly template of an admission (domain 2.9)."""

from collections.abc import Sequence

from services.intake.assessment import Assessment, support
from services.intake.messages import TemplateSlot
from services.intake.settings import Settings
from services.intake.table import TABLE, Choice


def choose(choices: Sequence[Choice], known: Assessment) -> str | None:
    """The first choice that holds."""
    return next((each.code for each in choices if support(each, known) is not None), None)


def flags(known: Assessment) -> tuple[str, ...]:
    """What attendance, testing and the therapist must know of this patient from the first day."""
    return tuple(each.code for each in TABLE.flag if support(each, known) is not None)


def template(chosen: Sequence[str], settings: Settings) -> tuple[TemplateSlot, ...]:
    """Three 3-hour blocks on different days, one individual session a week, a family session every second week.

    Who cannot be in a group gets the same blocks as individual work. The hours of level 2.1 (at least 9, below 20)
    are checked where the settings are read.
    """
    week = settings.week
    start = week.evening_start if "evening" in chosen else week.day_start
    kind = "individual" if "individual-only" in chosen else "group"
    return (
        *(TemplateSlot(kind, weekday, start, week.group_minutes) for weekday in week.group_weekdays),
        TemplateSlot("individual", week.individual_weekday, start, week.individual_minutes),
        TemplateSlot("family", week.family_weekday, start, week.family_minutes, week.family_every_weeks),
    )

"""Track, flags and the weekly template of an admission (domain 2.9)."""

from collections.abc import Sequence

from services.intake.messages import TemplateSlot
from services.intake.placement.assessment import Assessment, support
from services.intake.stages import Sessions, Stage
from services.intake.table import TABLE, Choice


def choose(choices: Sequence[Choice], known: Assessment) -> str | None:
    """The first choice that holds."""
    return next((each.code for each in choices if support(each, known) is not None), None)


def other_tracks(track: str, known: Assessment) -> tuple[str, ...]:
    """The tracks that hold beside this one: of each other axis the first."""
    found: dict[str, str] = {}
    for each in TABLE.track:
        if each.axis not in found and support(each, known) is not None:
            found[each.axis] = each.code
    own = next((each.axis for each in TABLE.track if each.code == track), "")
    return tuple(code for axis, code in found.items() if axis != own)


def flags(known: Assessment) -> tuple[str, ...]:
    """What attendance, testing and the therapist must know of this patient from the first day."""
    return tuple(each.code for each in TABLE.flag if support(each, known) is not None)


def template(stage: Stage, track: str, chosen: Sequence[str], sessions: Sessions) -> tuple[TemplateSlot, ...]:
    """The week of this stage for this track: blocks of groups, individual sessions, the family every so many weeks.

    Who cannot be in a group gets the same blocks as individual work. The hours of each level are checked where the
    settings are read.
    """
    week = stage.week_of(track)
    start = sessions.evening_start if "evening" in chosen else sessions.day_start
    kind = "individual" if "individual-only" in chosen else "group"
    minutes, weeks = sessions.group_minutes(week.group_blocks), sessions.family_every_weeks
    blocks = [(weekday, at) for weekday in week.group_weekdays for at in sessions.starts(week.group_blocks, start)]
    return (
        *(TemplateSlot(kind, weekday, at, minutes) for weekday, at in blocks),
        *(TemplateSlot("individual", each, start, sessions.individual_minutes) for each in week.individual_weekdays),
        *(TemplateSlot("family", each, start, sessions.family_minutes, weeks) for each in week.family_weekdays),
    )

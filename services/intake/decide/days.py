"""When the days in care are counted: at the admission, each week, at a step, at the discharge, and where care elsewhere
changes them."""

from services.intake import messages
from services.intake.care_days import Care, EngagedDays, engaged_days, part_of
from services.intake.decide.course import Course
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.state import State, count_due
from shared.rules.decision import Moment

COUNTED_AT = (
    messages.EpisodeAdmitted | messages.EpisodeStepped | messages.EpisodeDischarged | messages.DischargeWithdrawn
)


def counted(course: Course) -> list[messages.Emits]:
    """What was emitted, with the count: before a discharge, for whoever plans by it reads them in this order."""
    emitted, turns = course.emitted, course.emits(COUNTED_AT)
    if not (turns or isinstance(course.cause, messages.TimePassed | messages.RecordCareDays)):
        return emitted
    state, after, moment = course.before, course.after, course.moment
    stay = after.episode or (after.ended.episode if after.ended is not None else None)
    if stay is None or not (turns or _is_due(state, moment) or _differs(state, after, stay, moment)):
        return emitted
    count = _count(after, stay, moment)
    ends = next((n for n, each in enumerate(emitted) if isinstance(each, messages.EpisodeDischarged)), len(emitted))
    return [*emitted[:ends], count, *emitted[ends:]]


def _is_due(state: State, moment: Moment[Settings]) -> bool:
    due_at = count_due(state)
    return due_at is not None and due_at <= moment.now


def _differs(state: State, after: State, stay: Episode, moment: Moment[Settings]) -> bool:
    return _engaged(state.care, after.care, stay, moment) != _engaged(after.care, after.care, stay, moment)


def _engaged(care: Care, now: Care, stay: Episode, moment: Moment[Settings]) -> EngagedDays:
    part = part_of(now.parts, stay.id, stay.admitted_at)
    return engaged_days(care, part, moment.now, moment.settings.timezone, moment.settings.chain_gap_days)


def _count(after: State, stay: Episode, moment: Moment[Settings]) -> messages.EngagedDaysCounted:
    found = _engaged(after.care, after.care, stay, moment)
    return messages.EngagedDaysCounted(
        episode_id=stay.id,
        days=found.days,
        in_stay=found.in_stay,
        in_earlier_stays=found.in_earlier_stays,
        elsewhere=found.elsewhere,
        since_on=found.since,
        until_on=found.until,
        counted_at=moment.now,
        at_least=found.at_least,
        is_over=after.episode is None,
    )

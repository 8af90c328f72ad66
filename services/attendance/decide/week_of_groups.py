"""The week that is held, where groups hold part of it, as far as the patient's seat tells."""

from services.attendance.decide.course import Course
from services.attendance.fitting import seat_of_stay, week_held
from services.attendance.messages import WeekOfGroup


def followed(course: Course) -> bool:
    """Whether another week is held from now on."""
    episode, settings = course.episode, course.moment.settings
    seat = seat_of_stay(episode, course.state.seat)
    if not settings.groups and seat is None:
        return False
    held = week_held(episode, seat, settings)
    if held == tuple(episode.template[each] for each in episode.slots):
        return False
    course.emit(WeekOfGroup(episode_id=episode.id, slots=held, at=course.moment.now))
    return True

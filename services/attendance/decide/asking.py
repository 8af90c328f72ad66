"""An absence is concluded once the program's feed has answered that silence counts (`feed.py`)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from services.attendance.decide.course import Course
from services.attendance.feed_events import FEED, feed_key
from services.attendance.messages import AbsenceAsked
from services.attendance.record import Session, second_after
from shared.events.internal import To

ASK_AGAIN = timedelta(minutes=10)
"""While the feed is silent it does not answer."""


def asked(course: Course, sessions: Sequence[Session], reported_at: datetime | None) -> list[Session]:
    """Those of them that silence would make a miss now wait, and are asked about. Where no reports are counted, or the
    program never holds its feed for silent, silence always counts."""
    moment = course.moment
    counting = [each for each in sessions if each.concluded]
    if reported_at is None or not moment.settings.silent_sessions or not counting:
        return list(sessions)
    until = second_after(moment.now + ASK_AGAIN)
    question = AbsenceAsked(
        patient=moment.patient,
        places=tuple(each.place for each in counting),
        until=until,
        reported_at=reported_at,
    )
    course.emit(To(kind=FEED, key=feed_key(moment.program), event=question))
    waiting = (msgspec.structs.replace(each, concluded=False, deferred_until=until) for each in counting)
    return [*(each for each in sessions if not each.concluded), *waiting]

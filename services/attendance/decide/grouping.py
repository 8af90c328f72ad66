"""What a patient asks the groups of the program, and what follows from their answers.

No decision asks for a seat or returns one by itself: after each it is looked at which group fits the stay now, and
whatever differs from what was asked is asked or returned (`followed`). One group is asked after the other, so nobody
has two seats; whoever moves to another group returns the seat before in the decision that takes the new one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.attendance import requests
from services.attendance.decide import meetings, week_of_groups
from services.attendance.decide.course import Course
from services.attendance.decide.replanning import follow_week
from services.attendance.fitting import (
    day_of,
    groups_that_fit,
    is_individual,
    kind_in_groups,
    seat_of_stay,
    week_of_care,
)
from services.attendance.groups.plan import GROUP, group_id, group_key
from services.attendance.groups.seat import ALONE, ANY, LEFT, GroupAsk, GroupSeat
from services.attendance.messages import (
    ChooseGroup,
    Emits,
    GroupChosen,
    GroupFull,
    SeatAnswered,
    SeatAnswers,
    SeatAsked,
    SeatLeft,
    SeatLookedAt,
    SeatReturned,
    SeatSought,
)
from services.attendance.misses import NOWHERE
from services.attendance.record import Episode
from services.attendance.settings import Settings
from services.attendance.state import State
from services.attendance.walk_outs import KIND as LEAVES_GROUPS
from shared.events.escalation import EscalationEvent, is_closed
from shared.events.internal import To
from shared.rules.decision import Moment, Refused
from shared.rules.packing import instant, pack_id
from shared.rules.staff import refused

ASK_AGAIN = timedelta(days=1)
"""Where even the line is full."""
SEAT_GIVEN, SEAT_NOT_NEEDED = "seat-given", "seat-not-needed"
INDIVIDUAL_THERAPY = "individual-therapy"
SEAT_WANTED: Final = "group-seat"


NO_STAY = Refused("conflict", "Must be the stay of this patient that is open.", "Task.focus")
NO_SUCH_GROUP = Refused("code-invalid", "Must be a group of the program (attendance.groups).", "Task.output")
CLOSED = Refused("conflict", "Nobody joins this group any more (closed_from): choose another.", "Task.output")
OTHER_KIND = Refused(
    "business-rule", "The week of the plan of care has no session of this group's kind: choose another.", "Task.output"
)


def chosen(state: State, command: ChooseGroup, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person decides, whatever fits; what follows for the seat is looked at as after any decision."""
    episode = state.episode
    if episode is None or episode.is_over or episode.id != command.episode_id:
        return NO_STAY
    refusal = refused(moment.settings.staff, "choose-group", command.by) or _refusal(state, episode, command, moment)
    if refusal is not None:
        return refusal
    seat = seat_of_stay(episode, state.seat)
    if (ANY if seat is None else seat.chosen) == command.group:
        return []
    course = Course(state, moment)
    if command.group == ALONE:
        proposed = requests.done(state, LEAVES_GROUPS, INDIVIDUAL_THERAPY, moment)
        course.ask(proposed.emitted, proposed.requests)
        course.know(proposed.sessions)
    course.emit(GroupChosen(episode_id=episode.id, group=command.group))
    return course.emitted


def _refusal(state: State, episode: Episode, command: ChooseGroup, moment: Moment[Settings]) -> Refused | None:
    if command.group in (ALONE, LEFT, ANY):
        return None
    plan, seat = moment.settings.groups.get(command.group), seat_of_stay(episode, state.seat)
    if plan is None:
        return NO_SUCH_GROUP
    if not any(each.kind == plan.kind for each in week_of_care(episode)):
        return OTHER_KIND
    is_member = seat is not None and seat.group == command.group
    return None if is_member or plan.is_open_on(day_of(moment.now, moment.settings)) else CLOSED


def answered(state: State, event: SeatAnswers, moment: Moment[Settings]) -> list[Emits]:
    """What a group says. Of what is not asked any more it changes nothing: that was returned."""
    seat = state.seat
    if seat is None or not seat.is_answered_by(event):
        return []
    if isinstance(event, GroupFull):
        return [SeatAnswered(group=event.group, ask=event.ask, answer="waits" if event.waits else "refused")]
    given = SeatAnswered(group=event.group, ask=event.ask, answer="given")
    before = [*_returned(seat.group, seat.ask, moment)] if seat.group else []
    return [*before, given]


def followed(course: Course, before: State) -> None:
    """What follows for the patient's seat from all that was decided since `before`."""
    if course.state.seat is None and before.seat is None and not course.moment.settings.groups:
        return
    _follow(course)
    meetings.followed(course, before)
    course.emitted = [_with_groups(each, before, course) for each in course.emitted]


def _with_groups(event: Emits, before: State, course: Course) -> Emits:
    """What is said of a seat that is wanted names the groups that were asked; once it is closed, those asked before."""
    if not isinstance(event, EscalationEvent) or event.escalation.reason != SEAT_WANTED:
        return event
    seat = before.seat if is_closed(event) else course.state.seat
    program = course.moment.program
    asked = () if seat is None else tuple(group_id(program, each.group) for each in seat.asks)
    return msgspec.structs.replace(event, groups=asked)


def _follow(course: Course) -> None:
    """The asks that are none any more first; once no answer is waited for, the week that is held, and what a person
    has to find."""
    episode, seat = course.state.episode, course.state.seat
    if episode is None or (seat is not None and seat_of_stay(episode, seat) is None):
        _return_but(course, ())
    if episode is None:
        return
    wanted = _wanted(course, episode)
    _return_but(course, wanted)
    _ask_next(course, episode, wanted)
    seat = seat_of_stay(episode, course.state.seat)
    if seat is not None and seat.waits_for_answer:
        _look_again(course, episode, lacks=seat.asks_a_person)
        return
    if not episode.is_over and week_of_groups.followed(course):
        follow_week(course)
    has_seat = seat is not None and seat.group in wanted
    _look_again(course, episode, lacks=_needs_seat(course, episode) and not has_seat)


def _needs_seat(course: Course, episode: Episode) -> bool:
    """Who is treated elsewhere for nights has it held for so many days."""
    if episode.is_over or is_individual(episode, seat_of_stay(episode, course.state.seat)):
        return False
    held_until = _held_until(course, episode)
    is_away = held_until is not None and held_until <= course.moment.now
    return not is_away and kind_in_groups(episode, course.moment.settings) is not None


def _held_until(course: Course, episode: Episode) -> datetime | None:
    days = timedelta(days=course.moment.settings.seat_held_days)
    return None if episode.paused_at is None else episode.paused_at + days


def _wanted(course: Course, episode: Episode) -> tuple[str, ...]:
    """In the order in which they are asked: the one that a person chose, the one in which the patient is, or those
    that fit."""
    seat = seat_of_stay(episode, course.state.seat)
    if not _needs_seat(course, episode):
        return ()
    if seat is not None and seat.chosen:
        return (seat.chosen,) if seat.chosen in course.moment.settings.groups else ()
    own = "" if seat is None else seat.group
    fitting = groups_that_fit(episode, course.moment.settings, course.moment.now, own)
    return (own,) if own in fitting else fitting


def _return_but(course: Course, wanted: Sequence[str]) -> None:
    """The asks of no group that is wanted, or of every other one once the patient has a seat that is; the seat itself
    stays theirs until another one is given, or none is needed."""
    seat, moment = course.state.seat, course.moment
    if seat is None:
        return
    has = seat.group if seat.group in wanted else ""
    for each in seat.asks:
        if has or each.group not in wanted:
            course.emit(*_returned(each.group, each.ask, moment))
    if seat.group and not _stays(course, seat):
        course.emit(*_returned(seat.group, seat.ask, moment))


def _stays(course: Course, seat: GroupSeat) -> bool:
    episode = course.state.episode
    if episode is None or seat_of_stay(episode, seat) is None or seat.chosen == LEFT:
        return False
    return _needs_seat(course, episode)


def _ask_next(course: Course, episode: Episode, wanted: Sequence[str]) -> None:
    """One group after the other, so that nobody has two seats; those whose line was full anew."""
    seat, moment = seat_of_stay(episode, course.state.seat), course.moment
    if seat is not None and (seat.group in wanted or seat.waits_for_answer):
        return
    asked = () if seat is None else tuple(each.group for each in seat.asks if not _is_asked_anew(seat, each, moment))
    group = next((each for each in wanted if each not in asked), None)
    if group is None:
        return
    since = instant(seat.since) if seat is not None and seat.asks else moment.now
    ask = pack_id(moment.new_id(f"group-seat:{group}"))[:8]
    asks = SeatAsked(patient=moment.patient, group=group, ask=ask, since=since)
    course.emit(
        SeatSought(episode_id=episode.id, group=group, ask=ask, since=since),
        To(kind=GROUP, key=group_key(moment.program, group), event=asks),
    )


def _is_asked_anew(seat: GroupSeat, ask: GroupAsk, moment: Moment[Settings]) -> bool:
    return ask.answer == "refused" and seat.looked_at_again is not None and seat.looked_at_again <= moment.now


def _returned(group: str, ask: str, moment: Moment[Settings]) -> list[Emits]:
    left = SeatLeft(patient=moment.patient, group=group, ask=ask)
    return [SeatReturned(ask=ask), To(kind=GROUP, key=group_key(moment.program, group), event=left)]


def _look_again(course: Course, episode: Episode, *, lacks: bool) -> None:
    """A person is asked once where no seat is to be had; what stands open is closed once there is one."""
    seat = seat_of_stay(episode, course.state.seat)
    asks_a_person = seat is not None and seat.asks_a_person
    if lacks and not asks_a_person:
        about = f"EpisodeOfCare/{episode.id}"
        course.ask(*requests.question(course.state, SEAT_WANTED, NOWHERE, about, course.moment))
    elif asks_a_person and not lacks:
        reason = SEAT_GIVEN if seat is not None and seat.group else SEAT_NOT_NEEDED
        course.ask(*requests.closed(course.state, frozenset({SEAT_WANTED}), reason, course.moment))
    look_at = _looks_at(course, episode, seat)
    if lacks != asks_a_person or (seat is not None and look_at != seat.looked_at_again):
        course.emit(SeatLookedAt(episode_id=episode.id, look_at=look_at, asks_a_person=lacks))


def _looks_at(course: Course, episode: Episode, seat: GroupSeat | None) -> datetime | None:
    """Once the seat is held no longer, or the next day where a line was full."""
    if seat is None or not (seat.group or seat.asks):
        return None
    now, held_until = course.moment.now, _held_until(course, episode)
    moments = [held_until] if held_until is not None and held_until > now else []
    if any(each.answer == "refused" for each in seat.asks):
        again = seat.looked_at_again
        moments.append(again if again is not None and again > now else now + ASK_AGAIN)
    return min(moments, default=None)

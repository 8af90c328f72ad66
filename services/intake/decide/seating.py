"""What a patient asks of the places where seats are counted, and what follows from their answers.

No decision asks for a seat or returns one by itself: after each it is looked at which one the patient needs now, and
whatever differs from the one asked for is asked or returned (`followed`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from services.intake import messages
from services.intake.decide import planning
from services.intake.decide.course import Course
from services.intake.decide.placing import known_of
from services.intake.decide.seats_counted import place_for
from services.intake.placement.assessment import PREGNANT
from services.intake.placement.planned import Planned, episode_id
from services.intake.record import Episode, Referral
from services.intake.seats import capacity
from services.intake.seats.capacity import level_of
from services.intake.seats.seat import Seat
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.internal import To
from shared.rules.decision import Moment

ASK_AGAIN = timedelta(days=1)
"""Where even the line is full."""


class NeededSeat(NamedTuple):
    """`stays`: the patient is in the stay already."""

    episode_id: str
    place: str
    rank: int
    stays: bool = False


def answered(state: State, event: messages.SeatAnswers, moment: Moment[Settings]) -> list[messages.Emits]:
    """What a place says. Of a seat that is not waited for any more, or was asked anew since, it changes nothing: the
    one that it is about was returned."""
    seat, plan, referral = state.seat, state.planned, state.referral
    if seat is None or seat.given is not None or not seat.is_answered_by(event):
        return []
    if plan is None or referral is None:
        return []
    start = plan.starts_at or seat.start_at
    if isinstance(event, messages.SeatsFull):
        return _full(seat, plan, referral, event, moment)
    given = _given(moment.now, start, moment)
    if plan.starts_at is not None:
        return [given]
    if start is not None and start > moment.now:
        return [given, planning.moved(plan, referral, start, "", moment)]
    return [given, *planning.admit_now(evolve(state, given), moment)]


def _full(
    seat: Seat, plan: Planned, referral: Referral, event: messages.SeatsFull, moment: Moment[Settings]
) -> list[messages.Emits]:
    """The patient waits; the start that was named, if it lies ahead, is stood by when a seat comes before it."""
    if plan.starts_at is None and seat.full and event.waits == (seat.ask is None):
        return []
    start = plan.starts_at or seat.start_at
    full = messages.SeatAnswered(
        ask_at=None if event.waits else moment.now + ASK_AGAIN, start=start if start and start > moment.now else None
    )
    return [full, *([planning.waits(plan, referral, "", moment)] if plan.starts_at else [])]


def _given(given_at: datetime, start: datetime | None, moment: Moment[Settings]) -> messages.SeatAnswered:
    """The stay has so long from its start on to begin."""
    until = max(given_at, start or given_at) + timedelta(hours=moment.settings.seat_hours)
    return messages.SeatAnswered(given_at=given_at, until=until)


def followed(course: Course) -> list[messages.Emits]:
    """After a decision: the seat that the patient needs now is asked for, and one that they do not need returned."""
    moment = course.moment
    if course.before.seat is None and not moment.settings.capacity:
        return []
    after = course.after
    needed, seat = _needed(after, moment), after.seat
    emitted: list[messages.Emits] = []
    if seat is not None and (needed is None or (needed.episode_id, needed.place) != (seat.episode_id, seat.place)):
        emitted, seat = [messages.SeatReturned(), _left(seat, moment)], None
    if needed is None:
        return emitted
    if seat is None or (needed.stays and seat.given is None):
        return [*emitted, *_asked(needed, moment.now, moment)]
    return [] if needed.stays else _waited(after, seat, needed, moment)


def _needed(after: State, moment: Moment[Settings]) -> NeededSeat | None:
    """None outside of a stay and of a placement that is to begin."""
    if after.episode is not None:
        return _of_stay(after, after.episode, moment)
    if after.planned is None or after.referral is None:
        return None
    place = _before_start(after, after.planned, episode_id(after.referral.id), moment)
    return None if place is None else NeededSeat(episode_id(after.referral.id), place, rank_of(after, moment))


def _of_stay(after: State, stay: Episode, moment: Moment[Settings]) -> NeededSeat | None:
    """Where it is: as long as the level is the same the seat is, whatever else becomes known."""
    seat = after.seat
    has = seat is not None and seat.episode_id == stay.id and level_of(seat.place) == stay.level
    place = seat.place if seat is not None and has else place_for(after, stay.level, moment)
    return None if place is None else NeededSeat(stay.id, place, capacity.LONGEST, stays=True)


def _before_start(after: State, plan: Planned, stay_id: str, moment: Moment[Settings]) -> str | None:
    """Where. Whom a person puts on the wait list needs none: that list is the person's. Whoever is in line stays."""
    seat = after.seat
    if seat is None or seat.episode_id != stay_id:
        return place_for(after, plan.level, moment) if plan.start is not None else None
    return None if plan.start is None and seat.given is not None else seat.place


def rank_of(state: State, moment: Moment[Settings]) -> int:
    """Which of those who wait is offered a seat first."""
    facts = known_of(state, moment).values
    pregnant, injecting = bool(facts.get(PREGNANT)), bool(facts.get(capacity.INJECTING_USE))
    if pregnant:
        return capacity.PREGNANT_AND_INJECTING if injecting else capacity.PREGNANT
    if injecting:
        return capacity.INJECTING
    return capacity.STEP_DOWN if facts.get(planning.STEP_DOWN) else capacity.LONGEST


def _asked(needed: NeededSeat, since: datetime, moment: Moment[Settings]) -> list[messages.Emits]:
    patient, stay_id, place = moment.patient, needed.episode_id, needed.place
    sought = messages.SeatSought(episode_id=stay_id, place=place, rank=needed.rank, since=since, stays=needed.stays)
    if needed.stays:
        return [sought, _to(place, messages.SeatOccupied(patient=patient, episode_id=stay_id, place=place), moment)]
    asked = messages.SeatAsked(patient=patient, episode_id=stay_id, place=place, rank=needed.rank, since=since)
    return [sought, _to(place, asked, moment)]


def _waited(after: State, seat: Seat, needed: NeededSeat, moment: Moment[Settings]) -> list[messages.Emits]:
    """While the stay has not begun: its turn changes, or the seat that it has goes to the next."""
    plan, referral, at = after.planned, after.referral, seat.looked_at_again
    assert plan is not None and referral is not None  # whoever needs a seat and is in no stay has both
    is_due = at is not None and at <= moment.now
    if seat.given_at is not None and is_due:
        waits = [planning.waits(plan, referral, "", moment)] if plan.starts_at else []
        return [messages.SeatPassed(), _left(seat, moment), *waits]
    if seat.given_at is not None:
        given = _given(seat.given_at, plan.starts_at, moment)
        return [] if given.until == at else [given]
    is_ready = seat.passed and planning.needs_hold(after, moment)
    changed = needed.rank != seat.rank and not seat.passed
    return _asked(needed, seat.asked_since, moment) if is_ready or changed or is_due else []


def _left(seat: Seat, moment: Moment[Settings]) -> To:
    return _to(seat.place, messages.SeatLeft(patient=moment.patient, episode_id=seat.episode_id), moment)


def _to(place: str, event: messages.OfSeats, moment: Moment[Settings]) -> To:
    return To(kind=capacity.SEATS, key=capacity.place_key(moment.program, place), event=event)

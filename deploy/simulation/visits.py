"""What happens around one session of one person, and what their EHR sends of it, by chance. Pure.

Who comes comes in time, late, walks out or is reported by mistake; who doesn't is silent about it, cancels, declines
or is excused afterwards. Reports come at once, after the session, or up to 30 days later; some are corrected, some are
sent twice.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Literal

import msgspec

from deploy.simulation.people import Person

PAT, PROVIDER, ILLNESS = "pat", "prov", "illness"
RESENT_PERCENT = 5
LATE_DAYS_MOST = 30
"""Corrections come up to so long afterwards."""
BLOCK = timedelta(minutes=90)
SIGNED_OUT_LATE = timedelta(minutes=5)
"""So long the Encounters of two blocks overlap: nobody signs out on the minute."""
DAY = timedelta(days=1)
BOOKED_PERCENT, BOOKED_AGAIN_PERCENT = 15, 5
"""Of the weeks of a person: the EHR books a session of its own, or one that stands already."""
MADE_UP_PERCENT = 60
"""Of those who missed something in the first days of a week."""
BOOKED_LENGTH, NEARLY = timedelta(minutes=45), timedelta(minutes=10)
TO_MIDDAY = {False: timedelta(hours=4), True: timedelta(hours=-4, minutes=-30)}
"""From the hour of the day track, and of the evening, to one o'clock."""


class Session(msgspec.Struct, frozen=True):
    """As it is booked."""

    start: datetime
    end: datetime
    kind: str

    @property
    def name(self) -> str:
        return f"{self.start:%Y%m%dT%H%MZ}-{self.kind}"


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that the EHR sends of a session, once it is `at`.

    `encounter`: somebody was there from `came` to `left` (None: they still are), by the Encounter of this `name`.
    `book`: the EHR books the session, in place of the missed one of its kind that began at `makes_up`, where there is
    one; `move`: it is held from `to` on.
    `withdraw`: that Encounter was entered in error. `appointment`: the Appointment has this `status` and `reason`.
    `decline`: the patient declines.
    """

    at: datetime
    did: Literal["encounter", "withdraw", "appointment", "decline", "book", "move"]
    session: Session
    name: str = ""
    came: datetime | None = None
    left: datetime | None = None
    status: str = ""
    reason: str = ""
    to: datetime | None = None
    makes_up: datetime | None = None


Acts = Iterator[Act]
Pattern = Callable[[Person, Session, Random], Acts]


def acts(person: Person, session: Session, chance: Random) -> list[Act]:
    """What is sent, in order of time."""
    gone = person.stops_on is not None and session.start.date() >= person.stops_on
    absent = gone or chance.randrange(100) < person.absent_percent
    patterns = ((_silently, 1),) if gone else _ABSENT if absent else _PRESENT
    ((pattern,),) = (chance.choices([each for each, _ in patterns], [weight for _, weight in patterns]),)
    found = sorted(pattern(person, session, chance), key=lambda each: each.at)
    return list(_some_twice(found, chance))


def bookings(sessions: Sequence[Session], day: datetime, chance: Random) -> list[Act]:
    """What the EHR books beside the sessions of a week, at midday of this day, or nearly where one stands already."""
    found = []
    if chance.randrange(100) < BOOKED_PERCENT:
        found.append(Session(day, day + BOOKED_LENGTH, "individual"))
    if sessions and chance.randrange(100) < BOOKED_AGAIN_PERCENT:
        known = chance.choice(sessions)
        found.append(Session(known.start + NEARLY, known.end + NEARLY, known.kind))
    return [Act(at=each.start - timedelta(days=14), did="book", session=each) for each in found]


def make_up(missed: Sequence[Session], at: datetime, day: datetime, chance: Random) -> Act | None:
    """One of a week's missed sessions is made up at midday of this day, if any."""
    if not missed or chance.randrange(100) >= MADE_UP_PERCENT:
        return None
    known = chance.choice(missed)
    instead = Session(day, day + (known.end - known.start), known.kind)
    return Act(at=at, did="book", session=instead, makes_up=known.start)


def _some_twice(found: list[Act], chance: Random) -> Acts:
    """At once; the last one also a day later."""
    for act in found:
        yield act
        if chance.randrange(100) < RESENT_PERCENT:
            yield act
    if found and chance.randrange(100) < RESENT_PERCENT:
        yield msgspec.structs.replace(found[-1], at=found[-1].at + DAY)


def _in_time(person: Person, session: Session, chance: Random) -> Acts:
    return _there(person, session, _arrival(session, chance), session.end)


def _late(person: Person, session: Session, chance: Random) -> Acts:
    most = min(50, int((session.end - session.start) / timedelta(minutes=1)) - 5)
    return _there(person, session, session.start + timedelta(minutes=chance.randint(5, most)), session.end)


def _walks_out(person: Person, session: Session, chance: Random) -> Acts:
    stays = chance.randint(20, int((session.end - session.start) / timedelta(minutes=1)) - 5)
    return _there(person, session, _arrival(session, chance), session.start + timedelta(minutes=stays))


def _reported_afterwards(person: Person, session: Session, chance: Random) -> Acts:
    return _over(person, session, _arrival(session, chance), session.end, timedelta(0))


def _reported_days_later(person: Person, session: Session, chance: Random) -> Acts:
    return _over(person, session, _arrival(session, chance), session.end, _days(chance))


def _times_corrected(person: Person, session: Session, chance: Random) -> Acts:
    """They had left before the end, which comes out days later."""
    came = _arrival(session, chance)
    yield from _there(person, session, came, session.end)
    left = session.end - (session.end - session.start) * chance.randint(6, 60) / 100
    if person.manner != "appointments":
        yield from _over(person, session, came, left, _days(chance))


def _left_open(person: Person, session: Session, chance: Random) -> Acts:
    """Nobody enters when they left; most do so days later."""
    came = _arrival(session, chance)
    yield from _arrived(person, session, came, session.end)
    if chance.randrange(100) < 80:
        yield from _over(person, session, came, session.end, DAY * chance.randint(1, 6))


def _called_off(person: Person, session: Session, chance: Random) -> Acts:
    yield _appointment(session, session.start - timedelta(hours=chance.choice((2, 20))), "cancelled", PROVIDER)


def _moved(person: Person, session: Session, chance: Random) -> Acts:
    """To one o'clock of its day; they come then."""
    later = TO_MIDDAY[person.evening]
    there = Session(session.start + later, session.end + later, session.kind)
    yield Act(at=session.start - timedelta(hours=20), did="move", session=session, to=there.start)
    yield from _in_time(person, there, chance)


def _silently(person: Person, session: Session, chance: Random) -> Acts:
    return iter(())


def _cancels(person: Person, session: Session, chance: Random) -> Acts:
    yield _appointment(session, session.start - timedelta(hours=chance.choice((2, 20, 44))), "cancelled", PAT)


def _declines(person: Person, session: Session, chance: Random) -> Acts:
    at = session.start + timedelta(minutes=chance.choice((-1200, -120, 30)))
    yield Act(at=at, did="decline", session=session)


def _cancels_too_late(person: Person, session: Session, chance: Random) -> Acts:
    """After the start, or before it without a reason."""
    minutes, reason = chance.choice(((-120, ""), (5, PAT), (20, PAT), (60, "")))
    yield _appointment(session, session.start + timedelta(minutes=minutes), "cancelled", reason)


def _excused_afterwards(person: Person, session: Session, chance: Random) -> Acts:
    yield _appointment(session, session.end + DAY * chance.randint(1, 9), "cancelled", ILLNESS)


def _marked_missed(person: Person, session: Session, chance: Random) -> Acts:
    yield _appointment(session, session.end, "noshow")


def _mistaken_for_another(person: Person, session: Session, chance: Random) -> Acts:
    """Somebody else was there, which comes out days later."""
    there = list(_there(person, session, _arrival(session, chance), session.end))
    yield from there
    wrong, at = {each.name for each in there if each.name}, session.end + _days(chance)
    for name in sorted(wrong):
        yield Act(at=at, did="withdraw", session=session, name=name)
    if not wrong:
        yield _appointment(session, at, "booked")


_PRESENT: tuple[tuple[Pattern, int], ...] = (
    (_in_time, 71),
    (_late, 8),
    (_walks_out, 5),
    (_reported_afterwards, 3),
    (_reported_days_later, 3),
    (_times_corrected, 3),
    (_left_open, 2),
    (_called_off, 2),
    (_moved, 3),
)
_ABSENT: tuple[tuple[Pattern, int], ...] = (
    (_silently, 40),
    (_cancels, 14),
    (_declines, 8),
    (_cancels_too_late, 8),
    (_excused_afterwards, 8),
    (_marked_missed, 6),
    (_mistaken_for_another, 16),
)
"""How often each happens, of a hundred."""


def _there(person: Person, session: Session, came: datetime, left: datetime) -> Acts:
    """Checked in as they come, and out as they leave."""
    yield from _arrived(person, session, came, left)
    yield from _over(person, session, came, left, timedelta(0))


def _arrived(person: Person, session: Session, came: datetime, left: datetime) -> Acts:
    if person.manner == "appointments":
        yield _appointment(session, came, "arrived")
    else:
        name, since, _ = _encounters(person, session, came, left)[0]
        yield Act(at=came, did="encounter", session=session, name=name, came=since)


def _over(person: Person, session: Session, came: datetime, left: datetime, later: timedelta) -> Acts:
    if person.manner == "appointments":
        yield _appointment(session, session.end + later, "fulfilled")
        return
    for name, since, until in _encounters(person, session, came, left):
        yield Act(at=session.end + later, did="encounter", session=session, name=name, came=since, left=until)


def _encounters(
    person: Person, session: Session, came: datetime, left: datetime
) -> list[tuple[str, datetime, datetime]]:
    """Name, since and until of each."""
    middle = session.start + BLOCK
    if person.manner != "blocks" or session.end <= middle or not came < middle < left:
        return [(f"{session.name}-1", came, left)]
    first, second = (came, middle + SIGNED_OUT_LATE), (middle - SIGNED_OUT_LATE, left)
    return [(f"{session.name}-1", *first), (f"{session.name}-2", *second)]


def _appointment(session: Session, at: datetime, status: str, reason: str = "") -> Act:
    return Act(at=at, did="appointment", session=session, status=status, reason=reason)


def _arrival(session: Session, chance: Random) -> datetime:
    return session.start + timedelta(minutes=chance.randint(-12, 4))


def _days(chance: Random) -> timedelta:
    return DAY * chance.choice((1, 2, 3, 5, 8, 13, 21, LATE_DAYS_MOST))

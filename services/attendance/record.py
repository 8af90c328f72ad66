"""What is remembered of a stay, small enough to be read at every decision: its sessions, who was there, what is open.

A session holds what was reported of it; its outcome and its minutes follow from that, whatever came first.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Literal, Self

import msgspec

from services.attendance.groups.guest_events import OpenSlot
from shared.events.codes import HANDLING
from shared.events.envelope import name_id
from shared.events.escalation import HandedOver
from shared.events.intake import EpisodeAdmitted, TemplateSlot
from shared.rules.escalation import Open, due_at
from shared.rules.payers import DEFAULT

SessionOutcome = Literal["planned", "present", "attended", "missed", "cancelled-late", "excused", "cancelled"]
Mark = Literal[
    "",
    "arrived",
    "fulfilled",
    "noshow",
    "excused",
    "declined",
    "late",
    "declined-late",
    "off",
    "ended",
    "replanned",
    "closed",
    "moved",
    "mistaken",
    "asked",
    "unseated",
]
"""What the session's Appointment, or the patient's answer to it, says last. `ended`: the stay ended before it.
`replanned`: another week was planned before it. `closed`: the program's calendar holds it on no such day.
`moved`: it is held at another time. `mistaken`: nobody booked it, or whoever did takes it back.
`asked`: a group is asked for a guest's seat of it, and has not answered. `unseated`: it gave none."""
LATE: frozenset[Mark] = frozenset({"late", "declined-late"})
PRESENT: frozenset[Mark] = frozenset({"arrived", "fulfilled"})
_EXCUSED: frozenset[Mark] = frozenset({"excused", "declined"})
NOT_OWED: frozenset[Mark] = frozenset({"ended", "replanned", "closed", "moved", "mistaken", "asked", "unseated"})
"""Called off for what became of the stay, by the calendar, for another time, or as none that ever was, or not yet."""
CANCELLED: frozenset[Mark] = NOT_OWED | {"off"}
AWAY: frozenset[SessionOutcome] = frozenset({"cancelled", "excused", "cancelled-late"})
"""The outcomes of what does not take place for the patient."""
BY_A_PERSON = "person"
BY_THE_GROUP = "group"
BY_ITSELF = -1
"""The weekday of a slot that no week holds: sessions of it are booked one by one."""
MINUTES_MOST = 720
"""Of one session; as many as intake plans at most."""
OF_A_DAY = -1
"""As the slot of a place: about all sessions of the day that begins at its minute."""
OWNER_BY_TIER = {1: "case-manager", 2: "primary-therapist", 3: "primary-therapist"}
Period = tuple[datetime, datetime | None]
"""When somebody was there, [start, end); an end of None is not known yet."""
Span = tuple[int, int | None]
"""The same in seconds from the start of a session."""


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """What one Encounter reports of one session, cut to it. `encounter` is the beginning of its id; `form` is short for
    all that is emitted of the report, so that a correction of its class or of times beyond the session is one. One that
    is `over` though its span is open does not tell its minutes."""

    encounter: str
    spans: tuple[Span, ...]
    form: str = ""
    over: bool = False

    @property
    def lasts(self) -> bool:
        return self.spans != () and self.spans[-1][1] is None


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One session: `minute` is its start in minutes since 1970, `slot` its place in the episode's template.

    `concluded`: silence was listened to, or it was cancelled after its start; `deferred_until` (seconds since 1970) is
    when silence makes it a miss, 0 for the end of the grace time. Of one attended late or in part: whether that counts,
    and when it will (`outcomes.judged`). `answered` are the kinds of request about it that a
    person has resolved. `stated` is short for the reasons that its cancelled Appointment names ("" for none), or
    `BY_A_PERSON`, who excused it afterwards, or `BY_THE_GROUP`, which called it off for all its members; of one that is
    `closed` it is the reason in the calendar, of one that is `moved` the minute at which it is held. `length` are its
    minutes where they are others than its slot's, `makes_up` the place of the miss whose hours it makes up.
    """

    minute: int
    slot: int
    mark: Mark = ""
    concluded: bool = False
    deferred_until: int = 0
    presences: tuple[Presence, ...] = ()
    answered: tuple[str, ...] = ()
    stated: str = ""
    length: int = 0
    makes_up: tuple[int, ...] = ()

    @property
    def place(self) -> tuple[int, int]:
        """What names it within the stay."""
        return self.minute, self.slot

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(self.minute * 60, UTC)

    @property
    def lasts(self) -> bool:
        """Somebody came, and how long they stayed is not known yet."""
        for presence in self.presences:
            if presence.lasts:
                return True
        return not self.presences and self.mark == "arrived"

    @property
    def outcome(self) -> SessionOutcome:
        """Who was there was there, whatever else was reported; then what was agreed; then silence."""
        if self.presences or self.mark in PRESENT:
            return "present" if self.lasts else "attended"
        if self.mark in CANCELLED:
            return "cancelled"
        if self.mark in _EXCUSED:
            return "excused"
        if self.mark in LATE:
            return "cancelled-late"
        return "missed" if self.mark == "noshow" or self.concluded else "planned"

    @property
    def counts_as_missed(self) -> bool:
        """A cancellation that came too late counts from the session's start on."""
        if self.presences:
            return False
        outcome = self.outcome
        return outcome == "missed" or (outcome == "cancelled-late" and self.concluded)

    @property
    def waits(self) -> bool:
        """Silence has still to decide it."""
        return not self.concluded and not self.presences and self.outcome in ("planned", "cancelled-late")


class SessionSlot(TemplateSlot, frozen=True, array_like=True):
    """What sessions of one kind share: of the weekly template, or (`BY_ITSELF`) of none of its days.

    `modality`, `topic` and `group` are codes and names of the hub's, `therapist` and `room` opaque ids; "" for none.
    """

    modality: str = ""
    topic: str = ""
    therapist: str = ""
    room: str = ""
    group: str = ""

    @classmethod
    def of(cls, planned: TemplateSlot) -> Self:
        return cls(planned.kind, planned.weekday, planned.start, planned.minutes, planned.every_weeks)


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. `grace_minutes` and `retention_days` are settings of their day: a deadline never moves by a setting."""

    id: str
    admitted_at: datetime
    template: tuple[SessionSlot, ...]
    flags: tuple[str, ...]
    booked_until: datetime
    week_start: datetime
    grace_minutes: int = 15
    late_hours: int = 24
    discharged_at: datetime | None = None
    retention_days: int = 0
    """Of an ended stay: how long after its end it leaves the state."""
    died_at: datetime | None = None
    unreported_hours: tuple[int, int] = (24, 72)
    """How long after its session an Encounter may stay open, and how long after its week minutes are waited for."""
    reopened: bool = False
    """It was said to be over, and is not: what was closed with it may name misses that stand."""
    paused_at: datetime | None = None
    """Since when the patient is treated elsewhere for nights: no session is owed."""
    week: tuple[int, ...] | None = None
    """The slots of the template of which a week is made now; None: of all, as it was admitted."""
    planned_at: datetime | None = None
    """Since when; None: since the admission."""
    calendar: str = ""
    """Short for the calendar of the program that its sessions follow."""
    silent_hours: tuple[int, int] = (72, 336)
    """How long after a miss nobody may have reached the patient, and how long they may have attended nothing."""
    tracks: tuple[str, ...] = ()
    """Of the plan of care, its first one first; none of a stay that an older release admitted."""
    week_of_care: tuple[int, ...] | None = None
    """The slots of the week as the plan of care has it, where groups hold part of it: `week` is what is held."""
    grouped_at: datetime | None = None
    """Since when they do."""
    week_end: datetime | None = None
    """Of the week that begins at `week_start`; None where an older release began it: seven days."""
    week_payer: str = DEFAULT
    """By whose numbers that week is counted."""

    @property
    def slots(self) -> tuple[int, ...]:
        if self.week is not None:
            return self.week
        return tuple(slot for slot, each in enumerate(self.template) if each.weekday != BY_ITSELF)

    def with_slot(self, index: int, slot: SessionSlot) -> Self:
        """With one of no week behind the others, or in the place of another one of no week."""
        known = self.template
        if index != len(known) and (index > len(known) or known[index].weekday != BY_ITSELF):
            return self
        return msgspec.structs.replace(self, template=(*known[:index], slot, *known[index + 1 :]))

    def replanned(self, planned: tuple[TemplateSlot, ...], at: datetime, tracks: tuple[str, ...] = ()) -> Self:
        """With the week of this template, and these tracks where they are known, from then on, but where a later one is
        known. What was booked before still is by its slot, so none goes."""
        if at < (self.planned_at or self.admitted_at):
            return self
        template = dict.fromkeys(SessionSlot.of(each) for each in planned)
        whole = (*self.template, *(each for each in template if each not in self.template))
        week = tuple(whole.index(each) for each in template)
        return msgspec.structs.replace(
            self, template=whole, week=week, week_of_care=None, planned_at=at, tracks=tracks or self.tracks
        )

    @property
    def slots_of_care(self) -> tuple[int, ...]:
        return self.slots if self.week_of_care is None else self.week_of_care

    def grouped(self, slots: tuple[SessionSlot, ...], at: datetime) -> Self:
        """With a week of these slots from then on, in place of those of the plan of care."""
        whole = (*self.template, *(each for each in slots if each not in self.template))
        week = tuple(whole.index(each) for each in slots)
        of_care = self.slots_of_care
        return msgspec.structs.replace(self, template=whole, week=week, week_of_care=of_care, grouped_at=at)

    def is_replanned(self, session: Session) -> bool:
        """Whether it is of a week before this one, and would begin after that ended."""
        since = [each for each in (self.planned_at, self.grouped_at) if each is not None]
        return (
            bool(since)
            and not self.is_by_itself(session)
            and session.start > max(since)
            and session.slot not in self.slots
        )

    def is_by_itself(self, session: Session) -> bool:
        """Whether no week holds it."""
        return self.template[session.slot].weekday == BY_ITSELF

    @property
    def is_over(self) -> bool:
        """Nothing more is asked about its misses."""
        return self.discharged_at is not None or self.died_at is not None

    def is_paused_for(self, session: Session) -> bool:
        return self.paused_at is not None and session.start >= self.paused_at

    def session_id(self, session: Session) -> str:
        return name_id(self.id, f"session:{session.start.isoformat()}:{session.slot}")

    def minutes(self, session: Session) -> int:
        """As planned."""
        return session.length or self.template[session.slot].minutes

    def end(self, session: Session) -> datetime:
        return session.start + timedelta(minutes=self.minutes(session))

    def overlap(self, one: Session, other: Session) -> bool:
        return one.start < self.end(other) and other.start < self.end(one)

    def precedes(self, event: EpisodeAdmitted) -> bool:
        """Whether that admission begins a later stay; the same or an older one, consumed again, changes nothing."""
        return self.id != event.episode_id and self.admitted_at <= event.admitted_at


SilenceKind = Literal["no-contact", "no-attendance"]
RequestKind = (
    Literal[
        "missed",
        "two-misses",
        "three-misses",
        "check-presence",
        "report-minutes",
        "late-report",
        "over-cap",
        "group-seat",
        "leaves-groups",
    ]
    | Literal["late-or-partial", "week-short", "guest-seat-refused"]
    | SilenceKind
)


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Something that a person is asked: an open escalation, without what follows from the sessions.

    `place` names the session it is about, (0, 0) where it is about several, the day (`OF_A_DAY`) whose sessions it is
    about; `about` the resource where the session alone would not tell it. Times are seconds since 1970.
    """

    id: str
    kind: RequestKind
    place: tuple[int, int]
    tier: int
    raised_at: int
    acknowledge_by: int
    act_by: int
    accepted: bool = False
    overdue: int = 0
    """1 once it was not acknowledged in time, 2 once it was not acted on in time."""
    about: str = ""
    accepted_by: str = ""
    acted: str = ""
    owner: str = ""
    """The role that it was handed over to; else that of its tier is asked."""
    handed_over: tuple[int, str] | None = None
    """When it was handed over since it was asked, and to whom ("" for anybody of the role)."""

    @property
    def asks(self) -> str:
        """The role that is asked."""
        return self.owner or OWNER_BY_TIER[self.tier]

    @property
    def handing(self) -> HandedOver | None:
        return None if self.handed_over is None else HandedOver(moment_of(self.handed_over[0]), self.handed_over[1])

    @property
    def is_overdue(self) -> bool:
        """As it stands: whoever took it on late has still to act."""
        return self.overdue == 2 or (self.overdue == 1 and not self.accepted)

    @property
    def due(self) -> int | None:
        return due_at(self.accepted, self.is_overdue or self.acted in HANDLING, self.acknowledge_by, self.act_by)

    def now(self, known: Open) -> Self:
        """As the shared machine has it now."""
        escalation, handing = known.escalation, known.escalation.handed_over
        return msgspec.structs.replace(
            self,
            tier=escalation.tier,
            acknowledge_by=second_of(escalation.acknowledge_by),
            act_by=second_of(escalation.act_by),
            accepted=known.accepted,
            overdue=(2 if known.accepted else 1) if known.overdue else 0,
            accepted_by=known.accepted_by,
            acted=known.acted,
            owner=self.owner if escalation.owner == self.asks else escalation.owner,
            handed_over=None if handing is None else (second_of(handing.at), handing.person),
        )


WeekFinding = Literal["", "short", "unknown"]


class Week(msgspec.Struct, frozen=True, array_like=True):
    """A whole week that was looked at, [start, end) in minutes since 1970; its minutes and what was emitted of it.

    What it needs is as its payer asked when it was looked at: a week never needs more by a setting.
    """

    start: int
    end: int
    minimum_minutes: int
    minutes: int
    finding: WeekFinding = ""
    payer: str = DEFAULT
    days: int = 0
    """On which enough was attended, of `minimum_days`."""
    minimum_days: int = 0
    day_minutes: int = 0
    session_percent: int = 0
    unseated_minutes: int = 0
    """That the plan of care had in group sessions for which no group had a seat: they were owed, and are missing."""

    def holds(self, session: Session) -> bool:
        return self.start <= session.minute < self.end


class Projection(msgspec.Struct, frozen=True, array_like=True):
    """The week that runs, or (`phase` 0) the next one, [start, end) in minutes since 1970. `phase` 1: it runs; 2: from
    `decides_at` on a person is asked where it is short. `bookable` is as of the finding; `answered` are the projected
    minutes, `answered_days` the projected days for which a person has answered; `former` are weeks that are over, found
    short while they ran, and not looked at yet. What it needs is as its payer asked when it began."""

    start: int
    end: int
    decides_at: int
    minimum_minutes: int
    phase: int = 0
    finding: Literal["", "short"] = ""
    delivered: int = 0
    projected: int = 0
    bookable: int = 0
    answered: int | None = None
    former: tuple[tuple[int, int], ...] = ()
    open: tuple[OpenSlot, ...] = ()
    """Sessions of other groups with a free seat, in order of time, as these answered last."""
    minimum_days: int = 0
    """0 where who pays asks for none: then no days are counted."""
    day_minutes: int = 0
    session_percent: int = 0
    days: int = 0
    projected_days: int = 0
    answered_days: int = 0

    @property
    def asks(self) -> bool:
        """Whether a person is to be asked: nobody has answered, or it has become worse since."""
        is_worse = self.answered is None or self.projected < self.answered or self.projected_days < self.answered_days
        return self.phase == 2 and self.finding != "" and is_worse

    @property
    def terms(self) -> tuple[int, ...]:
        """Which week it is, and what it needs."""
        needs = self.minimum_minutes, self.minimum_days, self.day_minutes, self.session_percent
        return self.start, self.end, *needs

    def without_finding(self) -> Self:
        """It has what it needs, or is not judged."""
        none = {"delivered": 0, "projected": 0, "days": 0, "projected_days": 0, "bookable": 0, "answered_days": 0}
        return msgspec.structs.replace(self, finding="", answered=None, open=(), **none)

    @property
    def numbers(self) -> tuple[str, int, int, int, int]:
        """What is found of it: where they change, that is emitted."""
        return self.finding, self.delivered, self.projected, self.days, self.projected_days

    @property
    def looks_at(self) -> datetime:
        """When something of it changes though nothing is reported."""
        return moment_of((self.start, self.decides_at, self.end)[self.phase] * 60)


def decides_at(episode: Episode, session: Session) -> datetime:
    """When silence makes a session that waits a miss."""
    if session.deferred_until:
        return moment_of(session.deferred_until)
    return session.start + timedelta(minutes=episode.grace_minutes)


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def second_of(moment: datetime) -> int:
    return int(moment.timestamp())


def second_after(moment: datetime) -> int:
    """The first whole second that is not before it."""
    return ceil(moment.timestamp())


def moment_of(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def encounter_name(encounter_id: str) -> str:
    """The beginning of an Encounter's id: enough to tell those of one patient apart."""
    return encounter_id.replace("-", "")[:12]


def where_it_went(session: Session, sessions: tuple[Session, ...]) -> Session:
    """The session itself, or where it is held since it was moved, however often."""
    places = {each.place: each for each in sessions} if session.mark == "moved" else {}
    while session.mark == "moved" and (there := places.get((int(session.stated), session.slot))) is not None:
        session = there
    return session


def sessions_named(
    episode: Episode, sessions: tuple[Session, ...], ids: tuple[str, ...], near: datetime
) -> Iterator[Session]:
    """Those with these ids, looked for from `near` outwards: an id is derived, and that costs more than sorting."""
    missing, at = set(ids), minute_of(near)
    for session in sorted(sessions, key=lambda each: abs(each.minute - at)):
        if not missing:
            return
        if (identity := episode.session_id(session)) in missing:
            missing.discard(identity)
            yield session

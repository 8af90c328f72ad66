"""What attendance emits: which sessions are planned, held, missed, excused, and which week fell short of hours."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource

Shortfall = Literal["late", "partial", ""]
"""How a session that was attended fell short: the patient came after the grace time; or was there for too little of
it, whenever they came."""


class Coding(msgspec.Struct, frozen=True, array_like=True):
    """A code as it was sent, of a code system ("" where none was named)."""

    code_system: str
    code: str

    def write(self) -> fhir.Element:
        return fhir.coding(self.code_system, self.code) if self.code_system else {"code": self.code}


class BookingNumber(msgspec.Struct, frozen=True, array_like=True):
    """By which a session is known to whoever booked it."""

    system: str
    value: str


SESSION_KINDS = (
    "group",
    "individual",
    "family",
    "workshop",
    "psychoeducation",
    "skills",
    "relapse-prevention",
    "refusal-training",
)
"""What a session is, by its content (domain 1.2)."""
MODALITIES = IN_PERSON, VIDEO, PHONE = "in-person", "video", "phone"
"""How the patient takes part, as it was booked."""


class SessionEvent(Event, frozen=True, kw_only=True):
    """A session as planned: an Appointment, from `start` to `end` (instants).

    `topic` is a code of the plan's topics, `therapist` the opaque id of a Practitioner, `room` that of a Location,
    `group` the program's name of a group; "" where none was named. `makes_up_id` is the session
    whose miss it makes up, "" for none.
    """

    session_id: str
    episode_id: str
    kind: str
    start: datetime
    end: datetime
    modality: str = IN_PERSON
    topic: str = ""
    therapist: str = ""
    room: str = ""
    group: str = ""
    makes_up_id: str = ""
    status: ClassVar[str]

    def write(self, patient: str) -> list[Resource]:
        return [self._appointment(patient)]

    def _appointment(self, patient: str) -> fhir.Element:
        topic = [fhir.concept(codes.TOPIC, self.topic)] if self.topic else []
        return {
            "resourceType": "Appointment",
            "id": self.session_id,
            "status": self.status,
            "serviceCategory": [fhir.concept(codes.MODALITY, self.modality)],
            "serviceType": [fhir.concept(codes.SESSION, self.kind), *topic],
            "start": self.start,
            "end": self.end,
            "participant": [{"actor": each, "status": "accepted"} for each in self._actors(patient)],
            **(
                {"supportingInformation": [fhir.reference("Appointment", self.makes_up_id)]} if self.makes_up_id else {}
            ),
        }

    def _actors(self, patient: str) -> Iterator[fhir.Element]:
        yield fhir.reference("Patient", patient)
        if self.therapist:
            yield fhir.reference("Practitioner", self.therapist)
        if self.room:
            yield fhir.reference("Location", self.room)
        if self.group:
            yield fhir.reference("HealthcareService", self.group)


def identifiers_of(session_id: str, numbers: tuple[BookingNumber, ...]) -> Mapping[str, list[Resource]]:
    written: list[Resource] = [{"system": each.system, "value": each.value} for each in numbers]
    return {session_id: written} if written else {}


class SessionScheduled(SessionEvent, frozen=True, kw_only=True):
    """`numbers` are those of whoever booked it."""

    status: ClassVar[str] = "booked"
    numbers: tuple[BookingNumber, ...] = ()

    def identifiers(self) -> Mapping[str, list[Resource]]:
        return identifiers_of(self.session_id, self.numbers)


class SessionRequested(SessionEvent, frozen=True, kw_only=True):
    """A seat of this session of a group is asked for, for whoever makes up a miss: it is booked once the group has
    given it, else cancelled (`no-seat`). `numbers` are those of whoever asked for it."""

    status: ClassVar[str] = "pending"
    numbers: tuple[BookingNumber, ...] = ()

    def identifiers(self) -> Mapping[str, list[Resource]]:
        return identifiers_of(self.session_id, self.numbers)


class SessionMissed(SessionEvent, frozen=True, kw_only=True):
    """Nobody checked the patient in within the grace time. A late check-in retracts it."""

    status: ClassVar[str] = "noshow"


class AttendanceCorrected(SessionEvent, frozen=True, kw_only=True):
    """A miss was wrong: the patient was there. What it raised is retracted."""

    status: ClassVar[str] = "fulfilled"
    reason: str

    def write(self, patient: str) -> list[Resource]:
        return [self._appointment(patient) | {"comment": self.reason}]


class SessionCancelled(SessionEvent, frozen=True, kw_only=True):
    """The program called the session off (or the episode ended). It never counts against the patient.

    `stated` are the reasons that its Appointment was cancelled for, as they were sent; `reason` is what they count as.
    """

    status: ClassVar[str] = "cancelled"
    reason: str
    stated: tuple[Coding, ...] = ()

    def write(self, patient: str) -> list[Resource]:
        reason = {"coding": [*(each.write() for each in self.stated), fhir.coding(codes.REASON, self.reason)]}
        return [self._appointment(patient) | {"cancelationReason": reason}]


class SessionExcused(SessionCancelled, frozen=True, kw_only=True):
    """The patient was excused; an excused absence is no miss."""


class SessionCancelledLate(SessionCancelled, frozen=True, kw_only=True):
    """The patient cancelled after the start, or without a reason: it counts as a miss until a person excuses it."""


class PresenceEvent(SessionEvent, frozen=True, kw_only=True):
    """The patient is, or was, at the session: the Encounter that reports it, and the Appointment it fulfils.

    `came_at` and `class_code` are as reported; `also` are further sessions that this Encounter names and touches.
    `shortfall` is of the whole session, by all that is reported of it so far, and stands on its Appointment.
    """

    encounter_id: str
    class_code: str = "AMB"
    also: tuple[str, ...] = ()
    shortfall: Shortfall = ""

    def _appointment(self, patient: str) -> fhir.Element:
        found = super()._appointment(patient)
        if not self.shortfall:
            return found
        named = {"url": codes.SHORTFALL, "valueCodeableConcept": fhir.concept(codes.ATTENDANCE, self.shortfall)}
        return found | {"extension": [named]}

    def _encounter(self, patient: str, status: str, **more: object) -> fhir.Element:
        return {
            "resourceType": "Encounter",
            "id": self.encounter_id,
            "status": status,
            "class": fhir.coding(codes.ACT, self.class_code),
            "type": [fhir.concept(codes.SESSION, self.kind)],
            "subject": fhir.reference("Patient", patient),
            "episodeOfCare": [fhir.reference("EpisodeOfCare", self.episode_id)],
            "appointment": [fhir.reference("Appointment", each) for each in (self.session_id, *self.also)],
            **more,
        }


class SessionCheckedIn(PresenceEvent, frozen=True, kw_only=True):
    """The patient came at `came_at`; the minutes follow when the session is over."""

    status: ClassVar[str] = "arrived"
    came_at: datetime

    def write(self, patient: str) -> list[Resource]:
        encounter = self._encounter(patient, "in-progress", period={"start": self.came_at})
        return [encounter, self._appointment(patient)]


class SessionAttended(PresenceEvent, frozen=True, kw_only=True):
    """The patient was there from `came_at` to `left_at`.

    `minutes` are what this Encounter adds to the sessions it names: over all Encounters none is counted twice.
    """

    status: ClassVar[str] = "fulfilled"
    minutes: int
    came_at: datetime
    left_at: datetime

    def write(self, patient: str) -> list[Resource]:
        length = {"value": self.minutes, "unit": "min", "system": codes.UCUM, "code": "min"}
        present = {"start": self.came_at, "end": self.left_at}
        return [self._encounter(patient, "finished", period=present, length=length), self._appointment(patient)]


class CheckInWithdrawn(PresenceEvent, frozen=True, kw_only=True):
    """The Encounter was entered in error: what it reported of this session is not known any more.

    `held`: others report it still.
    """

    status: ClassVar[str] = "booked"
    held: bool = False

    def write(self, patient: str) -> list[Resource]:
        appointment = self._appointment(patient) | ({"status": "fulfilled"} if self.held else {})
        return [self._encounter(patient, "entered-in-error"), appointment]


WEEKLY_HOURS = "weekly-hours"
"""By which every finding of a week's hours is found, while it runs and after it."""


class WeekEvent(Event, frozen=True, kw_only=True):
    """The hours of one whole week of the episode: delivered minutes against the minimum of who pays (9 h, domain 2.2);
    where they ask for days, also on how many enough was attended."""

    status: ClassVar[str]
    suffix: ClassVar[str] = ""

    issue_id: str
    episode_id: str
    week_start: datetime
    week_end: datetime
    minutes: int
    minimum_minutes: int
    days: int = 0
    minimum_days: int = 0
    """0 where who pays asks for none."""

    def write(self, patient: str) -> list[Resource]:
        return [
            {
                "resourceType": "DetectedIssue",
                "id": self.issue_id,
                "status": self.status,
                "code": fhir.concept(codes.ESCALATION, "weekly-hours-short", WEEKLY_HOURS),
                "patient": fhir.reference("Patient", patient),
                "identifiedPeriod": {"start": self.week_start, "end": self.week_end},
                "implicated": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "detail": f"{self.minutes} of {self.minimum_minutes} minutes{self.suffix}",
                **({"evidence": [{"code": [self._of_days()]}]} if self.minimum_days else {}),
            }
        ]

    def _of_days(self) -> fhir.Element:
        return {**fhir.concept(codes.ESCALATION, "days-attended"), "text": self._days_text()}

    def _days_text(self) -> str:
        return f"{self.days} of {self.minimum_days} days"


class WeeklyHoursProjectedShort(WeekEvent, frozen=True, kw_only=True):
    """The running week will have fewer minutes, or fewer days, than it needs: `minutes` and `days` are delivered,
    `projected_minutes` and `projected_days` these and what is planned, `bookable_minutes` what could be given besides.
    Emitted again, of the same issue, when they change; what becomes of the week is emitted of that issue too."""

    status: ClassVar[str] = "preliminary"

    projected_minutes: int
    bookable_minutes: int
    projected_days: int = 0

    def write(self, patient: str) -> list[Resource]:
        (issue,) = super().write(patient)
        more = f" delivered, {self.projected_minutes} projected, {self.bookable_minutes} still bookable"
        return [issue | {"detail": f"{issue['detail']}{more}"}]

    def _days_text(self) -> str:
        return f"{super()._days_text()} delivered, {self.projected_days} projected"


class WeeklyHoursFellShort(WeekEvent, frozen=True, kw_only=True):
    """The week ended below its hours. Said again, of the same issue, when its minutes change and it is still short."""

    status: ClassVar[str] = "final"


class WeeklyHoursUnknown(WeekEvent, frozen=True, kw_only=True):
    """Encounters of the week are still open: `minutes` are those known, the others may be enough, nobody knows."""

    status: ClassVar[str] = "preliminary"
    suffix: ClassVar[str] = " known, others not reported yet"


class WeeklyHoursCorrected(WeekEvent, frozen=True, kw_only=True):
    """The week has its hours after all, or nobody could have filled it: the finding is taken back."""

    status: ClassVar[str] = "entered-in-error"

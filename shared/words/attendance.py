"""What attendance says: which sessions are planned, held, missed, excused, and which week fell short of hours."""

from datetime import datetime
from typing import Any, ClassVar

from shared.words import codes, fhir
from shared.words.envelope import Resource, Word


class SessionWord(Word, frozen=True, kw_only=True):
    """A session as planned: an Appointment, from `start` to `end` (instants)."""

    session_id: str
    episode_id: str
    kind: str
    start: datetime
    end: datetime
    status: ClassVar[str]
    presence: ClassVar[str] = "accepted"

    def write(self, patient: str) -> list[Resource]:
        return [self._appointment(patient)]

    def _appointment(self, patient: str) -> dict[str, Any]:
        return {
            "resourceType": "Appointment",
            "id": self.session_id,
            "status": self.status,
            "serviceType": [fhir.concept(codes.SESSION, self.kind)],
            "start": self.start,
            "end": self.end,
            "participant": [{"actor": fhir.reference("Patient", patient), "status": self.presence}],
        }


class SessionScheduled(SessionWord, frozen=True, kw_only=True):
    status: ClassVar[str] = "booked"


class SessionMissed(SessionWord, frozen=True, kw_only=True):
    """Nobody checked the patient in within the grace time. A late check-in within the day retracts it."""

    status: ClassVar[str] = "noshow"


class AttendanceCorrected(SessionWord, frozen=True, kw_only=True):
    """A miss was wrong: the patient was there, or was excused. What it raised is retracted."""

    status: ClassVar[str] = "fulfilled"
    because: str

    def write(self, patient: str) -> list[Resource]:
        return [self._appointment(patient) | {"comment": self.because}]


class SessionCancelled(SessionWord, frozen=True, kw_only=True):
    """The program called the session off (or the episode ended). It never counts against the patient."""

    status: ClassVar[str] = "cancelled"
    because: str

    def write(self, patient: str) -> list[Resource]:
        return [self._appointment(patient) | {"cancelationReason": fhir.concept(codes.REASON, self.because)}]


class SessionExcused(SessionCancelled, frozen=True, kw_only=True):
    """The patient was excused; an excused absence is no miss."""


class SessionAttended(Word, frozen=True, kw_only=True):
    """A session was held with the patient present for `minutes`."""

    session_id: str
    encounter_id: str
    episode_id: str
    kind: str
    start: datetime
    end: datetime
    minutes: int

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        length = {"value": self.minutes, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}
        return [
            {
                "resourceType": "Encounter",
                "id": self.encounter_id,
                "status": "finished",
                "class": fhir.coding(codes.ACT, "AMB"),
                "type": [fhir.concept(codes.SESSION, self.kind)],
                "subject": subject,
                "episodeOfCare": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "appointment": [fhir.reference("Appointment", self.session_id)],
                "period": {"start": self.start, "end": self.end},
                "length": length,
            },
            {
                "resourceType": "Appointment",
                "id": self.session_id,
                "status": "fulfilled",
                "serviceType": [fhir.concept(codes.SESSION, self.kind)],
                "start": self.start,
                "end": self.end,
                "participant": [{"actor": subject, "status": "accepted"}],
            },
        ]


class WeeklyHoursFellShort(Word, frozen=True, kw_only=True):
    """A whole week of the episode ended below its hours: delivered minutes against the minimum (9 h, domain 2.2)."""

    issue_id: str
    episode_id: str
    week_start: datetime
    week_end: datetime
    minutes: int
    minimum_minutes: int

    def write(self, patient: str) -> list[Resource]:
        return [
            {
                "resourceType": "DetectedIssue",
                "id": self.issue_id,
                "status": "final",
                "code": fhir.concept(codes.ESCALATION, "weekly-hours-short"),
                "patient": fhir.reference("Patient", patient),
                "identifiedPeriod": {"start": self.week_start, "end": self.week_end},
                "implicated": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "detail": f"{self.minutes} of {self.minimum_minutes} minutes",
            }
        ]

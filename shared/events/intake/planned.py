"""Between a signature and the stay: its start is planned, or it waits for a seat, or it does not begin."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id

Waits = Literal["planned", "waitlist"]
"""FHIR's statuses of an EpisodeOfCare that has not begun."""
WAITS: Mapping[str, Waits] = {"planned": "planned", "waitlist": "waitlist"}


class EarlierStatus(msgspec.Struct, frozen=True, array_like=True):
    """A status that the EpisodeOfCare had before it began, and since when."""

    status: Waits
    since: datetime


def status_history(known: Sequence[EarlierStatus], until: datetime) -> list[fhir.Element]:
    """Each status up to the one that came next; the last of them until this instant."""
    ends = (*(each.since for each in known[1:]), until)
    return [
        {"status": each.status, "period": fhir.period(each.since, end)}
        for each, end in zip(known, ends, strict=bool(known))
    ]


class BeforeEpisode(Event, frozen=True, kw_only=True):
    """A level that the program offers was signed, and its stay has not begun. `signed` is the Task of that signature,
    `by` who named the start, or what stands in for it (empty: a client in its own name), `earlier` what it was before,
    the oldest first."""

    episode_id: str
    referral_id: str
    level: str
    signed: str
    at: datetime
    by: str = ""
    client: str = ""
    earlier: tuple[EarlierStatus, ...] = ()

    def written(self, patient: str, status: str, period: fhir.Element, reason: str = "") -> list[Resource]:
        """The EpisodeOfCare, whole, and where somebody asked for it the Provenance that leads to the signature."""
        target, coded = fhir.reference("EpisodeOfCare", self.episode_id), fhir.concept(codes.REASON, reason)
        history = status_history(self.earlier, self.at)
        episode = fhir.without_nothing(
            {
                "resourceType": "EpisodeOfCare",
                "id": self.episode_id,
                "extension": [{"url": codes.STATUS_REASON, "valueCodeableConcept": coded}] if reason else [],
                "status": status,
                "statusHistory": [*history, {"status": status, "period": {"start": self.at}}],
                "type": [fhir.concept(codes.LEVEL, self.level)],
                "patient": fhir.reference("Patient", patient),
                "period": period,
                "referralRequest": [fhir.reference("ServiceRequest", self.referral_id)],
            }
        )
        if not (self.by or self.client):
            return [episode]
        done = fhir.provenance(self._provenance_id(status), target, self.at, self.by or None, self.client)
        signed = [{"role": "source", "what": fhir.reference("Task", self.signed)}]
        return [episode, done | {"entity": signed} | ({"reason": [coded]} if reason else {})]

    def _provenance_id(self, status: str) -> str:
        """Of each step one of its own."""
        return name_id(self.episode_id, f"{status}:{self.at.isoformat()}")


class EpisodePlanned(BeforeEpisode, frozen=True, kw_only=True):
    """The stay is to begin at `starts_at`."""

    starts_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return self.written(patient, "planned", {"start": self.starts_at})


class EpisodeWaitlisted(BeforeEpisode, frozen=True, kw_only=True):
    """The patient waits for a seat, since `at`."""

    def write(self, patient: str) -> list[Resource]:
        return self.written(patient, "waitlist", {})


class EpisodeCancelled(BeforeEpisode, frozen=True, kw_only=True):
    """The stay that was planned, or waited for, does not begin; `reason` is a code."""

    reason: str

    def write(self, patient: str) -> list[Resource]:
        return self.written(patient, "cancelled", {"end": self.at}, self.reason)

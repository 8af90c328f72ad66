"""One stay in the IOP: admitted with its weekly template, declined with the level and its rules, discharged."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, TypeVar

import msgspec

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id
from shared.events.intake.care_plan import CarePlan, TemplateSlot, care_plan, categories, timetable
from shared.events.intake.history import NO_HISTORY, EpisodeHistory, LevelRead, StatusRead
from shared.events.intake.planned import WAITS, EarlierStatus, status_history


class EpisodeAdmitted(Event, frozen=True, kw_only=True):
    """One stay in the IOP begins, with its track, flags and weekly template."""

    episode_id: str
    plan_id: str
    referral_id: str
    level: str
    track: str
    flags: tuple[str, ...]
    template: tuple[TemplateSlot, ...]
    admitted_at: datetime
    referral_task_id: str = ""
    earlier: tuple[EarlierStatus, ...] = ()
    """What it was before it began, the oldest first: planned, or waiting for a seat."""
    stage: str = ""
    """In which it begins; unknown of a stay that an older release admitted."""
    other_tracks: tuple[str, ...] = ()
    """Tracks that hold beside the first, each of an axis of its own."""

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})

    def write(self, patient: str) -> list[Resource]:
        subject, begun = fhir.reference("Patient", patient), {"start": self.admitted_at}
        episode = episode_of_care(self.episode_id, "active", self.level, self.referral_id, subject, begun)
        return [
            episode | fhir.without_nothing({"statusHistory": status_history(self.earlier, self.admitted_at)}),
            care_plan(
                self.plan_id,
                "active",
                subject,
                begun,
                episode_id=self.episode_id,
                category=categories(self.track, self.flags, self.stage, self.other_tracks),
                activity=timetable(self.template),
            ),
            *_concluded(self.referral_id, self.referral_task_id, "completed", self.admitted_at, subject),
        ]


def episode_of_care(
    episode_id: str,
    status: str,
    level: str,
    referral_id: str,
    subject: fhir.Element,
    period: fhir.Element,
    on_hold: fhir.Element | None = None,
    history: EpisodeHistory = NO_HISTORY,
) -> Resource:
    """A stay whole: its level first, then those it had before."""
    hold = [{"status": "onhold", "period": on_hold}] if on_hold else []
    return fhir.without_nothing(
        {
            "resourceType": "EpisodeOfCare",
            "id": episode_id,
            "status": status,
            "statusHistory": [*history.status_history(), *hold],
            "type": [*([fhir.concept(codes.LEVEL, level)] if level else []), *history.former_levels()],
            "patient": subject,
            "period": period,
            "referralRequest": [fhir.reference("ServiceRequest", referral_id)] if referral_id else [],
        }
    )


def _concluded(referral_id: str, task_id: str, status: str, at: datetime, subject: fhir.Element) -> list[Resource]:
    """The referral and the Task that tracks it, once its placement was signed or declined."""
    if not task_id:
        return []
    referral: Resource = {
        "resourceType": "ServiceRequest",
        "id": referral_id,
        "status": "completed",
        "intent": "order",
        "subject": subject,
    }
    task: Resource = {
        "resourceType": "Task",
        "id": task_id,
        "status": status,
        "intent": "order",
        "focus": fhir.reference("ServiceRequest", referral_id),
        "for": subject,
        "lastModified": at,
    }
    return [referral, task]


class EpisodeOfCare(reading.Read, frozen=True):
    id: str
    period: reading.Period
    status_history: tuple[StatusRead, ...] = ()
    type: tuple[LevelRead, ...] = ()
    referral_request: tuple[reading.Reference, ...] = ()

    @property
    def history(self) -> EpisodeHistory:
        return EpisodeHistory.read(self.status_history, self.type)

    @property
    def level(self) -> str:
        return next((each.code for each in self.type if each.former is None), "")

    @property
    def referral_id(self) -> str:
        return self.referral_request[0].id if self.referral_request else ""


class _Task(reading.Read, frozen=True):
    id: str


@reading.reads(EpisodeOfCare, CarePlan, _Task)
def read_episode_admitted(resources: Sequence[reading.Read]) -> EpisodeAdmitted:
    (episode,), (plan,) = reading.of_type(resources, EpisodeOfCare), reading.of_type(resources, CarePlan)
    return EpisodeAdmitted(
        episode_id=fhir.own_id(episode.id),
        plan_id=plan.id,
        referral_id=fhir.own_id(episode.referral_request[0].id),
        level=episode.type[0].code,
        track=plan.track,
        flags=plan.flags,
        template=plan.template,
        admitted_at=reading.utc(episode.period.start),
        referral_task_id=_first_id(reading.of_type(resources, _Task)),
        earlier=tuple(
            EarlierStatus(WAITS[each.status], reading.utc(each.period.start))
            for each in episode.status_history
            if each.status in WAITS
        ),
        stage=plan.stage,
        other_tracks=plan.other_tracks,
    )


class OnHoldEvent(Event, frozen=True, kw_only=True):
    """While a patient is treated elsewhere for nights, no session of the stay is owed."""

    episode_id: str
    level: str
    referral_id: str
    admitted_at: datetime
    at: datetime
    history: EpisodeHistory = NO_HISTORY

    def of_status(self, status: str, patient: str, on_hold: fhir.Element) -> list[Resource]:
        subject, since = fhir.reference("Patient", patient), {"start": self.admitted_at}
        return [
            episode_of_care(
                self.episode_id, status, self.level, self.referral_id, subject, since, on_hold, self.history
            )
        ]


class EpisodePaused(OnHoldEvent, frozen=True, kw_only=True):
    """No session is owed since `at`."""

    def write(self, patient: str) -> list[Resource]:
        return self.of_status("onhold", patient, {"start": self.at})


class EpisodeResumed(OnHoldEvent, frozen=True, kw_only=True):
    """The stay goes on: sessions are owed from `at` on; from the admission on where there was nothing elsewhere. It was
    paused since `paused_at`, unknown of a stay that an older release paused."""

    paused_at: datetime | None = None

    def write(self, patient: str) -> list[Resource]:
        return self.of_status("active", patient, fhir.period(self.paused_at, self.at))


@reading.reads(EpisodeOfCare)
def read_episode_paused(resources: Sequence[reading.Read]) -> EpisodePaused:
    episode, on_hold = _on_hold(resources)
    return _of_status(EpisodePaused, episode, on_hold.start)


@reading.reads(EpisodeOfCare)
def read_episode_resumed(resources: Sequence[reading.Read]) -> EpisodeResumed:
    episode, on_hold = _on_hold(resources)
    resumed = _of_status(EpisodeResumed, episode, on_hold.end)
    return msgspec.structs.replace(resumed, paused_at=reading.optional_utc(on_hold.start))


def _on_hold(resources: Sequence[reading.Read]) -> tuple[EpisodeOfCare, reading.Period]:
    """Of the status history the last is what the event is about."""
    (episode,) = reading.of_type(resources, EpisodeOfCare)
    return episode, episode.status_history[-1].period


OnHold = TypeVar("OnHold", bound=OnHoldEvent)


def _of_status(kind: type[OnHold], episode: EpisodeOfCare, at: datetime | None) -> OnHold:
    return kind(
        episode_id=fhir.own_id(episode.id),
        level=episode.level,
        referral_id=episode.referral_id,
        admitted_at=reading.utc(episode.period.start),
        at=reading.utc(at),
        history=EpisodeHistory.read(episode.status_history[:-1], episode.type),
    )


class FlagsChanged(Event, frozen=True, kw_only=True):
    """What all must know of the patient has changed since the admission: the flags of now, and those that `ended`."""

    flags: tuple[str, ...]
    ended: tuple[str, ...]
    changed_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return [
            *(_flag(patient, each, "active", fhir.period(self.changed_at)) for each in self.flags),
            *(_flag(patient, each, "inactive", fhir.period(None, self.changed_at)) for each in self.ended),
        ]


def _flag(patient: str, code: str, status: str, lasting: fhir.Element) -> fhir.Element:
    return {
        "resourceType": "Flag",
        "id": name_id(patient, f"flag:{code}"),
        "status": status,
        "code": fhir.concept(codes.FLAG, code),
        "subject": fhir.reference("Patient", patient),
        "period": lasting,
    }


class _Flag(reading.Read, frozen=True):
    status: str
    code: reading.Concept
    period: reading.Period


@reading.reads(_Flag)
def read_flags_changed(resources: Sequence[reading.Read]) -> FlagsChanged:
    found = reading.of_type(resources, _Flag)
    flags = tuple(each.code.code for each in found if each.status == "active")
    ended = tuple(each.code.code for each in found if each.status == "inactive")
    (changed, *_) = (moment for each in found for moment in (each.period.start, each.period.end) if moment)
    return FlagsChanged(flags=flags, ended=ended, changed_at=reading.utc(changed))


class EpisodeDeclined(Event, frozen=True, kw_only=True):
    """The IOP is not the right level now: which level is, and every rule behind it. Never a punishment."""

    episode_id: str
    referral_id: str
    level: str
    rules: tuple[str, ...]
    declined_at: datetime
    referral_task_id: str = ""

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            {
                "resourceType": "EpisodeOfCare",
                "id": self.episode_id,
                "status": "cancelled",
                "type": [
                    fhir.concept(codes.LEVEL, self.level),
                    *(fhir.concept(codes.RULE, each) for each in self.rules),
                ],
                "patient": subject,
                "period": {"end": self.declined_at},
                "referralRequest": [fhir.reference("ServiceRequest", self.referral_id)],
            },
            *_concluded(self.referral_id, self.referral_task_id, "rejected", self.declined_at, subject),
        ]


DISCHARGED = frozenset({"status", "class", "subject", "episodeOfCare", "period", "hospitalization"})
"""Of a discharge's Encounter what only the hub says: its sender corrects it by what is decided."""


class EpisodeDischarged(Event, frozen=True, kw_only=True):
    """The stay ends, with the disposition on its Encounter (domain 6.1). Only a clinician's command causes it.

    Of a stay that has ended already it corrects what was known; `replaced_encounter_id` is the Encounter that is wrong.
    """

    episode_id: str
    encounter_id: str
    disposition: str
    admitted_at: datetime
    discharged_at: datetime
    plan_id: str = ""
    level: str = ""
    referral_id: str = ""
    """Both unknown of a stay that an older release admitted."""
    replaced_encounter_id: str = ""
    history: EpisodeHistory = NO_HISTORY

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan", "Encounter"})
    stands: ClassVar[Mapping[str, frozenset[str]]] = {"Encounter": DISCHARGED}

    def write(self, patient: str) -> list[Resource]:
        subject, period = fhir.reference("Patient", patient), {"start": self.admitted_at, "end": self.discharged_at}
        disposition = {
            "coding": [
                fhir.coding(codes.DISPOSITION, self.disposition),
                fhir.coding(codes.DISCHARGE, codes.FHIR_DISPOSITION[self.disposition]),
            ]
        }
        return [
            episode_of_care(
                self.episode_id, "finished", self.level, self.referral_id, subject, period, history=self.history
            ),
            {
                "resourceType": "Encounter",
                "id": self.encounter_id,
                "status": "finished",
                "class": fhir.coding(codes.ACT, "AMB"),
                "subject": subject,
                "episodeOfCare": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "period": period,
                "hospitalization": {"dischargeDisposition": disposition},
            },
            *([care_plan(self.plan_id, "completed", subject, period)] if self.plan_id else []),
            *([_mistaken(self.replaced_encounter_id, subject)] if self.replaced_encounter_id else []),
        ]


def _mistaken(encounter_id: str, subject: fhir.Element) -> Resource:
    """The Encounter of a discharge that was wrong."""
    return {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "entered-in-error",
        "class": fhir.coding(codes.ACT, "AMB"),
        "subject": subject,
    }


class _Hospitalization(reading.Element, frozen=True):
    discharge_disposition: reading.Concept


class _Encounter(reading.Read, frozen=True):
    id: str
    hospitalization: _Hospitalization | None = None


@reading.reads(EpisodeOfCare, _Encounter, CarePlan)
def read_episode_discharged(resources: Sequence[reading.Read]) -> EpisodeDischarged:
    """Raises ValueError for a disposition that is none of the hub's: nothing could be decided by it."""
    (episode,) = reading.of_type(resources, EpisodeOfCare)
    encounter, *replaced = reading.of_type(resources, _Encounter)
    disposition = reading.required(encounter.hospitalization).discharge_disposition.code_of(codes.DISPOSITION)
    if disposition not in codes.FHIR_DISPOSITION:
        raise ValueError("disposition")
    return EpisodeDischarged(
        episode_id=fhir.own_id(episode.id),
        encounter_id=encounter.id,
        disposition=disposition,
        admitted_at=reading.utc(episode.period.start),
        discharged_at=reading.utc(episode.period.end),
        plan_id=_first_id(reading.of_type(resources, CarePlan)),
        level=episode.level,
        referral_id=episode.referral_id,
        replaced_encounter_id=_first_id(replaced),
        history=episode.history,
    )


class DischargeWithdrawn(Event, frozen=True, kw_only=True):
    """The discharge was wrong: the stay goes on as if it had never ended (domain 6)."""

    episode_id: str
    encounter_id: str
    plan_id: str
    admitted_at: datetime
    withdrawn_at: datetime
    client: str
    level: str = ""
    referral_id: str = ""
    history: EpisodeHistory = NO_HISTORY

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan", "Encounter"})
    stands: ClassVar[Mapping[str, frozenset[str]]] = {"Encounter": DISCHARGED}

    def write(self, patient: str) -> list[Resource]:
        subject, period = fhir.reference("Patient", patient), {"start": self.admitted_at}
        target = fhir.reference("EpisodeOfCare", self.episode_id)
        return [
            episode_of_care(
                self.episode_id, "active", self.level, self.referral_id, subject, period, history=self.history
            ),
            _mistaken(self.encounter_id, subject),
            *([care_plan(self.plan_id, "active", subject, period)] if self.plan_id else []),
            fhir.provenance(name_id(self.encounter_id, "withdrawn"), target, self.withdrawn_at, None, self.client),
        ]


@reading.reads(EpisodeOfCare, _Encounter, CarePlan, reading.Provenance)
def read_discharge_withdrawn(resources: Sequence[reading.Read]) -> DischargeWithdrawn:
    (episode,), (encounter,) = reading.of_type(resources, EpisodeOfCare), reading.of_type(resources, _Encounter)
    provenances = reading.of_type(resources, reading.Provenance)
    return DischargeWithdrawn(
        episode_id=fhir.own_id(episode.id),
        encounter_id=fhir.own_id(encounter.id),
        plan_id=_first_id(reading.of_type(resources, CarePlan)),
        admitted_at=reading.utc(episode.period.start),
        withdrawn_at=reading.utc(provenances[0].recorded),
        client=reading.transmitter_of(provenances),
        level=episode.level,
        referral_id=episode.referral_id,
        history=episode.history,
    )


def _first_id(found: Sequence[_Task | CarePlan | _Encounter]) -> str:
    return next((each.id for each in found), "")

"""One stay in the IOP: admitted with its weekly template, declined with the level and its rules, discharged."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id


class TemplateSlot(msgspec.Struct, frozen=True, array_like=True):
    """One session of the weekly template: weekday 0 is Monday, `start` is local HH:MM, `every_weeks` 1 or 2."""

    kind: str
    weekday: int
    start: str
    minutes: int
    every_weeks: int = 1


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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

    amends: ClassVar[frozenset[str]] = frozenset({"ServiceRequest", "Task"})

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            _episode(self.episode_id, "active", self.level, self.referral_id, subject, {"start": self.admitted_at}),
            fhir.without_nothing(
                {
                    "resourceType": "CarePlan",
                    "id": self.plan_id,
                    "status": "active",
                    "intent": "plan",
                    "category": [
                        fhir.concept(codes.TRACK, self.track),
                        *(fhir.concept(codes.FLAG, each) for each in self.flags),
                    ],
                    "subject": subject,
                    "period": {"start": self.admitted_at},
                    "supportingInfo": [fhir.reference("EpisodeOfCare", self.episode_id)],
                    "activity": [_activity(slot) for slot in self.template],
                }
            ),
            *_concluded(self.referral_id, self.referral_task_id, "completed", self.admitted_at, subject),
        ]


def _episode(
    episode_id: str, status: str, level: str, referral_id: str, subject: fhir.Element, period: fhir.Element
) -> Resource:
    return fhir.without_nothing(
        {
            "resourceType": "EpisodeOfCare",
            "id": episode_id,
            "status": status,
            "type": [fhir.concept(codes.LEVEL, level)] if level else [],
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


def _task_of(resources: Sequence[Resource]) -> str:
    return next((str(each["id"]) for each in fhir.of_type(resources, "Task")), "")


def _activity(slot: TemplateSlot) -> fhir.Element:
    repeat = {
        "duration": slot.minutes,
        "durationUnit": "min",
        "frequency": 1,
        "period": slot.every_weeks,
        "periodUnit": "wk",
        "dayOfWeek": [WEEKDAYS[slot.weekday]],
        "timeOfDay": [f"{slot.start}:00"],
    }
    return {
        "detail": {
            "code": fhir.concept(codes.SESSION, slot.kind),
            "status": "scheduled",
            "scheduledTiming": {"repeat": repeat},
        }
    }


def _slot(activity: fhir.Element) -> TemplateSlot:
    detail = activity["detail"]
    repeat = detail["scheduledTiming"]["repeat"]
    return TemplateSlot(
        kind=fhir.code_of(detail["code"]),
        weekday=WEEKDAYS.index(repeat["dayOfWeek"][0]),
        start=repeat["timeOfDay"][0][:5],
        minutes=repeat["duration"],
        every_weeks=repeat["period"],
    )


def read_episode_admitted(resources: Sequence[Resource]) -> EpisodeAdmitted:
    (episode,), (plan,) = fhir.of_type(resources, "EpisodeOfCare"), fhir.of_type(resources, "CarePlan")
    track, *flags = plan["category"]
    return EpisodeAdmitted(
        episode_id=fhir.own_id(episode["id"]),
        plan_id=plan["id"],
        referral_id=fhir.identity(episode["referralRequest"][0]),
        level=fhir.code_of(episode["type"][0]),
        track=fhir.code_of(track),
        flags=fhir.codes_of(flags),
        template=tuple(_slot(each) for each in plan.get("activity", ())),
        admitted_at=fhir.moment(episode["period"]["start"]),
        referral_task_id=_task_of(resources),
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


def read_flags_changed(resources: Sequence[Resource]) -> FlagsChanged:
    found = fhir.of_type(resources, "Flag")
    flags = tuple(fhir.code_of(each["code"]) for each in found if each["status"] == "active")
    ended = tuple(fhir.code_of(each["code"]) for each in found if each["status"] == "inactive")
    (changed, *_) = (moment for each in found for moment in each["period"].values())
    return FlagsChanged(flags=flags, ended=ended, changed_at=fhir.moment(changed))


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

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan", "Encounter"})

    def write(self, patient: str) -> list[Resource]:
        subject, period = fhir.reference("Patient", patient), {"start": self.admitted_at, "end": self.discharged_at}
        disposition = {
            "coding": [
                fhir.coding(codes.DISPOSITION, self.disposition),
                fhir.coding(codes.DISCHARGE, codes.FHIR_DISPOSITION[self.disposition]),
            ]
        }
        return [
            _episode(self.episode_id, "finished", self.level, self.referral_id, subject, period),
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
            *([_plan(self.plan_id, "completed", subject, period)] if self.plan_id else []),
            *([_mistaken(self.replaced_encounter_id, subject)] if self.replaced_encounter_id else []),
        ]


def _plan(plan_id: str, status: str, subject: fhir.Element, period: fhir.Element) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": plan_id,
        "status": status,
        "intent": "plan",
        "subject": subject,
        "period": period,
    }


def _mistaken(encounter_id: str, subject: fhir.Element) -> Resource:
    """The Encounter of a discharge that was wrong."""
    return {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "entered-in-error",
        "class": fhir.coding(codes.ACT, "AMB"),
        "subject": subject,
    }


def read_episode_discharged(resources: Sequence[Resource]) -> EpisodeDischarged:
    """Raises ValueError for a disposition that is none of the hub's: nothing could be decided by it."""
    (episode,) = fhir.of_type(resources, "EpisodeOfCare")
    encounter, *replaced = fhir.of_type(resources, "Encounter")
    disposition = fhir.code_of(encounter["hospitalization"]["dischargeDisposition"], codes.DISPOSITION)
    if disposition not in codes.FHIR_DISPOSITION:
        raise ValueError("disposition")
    return EpisodeDischarged(
        episode_id=fhir.own_id(episode["id"]),
        encounter_id=encounter["id"],
        disposition=disposition,
        admitted_at=fhir.moment(episode["period"]["start"]),
        discharged_at=fhir.moment(episode["period"]["end"]),
        plan_id=next((str(each["id"]) for each in fhir.of_type(resources, "CarePlan")), ""),
        level=next(iter(fhir.codes_of(episode.get("type"))), ""),
        referral_id=next((fhir.identity(each) for each in episode.get("referralRequest", ())), ""),
        replaced_encounter_id=next((str(each["id"]) for each in replaced), ""),
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

    amends: ClassVar[frozenset[str]] = frozenset({"CarePlan", "Encounter"})

    def write(self, patient: str) -> list[Resource]:
        subject, period = fhir.reference("Patient", patient), {"start": self.admitted_at}
        target = fhir.reference("EpisodeOfCare", self.episode_id)
        return [
            _episode(self.episode_id, "active", self.level, self.referral_id, subject, period),
            _mistaken(self.encounter_id, subject),
            *([_plan(self.plan_id, "active", subject, period)] if self.plan_id else []),
            fhir.provenance(name_id(self.encounter_id, "withdrawn"), target, self.withdrawn_at, None, self.client),
        ]


def read_discharge_withdrawn(resources: Sequence[Resource]) -> DischargeWithdrawn:
    (episode,), (encounter,) = fhir.of_type(resources, "EpisodeOfCare"), fhir.of_type(resources, "Encounter")
    provenances = fhir.of_type(resources, "Provenance")
    return DischargeWithdrawn(
        episode_id=fhir.own_id(episode["id"]),
        encounter_id=encounter["id"],
        plan_id=next((str(each["id"]) for each in fhir.of_type(resources, "CarePlan")), ""),
        admitted_at=fhir.moment(episode["period"]["start"]),
        withdrawn_at=fhir.moment(provenances[0]["recorded"]),
        client=fhir.transmitter_of(provenances),
        level=next(iter(fhir.codes_of(episode.get("type"))), ""),
        referral_id=next((fhir.identity(each) for each in episode.get("referralRequest", ())), ""),
    )

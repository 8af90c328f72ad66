"""What aftercare stores of one patient, part by part: stays, plans, referrals. Pure; compact text."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Self

import msgspec

from shared.events.aftercare import ReferralEvent
from shared.events.aftercare_plan import Activities
from shared.events.envelope import name_id
from shared.events.intake import EpisodeAdmitted, EpisodeStepped, FlagsChanged
from shared.events.internal import ContactKnown
from shared.rules.consent import LACKS

CORRECTED = "discharge-corrected"
"""Why something ends that only the discharge as it was first known called for."""
SENT_MOST = 12
"""Of the referrals sent lately: at most one open to each of a program's partners (PARTNERS_MOST)."""
FLAGS_MOST = 20
AREA_CHARACTERS_MOST = 60
PLACE_STEPS = 20
"""Of a degree: no place of a patient is stored more exactly."""
LANGUAGE_CHARACTERS_MOST = 16


class InCare(msgspec.Struct, frozen=True, array_like=True, tag="in-care"):
    """An open episode, with what its meeting lists are chosen by."""

    episode_id: str
    track: str
    flags: tuple[str, ...] = ()
    """With the tracks beside the first."""

    @classmethod
    def of(cls, event: EpisodeAdmitted) -> Self:
        return cls(event.episode_id, event.track, (*event.other_tracks, *event.flags)[:FLAGS_MOST])

    def after(self, event: EpisodeStepped | FlagsChanged) -> Self:
        """With what is known since: the tracks and flags of another level, or flags that began and ended."""
        if isinstance(event, EpisodeStepped):
            flags = (*event.other_tracks, *event.flags)
            return type(self)(self.episode_id, event.track, flags[:FLAGS_MOST])
        flags = tuple(dict.fromkeys((*event.flags, *(each for each in self.flags if each not in event.ended))))
        return type(self)(self.episode_id, self.track, flags[:FLAGS_MOST])


class Discharged(msgspec.Struct, frozen=True, array_like=True, tag="discharged"):
    episode_id: str
    disposition: str
    discharged_at: datetime | None = None
    track: str = ""
    flags: tuple[str, ...] = ()
    admitted_at: datetime | None = None

    @property
    def began_at(self) -> datetime | None:
        """What was sent since then is of this stay, on whatever day it is said to have ended."""
        return self.admitted_at or self.discharged_at

    @property
    def care(self) -> InCare:
        """As it was before the discharge."""
        return InCare(self.episode_id, self.track, self.flags)

    @property
    def deceased(self) -> bool:
        return self.disposition == "deceased"


class Home(msgspec.Struct, frozen=True, array_like=True):
    """Where a patient lives, coarsely, and the record's gender: what their meeting lists are chosen by. `place` is the
    centre of the ZIP code in steps of 0.05 degrees."""

    place: tuple[int, int] | None = None
    state: str = ""
    zone: str = ""
    gender: str = ""

    @classmethod
    def of(cls, event: ContactKnown) -> Self:
        place = event.place and (round(event.place[0] * PLACE_STEPS), round(event.place[1] * PLACE_STEPS))
        return cls(place, event.state or "", event.zone or "", event.gender or "")

    @property
    def degrees(self) -> tuple[float, float] | None:
        return self.place and (self.place[0] / PLACE_STEPS, self.place[1] / PLACE_STEPS)


NOWHERE = Home()


class Ahead(msgspec.Struct, frozen=True, array_like=True):
    """A contact of the plan that is not due yet; `number` counts from 1."""

    number: int
    due_at: datetime


class FollowUp(msgspec.Struct, frozen=True, array_like=True):
    """A contact that fell due and waits for a person."""

    number: int
    due_at: datetime
    act_by: datetime
    escalated: bool = False
    """Nobody had reported it by `act_by`, and that was emitted."""


class LastContact(msgspec.Struct, frozen=True, array_like=True):
    """The latest contact of this stay that a person made, or tried to: it and those before it are asked for no more,
    whatever becomes of the plan. One made before a corrected discharge was none after it."""

    number: int
    made_at: datetime

    def counts_for(self, discharged_at: datetime) -> bool:
        return self.made_at >= discharged_at


class Engaged(msgspec.Struct, frozen=True, array_like=True):
    """Days in care up to the discharge of this stay, as intake counted them last."""

    episode_id: str
    days: int


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """A plan with a contact left. `made` are the due dates of those a person has completed."""

    plan_id: str
    ahead: tuple[Ahead, ...] = ()
    fallen_due: tuple[FollowUp, ...] = ()
    made: tuple[datetime, ...] = ()
    episode_id: str = ""
    planned_at: datetime | None = None
    engaged_days: int | None = None
    """Days in care up to the discharge, as intake counted them."""
    activities: Activities = ()

    @property
    def left(self) -> tuple[datetime, ...]:
        return (*(each.due_at for each in self.fallen_due), *(each.due_at for each in self.ahead))

    def follow_up_id(self, number: int) -> str:
        return name_id(self.plan_id, f"follow-up:{number}")


class Referral(msgspec.Struct, frozen=True, array_like=True):
    """A referral that is not settled: `OnItsWay` or `OnHold`. A settled one leaves the state."""

    referral_id: str
    partner: str
    kind: str
    purpose: str
    attempt: int
    asked_at: datetime
    asked_by: str
    """The member of staff who asked for it, where one is named, else empty."""
    send_again_reason: str
    """Why a person has it sent although the partner may have one already."""


def as_asked(event: ReferralEvent) -> tuple[str, str, str, str, int, datetime, str, str]:
    """The members of the `Referral` that it is about, in their order."""
    return (
        event.referral_id,
        event.partner,
        event.kind,
        event.purpose,
        event.attempt,
        event.asked_at,
        event.asked_by,
        event.send_again_reason,
    )


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A partner has it, or may have it: nothing is sent there again for a while."""

    partner: str
    at: datetime
    kind: str = ""
    """Of the referral, where the partner has it for sure."""


class OnItsWay(Referral, frozen=True, array_like=True):
    """The partner's lane has it. One that was taken back stays until the lane says whether that was in time;
    `contact_came`: the patient's contact data came anew meanwhile; the last three are of an earlier hold."""

    taken_back: str = ""
    contact_came: bool = False
    may_have_been_received: bool = False
    hold_ends_at: datetime | None = None
    answer_by: datetime | None = None
    escalated: bool = False


class OnHold(Referral, frozen=True, array_like=True):
    """Withheld for a reason; at `until`, where that is known, it goes to the gate again: a consent begins, or what was
    sent before lies far enough behind. At `ends_at` the hub stops waiting. What no person answers by `answer_by` is
    `escalated`, once."""

    reason: str
    until: datetime | None = None
    ends_at: datetime | None = None
    may_have_been_received: bool = False
    answer_by: datetime | None = None
    escalated: bool = False

    @property
    def waits_for_contact(self) -> bool:
        return self.reason.startswith(LACKS)


class EarlierHold(NamedTuple):
    """What going to the gate again does not begin anew."""

    hold_ends_at: datetime | None = None
    answer_by: datetime | None = None
    escalated: bool = False


def earlier_hold(on_its_way: Iterable[OnItsWay], on_hold: Iterable[OnHold], referral_id: str) -> EarlierHold:
    """Of this referral, on hold now or before it went to the gate again."""
    for held in on_hold:
        if held.referral_id == referral_id:
            return EarlierHold(held.ends_at, held.answer_by, held.escalated)
    for sent in on_its_way:
        if sent.referral_id == referral_id:
            return EarlierHold(sent.hold_ends_at, sent.answer_by, sent.escalated)
    return EarlierHold()

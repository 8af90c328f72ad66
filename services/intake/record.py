"""What is remembered of a placement and of a stay: who was referred, what a person is asked, what ended."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Self

import msgspec

from services.intake import messages
from services.intake.care import Plan
from services.intake.nights import ELSEWHERE_MOST
from services.intake.table import TABLE
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.events.intake import (
    ADMIT_BY,
    CONTACT,
    INTERIM,
    LAST_STAGE,
    NEXT_STAGE,
    RECERTIFY,
    REFER_TO_STATE,
    EpisodeHistory,
    FormerLevel,
    FormerStatus,
)
from shared.rules.escalation import Open
from shared.rules.packing import instant, pack_id, seconds, unpack_id

PRIORITIES: tuple[messages.Priority, ...] = ("stat", "asap", "urgent", "routine")
"""The most urgent first: FHIR's RequestPriority, of which a routine one is none."""
SECOND = "second-referral"
"""Why a person is asked to look at a referral beside the one that is placed, or a stay."""
JOINED = "joined-stay"
"""What became of a referral for the level of the stay that is open."""
TOO_MANY = "too-many-referrals"
"""Why a person is asked to look at those that no more room is for."""
PATIENT_DIED = "patient-died"
"""What became of a referral whose patient is dead, as a person has confirmed."""
REVIEWS_MISSED = "weekly-reviews-missed"
"""Why the team is asked to look at a stay that nobody reviews."""
LIVES_ON = "death-withdrawn"
"""Why a person is asked to look at a referral that ended so, though the patient lives."""
STILL_TRUE = "still-true"
"""What a clinician finds of needs that have grown old before a stay begins."""
CONTACT_OVERDUE = "contact-overdue"
STAGE_UNANSWERED = "stage-unanswered"
RECERTIFICATION_OVERDUE = "recertification-overdue"
UNANSWERED_OF = {
    CONTACT: CONTACT_OVERDUE,
    NEXT_STAGE: STAGE_UNANSWERED,
    ADMIT_BY: "admission-late",
    INTERIM: "interim-services-late",
    REFER_TO_STATE: "state-referral-late",
    RECERTIFY: RECERTIFICATION_OVERDUE,
}
"""Of some reviews why it is escalated that nobody answered them."""
UNANSWERED = ("placement-unsigned", "review-unanswered", *UNANSWERED_OF.values())
"""Why it is escalated that nobody signed a recommendation, completed a review, or got in touch with who waits."""
REFERRALS_MOST = 5
"""Of one patient, open side by side: a state stays small."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """Since when a person is asked to look at it, by when, and when it is escalated that nobody did (None once it was);
    in seconds (UTC). What an older release asked has no times."""

    requested: int | None
    act_by: int | None
    remind: int | None


class Referral(msgspec.Struct, frozen=True, array_like=True):
    """A referral that is open: the one to be placed, or one beside it. What is emitted about it is named after its id.

    Small, for five have to fit beside the worst of stays: ids are packed, `rank` is a place in PRIORITIES, `level` what
    it asks for (empty where nothing says so), `authored` the second (UTC) at which it was written.
    """

    packed: str
    packed_task: str
    rank: int = len(PRIORITIES) - 1
    level: str = ""
    authored: int = 0
    asked: Asked | None = None

    @classmethod
    def of(cls, came: messages.ReceiveReferral | messages.ReferralReceived) -> Self:
        rank, authored = PRIORITIES.index(came.priority), seconds(came.authored_at)
        return cls(pack_id(came.referral_id), pack_id(came.task_id), rank, came.level, authored)

    @property
    def id(self) -> str:
        return unpack_id(self.packed)

    @property
    def task_id(self) -> str:
        return unpack_id(self.packed_task)

    @property
    def priority(self) -> messages.Priority:
        return PRIORITIES[self.rank]

    @property
    def turn(self) -> tuple[int, int]:
        """The least is placed next: of the most urgent the oldest."""
        return self.rank, self.authored

    @property
    def second_review(self) -> "Review | None":
        """What a person is asked about it beside another one, if anything."""
        if self.asked is None:
            return None
        times = (instant(each) for each in msgspec.structs.astuple(self.asked))
        requested_at, act_by, remind_at = times
        return Review(self.second_review_id, SECOND, self.focus, requested_at, act_by, remind_at=remind_at)

    def looked_at_by(self, review: messages.Review) -> Self:
        """A person is asked to look at it beside another one."""
        requested = seconds(review.requested_at)
        act_by = seconds(review.act_by)
        return msgspec.structs.replace(self, asked=Asked(requested, act_by, act_by))

    @property
    def review_id(self) -> str:
        return name_id(self.id, "review")

    @property
    def second_review_id(self) -> str:
        """Of the review where another referral is being placed, or the patient is in a stay."""
        return name_id(self.id, "review:second")

    @property
    def focus(self) -> str:
        return f"ServiceRequest/{self.id}"


HOLD_RULES = frozenset(each.id for each in TABLE.rule if each.hold)


class Recommended(messages.Recommendation, frozen=True, array_like=True):
    """The recommendation that waits for a clinician's signature; each has a Task of its own. `remind_at` is when it is
    escalated that nobody signed, None once it was."""

    remind_at: datetime | None = None

    unanswered: ClassVar[str] = UNANSWERED[0]

    @property
    def hold(self) -> bool:
        """A person looks first: a same-day medical evaluation, or a screen to be read."""
        return not HOLD_RULES.isdisjoint(self.rules)


class Review(messages.Review, frozen=True, array_like=True):
    """A person was asked to look at the placement. `remind_at` is when it is escalated that nobody did, None once it
    was."""

    remind_at: datetime | None = None

    @property
    def unanswered(self) -> str:
        return UNANSWERED_OF.get(self.reason, UNANSWERED[1])

    @property
    def task_id(self) -> str:
        return self.id


Waiting = Recommended | Review
OF_STAGE = frozenset({NEXT_STAGE, LAST_STAGE})
"""Reasons of what a person is asked when a stage has lasted its weeks."""


class InStage(msgspec.Struct, frozen=True, array_like=True):
    """The stage that the stay is in, and since when (seconds, UTC).

    `ask_at` is when a person is asked what follows; while the stay is paused, since `paused_at`, nobody is.
    """

    code: str
    since: int
    ask_at: int | None = None
    paused_at: int | None = None

    @property
    def since_at(self) -> datetime:
        return instant(self.since)

    def after(self, event: messages.EpisodePaused | messages.EpisodeResumed) -> Self:
        """The question comes later by as long as the stay was paused."""
        if isinstance(event, messages.EpisodePaused):
            return msgspec.structs.replace(self, paused_at=seconds(event.at))
        if self.paused_at is None:
            return self
        later = max(0, seconds(event.at) - self.paused_at)
        return msgspec.structs.replace(self, ask_at=self.ask_at and self.ask_at + later, paused_at=None)


class Past(msgspec.Struct, frozen=True, array_like=True):
    """A status or a level that a stay had, from when until when, in seconds (UTC)."""

    code: str
    since: int
    until: int

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        return instant(self.since), instant(self.until)


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. `flags` are those emitted last, None where nobody remembers; looked at at `flags_change_at`."""

    id: str
    admitted_at: datetime
    plan_id: str = ""
    level: str = ""
    referral_id: str = ""
    flags: tuple[str, ...] | None = None
    flags_change_at: datetime | None = None
    elsewhere: tuple[str, ...] = ()
    """The Encounters (packed ids) of nights elsewhere that last: the stay is paused."""
    joined: str = ""
    """The referral (packed id) that joined it last: the same one again says nothing new."""
    statuses: tuple[Past, ...] = ()
    levels: tuple[Past, ...] = ()
    """Those it had before, each the oldest first."""
    template: tuple[messages.TemplateSlot, ...] | None = None
    """The sessions of the week as its plan says them; None of one that an older release admitted."""
    plan: Plan = Plan()
    track: str = ""
    stage: InStage | None = None
    """None where nobody remembers: an older release admitted."""
    review_at: int = 0
    """When the next weekly review is asked for, in seconds (UTC); 0 while that is not set."""
    missed: int = 0
    """Weekly reviews in a row that nobody did."""
    danger: tuple[str, ...] = ()
    """The pieces of evidence of danger that were known when its level was signed last."""
    other_tracks: tuple[str, ...] = ()
    """Tracks that hold beside the first."""
    certified: int = 0
    """When it was certified last that the stay is needed, or that was due, whichever came first, in seconds (UTC)."""
    recertify_at: int = 0
    """When it is looked at next whether it is to be certified anew, in seconds (UTC); 0 while nobody asks for it."""

    @classmethod
    def begun(cls, event: messages.EpisodeAdmitted) -> Self:
        ends = (*(each.since for each in event.earlier[1:]), event.admitted_at)
        before = tuple(
            Past(each.status, seconds(each.since), seconds(end))
            for each, end in zip(event.earlier, ends, strict=bool(event.earlier))
        )
        known = (event.episode_id, event.admitted_at, event.plan_id, event.level, event.referral_id, event.flags)
        stage = InStage(event.stage, seconds(event.admitted_at)) if event.stage else None
        return cls(
            *known,
            statuses=before,
            template=event.template,
            track=event.track,
            stage=stage,
            other_tracks=event.other_tracks,
        )

    @property
    def review_due(self) -> datetime | None:
        """When the next weekly review is asked for, if that is set."""
        return instant(self.review_at) if self.review_at else None

    @property
    def recertified_again_at(self) -> datetime | None:
        """When it is looked at next whether the stay is to be certified anew."""
        return instant(self.recertify_at) if self.recertify_at else None

    @property
    def history(self) -> EpisodeHistory:
        return EpisodeHistory(
            tuple(FormerStatus(each.code, *each.bounds) for each in self.statuses),
            tuple(FormerLevel(each.code, *each.bounds) for each in self.levels),
        )

    @property
    def status(self) -> str:
        return "onhold" if self.elsewhere else "active"

    @property
    def status_since(self) -> int:
        """In seconds (UTC)."""
        return max((seconds(self.admitted_at), *(each.until for each in self.statuses)))

    @property
    def level_since(self) -> int:
        return max((seconds(self.admitted_at), *(each.until for each in self.levels)))

    def turned(self, status: str, at: datetime) -> Self:
        """With the status that it has had until `at`; one that it never had for a second is none."""
        past, before = Past(status, self.status_since, seconds(at)), self.statuses
        if past.until <= past.since:
            return self
        if before and (before[-1].code, before[-1].until) == (status, past.since):
            before, past = before[:-1], Past(status, before[-1].since, past.until)
        return msgspec.structs.replace(self, statuses=(*before, past)[-PAST_MOST:])

    def ended_at(self, at: datetime) -> Self:
        """Of one that is over: its last status until then, as a corrected discharge has it."""
        if not self.statuses:
            return self
        *before, last = self.statuses
        until = max(last.since, seconds(at))
        return msgspec.structs.replace(self, statuses=(*before, msgspec.structs.replace(last, until=until)))

    def reopened(self, discharged_at: datetime) -> Self:
        """As if it had never ended: what was active until the discharge is so still."""
        last = self.statuses[-1:]
        was_active = any((each.code, each.until) == ("active", seconds(discharged_at)) for each in last)
        return msgspec.structs.replace(self, statuses=self.statuses[:-1]) if was_active else self

    @property
    def paused_at(self) -> datetime | None:
        """Since when it is on hold; None where nobody remembers. Of one that was so from its admission on only its
        stage knows."""
        if not self.elsewhere:
            return None
        in_stage = self.stage.paused_at if self.stage is not None else None
        since = self.statuses[-1].until if self.statuses else in_stage
        return instant(since)

    def at_level(self, level: str, at: datetime) -> Self:
        """With this level from now on, and the one that it has had until then."""
        if not self.level:  # an older release admitted, and nobody remembers
            return msgspec.structs.replace(self, level=level)
        past = Past(self.level, self.level_since, seconds(at))
        return msgspec.structs.replace(self, level=level, levels=(*self.levels, past)[-PAST_MOST:])

    @property
    def asks_at(self) -> datetime | None:
        """When a person is asked what follows on the stage, once it goes on."""
        stage = self.stage
        waits = stage is None or stage.ask_at is None or stage.paused_at is not None
        return None if stage is None or waits or stage.ask_at is None else instant(stage.ask_at)

    def after(self, event: "ChangesEpisode") -> Self:
        match event:
            case messages.FlagsChanged(flags=flags):
                return msgspec.structs.replace(self, flags=flags)
            case messages.WeeklyReviewSet(asks_at=at):
                return msgspec.structs.replace(self, review_at=seconds(at) if at else 0)
            case messages.RecertificationSet(look_at=at):
                return msgspec.structs.replace(self, recertify_at=seconds(at) if at else 0)
            case messages.FlagsLookedAt(change_at=at):
                return msgspec.structs.replace(self, flags_change_at=at)
            case messages.EpisodeStepped():
                stepped = self.at_level(event.level, event.stepped_at)
                stage = InStage(
                    event.stage, seconds(event.stepped_at), paused_at=self.stage.paused_at if self.stage else None
                )
                return msgspec.structs.replace(
                    stepped,
                    flags=event.flags,
                    template=event.template,
                    track=event.track,
                    stage=stage,
                    other_tracks=event.other_tracks,
                )
            case messages.EpisodePaused(at=at):
                return self.turned("active", at).staged(event)
            case messages.EpisodeResumed(at=at):
                return self.turned("onhold", at).staged(event)
            case messages.StageAdvanced():
                stage = InStage(event.stage, seconds(event.advanced_at))
                return msgspec.structs.replace(self, stage=stage, template=event.template)
            case messages.StageLookedAt(stage=code, ask_at=ask_at):
                known = self.stage or InStage(code, seconds(self.admitted_at))
                return msgspec.structs.replace(self, stage=msgspec.structs.replace(known, ask_at=seconds(ask_at)))
            case _:
                return msgspec.structs.replace(self, elsewhere=self.elsewhere_after(event))

    def staged(self, event: messages.EpisodePaused | messages.EpisodeResumed) -> Self:
        return msgspec.structs.replace(self, stage=self.stage and self.stage.after(event))

    def ended(self) -> Self:
        """As it would go on, should its discharge be withdrawn: nights elsewhere that last then pause it anew."""
        stage = self.stage and msgspec.structs.replace(self.stage, paused_at=None)
        return msgspec.structs.replace(self, elsewhere=(), stage=stage, review_at=0, recertify_at=0)

    def pauses_for(self, command: messages.ReportCareElsewhere) -> bool:
        """Whether it is nights elsewhere, which were not over when the stay began."""
        return command.kind != "emergency" and (command.ended_at is None or command.ended_at >= self.admitted_at)

    def elsewhere_after(self, command: messages.CareElsewhere) -> tuple[str, ...]:
        encounter = pack_id(command.encounter_id)
        others = tuple(each for each in self.elsewhere if each != encounter)
        lasts = isinstance(command, messages.ReportCareElsewhere) and self.pauses_for(command)
        return (*others, encounter)[-ELSEWHERE_MOST:] if lasts else others


ChangesEpisode = (
    messages.FlagsChanged
    | messages.FlagsLookedAt
    | messages.WeeklyReviewSet
    | messages.RecertificationSet
    | messages.EpisodePaused
    | messages.EpisodeResumed
    | messages.EpisodeStepped
    | messages.CareElsewhere
    | messages.StageAdvanced
    | messages.StageLookedAt
)
PAST_MOST = 12
"""Former statuses of a stay, and former levels: of more the newest are remembered, a state stays small."""


class LookedAt(msgspec.Struct, frozen=True, array_like=True):
    """A person has completed the review of this reason, knowing these pieces of evidence: only others ask again."""

    reason: str
    pieces: tuple[str, ...]


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """An escalation that a discharge closed: enough to ask again, small enough to stay beside a new placement."""

    reason: str
    newest: Signal

    @classmethod
    def by_discharge(cls, still_open: Iterable[Open]) -> tuple[Self, ...]:
        """Those of danger, or of a death. The combined one comes again by its signals, a late one by its review."""
        own = [each.escalation for each in still_open if each.escalation.category != "combined"]
        own = [each for each in own if each.signals and each.reason not in (*UNANSWERED, REVIEWS_MISSED)]
        return tuple(cls(each.reason, each.signals[-1]) for each in own)


class Ended(msgspec.Struct, frozen=True, array_like=True):
    """The stay that ended last, with what its discharge said and closed (of reviews the reasons): it may have been
    wrong."""

    episode: Episode
    encounter_id: str
    disposition: str
    discharged_at: datetime
    closed: tuple[Closed, ...] = ()
    reviews: tuple[str, ...] = ()


class Death(msgspec.Struct, frozen=True, array_like=True):
    """The patient is reported dead; `died_at` is the first instant at which they may have died. `ended` are the newest
    referrals (packed ids) that a person ended by confirming it: it may have been wrong."""

    died_at: datetime | None
    ended: tuple[str, ...] = ()

    def ending(self, referral_id: str) -> Self:
        packed = pack_id(referral_id)
        others = tuple(each for each in self.ended if each != packed)
        return msgspec.structs.replace(self, ended=(*others, packed)[-REFERRALS_MOST:])

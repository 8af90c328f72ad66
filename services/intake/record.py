"""What is remembered of a placement and of a stay: who was referred, what a person is asked, what ended."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Self

import msgspec

from services.intake import messages
from services.intake.table import TABLE
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.rules.escalation import Open
from shared.rules.packing import pack_id


class Referral(msgspec.Struct, frozen=True, array_like=True):
    """The referral that waits for a placement; what is emitted about it is named after its id."""

    id: str
    task_id: str

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

    unanswered: ClassVar[str] = "placement-unsigned"

    @property
    def hold(self) -> bool:
        """A person looks first: a same-day medical evaluation, or a screen to be read."""
        return not HOLD_RULES.isdisjoint(self.rules)


class Review(messages.Review, frozen=True, array_like=True):
    """A person was asked to look at the placement. `remind_at` is when it is escalated that nobody did, None once it
    was."""

    remind_at: datetime | None = None

    unanswered: ClassVar[str] = "review-unanswered"

    @property
    def task_id(self) -> str:
        return self.id


Waiting = Recommended | Review


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

    @classmethod
    def begun(cls, event: messages.EpisodeAdmitted) -> Self:
        return cls(event.episode_id, event.admitted_at, event.plan_id, event.level, event.referral_id, event.flags)

    def after(self, event: "ChangesEpisode") -> Self:
        match event:
            case messages.FlagsChanged(flags=flags):
                return msgspec.structs.replace(self, flags=flags)
            case messages.FlagsLookedAt(change_at=at):
                return msgspec.structs.replace(self, flags_change_at=at)
            case _:
                return msgspec.structs.replace(self, elsewhere=self.elsewhere_after(event))

    def pauses_for(self, command: messages.ReportCareElsewhere) -> bool:
        """Whether it is nights elsewhere, which were not over when the stay began."""
        return command.kind != "emergency" and (command.ended_at is None or command.ended_at >= self.admitted_at)

    def elsewhere_after(self, command: messages.CareElsewhere) -> tuple[str, ...]:
        encounter = pack_id(command.encounter_id)
        others = tuple(each for each in self.elsewhere if each != encounter)
        lasts = isinstance(command, messages.ReportCareElsewhere) and self.pauses_for(command)
        return (*others, encounter)[-ELSEWHERE_MOST:] if lasts else others


ChangesEpisode = messages.FlagsChanged | messages.FlagsLookedAt | messages.CareElsewhere
ELSEWHERE_MOST = 4
"""Of more at once the newest are remembered: a state stays small."""


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
        late = (Recommended.unanswered, Review.unanswered)
        return tuple(cls(each.reason, each.signals[-1]) for each in own if each.signals and each.reason not in late)


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
    """The patient is reported dead; `died_at` is the first instant at which they may have died."""

    died_at: datetime | None

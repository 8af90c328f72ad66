"""A page: what whoever is on call is told of an escalation, when, and whether that is still needed. Pure.

It names no patient. Each role of the rota has one page for each tier that an escalation reaches, one more when nobody
acknowledged it in time, and one when whoever did has not acted; its id is made of these, so that however often it is
sent it is the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from shared.events.codes import HANDLING, STAFF
from shared.events.envelope import name_id
from shared.events.escalation import Category, EscalationEvent, EscalationOverdue, EscalationUpdated
from shared.rules.ringing import Calendar
from shared.rules.rota import Role

PAUSE_GROWTH, PAUSES_GROWING = 2.0, 5
"""Each pause is twice the one before, until they are as long as the sixth."""
LOOK_SECONDS = 2.0
"""How soon a deputy's page looks again at what became of the other one."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is told; `accepted` where somebody has taken the escalation on and not acted."""

    escalation_id: str
    category: Category
    reason: str
    tier: int
    at: datetime
    acknowledge_by: datetime
    act_by: datetime
    overdue: bool = False
    accepted: bool = False
    person: str = ""
    """Whom it was handed over to."""
    handed_over_at: datetime | None = None

    @classmethod
    def of(cls, event: EscalationEvent) -> "Page":
        escalation = event.escalation
        return cls(
            escalation_id=escalation.id,
            category=escalation.category,
            reason=escalation.reason,
            tier=escalation.tier,
            at=event.at,
            acknowledge_by=escalation.acknowledge_by,
            act_by=escalation.act_by,
            overdue=isinstance(event, EscalationOverdue),
            accepted=isinstance(event, EscalationOverdue) and event.accepted,
            person=escalation.person,
            handed_over_at=escalation.handed_over.at if escalation.handed_over is not None else None,
        )

    @property
    def receiver(self) -> str:
        """The person who is rung rather than whoever is on call: it is theirs, and not late yet."""
        return "" if self.overdue else self.person

    def id(self, role: Role) -> UUID:
        """The same for each event that asks for this page."""
        late = "not-acted-on" if self.accepted else "overdue"
        asked = late if self.overdue else "raised"
        handed = f":{self.handed_over_at.isoformat()}" if self.handed_over_at is not None else ""
        by = self.acknowledge_by.replace(microsecond=0).isoformat()  # states hold whole seconds
        return UUID(name_id(self.escalation_id, f"page:{role}:{self.tier}:{asked}:{by}{handed}"))

    @property
    def due(self) -> datetime:
        return min(self.acknowledge_by, self.act_by)


def asks_to_ring(event: EscalationEvent) -> bool:
    """Not an update that leaves it overdue or taken on: that has rung, under the name of what it was then."""
    return not (isinstance(event, EscalationUpdated) and (event.overdue or event.accepted))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often a page is tried, and when the deputy is told too: the program's numbers."""

    tries_most: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    trying_minutes_most: Annotated[float, msgspec.Meta(gt=0)] = 15.0
    seconds_most: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    answer_kilobytes_most: Annotated[int, msgspec.Meta(ge=1)] = 64
    deputy_after_tries: Annotated[int, msgspec.Meta(ge=1)] = 2
    deputy_after_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 33.0


@dataclass(frozen=True)
class Tried:
    """What became of a page so far: since when it rings, and how many tries have failed."""

    rung_at: datetime
    failures: int


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


class _Type(msgspec.Struct, frozen=True):
    coding: tuple[_Code, ...] = ()


class _Input(msgspec.Struct, frozen=True, rename="camel"):
    type: _Type
    value_integer: int | None = None


class _Identifier(msgspec.Struct, frozen=True):
    system: str = ""
    value: str = ""


class _Owner(msgspec.Struct, frozen=True):
    identifier: _Identifier = _Identifier()


class TaskNow(msgspec.Struct, frozen=True, rename="camel"):
    """The escalation's Task as it stands."""

    status: str
    input: tuple[_Input, ...] = ()
    business_status: _Type = _Type()
    owner: _Owner = _Owner()

    @property
    def person(self) -> str:
        """Whom it was handed over to; empty where its owner is a role."""
        return self.owner.identifier.value if self.owner.identifier.system == STAFF else ""

    @property
    def is_acted_on(self) -> bool:
        return any(code.code in HANDLING for code in self.business_status.coding)

    @property
    def tier(self) -> int:
        named = (each.value_integer for each in self.input if any(code.code == "tier" for code in each.type.coding))
        return next((each for each in named if each is not None), 0)


def task_now(body: str) -> TaskNow:
    """Of its resource. Raises MsgspecError."""
    return msgspec.json.decode(body, type=TaskNow)


@dataclass(frozen=True)
class PageContext:
    """What is known when a page is looked at: whether it has ended already, its Task, and what became of the page of
    who is on call (of a deputy's page; None until that has rung)."""

    ended: bool
    task: TaskNow | None
    first: Tried | None = None


def next_step(
    page: Page, role: Role, known: PageContext, now: datetime, calendar: Calendar, limits: Limits
) -> datetime | Literal["ended", "not-needed"]:
    """When the page rings, or why it does not."""
    if known.ended:
        return "ended"
    if not is_needed(page, known.task):
        return "not-needed"
    if role == "deputy":
        return _deputy_rings_at(page, known.first, now, calendar, limits)
    return calendar.rings_at(page.tier, now, page.due)


def is_needed(page: Page, task: TaskNow | None) -> bool:
    """Not once somebody has taken the escalation on (or, where they had, has acted), or it is closed; nor where its
    next tier rings already, or it asks another one since."""
    if task is None or task.tier > page.tier or task.person != page.person:
        return False
    waits = page.accepted and task.status in ("accepted", "in-progress") and not task.is_acted_on
    return task.status == "requested" or waits


def _deputy_rings_at(page: Page, first: Tried | None, now: datetime, calendar: Calendar, limits: Limits) -> datetime:
    """Once the tries to tell who is on call have failed so often, or after so much of the time to acknowledge,
    whichever is first."""
    if first is None:
        return max(calendar.rings_at(page.tier, now, page.due), now + timedelta(seconds=LOOK_SECONDS))
    if first.failures >= limits.deputy_after_tries:
        return now
    left = max(page.acknowledge_by - first.rung_at, timedelta())
    waited = first.rung_at + left * limits.deputy_after_percent / 100
    return calendar.rings_at(page.tier, max(waited, now), page.due)


def pause_seconds(failures: int, limits: Limits) -> float:
    """How long after so many failures the next try waits: all tries, each as slow as it may be, fit into the time."""
    weights = [PAUSE_GROWTH ** min(each, PAUSES_GROWING) for each in range(limits.tries_most - 1)]
    left = limits.trying_minutes_most * 60 - limits.tries_most * limits.seconds_most
    return max(left, 0.0) * weights[min(failures, len(weights)) - 1] / sum(weights) if weights else 0.0

"""What the decisions about a patient led to: the escalations and recommendations; and how they differ."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec

from shared.events.envelope import Event
from shared.events.escalation import (
    Escalation,
    EscalationEvent,
    EscalationOverdue,
    EscalationUpdated,
    is_closed,
)
from shared.events.intake import LevelOfCareRecommended, Recommendation

Kind = Literal["more", "fewer", "tier", "level", "time", "overdue", "in time"]
"""How a decision would have been another one: made that was not, or not made that was; of another tier or level; at
another time; overdue that was not, or the other way round."""


class Change(msgspec.Struct, frozen=True):
    """One decision about a patient that would have been another one: by which rule, when it was made (or, of what is
    more, would have been), what it is and what it would be."""

    patient: str
    about: str
    rule: str
    kind: Kind
    at: datetime
    was: str = ""
    would_be: str = ""


@dataclass
class Escalated:
    """An escalation from its beginning on: the facts it ever rested on, the tier its rules gave it, and whether nobody
    answered in time."""

    first: Escalation
    tier: int
    shown: int
    facts: set[str]
    overdue: bool = False
    closed: bool = False

    @classmethod
    def of(cls, escalation: Escalation) -> "Escalated":
        return cls(escalation, escalation.tier, escalation.tier, set())

    def then(self, event: EscalationEvent) -> None:
        now = event.escalation
        self.facts |= {each.evidence for each in now.signals}
        if isinstance(event, EscalationUpdated) and now.tier > self.shown:
            self.tier = now.tier
        self.overdue |= isinstance(event, EscalationOverdue)
        self.shown, self.closed = now.tier, is_closed(event)

    def is_like(self, other: "Escalated") -> bool:
        """Whether it was raised for the same reason, about one of the same facts."""
        return self.first.reason == other.first.reason and not self.facts.isdisjoint(other.facts)


@dataclass
class Consequences:
    """Everything that was emitted about one patient, up to now."""

    asked: dict[str, Escalated] = field(default_factory=dict)
    recommended: dict[str, tuple[datetime, Recommendation]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    def then(self, events: Iterable[Event], now: datetime) -> None:
        for event in events:
            self.events[type(event).__name__] += 1
            if isinstance(event, EscalationEvent):
                escalation = event.escalation
                self.asked.setdefault(escalation.id, Escalated.of(escalation)).then(event)
            elif isinstance(event, LevelOfCareRecommended):
                recommendation = event.recommendation
                self.recommended.setdefault(recommendation.recommendation_id, (now, recommendation))

    def copy(self) -> "Consequences":
        return deepcopy(self)

    def in_place_of(self, known: Escalated, other: "Consequences") -> str | None:
        """The id, here, of what `other` knows: its own, else that of what was raised instead of it, the open one
        first."""
        if known.first.id in self.asked:
            return known.first.id
        like = [each for name, each in self.asked.items() if name not in other.asked and each.is_like(known)]
        return min(like, key=lambda each: each.closed).first.id if like else None


def changes(patient: str, was: Consequences, would_be: Consequences) -> list[Change]:
    """Every decision that would have been another one, in the order of their times."""
    found = [*_escalations(patient, was, would_be), *_recommendations(patient, was, would_be)]
    return sorted(found, key=lambda each: (each.at, each.rule, each.about, each.kind))


def _escalations(patient: str, was: Consequences, would_be: Consequences) -> Iterator[Change]:
    left = Consequences(dict(would_be.asked))
    for name, asked in was.asked.items():
        instead = left.in_place_of(asked, was)
        if instead is None:
            yield _raised(patient, asked, "fewer")
        else:
            yield from _differing(patient, name, asked, left.asked.pop(instead))
    for asked in left.asked.values():
        yield _raised(patient, asked, "more")


def _raised(patient: str, asked: Escalated, kind: Literal["more", "fewer"]) -> Change:
    first, text = asked.first, f"tier {asked.tier}"
    was, would_be = (text, "") if kind == "fewer" else ("", text)
    return Change(patient, f"Task/{first.id}", first.rule, kind, first.raised_at, was, would_be)


def _differing(patient: str, name: str, was: Escalated, would_be: Escalated) -> Iterator[Change]:
    first, about = was.first, f"Task/{name}"
    if was.tier != would_be.tier:
        yield Change(patient, about, first.rule, "tier", first.raised_at, f"tier {was.tier}", f"tier {would_be.tier}")
    if first.raised_at != would_be.first.raised_at:
        times = _time(first.raised_at), _time(would_be.first.raised_at)
        yield Change(patient, about, first.rule, "time", first.raised_at, *times)
    if was.overdue != would_be.overdue:
        kind: Kind = "in time" if was.overdue else "overdue"
        yield Change(patient, about, first.rule, kind, first.raised_at)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _recommendations(patient: str, was: Consequences, would_be: Consequences) -> Iterator[Change]:
    for name in dict.fromkeys((*was.recommended, *would_be.recommended)):
        before, after = was.recommended.get(name), would_be.recommended.get(name)
        at, recommended = _either(before, after)
        texts = _level(before), _level(after)
        if texts[0] != texts[1]:
            kind: Kind = "more" if before is None else "fewer" if after is None else "level"
            rule = f"intake/placement|{recommended.table}"
            yield Change(patient, f"ServiceRequest/{name}", rule, kind, at, *texts)


def _either(*found: tuple[datetime, Recommendation] | None) -> tuple[datetime, Recommendation]:
    return next(each for each in found if each is not None)


def _level(found: tuple[datetime, Recommendation] | None) -> str:
    return f"level {found[1].level} ({', '.join(found[1].rules)})" if found else ""


def counted(found: Iterable[Change]) -> dict[str, dict[str, int]]:
    """How many of each kind, by rule."""
    rules: dict[str, Counter[str]] = {}
    for each in found:
        rules.setdefault(each.rule, Counter())[each.kind] += 1
    return {rule: dict(kinds) for rule, kinds in sorted(rules.items())}


def other_counts(was: Mapping[str, int], would_be: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Of which events there would have been another number, and both numbers."""
    names: Sequence[str] = sorted({*was, *would_be})
    both = {name: (was.get(name, 0), would_be.get(name, 0)) for name in names}
    return {name: numbers for name, numbers in both.items() if numbers[0] != numbers[1]}

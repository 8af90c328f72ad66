"""Why something stands as it does: the decisions about it, made again from the journal, with what each was given.

Codes, times, ids and numbers only: nothing a person wrote, no finding's value.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid5

import msgspec

from shared.events.catalogue import BY_TYPE
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent
from shared.events.intake import Explanation as Reasons
from shared.events.intake import LevelOfCareRecommended, RuleChange, Undecided
from shared.events.internal import OfSilence
from shared.path.service import PATIENT, Service
from shared.path.transaction.delivery import Commanded, Consumed, Delivery, Internal
from shared.path.transaction.folding import (
    NO_SETTINGS,
    OTHERWISE,
    UNREADABLE,
    Fold,
    Settings,
    comes_out,
    delivery_of,
)
from shared.path.transaction.journal import HELD
from shared.platform.db import Connection, Row
from shared.platform.settings import Sourced

# Of what patient something is, and of which program.
_WHOSE = "SELECT type, program, patient FROM resources WHERE type = ANY($1::text[]) AND id = $2"
_DECISIONS = "SELECT * FROM journal WHERE key = $1 AND program = $2 ORDER BY sequence"
TYPES = ("Task", "ServiceRequest", "Appointment", "CarePlan", "EpisodeOfCare", "Encounter", "Consent")
DETAILS = (
    *(
        "level",
        "table",
        "rules",
        "partner",
        "action",
        "attempt",
        "consent_id",
        "encounter_id",
        "reason",
        "answer",
        "act",
        "to",
        "by",
    ),
    *("signed_by", "signed_as", "version", "second_signed_by", "second_signed_as"),
)
"""What is repeated of an event or command: codes and ids, whatever it is."""
WITHIN = ("recommendation", "signature")
"""What an event may carry as a whole, of which the same is repeated."""
CONCENTRATIONS = ("/mL", "/dL", "/L")
_encode = msgspec.json.Encoder().encode


class Number(msgspec.Struct, frozen=True):
    """A setting that a decision read, as it was then, with unit and source."""

    name: str
    value: object
    unit: str = ""
    source: str = ""
    changed: bool = False
    """Whether program.toml has another value now."""


class Fact(msgspec.Struct, frozen=True):
    """A signal behind an escalation, or an answer behind a rule: what, when in the clinic, its resource (empty where
    nobody remembers it), when the hub got it and from whom."""

    code: str
    at: datetime | None
    reference: str
    received_at: datetime | None = None
    received_from: str = ""


class HoldingRule(msgspec.Struct, frozen=True):
    """A rule of a recommendation, and the answers by which it holds."""

    rule: str
    facts: tuple[Fact, ...]


class Emitted(msgspec.Struct, frozen=True):
    """An event about what is asked: to which topic it went, and of an escalation what a person is asked. Of a
    recommendation its rules, what is undecided, and what has changed since the one before."""

    event: str
    topic: str
    details: Mapping[str, object]
    facts: tuple[Fact, ...] = ()
    rules: tuple[HoldingRule, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    changes: tuple[RuleChange, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """One decision: when, about what, from whom; `listening_since` where it was silence that counted."""

    at: datetime
    cause: str
    sender: str
    outcome: str
    details: Mapping[str, object]
    listening_since: datetime | None = None
    numbers: tuple[Number, ...] = ()
    emitted: tuple[Emitted, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """All decisions about one resource, in their order. `incomplete` says why there are no more, where there may be."""

    service: str
    type: str
    id: str
    patient: str
    steps: tuple[Step, ...]
    incomplete: str = ""


class Watched:
    """Settings that remember which numbers were read of them."""

    def __init__(self, of: object, used: dict[str, object], place: str = "") -> None:
        self._of, self._used, self._place = of, used, place

    def __getattr__(self, name: str) -> object:
        value, place = getattr(self._of, name), f"{self._place}{name}"
        if isinstance(value, msgspec.Struct):
            return Watched(value, self._used, f"{place}.")
        if isinstance(value, dict):
            return {key: self._within(each, f"{place}.{key}.") for key, each in value.items()}
        if isinstance(value, int | float | str) or _numbers(value):
            self._used[place] = value
        return value

    def _within(self, value: object, place: str) -> object:
        return Watched(value, self._used, place) if isinstance(value, msgspec.Struct) else value


def _numbers(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, int | float) for each in value)


async def explain(
    connection: Connection,
    service: Service,
    present: Mapping[str, object],
    sources: Mapping[str, Sourced],
    identity: str,
) -> list[Explanation]:
    """Of each resource with this id: there is one, or none. `present` are the settings of each program, `sources` its
    numbers."""
    settings, found = await Settings.stored(connection, present), list[Explanation]()
    for whose in await connection.fetch(_WHOSE, TYPES, identity):
        rows = await connection.fetch(_DECISIONS, whose["patient"], whose["program"])
        of = sources.get(whose["program"], {})
        found.append(await explanation(service, settings, of, rows, (whose["type"], identity)))
    return found


async def explanation(
    service: Service, settings: Settings, sources: Sourced, rows: Sequence[Row], name: tuple[str, str]
) -> Explanation:
    """Of one resource, by its type and id, from all rows of its patient."""
    story = _Story(service, settings, sources, rows, name[1])
    steps = tuple([each async for each in story.steps()])
    patient = rows[0]["key"] if rows else ""
    return Explanation(service.name, *name, patient, steps, story.incomplete)


class _Story:
    """The decisions about one resource among all of its patient's, which have to be made again to be known."""

    def __init__(
        self, service: Service, settings: Settings, sources: Sourced, rows: Sequence[Row], identity: str
    ) -> None:
        self._service, self._settings, self._sources, self._identity = service, settings, sources, identity
        self._rows = [row for row in rows if row["kind"] == PATIENT]
        self._known: list[tuple[Row, str]] = []
        self.incomplete = ""

    async def steps(self) -> AsyncIterator[Step]:
        """A turn to others after each decision: a patient may have hundreds."""
        fold: Fold | None = None
        for row in self._rows:
            await asyncio.sleep(0)
            fold = fold or Fold(self._service, row["kind"], row["key"], row["program"])
            used: dict[str, object] = {}
            delivery, events = self._again(fold, row, used)
            if self.incomplete:
                return
            texts = [_encode(each).decode() for each in events]
            self._known.append((row, "".join((row["content"], *texts))))
            about = [each for each, written in zip(events, texts, strict=True) if self._identity in written]
            if about or self._identity in row["content"] or _is_hold(row, self._service, self._identity):
                yield self._step(row, delivery, about, used)

    def _again(self, fold: Fold, row: Row, used: dict[str, object]) -> tuple[Delivery | None, Sequence[Event]]:
        """What was decided and emitted; of a decision about the hold itself neither is in the journal."""
        if row["outcome"].startswith(HELD):
            return None, ()
        settings = self._settings.of(row)
        if settings is None:
            self.incomplete = NO_SETTINGS
            return None, ()
        try:
            delivery = delivery_of(row, self._service)
        except UNREADABLE:
            self.incomplete = OTHERWISE
            return None, ()
        made = fold.decide(delivery, row, Watched(settings, used))
        if not comes_out(row, made):
            self.incomplete = OTHERWISE
        return delivery, made.events

    def _step(self, row: Row, delivery: Delivery | None, about: Sequence[Event], used: Mapping[str, object]) -> Step:
        silence = isinstance(delivery, Internal) and isinstance(delivery.event, OfSilence)
        return Step(
            at=row["now"],
            cause=row["event"],
            sender=row["producer"],
            outcome=row["outcome"],
            details=_details(_causes(delivery, self._identity)),
            listening_since=row["listening_since"] if silence else None,
            numbers=tuple(self._number(*each) for each in sorted(used.items()) if self._is_shown(each[0]) and about),
            emitted=tuple(self._emitted(each) for each in about),
        )

    def _is_shown(self, name: str) -> bool:
        """Not the limit of a measured substance: it would name what was tested for."""
        known = self._sources.get(name)
        return known is None or not known.unit.endswith(CONCENTRATIONS)

    def _number(self, name: str, value: object) -> Number:
        known = self._sources.get(name)
        if known is None:
            return Number(name, value)
        return Number(name, value, known.unit, known.source, _encode(known.value) != _encode(value))

    def _emitted(self, event: Event) -> Emitted:
        topic = BY_TYPE[type(event)].topic
        if isinstance(event, LevelOfCareRecommended):
            return self._recommended(event, topic, event.recommendation.explanation)
        if not isinstance(event, EscalationEvent):
            return Emitted(type(event).__name__, topic, _details([event]))
        of = event.escalation
        facts = tuple(self._fact(each.code, each.at, each.evidence) for each in of.signals)
        asked = {name: _plain(getattr(of, name)) for name in ("rule", "tier", "owner", "acknowledge_by", "act_by")}
        person = {"person": of.person} if of.person else {}
        return Emitted(type(event).__name__, topic, {**asked, **person, **_details([event])}, facts)

    def _recommended(self, event: LevelOfCareRecommended, topic: str, why: Reasons) -> Emitted:
        return Emitted(
            type(event).__name__,
            topic,
            _details([event]),
            facts=tuple(self._fact(each.code, each.at, each.evidence) for each in why.considered),
            rules=tuple(
                HoldingRule(each.rule, tuple(self._fact(one.code, one.at, one.evidence) for one in each.inputs))
                for each in why.rules
            ),
            undecided=why.undecided,
            changes=why.changes,
        )

    def _fact(self, code: str, at: datetime | None, reference: str) -> Fact:
        """Received with the first delivery that names it, or from which it was made."""
        identity = reference.rpartition("/")[2]
        first = next((row for row, written in self._known if identity and identity in written), None)
        if first is None:
            return Fact(code, at, reference)
        return Fact(code, at, reference, first["now"], first["producer"])


def _is_hold(row: Row, service: Service, identity: str) -> bool:
    """Whether this row is about the hub-hold escalation of this id, which no decision of the service's emits."""
    return bool(row["outcome"].startswith(HELD)) and str(uuid5(row["cause"], f"{service.name}:hub-hold")) == identity


def _causes(delivery: Delivery | None, identity: str) -> Sequence[object]:
    match delivery:
        case Commanded(commands=commands):
            return [each for each in commands if identity in _encode(each).decode()]
        case Consumed(event=event) | Internal(event=event):
            return [event]
        case _:
            return ()


def _details(of: Iterable[object]) -> dict[str, object]:
    """Codes and ids alone; of several the last says it."""
    parts = [part for each in of for part in (each, *(getattr(each, name, None) for name in WITHIN))]
    found = {name: getattr(part, name) for part in parts for name in DETAILS if hasattr(part, name)}
    return {name: _plain(value) for name, value in found.items() if value not in (None, "", ())}


def _plain(value: object) -> object:
    """The same whether it is told at once or was JSON meanwhile."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if isinstance(value, datetime) else value

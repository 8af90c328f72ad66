"""What would have been decided under another program.toml: each key made again twice, as it was and as it would be.

Facts stay: every event and command comes at its own time, from the first of the window on under the other settings.
Deadlines do not: where a state falls due when the real one does, it hears of it with the real one; else it is told at
its own time, as far as the hub was listening then. What a person did about an escalation is done to the one in its
place, which was raised for the same reason about one of the same facts; what finds none is counted.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from shared.events.envelope import Command
from shared.events.internal import TimePassed
from shared.path.service import PATIENT, Service
from shared.path.transaction.consequences import Change, Consequences, changes, other_counts
from shared.path.transaction.delivery import Commanded, Delivery, Internal, time_passed
from shared.path.transaction.folding import (
    NO_SETTINGS,
    NOT_WHOLE,
    OTHERWISE,
    UNREADABLE,
    Fold,
    MadeAgain,
    Settings,
    begins_later,
    comes_out,
    delivery_of,
)
from shared.path.transaction.journal import DECIDED, HELD
from shared.path.transaction.replaying import Asked, keys
from shared.platform.db import Connection, Row
from shared.rules.escalation import ReopenEscalation

# Since when the service listened, again and again, and from its first to its last decision meanwhile.
_LISTENED = """SELECT listening_since AS since, min(now) AS first, max(now) AS last FROM journal
    GROUP BY listening_since ORDER BY last"""
NO_PROGRAM = "the other program.toml has no such program"
FAILS = "their rules fail under the other settings"


class Supposed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to make again, and under which program.toml; of `last_days` only the decisions of so many days before the
    newest one."""

    asked: Asked
    program: str
    last_days: int | None = None


class WhatIf(msgspec.Struct, kw_only=True):
    """What would have been otherwise. `other` of the `decisions` about the same facts would have emitted something
    else; `events` are those of which there would have been another number, and both numbers; `unfounded` what was
    commanded, and would have been refused; `others` those of the `keys` that are no patients, by kind; `left_out` keys
    by why they could not be made again."""

    service: str
    since: datetime | None = None
    until: datetime | None = None
    keys: int = 0
    others: dict[str, int] = {}
    decisions: int = 0
    other: int = 0
    changes: list[Change] = []
    events: dict[str, tuple[int, int]] = {}
    unfounded: dict[str, int] = {}
    left_out: dict[str, int] = {}


@dataclass(frozen=True)
class Listened:
    """When the service was there to be told that a time had come, by its journal."""

    spans: Sequence[Row]

    @property
    def until(self) -> datetime | None:
        return self.spans[-1]["last"] if self.spans else None

    def at(self, due: datetime) -> tuple[datetime, datetime]:
        """When a deadline of then would have been told, and since when the service had listened."""
        span = self.spans[bisect_left(self.spans, due, key=lambda each: each["last"])]
        return max(due, min(span["since"], span["first"])), span["since"]


@dataclass(frozen=True)
class Others:
    """The other settings, for each decision: of its program, with what no program.toml holds as it was."""

    present: Mapping[str, msgspec.Struct]
    elsewhere: tuple[str, ...]
    _made: dict[tuple[str, str], msgspec.Struct] = field(default_factory=dict)

    def of(self, row: Row, own: object) -> msgspec.Struct:
        name = row["program"], row["settings"]
        if name not in self._made:
            other = self.present[row["program"]]
            as_they_were = {each: getattr(own, each) for each in self.elsewhere}
            self._made[name] = replace(other, **as_they_were) if as_they_were else other
        return self._made[name]


async def suppose(
    connection: Connection,
    service: Service,
    present: Mapping[str, object],
    others: Others,
    supposed: Supposed,
) -> WhatIf:
    """Make again what is asked, inside a transaction; `present` are the settings of each program."""
    settings, listened = await Settings.stored(connection, present), Listened(await connection.fetch(_LISTENED))
    asked = supposed.asked
    if supposed.last_days is not None and listened.until is not None:
        asked = replace(asked, since=listened.until - timedelta(days=supposed.last_days))
    found = WhatIf(service=service.name, since=asked.since, until=listened.until)
    left_out, kinds, events = Counter[str](), Counter[str](), (Counter[str](), Counter[str]())
    async for rows in keys(connection, asked):
        found.keys += 1
        kinds.update(row["kind"] for row in rows[:1] if row["kind"] != PATIENT)
        one = OneKey(service, settings, others, listened, asked.since, rows)
        if (reason := one.run()) is not None:
            left_out[reason] += 1
            continue
        one.report(found)
        for count, outcome in zip(events, (one.was, one.would_be), strict=True):
            count.update(outcome.events)
    found.events, found.left_out, found.others = other_counts(*events), dict(left_out), dict(kinds)
    return found


class OneKey:
    """One key, as it was and as it would be."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        others: Others,
        listened: Listened,
        since: datetime | None,
        rows: Sequence[Row],
    ) -> None:
        self._service, self._settings, self._others = service, settings, others
        self._listened, self._since, self._rows = listened, since, rows
        self._fold = Fold(service, rows[0]["kind"], rows[0]["key"], rows[0]["program"])
        self._other: Fold | None = None
        self._parked = False
        self._reached = rows[0]["now"]
        self._decisions, self._differing, self._unfounded = 0, 0, Counter[str]()
        self.was, self.would_be = Consequences(), Consequences()

    def run(self) -> str | None:
        """Why it could not be made again, if so."""
        for row in self._rows:
            if row["outcome"].startswith(HELD):
                self._parked = row["event"] == "DeliveryParked" or (self._parked and row["event"] != "DeliveryRedriven")
            elif (reason := self._decided(row)) is not None:
                return reason
        return self._ring(self._rows[-1], self._listened.until)

    def report(self, found: WhatIf) -> None:
        found.decisions += self._decisions
        found.other += self._differing
        found.changes += changes(self._rows[0]["key"], self.was, self.would_be)
        found.unfounded = dict(Counter(found.unfounded) + self._unfounded)

    def _decided(self, row: Row) -> str | None:
        own = self._settings.of(row)
        if own is None:
            return NO_SETTINGS
        if row["program"] not in self._others.present:
            return NO_PROGRAM
        if not self._fold.locked.body and begins_later(row):
            return NOT_WHOLE
        try:
            delivery = delivery_of(row, self._service)
        except UNREADABLE:
            return OTHERWISE
        return self._both(row, delivery, own)

    def _both(self, row: Row, delivery: Delivery, own: object) -> str | None:
        if self._other is None and (self._since is None or row["now"] >= self._since):
            self._other, self.would_be = self._fold.copy(), self.was.copy()
        if (failed := self._ring(row, row["now"])) is not None:
            return failed
        due, other = self._fold.due, self._other
        made = self._fold.decide(delivery, row, own)
        if not comes_out(row, made):
            return OTHERWISE
        self.was.then(made.events, row["now"])
        if other is None or (_is_deadline(delivery) and other.due != due):
            return None
        return self._would_be(row, self._in_its_place(delivery), made)

    def _would_be(self, row: Row, delivery: Delivery, made: MadeAgain) -> str | None:
        other = self._also(row, delivery)
        if other is None:
            return FAILS
        self._decisions += 1
        self._differing += (other.row.outcome, other.row.digests[2:]) != (made.row.outcome, made.row.digests[2:])
        if isinstance(delivery, Commanded) and made.row.outcome == DECIDED != other.row.outcome:
            self._unfounded[row["event"]] += 1
        return None

    def _also(self, row: Row, delivery: Delivery) -> MadeAgain | None:
        """Decided under the other settings; None where its rules fail."""
        assert self._other is not None
        made = self._other.decide(delivery, row, self._others.of(row, self._settings.of(row)))
        self._reached = max(self._reached, row["now"])
        self.would_be.then(made.events, row["now"])
        return None if made.held else made

    def _ring(self, row: Row, until: datetime | None) -> str | None:
        """Deadlines of its own that come by then, under the settings of this row. A parked patient's rest."""
        other = self._other
        while other is not None and until is not None and not self._parked:
            due = other.due
            if due is None or due > until or due == self._fold.due:
                break
            now, since = self._listened.at(max(due, self._reached))
            delivery = time_passed(self._service.name, row, due, now)
            if self._also({**row, "now": now, "listening_since": since}, delivery) is None:
                return FAILS
        return None

    def _in_its_place(self, delivery: Delivery) -> Delivery:
        if not isinstance(delivery, Commanded):
            return delivery
        return replace(delivery, commands=tuple(map(self._about, delivery.commands)))

    def _about(self, command: Command) -> Command:
        """About the escalation that stands in the place of the one it names."""
        if isinstance(command, ReopenEscalation):
            instead = self._instead_of(command.escalation.id)
            return command if instead is None else replace(command, escalation=replace(command.escalation, id=instead))
        instead = self._instead_of(getattr(command, "escalation_id", ""))
        return command if instead is None else replace(command, escalation_id=instead)

    def _instead_of(self, identity: str) -> str | None:
        known = self.was.asked.get(identity)
        return None if known is None else self.would_be.in_place_of(known, self.was)


def _is_deadline(delivery: Delivery) -> bool:
    return isinstance(delivery, Internal) and isinstance(delivery.event, TimePassed)

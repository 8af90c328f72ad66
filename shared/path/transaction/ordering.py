"""The orders in which resources are read page by page, and a place in one of them: keys of an index, no offset."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.platform.db import Row

Time = Literal["at", "updated_at", "due"]
"""Clinical time, the time of the last change, and of Tasks when they are due."""
COLUMN: dict[Time, str] = {"at": "at", "updated_at": "updated_at", "due": "due_of(body)"}
URGENCY = "urgency_of(body)"
"""Of a Task's priority: 1 (stat) to 4 (routine)."""
IS_TASK = "type || '' = 'Task'"
"""What the index of due times holds, written so that no other search of Tasks is answered from it."""

GROUP, IS_SESSION = "group_of(body)", "type || '' = 'Appointment'"
"""Of an Appointment: the group that it is of; and what the index of groups holds, as that of due times."""


class Order(msgspec.Struct, frozen=True):
    """By a time, then by id; Tasks by when they are due, of one time the more urgent first. What has no time comes
    last, either way."""

    by: Time = "at"
    descending: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """All that it goes by, in one way."""
        return (COLUMN[self.by], URGENCY, "id") if self.by == "due" else (COLUMN[self.by], "id")

    @property
    def written(self) -> str:
        """As an index has it."""
        return ", ".join(f"{each} {self._way}" for each in self.keys)

    @property
    def nulls_last(self) -> str:
        first, *others = (f"{each} {self._way}" for each in self.keys)
        return ", ".join([f"{first} NULLS LAST", *others])

    @property
    def beyond(self) -> str:
        return "<" if self.descending else ">"

    @property
    def up_to(self) -> str:
        return ">=" if self.descending else "<="

    @property
    def columns(self) -> str:
        """A place in this order, for `Position`."""
        return f"{COLUMN[self.by]} AS moment, {URGENCY if self.by == 'due' else 'NULL::integer'} AS urgency, id"

    @property
    def edges(self) -> str:
        """The order of such places."""
        return ", ".join(f"{each} {self._way}" for each in ("moment", "urgency", "id"))

    @property
    def selected(self) -> str:
        """What a row shows besides its columns, to be a place in this order."""
        return f", {COLUMN['due']} AS due, {URGENCY} AS urgency" if self.by == "due" else ""

    @property
    def _way(self) -> str:
        return "DESC" if self.descending else "ASC"


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the time by which its last resource stood there (None: it has none), the id, and in the order
    of due times how urgent it is."""

    moment: datetime | None
    id: str
    urgency: int | None = None

    @classmethod
    def of(cls, row: Row, order: Order) -> "Position":
        return cls(row[order.by], row["id"], row["urgency"] if order.by == "due" else None)

    @property
    def among_its_time(self) -> Sequence[object]:
        """What tells it from others of its time."""
        return (self.id,) if self.urgency is None else (self.urgency, self.id)


class Values(list[object]):
    """A statement's arguments; each is named by its place."""

    def place(self, value: object) -> str:
        self.append(value)
        return f"${len(self)}"


def timed(order: Order, after: Position | None, edge: Position | None, values: Values) -> str | None:
    """The condition of what has a time, behind one place and up to another; None where there is no more of it."""
    if after is not None and after.moment is None:
        return None
    conditions = [] if order.by == "updated_at" else [f"{order.keys[0]} IS NOT NULL"]
    if after is not None:
        conditions.append(_row(order.keys, order.beyond, (after.moment, *after.among_its_time), values))
    if edge is not None and edge.moment is not None:
        conditions.append(_row(order.keys, order.up_to, (edge.moment, *edge.among_its_time), values))
    return _all(order, conditions)


def timeless(order: Order, after: Position | None, edge: Position | None, values: Values) -> str | None:
    """Likewise of what has none; None also where a page doesn't come so far."""
    if order.by == "updated_at" or (edge is not None and edge.moment is not None):
        return None
    conditions = [f"{order.keys[0]} IS NULL"]
    if after is not None and after.moment is None:
        conditions.append(_row(order.keys[1:], order.beyond, after.among_its_time, values))
    if edge is not None:
        conditions.append(_row(order.keys[1:], order.up_to, edge.among_its_time, values))
    return _all(order, conditions)


def _all(order: Order, conditions: Sequence[str]) -> str:
    return " AND ".join([*([IS_TASK] if order.by == "due" else []), *conditions]) or "true"


def _row(keys: Sequence[str], sign: str, place: Sequence[object], values: Values) -> str:
    return f"({', '.join(keys)}) {sign} ({', '.join(values.place(each) for each in place)})"

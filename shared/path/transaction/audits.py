"""A search for AuditEvents: those that stand in the read model, and who read what, as one list in one order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from shared.events.codes import AUDIT_TYPE, CLIENT, RESTFUL, STAFF
from shared.events.envelope import is_id
from shared.path.transaction.ordering import Order, Position, Time, Values
from shared.path.transaction.reads import as_resource
from shared.path.transaction.search import LOOKED_AT_MOST, Found, Search, Token
from shared.platform.db import Connection

_PLACE = "(at, id) {beyond} ({moment}, {id}::uuid)"
_PAGE = "SELECT *, ({meant}) AS meant FROM reads WHERE {own} ORDER BY at {way}, id {way} LIMIT {most}"
_COUNT = "SELECT count(*) FROM reads WHERE {own} AND {meant}"


@dataclass
class AuditSearch(Search):
    """Of one service's AuditEvents. What is asked of both tables is asked of each in its own columns."""

    service: str = ""
    _own: list[str] = field(default_factory=lambda: ["program = $1"])
    """What the indexes of `reads` answer."""
    _meant: list[str] = field(default_factory=lambda: ["true"])
    """What is asked of each row that they find."""
    _of_reads: Values = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._of_reads = Values((self.program,))

    def ids(self, ids: Collection[str]) -> None:
        super().ids(ids)
        ours = [each for each in ids if is_id(each)]
        self._own.append(f"id = ANY({self._of_reads.place(ours)}::uuid[])")

    def patients(self, patients: Collection[str]) -> None:
        super().patients(patients)
        self._own.append(f"patient = ANY({self._of_reads.place(list(patients))}::text[])")

    def agents(self, tokens: Sequence[Token]) -> None:
        """A client, or the person for whom it acted."""
        self.naming("agent[*].who.identifier", "value", tokens)
        self._asks({"client": CLIENT, "person": STAFF}, tokens)

    def entities(self, references: Sequence[str]) -> None:
        """One of these resources (`Task/id`); of a read that is its patient."""
        self.naming("entity[*].what", "reference", [(None, each) for each in references])
        patients = [identity for kind, _, identity in (each.partition("/") for each in references) if kind == "Patient"]
        self._meant.append(f"patient = ANY({self._of_reads.place(patients)}::text[])")

    def types(self, tokens: Sequence[Token]) -> None:
        """The kind of event: a read is one of the REST interface."""
        self.naming("type", "code", tokens)
        self._asks({"'rest'": AUDIT_TYPE}, tokens)

    def subtypes(self, tokens: Sequence[Token]) -> None:
        self.naming("subtype[*]", "code", tokens)
        self._asks({"interaction": RESTFUL}, tokens)

    async def page(self, connection: Connection, order: Order, after: Position | None, most: int) -> Found:
        """Of both the first; where one has looked no further, nothing of the other that comes behind."""
        rows, edge = await super().page(connection, order, after, most)
        reads, edge_of_reads = await self._reads(connection, order, after, most)
        both = [(Position.of(each, order), each) for each in (*rows, *reads)]
        both.sort(key=lambda each: _rank(each[0], order))
        edges = [each for each in (edge, edge_of_reads) if each is not None]
        if edges:
            edge = min(edges, key=lambda each: _rank(each, order))
            both = [each for each in both if _rank(each[0], order) <= _rank(edge, order)]
        return [row for _, row in both[:most]], None if len(both) >= most else edge

    async def total(self, connection: Connection) -> int:
        return await super().total(connection) + await self._count(connection)

    async def estimate(self, connection: Connection) -> int:
        return await super().estimate(connection) + await self._count(connection)

    async def _reads(self, connection: Connection, order: Order, after: Position | None, most: int) -> Found:
        if after is not None and after.moment is None:
            return [], None
        values, own = Values(self._of_reads), list(self._own)
        if after is not None:
            moment, identity = values.place(after.moment), values.place(after.id)
            own.append(_PLACE.format(beyond=order.beyond, moment=moment, id=identity))
        limit = most if len(self._meant) == 1 else max(most, LOOKED_AT_MOST)
        way = "DESC" if order.descending else "ASC"
        query = _PAGE.format(meant=" AND ".join(self._meant), own=" AND ".join(own), way=way, most=limit)
        rows = await connection.fetch(query, *values)
        found = [as_resource(each, self.service) for each in rows if each["meant"]][:most]
        ended = len(found) == most or len(rows) < limit
        return found, None if ended else Position(rows[-1]["at"], str(rows[-1]["id"]))

    async def _count(self, connection: Connection) -> int:
        query = _COUNT.format(own=" AND ".join(self._own), meant=" AND ".join(self._meant))
        count: int = await connection.fetchval(query, *self._of_reads)
        return count

    def _asks(self, systems: dict[str, str], tokens: Sequence[Token]) -> None:
        """One of these codes in one of these columns, each of which has its system."""
        asked = [
            f"{column} = ANY({self._of_reads.place(values)}::text[])"
            for column, system in systems.items()
            if (values := [value for of_system, value in tokens if of_system in (None, system)])
        ]
        self._meant.append(f"({' OR '.join(asked) or 'false'})")

    def _between(self, time: Time, since: datetime | None, until: datetime | None) -> None:
        super()._between(time, since, until)
        for sign, moment in ((">=", since), ("<", until)):
            if moment is not None:
                self._own.append(f"at {sign} {self._of_reads.place(moment)}")


def _rank(place: Position, order: Order) -> tuple[float, int]:
    """Where it comes in this order: what has no time is last."""
    if place.moment is None:
        return inf, _number(place.id, order)
    return (-1 if order.descending else 1) * place.moment.timestamp(), _number(place.id, order)


def _number(identity: str, order: Order) -> int:
    return (-1 if order.descending else 1) * int(identity.replace("-", ""), 16)

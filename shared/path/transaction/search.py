"""A search over the read model: one program's resources of one type, read page by page from where the last page ended.

Every page is read from an index in its order, so the last of many is as quick as the first. A resource that nobody
changes meanwhile is on exactly one page, whatever happens to others.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from shared.platform.db import Connection, Row

ESTIMATED_FROM = 10_000
"""Up to so many an estimate counts."""
SORTED_MOST = 10_000
"""So many are looked up by one time and sorted by the other in some 15 ms; of more, the index of the other is read."""
LOOKED_AT_MOST = 5_000
"""So many of each status a page looks at, where what is asked of the other time may hold for few of them."""
_LAST_ID = "z" * 65
"""Behind every id of FHIR."""

# Each status of a type, from one to the next by the index: there are a dozen of them, whatever the number of rows.
_EACH_STATUS = """WITH RECURSIVE statuses AS (
    (SELECT coalesce(status, '') AS status FROM resources WHERE program = $1 AND type = $2 ORDER BY 1 LIMIT 1)
    UNION ALL SELECT (SELECT coalesce(r.status, '') FROM resources r
        WHERE r.program = $1 AND r.type = $2 AND coalesce(r.status, '') > s.status ORDER BY 1 LIMIT 1)
    FROM statuses s WHERE s.status IS NOT NULL)"""
_THESE_STATUSES = "WITH statuses AS (SELECT DISTINCT unnest({place}::text[]) AS status)"
# The first of each status, in the order of the index; of them the first. Only these few are sorted.
_PART = """(SELECT * FROM resources WHERE {where} AND coalesce(resources.status, '') = statuses.status AND {part}
    ORDER BY {by} {way}, id {way} LIMIT {most})"""
_PAGE = """{statuses} SELECT found.* FROM statuses CROSS JOIN LATERAL ({parts}) AS found
    ORDER BY {by} {way} NULLS LAST, id {way} LIMIT {most}"""
# What changed in an hour, by clinical time: the index of that would be read from its beginning until enough is found.
# The order holds the planner to the index of the time that is asked for.
_OF_SPAN = """statuses CROSS JOIN LATERAL (SELECT * FROM resources WHERE program = $1 AND type = $2
    AND coalesce(resources.status, '') = statuses.status AND {span} ORDER BY {other} {end}) AS few"""
_IS_SHORT = "{statuses} SELECT count(*) <= {most} FROM (SELECT 1 FROM {few} LIMIT {most} + 1) AS counted"
# Up to which time of the order a page looks, in each status so many behind its beginning; null where there are no more.
_EDGE = """{statuses} SELECT {nearest}(edge) FROM statuses CROSS JOIN LATERAL (SELECT {by} AS edge FROM resources
    WHERE {own} AND coalesce(resources.status, '') = statuses.status AND {part}
    ORDER BY {by} {way}, id {way} OFFSET {most} LIMIT 1) AS beyond"""
# Those of some patients, or of some ids, are few: they are looked up by nothing else (OFFSET 0 holds the planner back,
# which without statistics would take another index and walk over everybody's), and may be sorted.
_FEW = "(SELECT * FROM resources WHERE {few} OFFSET 0) AS few"
_PAGE_OF_FEW = """{statuses} SELECT few.* FROM {few} WHERE {where} AND ({parts})
    ORDER BY {by} {way} NULLS LAST, id {way} LIMIT {most}"""
# Numbers of a laboratory or an EHR stand in the body: the index holds the values, the path asks for their systems too.
CARRYING = ("DiagnosticReport", "Observation", "Specimen")
"""Types that are found by their identifiers: the index's own."""
_NUMBERED = f"""type IN ({", ".join(f"'{each}'" for each in CARRYING)}) AND NOT sealed
    AND strpos(body, '"identifier"') > 0
    AND jsonb_path_query_array(body::jsonb, '$.identifier[*].value') ?| {{values}}::text[]"""
_CARRIES = "jsonb_path_exists(body::jsonb, {path}::text::jsonpath, {named}::text::jsonb)"


class Order(msgspec.Struct, frozen=True):
    """By clinical time (what has none comes last, either way) or by the time of the last change; then by id."""

    by: Literal["at", "updated_at"] = "at"
    descending: bool = False

    @property
    def other(self) -> str:
        """The time that it doesn't go by."""
        return "updated_at" if self.by == "at" else "at"

    @property
    def way(self) -> str:
        return "DESC" if self.descending else "ASC"


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the time by which its last resource stood there (None: it has none), and the id."""

    moment: datetime | None
    id: str


Found = tuple[list[Row], Position | None]
"""Of one page the rows, and where it has stopped looking; None where it is full, or nothing is left."""


class _Values(list[object]):
    """A statement's arguments; each is named by its place."""

    def place(self, value: object) -> str:
        self.append(value)
        return f"${len(self)}"


@dataclass
class Search:
    """A growing condition over one program's resources of one type."""

    program: str
    type: str
    _where: list[str] = field(default_factory=lambda: ["program = $1", "type = $2"])
    _values: _Values = field(init=False)
    _few: str | None = None
    """The condition by which a few are looked up."""
    _statuses: list[str] | None = None
    _dated: bool = False
    _spans: dict[str, list[tuple[str, datetime]]] = field(default_factory=lambda: {"at": [], "updated_at": []})
    """What is asked of each time."""

    def __post_init__(self) -> None:
        self._values = _Values((self.program, self.type))

    def ids(self, ids: Collection[str]) -> None:
        self._look_up(f"type = $2 AND id = ANY({self._values.place(list(ids))}::text[])")

    def patients(self, patients: Collection[str]) -> None:
        self._look_up(f"type = $2 AND patient = ANY({self._values.place(list(patients))}::text[])")

    def without_patient(self, missing: bool) -> None:
        if missing:
            self.patients([""])
        else:
            self._where.append("patient <> ''")

    def statuses(self, statuses: Collection[str]) -> None:
        self._statuses = [each for each in statuses if self._statuses is None or each in self._statuses]

    def happened(self, since: datetime | None, until: datetime | None) -> None:
        """Clinical time in [since, until); None leaves that side open."""
        self._dated = True
        self._between("at", since, until)

    def changed(self, since: datetime | None, until: datetime | None) -> None:
        """Time of the last change in [since, until); None leaves that side open."""
        self._between("updated_at", since, until)

    def carrying(self, identifiers: Sequence[tuple[str | None, str]]) -> None:
        """One of these identifiers, as (system, value): "" asks for none, None takes any system."""
        numbers = [number for _, number in identifiers]
        self._look_up(_NUMBERED.format(values=self._values.place(numbers)))
        carried: list[str] = []
        for system, number in identifiers:
            of_system = {None: "", "": " && !exists(@.system)"}.get(system, " && @.system == $system")
            path = f"$.identifier[*] ? (@.value == $value{of_system})"
            named = msgspec.json.encode({"system": system, "value": number}).decode()
            carried.append(_CARRIES.format(path=self._values.place(path), named=self._values.place(named)))
        self._where.append(f"({' OR '.join(carried)})")

    async def page(self, connection: Connection, order: Order, after: Position | None, most: int) -> Found:
        """The first `most` in this order behind that position, or fewer and up to where it has looked."""
        is_wide = self._few is None and not await self._is_short(connection, order)
        edge = await self._edge(connection, order, after) if is_wide and self._spans[order.other] else None
        rows = await self._page(connection, order, after, most, is_wide=is_wide, edge=edge)
        if edge is None or len(rows) == most:
            return rows, None
        return rows, Position(edge, "" if order.descending else _LAST_ID)

    async def _page(
        self,
        connection: Connection,
        order: Order,
        after: Position | None,
        most: int,
        *,
        is_wide: bool,
        edge: datetime | None,
    ) -> list[Row]:
        values = _Values(self._values)
        parts = self._parts(order, after, values, edge)
        shape = {"by": order.by, "way": order.way, "most": most}
        if self._few is not None:
            few, where = _FEW.format(few=self._few), self._condition(values)
            query = _PAGE_OF_FEW.format(statuses="", few=few, where=where, parts=_any(parts), **shape)
        elif not is_wide:
            shape |= {"statuses": self._each_status(values), "where": " AND ".join(self._where)}
            query = _PAGE_OF_FEW.format(few=self._span(order, values, "OFFSET 0"), parts=_any(parts), **shape)
        else:
            where, statuses = " AND ".join(self._where), self._each_status(values)
            merged = " UNION ALL ".join(_PART.format(where=where, part=each, **shape) for each in parts)
            query = _PAGE.format(statuses=statuses, parts=merged, **shape)
        return await connection.fetch(query, *values)

    async def _edge(self, connection: Connection, order: Order, after: Position | None) -> datetime | None:
        """None where the rest is so little that a page may look at all of it, or has no time."""
        if after is not None and after.moment is None:
            return None
        values = _Values((self.program, self.type))
        statuses, part = self._each_status(values), self._parts(order, after, values)[0]
        own = ["program = $1", "type = $2"]
        own += [f"{order.by} {sign} {values.place(moment)}" for sign, moment in self._spans[order.by]]
        shape = {"by": order.by, "way": order.way, "nearest": "max" if order.descending else "min"}
        query = _EDGE.format(statuses=statuses, own=" AND ".join(own), part=part, most=LOOKED_AT_MOST, **shape)
        edge: datetime | None = await connection.fetchval(query, *values)
        return edge

    async def _is_short(self, connection: Connection, order: Order) -> bool:
        """Whether the time that the order doesn't go by is asked for, and few are of it."""
        values = _Values((self.program, self.type))
        if not self._spans[order.other]:
            return False
        few = self._span(order, values, f"LIMIT {SORTED_MOST} + 1")
        statuses = self._each_status(values)
        short: bool = await connection.fetchval(_IS_SHORT.format(statuses=statuses, few=few, most=SORTED_MOST), *values)
        return short

    def _span(self, order: Order, values: _Values, end: str) -> str:
        asked = [f"{order.other} {sign} {values.place(moment)}" for sign, moment in self._spans[order.other]]
        return _OF_SPAN.format(span=" AND ".join(asked), other=order.other, end=end)

    def _each_status(self, values: _Values) -> str:
        return _EACH_STATUS if self._statuses is None else _THESE_STATUSES.format(place=values.place(self._statuses))

    async def total(self, connection: Connection) -> int:
        """How many there are in all."""
        values = _Values(self._values)
        total: int = await connection.fetchval(f"SELECT count(*) FROM {self._all(values)}", *values)
        return total

    async def estimate(self, connection: Connection) -> int:
        """About how many there are in all: counted while they are few, else what the planner expects."""
        values = _Values(self._values)
        every = f"SELECT 1 FROM {self._all(values)}"
        counted: int = await connection.fetchval(
            f"SELECT count(*) FROM ({every} LIMIT {ESTIMATED_FROM}) AS few", *values
        )
        if counted < ESTIMATED_FROM:
            return counted
        plan = msgspec.json.decode(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {every}", *values))
        return max(counted, int(plan[0]["Plan"]["Plan Rows"]))

    def _all(self, values: _Values) -> str:
        source = "resources" if self._few is None else _FEW.format(few=self._few)
        return f"{source} WHERE {self._condition(values)}"

    def _condition(self, values: _Values) -> str:
        if self._statuses is None:
            return " AND ".join(self._where)
        return " AND ".join([*self._where, f"coalesce(status, '') = ANY({values.place(self._statuses)}::text[])"])

    def _parts(self, order: Order, after: Position | None, values: _Values, edge: datetime | None = None) -> list[str]:
        """What comes behind the position, up to the edge: the dated, then those without a time. As indexes have it."""
        beyond = "<" if order.descending else ">"
        dated = undated = "true"
        if after is not None and after.moment is not None:
            dated = f"({order.by}, id) {beyond} ({values.place(after.moment)}, {values.place(after.id)})"
        elif after is not None:
            dated, undated = "false", f"id {beyond} {values.place(after.id)}"
        if edge is not None:
            dated += f" AND {order.by} {'>=' if order.descending else '<='} {values.place(edge)}"
        if order.by == "updated_at":
            return [dated]
        return [
            f"at IS NOT NULL AND {dated}",
            *([] if self._dated or edge is not None else [f"at IS NULL AND {undated}"]),
        ]

    def _between(self, column: str, since: datetime | None, until: datetime | None) -> None:
        for sign, moment in ((">=", since), ("<", until)):
            if moment is not None:
                self._where.append(f"{column} {sign} {self._values.place(moment)}")
                self._spans[column].append((sign, moment))

    def _look_up(self, condition: str) -> None:
        if self._few is None:
            self._few = condition
        else:
            self._where.append(condition)


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({each})" for each in conditions)

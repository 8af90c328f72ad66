"""A search over the read model: one program's resources of one type, read page by page from where the last page ended.

Every page is read from an index in its order, so the last of many is as quick as the first. A resource that nobody
changes meanwhile is on exactly one page, whatever happens to others.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

import msgspec

from shared.path.transaction.ordering import (
    COLUMN,
    GROUP,
    IS_SESSION,
    IS_TASK,
    URGENCY,
    Order,
    Position,
    Time,
    Values,
    timed,
    timeless,
)
from shared.platform.db import Connection, Row

ESTIMATED_FROM = 10_000
"""Up to so many an estimate counts."""
SORTED_MOST = 10_000
"""So many are looked up by one time and sorted by the other in some 15 ms; of more, the index of the other is read."""
LOOKED_AT_MOST = 5_000
"""So many of each status a page looks at, where what is asked of another time, or of a body, may hold for few."""

# Each status of a type, from one to the next by the index: there are a dozen of them, whatever the number of rows.
_EACH_STATUS = """WITH RECURSIVE statuses AS (
    (SELECT coalesce(status, '') AS status FROM resources WHERE program = $1 AND type = $2 ORDER BY 1 LIMIT 1)
    UNION ALL SELECT (SELECT coalesce(r.status, '') FROM resources r
        WHERE r.program = $1 AND r.type = $2 AND coalesce(r.status, '') > s.status ORDER BY 1 LIMIT 1)
    FROM statuses s WHERE s.status IS NOT NULL)"""
_THESE_STATUSES = "WITH statuses AS (SELECT DISTINCT unnest({place}::text[]) AS status)"
# The first of each status, in the order of the index; of them the first. Only these few are sorted.
_PART = """(SELECT * FROM resources WHERE {where} AND coalesce(resources.status, '') = statuses.status AND {part}
    ORDER BY {written} LIMIT {most})"""
_PAGE = """{statuses} SELECT found.*{selected} FROM statuses CROSS JOIN LATERAL ({parts}) AS found
    ORDER BY {nulls_last} LIMIT {most}"""
# What changed in an hour, by clinical time: the index of that would be read from its beginning until enough is found.
# The order holds the planner to the index of the time that is asked for.
_OF_SPAN = """statuses CROSS JOIN LATERAL (SELECT * FROM resources WHERE program = $1 AND type = $2
    AND coalesce(resources.status, '') = statuses.status AND {span} ORDER BY {time} {end}) AS few"""
_IS_SHORT = "{statuses} SELECT count(*) <= {most} FROM (SELECT 1 FROM {few} LIMIT {most} + 1) AS counted"
# Up to which place a page looks, in each status so many behind its beginning; none where there are no more.
_EDGE = """{statuses} SELECT edge.* FROM statuses CROSS JOIN LATERAL (SELECT {columns} FROM resources
    WHERE {own} AND coalesce(resources.status, '') = statuses.status AND {part}
    ORDER BY {written} OFFSET {most} LIMIT 1) AS edge ORDER BY {edges} LIMIT 1"""
# Those of some patients, or of some ids, are few: they are looked up by nothing else (OFFSET 0 holds the planner back,
# which without statistics would take another index and walk over everybody's), and may be sorted.
_FEW = "(SELECT * FROM resources WHERE {few} OFFSET 0) AS few"
_PAGE_OF_FEW = """{statuses} SELECT few.*{selected} FROM {few} WHERE {where} AND ({parts})
    ORDER BY {nulls_last} LIMIT {most}"""
# Numbers of a laboratory or an EHR stand in the body: the index holds the values, the path asks for their systems too.
_REPORTED = "type IN ('DiagnosticReport', 'Observation', 'Specimen')"
_ORDERED = "type = 'ServiceRequest'"
CARRYING = {**dict.fromkeys(("DiagnosticReport", "Observation", "Specimen"), _REPORTED), "ServiceRequest": _ORDERED}
"""Types that are found by their identifiers, each by the words of its index."""
_NUMBERED = """{of_type} AND NOT sealed AND strpos(body, '"identifier"') > 0
    AND jsonb_path_query_array(body::jsonb, '$.identifier[*].value') ?| {values}::text[]"""
_NAMES = "jsonb_path_exists(body::jsonb, {path}::text::jsonpath, {named}::text::jsonb)"


Token = tuple[str | None, str]
"""System and value: "" asks for no system, None takes any."""
Found = tuple[list[Row], Position | None]
"""Of one page the rows, and where it has stopped looking; None where it is full, or nothing is left."""


@dataclass
class Search:
    """A growing condition over one program's resources of one type."""

    program: str
    type: str
    _where: list[str] = field(default_factory=lambda: ["program = $1", "type = $2"])
    _values: Values = field(init=False)
    _few: str | None = None
    """The condition by which a few are looked up."""
    _statuses: list[str] | None = None
    _spans: dict[Time, list[tuple[str, datetime]]] = field(
        default_factory=lambda: {"at": [], "updated_at": [], "due": []}
    )
    """What is asked of each time."""
    named: set[str] = field(default_factory=set)
    """The patients, as ids of the hub's, of whom is asked."""
    _looks_inside: bool = False
    """Whether bodies are asked, which no index knows."""
    _of_group: bool = False
    """Whether a group is asked, which an index knows in the order of clinical time alone."""

    def __post_init__(self) -> None:
        self._values = Values((self.program, self.type))

    def ids(self, ids: Collection[str]) -> None:
        self._look_up(f"type = $2 AND id = ANY({self._values.place(list(ids))}::text[])")

    def patients(self, patients: Collection[str]) -> None:
        self.named.update(patients)
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
        self._between("at", since, until)

    def changed(self, since: datetime | None, until: datetime | None) -> None:
        """Time of the last change in [since, until); None leaves that side open."""
        self._between("updated_at", since, until)

    def falls_due(self, since: datetime | None, until: datetime | None) -> None:
        """Of Tasks: when they are due, in [since, until); None leaves that side open."""
        self._between("due", since, until)

    def urgent(self, urgencies: Collection[int]) -> None:
        """Of Tasks: one of these urgencies, 1 (stat) to 4 (routine). By the sum the planner doesn't look them up in the
        index one by one, which would leave its order."""
        self._looks_inside = True
        self._where.append(f"{URGENCY} + 0 = ANY({self._values.place(list(urgencies))}::integer[])")

    def of_group(self, group: str) -> None:
        """Of Appointments: those of one group."""
        self._of_group = True
        self._where += [IS_SESSION, f"{GROUP} = {self._values.place(group)}"]

    def carrying(self, identifiers: Sequence[Token]) -> None:
        """One of these identifiers."""
        values = self._values.place([number for _, number in identifiers])
        self._look_up(_NUMBERED.format(of_type=CARRYING[self.type], values=values))
        self.naming("identifier[*]", "value", identifiers)

    def naming(self, element: str, member: str, tokens: Sequence[Token], *also: str) -> None:
        """Where this element (`code.coding[*]`), or one of `also`, has one of these tokens in this member."""
        self._looks_inside = True
        named: list[str] = []
        for (system, value), where in product(tokens, (element, *also)):
            of_system = {None: "", "": " && !exists(@.system)"}.get(system, " && @.system == $system")
            path = f"$.{where} ? (@.{member} == $value{of_system})"
            values = msgspec.json.encode({"system": system, "value": value}).decode()
            named.append(_NAMES.format(path=self._values.place(path), named=self._values.place(values)))
        self._where.append(f"({' OR '.join(named)})")

    async def page(self, connection: Connection, order: Order, after: Position | None, most: int) -> Found:
        """The first `most` in this order behind that position, or fewer and up to where it has looked."""
        others = [time for time, spans in self._spans.items() if spans and time != order.by]
        short = None if self._few is not None else await self._short(connection, others)
        looks = bool(others) or self._looks_inside or (self._of_group and order.by != "at")
        is_bounded = self._few is None and short is None and looks
        edge = await self._edge(connection, order, after) if is_bounded else None
        rows = await self._page(connection, order, after, most, short=short, edge=edge)
        return rows, None if len(rows) == most else edge

    async def _page(
        self,
        connection: Connection,
        order: Order,
        after: Position | None,
        most: int,
        *,
        short: Time | None,
        edge: Position | None,
    ) -> list[Row]:
        values = Values(self._values)
        parts = self._parts(order, after, values, edge)
        shape = {"written": order.written, "nulls_last": order.nulls_last, "selected": order.selected, "most": most}
        if self._few is not None:
            few, where = _FEW.format(few=self._few), self._condition(values)
            query = _PAGE_OF_FEW.format(statuses="", few=few, where=where, parts=_any(parts), **shape)
        elif short is not None:
            shape |= {"statuses": self._each_status(values), "where": " AND ".join(self._where)}
            query = _PAGE_OF_FEW.format(few=self._span(short, values, "OFFSET 0"), parts=_any(parts), **shape)
        else:
            where, statuses = " AND ".join(self._where), self._each_status(values)
            merged = " UNION ALL ".join(_PART.format(where=where, part=each, **shape) for each in parts)
            query = _PAGE.format(statuses=statuses, parts=merged, **shape)
        return await connection.fetch(query, *values)

    async def _edge(self, connection: Connection, order: Order, after: Position | None) -> Position | None:
        """Among those with a time, else among those without; None where the rest is so little that a page may look at
        all of it."""
        for part_of in (timed, timeless):
            values = Values((self.program, self.type))
            part = part_of(order, after, None, values)
            if part is None or (part_of is timeless and self._spans[order.by]):
                continue
            own = ["program = $1", "type = $2", *self._asked(order.by, values)]
            statuses = self._each_status(values)
            shape = {"written": order.written, "columns": order.columns, "edges": order.edges, "most": LOOKED_AT_MOST}
            query = _EDGE.format(statuses=statuses, own=" AND ".join(own), part=part, **shape)
            if (edge := await connection.fetchrow(query, *values)) is not None:
                return Position(edge["moment"], edge["id"], edge["urgency"])
        return None

    async def _short(self, connection: Connection, others: Sequence[Time]) -> Time | None:
        """One of these times that are asked for, where few are of it."""
        for time in others:
            values = Values((self.program, self.type))
            few = self._span(time, values, f"LIMIT {SORTED_MOST} + 1")
            query = _IS_SHORT.format(statuses=self._each_status(values), few=few, most=SORTED_MOST)
            if await connection.fetchval(query, *values):
                return time
        return None

    def _span(self, time: Time, values: Values, end: str) -> str:
        return _OF_SPAN.format(span=" AND ".join(self._asked(time, values)), time=COLUMN[time], end=end)

    def _asked(self, time: Time, values: Values) -> list[str]:
        """What is asked of this time, as its index can answer it."""
        asked = [f"{COLUMN[time]} {sign} {values.place(moment)}" for sign, moment in self._spans[time]]
        return [IS_TASK, *asked] if time == "due" else asked

    def _each_status(self, values: Values) -> str:
        return _EACH_STATUS if self._statuses is None else _THESE_STATUSES.format(place=values.place(self._statuses))

    async def total(self, connection: Connection) -> int:
        """How many there are in all."""
        values = Values(self._values)
        total: int = await connection.fetchval(f"SELECT count(*) FROM {self._all(values)}", *values)
        return total

    async def estimate(self, connection: Connection) -> int:
        """About how many there are in all: counted while they are few, else what the planner expects."""
        values = Values(self._values)
        every = f"SELECT 1 FROM {self._all(values)}"
        counted: int = await connection.fetchval(
            f"SELECT count(*) FROM ({every} LIMIT {ESTIMATED_FROM}) AS few", *values
        )
        if counted < ESTIMATED_FROM:
            return counted
        plan = msgspec.json.decode(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {every}", *values))
        return max(counted, int(plan[0]["Plan"]["Plan Rows"]))

    def _all(self, values: Values) -> str:
        source = "resources" if self._few is None else _FEW.format(few=self._few)
        return f"{source} WHERE {self._condition(values)}"

    def _condition(self, values: Values) -> str:
        if self._statuses is None:
            return " AND ".join(self._where)
        return " AND ".join([*self._where, f"coalesce(status, '') = ANY({values.place(self._statuses)}::text[])"])

    def _parts(self, order: Order, after: Position | None, values: Values, edge: Position | None) -> list[str]:
        """What comes behind the position, up to the edge: those with a time, then those without. As indexes have it."""
        parts = [timed(order, after, edge, values)]
        if not self._spans[order.by]:
            parts.append(timeless(order, after, edge, values))
        return [each for each in parts if each is not None] or ["false"]

    def _between(self, time: Time, since: datetime | None, until: datetime | None) -> None:
        for sign, moment in ((">=", since), ("<", until)):
            if moment is not None:
                self._where.append(f"{COLUMN[time]} {sign} {self._values.place(moment)}")
                self._spans[time].append((sign, moment))

    def _look_up(self, condition: str) -> None:
        if self._few is None:
            self._few = condition
        else:
            self._where.append(condition)


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({each})" for each in conditions)

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
# Those of some patients, or of some ids, are few: they are looked up by nothing else (OFFSET 0 holds the planner back,
# which without statistics would take another index and walk over everybody's), and may be sorted.
_FEW = "(SELECT * FROM resources WHERE {few} OFFSET 0) AS few"
_PAGE_OF_FEW = "SELECT * FROM {few} WHERE {where} AND ({parts}) ORDER BY {by} {way} NULLS LAST, id {way} LIMIT {most}"
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
    def way(self) -> str:
        return "DESC" if self.descending else "ASC"


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the time by which its last resource stood there (None: it has none), and the id."""

    moment: datetime | None
    id: str


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

    async def page(self, connection: Connection, order: Order, after: Position | None, most: int) -> list[Row]:
        """The first `most` in this order behind that position."""
        values = _Values(self._values)
        parts = self._parts(order, after, values)
        shape = {"by": order.by, "way": order.way, "most": most}
        if self._few is not None:
            where, joined = self._condition(values), " OR ".join(f"({each})" for each in parts)
            query = _PAGE_OF_FEW.format(few=_FEW.format(few=self._few), where=where, parts=joined, **shape)
        else:
            where, statuses = " AND ".join(self._where), _EACH_STATUS
            if self._statuses is not None:
                statuses = _THESE_STATUSES.format(place=values.place(self._statuses))
            joined = " UNION ALL ".join(_PART.format(where=where, part=each, **shape) for each in parts)
            query = _PAGE.format(statuses=statuses, parts=joined, **shape)
        return await connection.fetch(query, *values)

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

    def _parts(self, order: Order, after: Position | None, values: _Values) -> list[str]:
        """What comes behind the position: the dated, then those without a time. Each has the order of an index."""
        beyond = "<" if order.descending else ">"
        dated = undated = "true"
        if after is not None and after.moment is not None:
            dated = f"({order.by}, id) {beyond} ({values.place(after.moment)}, {values.place(after.id)})"
        elif after is not None:
            dated, undated = "false", f"id {beyond} {values.place(after.id)}"
        if order.by == "updated_at":
            return [dated]
        return [f"at IS NOT NULL AND {dated}", *([] if self._dated else [f"at IS NULL AND {undated}"])]

    def _between(self, column: str, since: datetime | None, until: datetime | None) -> None:
        for sign, moment in ((">=", since), ("<", until)):
            if moment is not None:
                self._where.append(f"{column} {sign} {self._values.place(moment)}")

    def _look_up(self, condition: str) -> None:
        if self._few is None:
            self._few = condition
        else:
            self._where.append(condition)

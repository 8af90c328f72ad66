"""Makes the decisions of a journal again, each key from an empty state, and compares them with what stands there.

It only reads, in one snapshot, one key at a time: a million rows need no more memory than their longest key.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import msgspec

from shared.path.service import PATIENT, Service
from shared.path.transaction.folding import (
    NO_SETTINGS,
    NOT_WHOLE,
    UNREADABLE,
    Fold,
    MadeAgain,
    Settings,
    begins_later,
    delivery_of,
)
from shared.path.transaction.journal import HELD, JournalRow, digested
from shared.platform.build import build
from shared.platform.db import Connection, Row

# Of one key. Its rows come by clinic time, from the index; those of one instant are put in order afterwards.
_OF_KEY = "SELECT * FROM journal WHERE key = $1 ORDER BY key, now"
# Of every key whose turn it is: of `$1` processes side by side this one is number `$2`.
_OF_ALL = "SELECT * FROM journal WHERE abs(hashtext(key)::bigint) % $1 = $2 ORDER BY key, now"
# What stands of a key.
_STATE = "SELECT version, body FROM state WHERE kind = $1 AND key = $2"
ROWS_AT_ONCE = 100


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to make again: one patient or all, only of whom something was decided `since`; as number `part` of so many
    `parts` side by side."""

    patient: str | None = None
    since: datetime | None = None
    part: int = 0
    parts: int = 1


class Difference(msgspec.Struct, frozen=True):
    """The first decision of a key that does not come out as it stands: its row, its event, and where they differ.
    `code` is the release it was decided by, where that is not this one."""

    key: str
    sequence: int
    event: str
    path: str
    code: str | None = None


class Replayed(msgspec.Struct, kw_only=True):
    """What came of it, of so many `keys`: by kind in `others` those that are no patients. `left_out` are keys by why
    they could not be made again, `other_code` rows by release."""

    service: str
    keys: int = 0
    others: dict[str, int] = {}
    decisions: int = 0
    without_digest: int = 0
    differences: list[Difference] = []
    other_code: dict[str, int] = {}
    left_out: dict[str, int] = {}

    @property
    def differs(self) -> bool:
        """Whether something is wrong: what another release decided otherwise is not."""
        return any(each.code is None for each in self.differences)


async def keys(connection: Connection, asked: Asked) -> AsyncIterator[list[Row]]:
    """The rows of one key after another, each in the order of their decisions; inside a transaction."""
    if asked.patient is not None:
        cursor = connection.cursor(_OF_KEY, asked.patient, prefetch=ROWS_AT_ONCE)
    else:
        cursor = connection.cursor(_OF_ALL, asked.parts, asked.part, prefetch=ROWS_AT_ONCE)
    rows: list[Row] = []
    async for row in cursor:
        if rows and row["key"] != rows[0]["key"]:
            for each in _by_kind(rows, asked.since):
                yield each
            rows = []
        rows.append(row)
    for each in _by_kind(rows, asked.since):
        yield each


def _by_kind(rows: Sequence[Row], since: datetime | None) -> Iterable[list[Row]]:
    ordered = sorted(rows, key=itemgetter("kind", "sequence"))
    for _, of_kind in groupby(ordered, key=itemgetter("kind")):
        found = list(of_kind)
        if since is None or found[-1]["now"] >= since:
            yield found


async def replay(connection: Connection, service: Service, present: Mapping[str, object], asked: Asked) -> Replayed:
    """Make again what is asked, inside a transaction; `present` are the settings of each program."""
    replayed, other_code, left_out, others = Replayed(service=service.name), *(Counter[str]() for _ in range(3))
    settings = await Settings.stored(connection, present)
    async for rows in keys(connection, asked):
        replayed.keys += 1
        others.update(row["kind"] for row in rows[:1] if row["kind"] != PATIENT)
        one = OneKey(service, settings, rows)
        found = one.run(replayed) or one.at_last(await connection.fetchrow(_STATE, rows[0]["kind"], rows[0]["key"]))
        if isinstance(found, Difference):
            replayed.differences.append(found)
        elif found is not None:
            left_out[found] += 1
        other_code.update(row["code"] for row in rows if row["code"] != build())
    replayed.other_code, replayed.left_out, replayed.others = dict(other_code), dict(left_out), dict(others)
    return replayed


class OneKey:
    """The rows of one key, compared one by one with what comes out again."""

    def __init__(self, service: Service, settings: Settings, rows: Sequence[Row]) -> None:
        self._service, self._settings, self._rows = service, settings, rows
        self._fold = Fold(service, rows[0]["kind"], rows[0]["key"], rows[0]["program"])
        self._code: str | None = None

    def run(self, replayed: Replayed) -> Difference | str | None:
        """The first difference, or why the rest could not be made again. Behind it nothing of the key can be."""
        for row in self._rows:
            replayed.without_digest += not row["digests"]
            if _tampered(row):
                return _different(row, "row")
            if not row["outcome"].startswith(HELD):
                replayed.decisions += 1
                if (found := self._decided(row)) is not None:
                    return found
        return None

    def _decided(self, row: Row) -> Difference | str | None:
        self._code = row["code"] if row["code"] != build() else self._code
        if self._settings.tampered(row):
            return _different(row, "settings")
        settings = self._settings.of(row)
        if settings is None:
            return NO_SETTINGS
        if not self._fold.locked.body and begins_later(row):
            return NOT_WHOLE
        path = self._path(row, settings)
        return None if path is None else _different(row, path, self._code)

    def at_last(self, stands: Row | None) -> Difference | None:
        """Whether the state that stands is the one the journal leads to: else its last rows are missing."""
        made = self._fold.locked
        if stands is None or stands["version"] != made.version or stands["body"] == made.body:
            return None
        return _different(self._rows[-1], "state afterwards", self._code)

    def _path(self, row: Row, settings: object) -> str | None:
        try:
            delivery = delivery_of(row, self._service)
        except UNREADABLE:
            return "content"
        return difference(row, self._fold.decide(delivery, row, settings))


def _different(row: Row, path: str, code: str | None = None) -> Difference:
    return Difference(row["key"], row["sequence"], row["event"], path, code)


def _tampered(row: Row) -> bool:
    """Whether the row is no longer what was written, whatever of it was changed."""
    if not row["digests"]:
        return False
    fields = {name: row[name] for name in JournalRow.__struct_fields__}
    whole = JournalRow(**{**fields, "emitted": tuple(row["emitted"]), "digests": tuple(row["digests"][1:])})
    written: str = row["digests"][0]
    return digested(whole, row["kind"], row["now"], row["listening_since"], row["code"]) != written


def difference(row: Row, made: MadeAgain) -> str | None:
    """Where a decision made again is another one than stands in its row; None where it is the same."""
    if made.row.outcome != row["outcome"]:
        return "outcome"
    digests = row["digests"][1:] if row["digests"] else None
    if digests is not None and made.row.digests[1] != digests[0]:
        return "state"
    ids = list(row["emitted"])
    for number in range(max(len(ids), len(made.row.emitted))):
        if list(made.row.emitted[number : number + 1]) != ids[number : number + 1]:
            return f"emitted[{number}]"
        if digests is not None and made.row.digests[number + 2] != digests[number + 1]:
            return f"emitted[{number}].body"
    return None

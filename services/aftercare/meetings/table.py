"""A curated table of meetings, for fellowships that publish no feed (domain 6.3): a CSV file of a person. Pure.

Its columns are members of the Meeting Guide format and `fellowship`; each row is a meeting, with an `id` of its own.
Since a person can mend it, a row that lacks anything is refused whole, and line and column are named.
"""

import re
from dataclasses import dataclass, field, replace

from services.aftercare.meetings import document, entry
from services.aftercare.meetings.collecting import collected
from services.aftercare.meetings.entry import EntryReading
from services.aftercare.meetings.meeting import Fault, Feed, Source

COLUMNS = (
    "id", "name", "fellowship", "day", "time", "end_time", "timezone", "types", "location", "address", "city", "state",
    "postal_code", "country", "region", "latitude", "longitude", "approximate", "attendance_option", "conference_url",
    "conference_url_notes", "conference_phone", "conference_phone_notes", "notes", "url", "updated",
)  # fmt: skip
FAULTS_MOST = 100
"""Of a table that are named; all are counted."""
_COLUMN_OF = {
    "day-unreadable": "day", "day-partly-unreadable": "day", "time-unreadable": "time", "end-unreadable": "end_time",
    "zone": "timezone", "zone-unreadable": "timezone", "type-unknown": "types", "coordinates-unreadable": "latitude",
    "link-unreadable": "conference_url", "phone-unreadable": "conference_phone", "page-unreadable": "url",
    "updated-unreadable": "updated", "place-and-link": "address", "id-repeated": "id", "fellowship": "fellowship",
    "row-unreadable": "",
}  # fmt: skip
"""Which column is at fault; where it depends on the row, it is the first of several that is empty."""
_ONE_OF = {"name-or-slug": ("id", "name"), "day-or-time": ("day", "time")}


@dataclass(slots=True)
class _Table:
    source: Source
    ids: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def read(self, numbered: tuple[int, dict[str, str]]) -> EntryReading:
        """One row; its faults are remembered."""
        line, row = numbered
        row = {entry.member_name(column): value.strip() for column, value in row.items()}
        found = self._reading(row)
        reasons = (found.left_out,) if found.left_out else found.lacking
        self.faults.extend(Fault(line, _column(reason, row), reason) for reason in reasons)
        return EntryReading(left_out=reasons[0]) if reasons else found

    def _reading(self, row: dict[str, str]) -> EntryReading:
        if not row:
            return EntryReading(left_out="row-unreadable")
        fellowship = row.pop("fellowship", "") or self.source.fellowship
        if re.fullmatch(r"[a-z][a-z0-9-]{1,30}", fellowship) is None:
            return EntryReading(left_out="fellowship")
        found = entry.read(replace(self.source, fellowship=fellowship), row)
        if found.meeting is not None and found.meeting.slug in self.ids:
            return EntryReading(left_out="id-repeated")
        if found.meeting is not None:
            self.ids.add(found.meeting.slug)
        return found


def read(source: Source, content: bytes) -> Feed:
    """The rows that are right, and of the others line, column and reason; a column that is none is named too.

    Raises Unreadable where it is no CSV file with a column `name`.
    """
    sheet = document.sheet(source.feed, content)
    unknown = [each for each in sheet.columns if each.strip() and entry.member_name(each) not in COLUMNS]
    table = _Table(source, faults=[Fault(1, each[:40], "column-unknown") for each in unknown])
    feed = collected(sheet.rows, table.read)
    return replace(feed, faults=tuple(table.faults[:FAULTS_MOST]))


def _column(reason: str, row: dict[str, str]) -> str:
    several = _ONE_OF.get(reason)
    return _COLUMN_OF[reason] if several is None else next((each for each in several if not row.get(each)), several[0])

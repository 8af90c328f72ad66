"""What a command reports of its specimen, as versions: a row for each component, with its own status. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from services.testing import tables
from services.testing.messages import Observed, ReportResult
from services.testing.reading.laboratory import Status
from services.testing.specimens import (
    LAST,
    LETTERS,
    MANY,
    ONE,
    UNFINISHED,
    VOID,
    Closes,
    Measure,
    RowStatus,
    Version,
    code_of,
    is_check,
    letter_of,
    measure,
    sub_of,
)
from services.testing.specimens.checks import LETTERS as CHECK_LETTERS
from shared.events.envelope import name_id
from shared.events.testing import Condition
from shared.rules.packing import seconds

SUB_CHARACTERS_MOST = 8
UNKNOWN = f"{MANY}?"
"""Stands as OBX-4 of a row whose status nobody knows: it replaces none, a person sees it beside the others."""


def versions_of(command: ReportResult, report: str, *, known: bool) -> list[Version]:
    """A version for each status; `report` is the key of its report.

    One component of a `known` report says nothing of the specimen.
    """
    apart = known and command.extent == "component"
    head = Version(
        report=report,
        issued_at=0,
        status="final" if command.status == "unknown" else command.status,
        collected_at=0 if apart else seconds(command.collected_at),
        to_minute=command.to_minute and not apart,
        condition="" if apart else _condition(command),
        closes=_closes(command),
        measures=(),
        received=command.received,
    )
    rows: dict[RowStatus, list[Measure]] = {}
    for status, measured in _rows(command):
        rows.setdefault(status, []).append(measured)
    if not rows:
        return [msgspec.structs.replace(head, issued_at=_issued_at(head.status, command))]
    return [
        msgspec.structs.replace(
            head,
            status=each,
            issued_at=_issued_at(each, command),
            measures=tuple(found),
            condition=_condition_by(each, rows, head.condition),
        )
        for each, found in rows.items()
    ]


def _issued_at(status: RowStatus, command: ReportResult) -> int:
    """Of an undated report a correction stands after all that is dated, and anything else before."""
    if command.undated:
        return LAST if status in ("corrected", *VOID) else 0
    return seconds(command.issued_at)


def _condition_by(
    status: RowStatus, rows: Mapping[RowStatus, Sequence[Measure]], condition: Condition | Literal[""]
) -> Condition | Literal[""]:
    """The condition stands and falls with the checks it rests on; without any, all of the report says it."""
    failed = LETTERS["unsatisfactory"]
    checked = {each for each, found in rows.items() if any(is_check(row) and letter_of(row) == failed for row in found)}
    return condition if not checked or status in checked else ""


def _condition(command: ReportResult) -> Condition | Literal[""]:
    """A report without a measure of validity says nothing of the specimen, unless it was rejected or altered."""
    judged = any(tables.family_of(each.analyte) == "validity" for each in command.results)
    stated = command.stated if any(each.check for each in command.results) else command.condition
    return stated or "valid" if judged or stated not in ("", "valid") else ""


def _closes(command: ReportResult) -> Closes:
    """A report that comes whole leaves all older rows of it behind; a final one what was only preliminary."""
    if command.extent == "component":
        return ""
    if (void := _void(command.status)) and command.extent == "report":
        return void
    unfinished = any(_status(each, command) in UNFINISHED for each in command.results)
    if unfinished or command.extent == "rows" or command.status not in ("final", "corrected"):
        return ""
    return "all" if command.extent == "report" else "unfinished"


def row_name(code: str, sub: str) -> str:
    """How a row is called within its report: by its code and OBX-4, whether or not several have this code."""
    return f"{code}|{sub[1:] or '1'}"


def row_id(patient: str, received: str, name: str) -> str:
    """The Observation as which a row of this name is stored as it came."""
    return name_id(patient, f"{received}|{name}")


def named_rows(command: ReportResult) -> Iterator[tuple[str, RowStatus, str]]:
    """Of each row, in their order, its name, how far it stands, and what was found (LETTERS); several whose status
    nobody knows are told apart by their place."""
    for place, (status, row) in enumerate(_rows(command)):
        sub = sub_of(row)
        yield row_name(code_of(row)[0], f"{sub}{place}" if sub == UNKNOWN else sub), status, letter_of(row)


def _subs(command: ReportResult) -> Iterator[str]:
    count, taken = Counter(each.code for each in command.results), set[tuple[str, str]]()
    for each in command.results:
        yield UNKNOWN if "unknown" in (each.status, command.status) else _sub(each, count[each.code] > 1, taken)


def _rows(command: ReportResult) -> Iterator[tuple[RowStatus, Measure]]:
    for each, sub in zip(command.results, _subs(command), strict=True):
        letter = CHECK_LETTERS[each.check] if each.check else LETTERS[each.finding]
        row = measure(
            each.code, each.code_system, each.analyte, letter, each.definitive, sub, quantified=each.quantified
        )
        yield _status(each, command), row


def _sub(observed: Observed, several: bool, taken: set[tuple[str, str]]) -> str:
    """OBX-4, remembered with the only row of its code too; where several have none, their order."""
    own = observed.sub.replace(ONE, "").replace(MANY, "")[:SUB_CHARACTERS_MOST]
    if not several:
        return "" if own in ("", "1") else f"{ONE}{own}"
    ordinals = (str(ordinal) for ordinal in range(1, len(taken) + 2))
    sub = next(each for each in (own, *ordinals) if each and (observed.code, each) not in taken)
    taken.add((observed.code, sub))
    return f"{MANY}{sub}"


def _status(observed: Observed, command: ReportResult) -> RowStatus:
    """The row's own, unless its report was taken back. A whole report that is corrected corrects its rows."""
    if void := _void(command.status):
        return _void(observed.status) or void
    if observed.stands:
        return "promoted"
    own = observed.status or ("cancelled" if observed.cancelled else command.status)
    if own == "final" and command.status == "corrected" and command.extent == "report":
        return "corrected"
    return "final" if own == "unknown" or own == "promoted" else own


def _void(status: Status | Literal[""]) -> Literal["", "cancelled", "entered-in-error"]:
    """How a report, or a row, is taken back, where it is."""
    match status:
        case "cancelled" | "entered-in-error":
            return status
        case _:
            return ""

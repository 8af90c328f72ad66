"""A specimen's rows as they now stand: a law of what is greater, so that the order of arrival can't matter. Pure.

A row is a code of a specimen. Rows are ordered by when they were issued, then by rank, then by content; the greatest
stands, and what was once final is never replaced by what is not. Only then does it matter what a report leaves behind:
HL7's statuses are of each row, a FHIR report is whole each time (domain 4.7).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

import msgspec

from services.testing import tables
from services.testing.specimens import (
    CONTENT,
    MANY,
    RANK,
    SETTLED,
    UNFINISHED,
    VOID,
    Measure,
    Specimen,
    Version,
    analyte_of,
    code_of,
    is_check,
    key_of,
    letter_of,
    made_final_at,
    sub_of,
    weight,
    with_letter,
    with_sub,
)
from services.testing.specimens.checks import CHECKS, CONCENTRATION, LETTERS, LEVELS

MAINTAINED = {analyte for pair in tables.MAINTENANCE.values() for analyte in pair}


@dataclass(frozen=True)
class _Row:
    """A measure with the version it came in, while the greatest are sought."""

    measure: Measure
    version: Version

    @property
    def greatness(self) -> tuple[bool, int, int, int, str, str]:
        """Among settled rows by issue, rank and content; a registered one is less than any preliminary one."""
        version, content = self.version, CONTENT.index(letter_of(self.measure))
        code = str(code_of(self.measure))
        return version.status != "registered", version.issued_at, RANK[version.status], content, code, version.report


def joined(specimen: Specimen, others: Iterable[Version] = ()) -> Specimen:
    """The specimen with these versions too: of each row the greatest, and what still speaks of the specimen."""
    every = [*specimen.versions, *others]
    versions = [_silenced(each, every) for each in every]
    rows = [_now(measured, version, versions) for version in versions for measured in version.measures]
    standing = list(_greatest([row for row in rows if row is not None], versions))
    remaining = list(_without_evicted(standing, specimen.evicted_until))
    return msgspec.structs.replace(specimen, versions=_packed(remaining, _speaking(versions)))


def without_rows_of(specimen: Specimen, again: Iterable[Version]) -> Specimen:
    """Without what the rows of these versions were read as before, under another meaning of their code, and without
    checks that could not be read."""
    meanings = {(each.issued_at, code_of(row)[0]): analyte_of(row) for each in again for row in each.measures}
    unread = LETTERS["unmapped"], LETTERS["unclear"]

    def stands(row: Measure, version: Version) -> bool:
        meaning = meanings.get((version.issued_at, code_of(row)[0]))
        return meaning is None or (meaning == analyte_of(row) and not (is_check(row) and letter_of(row) in unread))

    remaining = (
        msgspec.structs.replace(each, measures=tuple(row for row in each.measures if stands(row, each)))
        for each in specimen.versions
    )
    return msgspec.structs.replace(specimen, versions=tuple(remaining))


def is_known(specimen: Specimen, known: Specimen) -> bool:
    """Whether the same stands of it, in whatever order its rows came."""
    return _unordered(specimen) == _unordered(known)


def _unordered(specimen: Specimen) -> tuple[Specimen, list[frozenset[Measure]]]:
    versions = tuple(msgspec.structs.replace(each, measures=()) for each in specimen.versions)
    without_rows = msgspec.structs.replace(specimen, versions=versions)
    return without_rows, [frozenset(each.measures) for each in specimen.versions]


def thinned(specimen: Specimen) -> Specimen:
    """Without its plain rows; when they come again they change nothing. One that is thin already costs nothing: a state
    at its limit asks each of its specimens, with every report."""
    if specimen.evicted_until == specimen.issued_at:
        return specimen
    return joined(msgspec.structs.replace(specimen, evicted_until=specimen.issued_at))


def still_matters(measured: Measure, *, beside_a_level: bool) -> bool:
    """Whether grading other specimens, or a later list of medications, may need it; a check that passes, where another
    one shows a condition only with it."""
    analyte, letter = analyte_of(measured), letter_of(measured)
    if is_check(measured):
        return letter != LETTERS["valid"] or (beside_a_level and analyte in CONCENTRATION)
    return (letter == "p" and analyte != tables.UNMAPPED) or (letter == "n" and analyte in MAINTAINED)


def _without_evicted(rows: Sequence[_Row], until: int) -> Iterator[_Row]:
    """What makes a row final stays as long as that row does. Until 0 nothing was evicted: undated rows stand there."""
    if not until:
        yield from rows
        return
    level = any(is_check(row.measure) and CHECKS.get(letter_of(row.measure)) in LEVELS for row in rows)
    remaining = {row for row in rows if still_matters(row.measure, beside_a_level=level)}
    keys = {key_of(row.measure) for row in remaining}
    for row in rows:
        makes_final = row.version.status == "promoted" and key_of(row.measure) in keys
        if row.version.issued_at > until or row in remaining or makes_final:
            yield row


def _silenced(version: Version, versions: Sequence[Version]) -> Version:
    """Of a report that came whole again, an older version says nothing of the specimen's condition."""
    if not version.condition:
        return version
    closed = any(each.closes != "unfinished" and _closes(each, version) for each in versions)
    return msgspec.structs.replace(version, condition="") if closed else version


def _now(measured: Measure, version: Version, versions: Sequence[Version]) -> _Row | None:
    """The row after what its report said later: left behind, unless it had been made final by then, or taken back."""
    closing = [each for each in versions if _closes(each, version)]
    if version.status in UNFINISHED and closing and not any(each.closes in VOID for each in closing):
        first = min(each.issued_at for each in closing)
        if not any(at <= first for at in made_final_at(measured, version, versions)):
            return None
        closing = [each for each in closing if each.closes == "all"]
    return _closed(measured, version, closing, versions) if closing else _Row(measured, version)


def _closed(measured: Measure, version: Version, closing: Sequence[Version], versions: Sequence[Version]) -> _Row:
    """A row that was settled, and that its report left out since, or took back."""
    last = max(closing, key=lambda each: (each.closes in VOID, each.issued_at, RANK[each.status]))
    if last.closes == "all" and _is_followed(measured, version, last, versions):
        return _Row(measured, version)
    status = last.closes if last.closes in VOID else "cancelled"
    return _Row(with_letter(measured, "u"), msgspec.structs.replace(last, status=status, closes="", measures=()))


def _closes(closing: Version, version: Version) -> bool:
    """Whether this version of the same report leaves that one behind. Taken back is also what was issued with it."""
    if not closing.closes or closing.report != version.report:
        return False
    if closing.closes in VOID:
        return version.status not in VOID and (closing.issued_at >= version.issued_at or not version.collected_at)
    older = closing.issued_at > version.issued_at
    return older and (closing.closes == "all" or version.status in UNFINISHED)


def _is_followed(measured: Measure, version: Version, last: Version, versions: Sequence[Version]) -> bool:
    """Whether the row itself was settled again since: then that one stands for it, and nothing was left out."""
    return any(
        key_of(row) == key_of(measured)
        for each in versions
        if each is not version and each.status in SETTLED and each.issued_at >= last.issued_at
        for row in each.measures
    )


def _greatest(rows: Sequence[_Row], versions: Sequence[Version]) -> Iterator[_Row]:
    """Of each row what is settled, and what came later and is not, with what makes it final."""
    by_key: dict[tuple[str, str], list[_Row]] = {}
    for row in _apart(rows):
        by_key.setdefault(key_of(row.measure), []).append(row)
    for same in by_key.values():
        if len(same) == 1:
            yield same[0]
            continue
        settled = max((row for row in same if row.version.status in SETTLED), key=_greatness, default=None)
        since = settled.version.issued_at if settled else -1
        later = [row for row in same if row.version.status not in SETTLED and row.version.issued_at > since]
        yield from (row for row in (settled,) if row is not None)
        yield from dict.fromkeys(_unsettled(later, versions))


def _unsettled(rows: Sequence[_Row], versions: Sequence[Version]) -> Iterator[_Row]:
    """The last one, the last one before each time at which it was made final, and what makes it so."""
    sent = [row for row in rows if row.version.status in UNFINISHED]
    if sent:
        yield max(sent, key=_greatness)
    times = {row: made_final_at(row.measure, row.version, versions) for row in sent}
    for at in sorted({each for found in times.values() for each in found}):
        yield max((row for row, found in times.items() if at in found), key=_greatness)
    yield from (row for row in rows if row.version.status == "promoted")


def _greatness(row: _Row) -> tuple[bool, int, int, int, str, str]:
    return row.greatness


def _apart(rows: Sequence[_Row]) -> Sequence[_Row]:
    """By OBX-4 too, where one message held several rows of a code."""
    several = {code_of(row.measure)[0] for row in rows if sub_of(row.measure).startswith(MANY)}
    if not several:
        return rows
    return [
        replace(row, measure=with_sub(row.measure, MANY + (sub_of(row.measure)[1:] or "1")))
        if code_of(row.measure)[0] in several
        else row
        for row in rows
    ]


def _speaking(versions: Sequence[Version]) -> set[Version]:
    """Versions that count without any row: what closes or promotes its report, where and how the specimen was.

    Of several that say it the same one stands each time: a set has another order in each process.
    """
    heads = sorted({msgspec.structs.replace(each, measures=()) for each in versions}, key=_place, reverse=True)
    last: dict[str, Version] = {}
    for each in sorted((each for each in heads if each.closes), key=_place):
        last[each.report] = each
    promoting = {
        msgspec.structs.replace(each, measures=())
        for each in versions
        if each.status == "promoted" and not each.measures
    }
    collected = [each for each in heads if each.collected_at]
    where = {max(collected, key=lambda each: (each.to_minute, each.age, each.collected_at))} if collected else set()
    judged = [each for each in heads if each.condition]
    how = {max(judged, key=weight)} if judged else set()
    return {*last.values(), *promoting, *where, *how} or {max(heads, key=lambda each: each.age)}


def _packed(rows: Iterable[_Row], speaking: Iterable[Version]) -> tuple[Version, ...]:
    measures: dict[Version, list[Measure]] = {each: [] for each in speaking}
    for version, same in groupby(rows, attrgetter("version")):
        head = msgspec.structs.replace(version, measures=())
        measures.setdefault(head, []).extend(row.measure for row in same)
    packed = [msgspec.structs.replace(each, measures=_in_order(found)) for each, found in measures.items()]
    return tuple(sorted(packed, key=_place))


def _in_order(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """As they came, but rows of one code by their OBX-4: they are told apart by it, whichever of them came first."""
    first = {code: place for place, code in reversed([*enumerate(code_of(each) for each in measures)])}
    return tuple(sorted(measures, key=lambda each: (first[code_of(each)], sub_of(each), letter_of(each))))


def _place(version: Version) -> tuple[int, int, str, int, bool, str, str, str]:
    own = version.report, version.collected_at, version.to_minute, version.condition, version.closes, version.received
    return version.issued_at, RANK[version.status], *own

"""A specimen and the versions of what was reported of it, packed: each row as final as its laboratory made it."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import msgspec

from services.testing import tables
from services.testing.specimens.checks import CHECKS, GRAVITY, Check, concentration_by, condition_by, gravest
from shared.events.codes import LOINC
from shared.events.testing import Condition, ReportStatus, ResultFinding, ResultStatus

RowStatus = ResultStatus | Literal["promoted"]
"""`promoted` makes a preliminary row final without sending it again."""
VOID = ("cancelled", "entered-in-error")
UNFINISHED = ("registered", "preliminary")
CORRECTING = ("corrected", *VOID)
SETTLED = ("final", *CORRECTING)
RANK: dict[RowStatus, int] = {
    "registered": 0,
    "preliminary": 1,
    "promoted": 2,
    "final": 3,
    "corrected": 4,
    "cancelled": 5,
    "entered-in-error": 6,
}
"""Of two rows issued at one time the greater rank stands."""
LAST = 1 << 36
"""Stands as the time of issue of a correction, or of what was taken back, where nobody knows it: after any other."""
LETTERS: dict[ResultFinding, str] = {
    "positive": "p",
    "negative": "n",
    "indeterminate": "i",
    "unsatisfactory": "u",
    "pending": "w",
    "valid": "v",
}
FINDINGS: dict[str, ResultFinding] = {letter: found for found, letter in LETTERS.items()}
"""Of a drug; what a check shows has letters of its own (`checks`), but where an earlier release stored it."""
CONTENT = "w" + "".join(CHECKS) + "unp"
"""Of two rows that differ in nothing but what was found, the one that asks for a person stands."""
ANY = "any"
"""What a screen, or a class, found: any drug of its metabolite group."""
OF = "="
"""Between a group and a drug of it, in what the state remembers of evicted positives."""
ONE, MANY = "/", "#"
"""Before an OBX-4 in a measure: of the only row of its code, or of one among several."""


class Foreign(msgspec.Struct, frozen=True, array_like=True):
    """A measure under a code that is not in the LOINC table (a laboratory's own, mapped or not), or whose figure is too
    low to be taken as confirmed."""

    code: str
    system: str
    analyte: str
    letter: str
    definitive: bool
    sub: str = ""
    quantified: bool = False


Measure = str | Foreign
"""With a known LOINC code `<code><sub><letter>`, its analyte stands in the table."""


Closes = Literal["", "unfinished", "all", "cancelled", "entered-in-error"]
"""Which of its report's older rows a version leaves behind: none, what was not final, all, or all as taken back."""


class Version(msgspec.Struct, frozen=True, array_like=True):
    """Rows that one report issued at one time with one status, and what it says of the specimen.

    `collected_at` 0 and `condition` "" say nothing.
    """

    report: str
    issued_at: int
    status: RowStatus
    collected_at: int
    to_minute: bool
    condition: Condition | Literal[""]
    closes: Closes
    measures: tuple[Measure, ...]
    received: str = ""
    """What its rows are named by among the patient's resources, where they are stored as they came."""

    @property
    def age(self) -> tuple[bool, int, int]:
        """Which of two versions stands: what is settled, then the later issued, then the greater rank."""
        return self.status in SETTLED, self.issued_at, RANK[self.status]


class Row(NamedTuple):
    """A measure and how far it stands."""

    measure: Measure
    status: ResultStatus
    received: str = ""


class Specimen(msgspec.Struct, frozen=True, array_like=True, cache_hash=True, dict=True):
    """What is known of one specimen, over all reports about it; it is read as one DiagnosticReport of this id.

    `keys` are short digests of its names (`same_specimen`). Plain rows issued until `evicted_until` were evicted.
    `residual` are the metabolite groups whose positive could not show new use when it was graded last. `matrix` is what
    it is, where it is no urine: the windows, the limits and the expectations of urine are not its own. It stays
    `doubted` once a report of it was, in whatever order they came. What follows from its versions is computed once,
    and remembered with it (`dict`): it never changes, and a decision asks for it many times.
    """

    id: str
    keys: tuple[str, ...]
    versions: tuple[Version, ...]
    evicted_until: int = 0
    residual: tuple[str, ...] = ()
    matrix: str = ""
    doubted: bool = False

    @property
    def dates_use(self) -> bool:
        """Whether a positive in it shows use of about its time, not of months before."""
        return self.matrix not in tables.LONG_LOOK_BACK

    @cached_property
    def collected_at(self) -> int:
        """To the minute rather than to the day, then by the version that stands."""
        stated = ((each.to_minute, each.age, each.collected_at) for each in self.versions if each.collected_at)
        return max(stated, default=(0, 0, 0))[2]

    @cached_property
    def condition(self) -> Condition:
        """The gravest of what was said last and of what the checks that stand show: one that passes, reported later,
        takes away nothing that another one found."""
        return gravest([*self.stated(), condition_by(self.checks)])

    @cached_property
    def concentration(self) -> Condition:
        """What creatinine and specific gravity show with one another."""
        return concentration_by(self.checks)

    @cached_property
    def checks(self) -> tuple[tuple[str, Check], ...]:
        """What each check that stands shows, with its analyte."""
        checking = [row for row in self.rows if is_check(row.measure) and row.status not in (*VOID, "registered")]
        shown = ((analyte_of(row.measure), letter_of(row.measure)) for row in checking)
        return tuple((analyte, CHECKS[letter]) for analyte, letter in shown if letter in CHECKS)

    def stated(self) -> Iterator[Condition]:
        """What the report says whose word counts, and each that an earlier release stored beside its checks."""
        stated = [each for each in self.versions if each.condition]
        last = max(stated, key=weight, default=None)
        yield from (each.condition or "valid" for each in stated if each is last or self._rests_on_a_check(each))

    def _rests_on_a_check(self, version: Version) -> bool:
        """Whether a measure of validity that it reported counts; one that waits beside a settled one does not."""
        failed = LETTERS["unsatisfactory"]
        checks = {key_of(each) for each in version.measures if is_check(each) and letter_of(each) == failed}
        return version.status not in VOID and bool(checks if version.status in SETTLED else checks - self.settled)

    @cached_property
    def issued_at(self) -> int:
        """Where it is known; else when it was collected."""
        known = (each.issued_at for each in self.versions if 0 < each.issued_at < LAST)
        return max(known, default=self.collected_at)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Those that count; what was preliminary counts until it is settled, though a later one may wait beside, and is
        final where its laboratory made it so without sending it again."""
        return _standing(self)

    @property
    def settled(self) -> set[tuple[str, str]]:
        return {key_of(each) for version in self.versions if version.status in SETTLED for each in version.measures}

    def reported(self) -> Iterator[Row]:
        """Each row of each version, whether or not it counts."""
        for version in self.versions:
            if version.status != "promoted":
                yield from (Row(each, version.status, version.received) for each in version.measures)
        yield from self._promoted_unseen()

    def _promoted_unseen(self) -> Iterator[Row]:
        """What was made final without ever having been sent, or only announced: nobody here knows what it shows."""
        if not any(version.status == "promoted" and version.measures for version in self.versions):
            return
        sent = (version for version in self.versions if version.status not in ("promoted", "registered"))
        seen = {key_of(each) for version in sent for each in version.measures}
        for version in self.versions:
            if version.status == "promoted":
                unseen = (each for each in version.measures if key_of(each) not in seen)
                yield from (Row(with_letter(each, LETTERS["indeterminate"]), "final") for each in unseen)

    @cached_property
    def live(self) -> tuple[Measure, ...]:
        """The measures that were not taken back."""
        return tuple(row.measure for row in self.rows if row.status not in VOID)

    @cached_property
    def positive(self) -> tuple[Measure, ...]:
        """Those of them that found something."""
        return tuple(each for each in self.live if letter_of(each) == "p")

    @cached_property
    def final(self) -> tuple[Measure, ...]:
        """The live ones that are no longer provisional."""
        return tuple(row.measure for row in self.rows if row.status in SETTLED and row.status not in VOID)

    @property
    def voided(self) -> bool:
        """Everything was taken back; a rejected specimen is none of it: a person collects another."""
        return self.status in VOID and self.condition != "rejected-unsatisfactory"

    @cached_property
    def status(self) -> ReportStatus:
        """Of the whole, from its rows."""
        return _status(self)


def weight(version: Version) -> tuple[bool, int, bool, int]:
    """Whose word of how the specimen is counts, as rows do: what is settled, then the later issued; of one time what
    corrects, then the gravest, so that no milder word hides a worse one that was said at once."""
    return version.status in SETTLED, version.issued_at, version.status in CORRECTING, gravity(version)


def _status(specimen: Specimen) -> ReportStatus:
    statuses = {row.status for row in specimen.rows} or {each.status for each in specimen.versions} - {"promoted"}
    live = statuses - set(VOID)
    if not live:
        return "cancelled" if statuses == {"cancelled"} else "entered-in-error"
    if live <= set(UNFINISHED):
        return "registered" if live == {"registered"} else "preliminary"
    if live & set(UNFINISHED):
        return "partial"
    return "corrected" if "corrected" in live or _is_partly_void(specimen) else "final"


def _is_partly_void(specimen: Specimen) -> bool:
    """Whether some of it was taken back after it had been reported."""
    void = [each.issued_at for each in specimen.versions if each.status in VOID]
    live = [each.issued_at for each in specimen.versions if each.status not in VOID and each.measures]
    return bool(void) and bool(live) and max(void) > min(live)


def _standing(specimen: Specimen) -> tuple[Row, ...]:
    if not any(version.status in UNFINISHED for version in specimen.versions):
        return tuple(specimen.reported())
    final = _made_final(specimen)
    others = [row for row in specimen.reported() if key_of(row.measure) not in final]
    settled = {key_of(row.measure) for row in others if row.status in SETTLED}
    standing = (row for row in others if row.status in SETTLED or key_of(row.measure) not in settled)
    return *standing, *final.values()


def _made_final(specimen: Specimen) -> dict[tuple[str, str], Row]:
    """Of each row that was made final, the one that was sent last before."""
    last: dict[tuple[str, str], tuple[int, int, int]] = {}
    found: dict[tuple[str, str], Row] = {}
    for version in specimen.versions:
        for each in version.measures:
            at = max(made_final_at(each, version, specimen.versions), default=None)
            age = (at or 0, version.issued_at, CONTENT.index(letter_of(each)))
            if at is not None and age > last.get(key_of(each), (-1, -1, -1)):
                last[key_of(each)] = age
                found[key_of(each)] = Row(each, "final", version.received)
    return found


def made_final_at(measured: Measure, version: Version, versions: Sequence[Version]) -> list[int]:
    """When its laboratory made this preliminary row final without sending it again: it, or its whole report."""
    if version.status != "preliminary":
        return []
    return [
        each.issued_at
        for each in versions
        if each.status == "promoted"
        and each.issued_at >= version.issued_at
        and (
            any(key_of(row) == key_of(measured) for row in each.measures)
            or (not each.measures and each.report == version.report)
        )
    ]


def measure(
    code: str, system: str, analyte: str, letter: str, definitive: bool, sub: str = "", quantified: bool = False
) -> Measure:
    known = tables.LOINC.get(code) if system == LOINC and analyte != tables.UNMAPPED else None
    if known is not None and (known.analyte, known.definitive) == (analyte, definitive):
        return f"{code}{sub}{letter}"
    return Foreign(code, system, analyte, letter, definitive, sub, quantified)


def with_sub(measured: Measure, sub: str) -> Measure:
    if isinstance(measured, str):
        return f"{_loinc(measured)}{sub}{letter_of(measured)}"
    return msgspec.structs.replace(measured, sub=sub)


def with_letter(measured: Measure, letter: str) -> Measure:
    if isinstance(measured, str):
        return measured[:-1] + letter
    return msgspec.structs.replace(measured, letter=letter)


# Measures are of a few thousand codes and letters, and a decision asks for each of some hundred of them many times.
@lru_cache(maxsize=4096)
def key_of(measured: Measure) -> tuple[str, str]:
    """Which row of a specimen it is: its code, and OBX-4 where several rows have this code."""
    sub = sub_of(measured)
    return code_of(measured)[0], sub if sub.startswith(MANY) else ""


def code_of(measured: Measure) -> tuple[str, str]:
    """Code and system, as they were sent."""
    return (_loinc(measured), LOINC) if isinstance(measured, str) else (measured.code, measured.system)


def sub_of(measured: Measure) -> str:
    return measured[len(_loinc(measured)) : -1] if isinstance(measured, str) else measured.sub


def letter_of(measured: Measure) -> str:
    return measured[-1] if isinstance(measured, str) else measured.letter


@lru_cache(maxsize=4096)
def analyte_of(measured: Measure) -> str:
    return tables.LOINC[_loinc(measured)].analyte if isinstance(measured, str) else measured.analyte


def definitive_of(measured: Measure) -> bool:
    return tables.LOINC[_loinc(measured)].definitive if isinstance(measured, str) else measured.definitive


@lru_cache(maxsize=4096)
def is_check(measured: Measure) -> bool:
    return tables.family_of(analyte_of(measured)) == "validity"


def gravity(version: Version) -> int:
    return GRAVITY.index(version.condition)


def quantified(measured: Measure) -> bool:
    """Whether its laboratory gave a figure, as far as its code says."""
    return tables.LOINC[_loinc(measured)].kind == "quantitative" if isinstance(measured, str) else measured.quantified


@lru_cache(maxsize=4096)
def _loinc(measured: str) -> str:
    return measured[:-1].partition(ONE)[0].partition(MANY)[0]


def positive_groups(specimen: Specimen) -> set[str]:
    """The metabolite groups with a final positive, where it tells when the drug was used."""
    if not specimen.dates_use:
        return set()
    return groups_of(analyte_of(each) for each in specimen.final if letter_of(each) == "p")


def drugs_of(measures: Iterable[Measure], group: str) -> set[str]:
    """The drugs of a metabolite group that a definitive method found, and ANY where a screen or a class found one."""
    positives = [each for each in measures if letter_of(each) == "p" and group in groups_of([analyte_of(each)])]
    known = {analyte_of(each) for each in positives if definitive_of(each)} - set(tables.CLASSES)
    vague = any(not definitive_of(each) or analyte_of(each) in tables.CLASSES for each in positives)
    return known | {ANY} if vague else known


def groups_of(analytes: Iterable[str]) -> set[str]:
    return {tables.ANALYTES[each].metabolite_group for each in analytes if each in tables.ANALYTES}

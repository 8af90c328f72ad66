"""Screens as an EHR sends them: an Observation with a value or components, a QuestionnaireResponse with its items.

What can't be read is stored and said: in the entry's outcome, and to a person where it was an answer to an instrument.
It never refuses the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.intake.edge import answers, assessing
from services.intake.edge.asked import Asked, asked_by, is_suicide_screen
from services.intake.edge.own_codes import unknown_form
from services.intake.edge.times import PERSON_ASKED, TAKEN_BACK, TOO_OLD, clinical_time, is_old, latest_time
from services.intake.instruments import totals, totals_with
from services.intake.messages import ReportedFinding, StatedNeed
from services.intake.table import LASTING_UNREADABLE, UNREADABLE, decides_safety, unreadable_as
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in
from shared.edge.outcome import HttpRefusal, Issue
from shared.events import codes

STANDING = frozenset({"final", "amended", "corrected", "preliminary", "completed", "in-progress", "stopped", "unknown"})
"""What was answered counts, though more may come: the next version of the source replaces it."""
ANY_OF_SUICIDE = "c-ssrs-behavior"
"""What a question of a suicide screen that nobody knows may have asked: of all such answers this one counts longest."""


class Unread(NamedTuple):
    """An answer that nobody can read: to which code, and where."""

    code: str
    place: str


class Read(NamedTuple):
    """A finding as it was read, where, and how beyond its code."""

    code: str
    value: int
    place: str
    how: str = ""


@dataclass(frozen=True)
class ScreenReading:
    """What was read of a screen, and what its entry's outcome says of it: never a value."""

    findings: tuple[ReportedFinding, ...] = ()
    issues: tuple[Issue, ...] = ()
    needs: tuple[StatedNeed, ...] = ()
    unknown_form: str | None = None
    """The canonical of the Questionnaire without which none of it could be read."""
    points: Mapping[str, int] = field(default_factory=dict)
    """Of each item of a total that it answers, by the item's code."""

    @property
    def is_unreadable(self) -> bool:
        """Whether a person is asked to read it: until they have, what it said before counts on."""
        return any(each.code in (UNREADABLE, LASTING_UNREADABLE) for each in self.findings)


def read(entry: BundleEntry, context: Context) -> ScreenReading:
    """The facts and scores of an Observation or a QuestionnaireResponse. Raises HttpRefusal without its time, unless it
    is a screen of safety: then a person is asked."""
    if entry.resource["status"] not in STANDING:
        return _without_answers(entry)
    asked = asked_by(entry, context)
    points_by_item = _points_by_item(asked)
    counted = [(each, answers.points(each.question, each.answer)) for each in asked if each.question]
    summed = dict(totals(points_by_item))
    found = _found(entry, counted, summed)
    unreadable = _unreadable(entry, asked, counted, nothing_read=not found)
    is_read = bool(found or unreadable or any(each.dimension for each in asked))
    if not is_read and not points_by_item:
        return _nothing_read(entry, asked, context)
    if time_asks_a_person(entry, context):
        return _untimed(entry, context)
    if not is_read:
        return ScreenReading(issues=(remark(_ITEM, entry.place),), points=points_by_item)
    needs = assessing.needs_of_items(entry, asked, context)
    reading = _reading(entry, context, found, unreadable)
    stated = (remark(line, entry.place) for each in needs for line in assessing.lines(each, context))
    return replace(reading, needs=needs, issues=(*reading.issues, *stated), points=points_by_item)


def _found(
    entry: BundleEntry, counted: Sequence[tuple[Asked, answers.Points]], summed: Mapping[str, int]
) -> list[Read]:
    """What is answered, and the totals that were not sent. Of a total that contradicts its items the higher counts."""
    stated = [Read(str(each.finding), points.value, each.place) for each, points in counted if points.value is not None]
    return [
        *(_beside(each, summed.get(each.code, each.value)) for each in stated),
        *(
            Read(total, value, entry.place, "summed from its items")
            for total, value in summed.items()
            if total not in {each.code for each in stated}
        ),
    ]


def _beside(stated: Read, summed: int) -> Read:
    """A total beside the sum of its items."""
    if stated.value == summed:
        return stated
    return stated._replace(value=max(stated.value, summed), how=CONTRADICTED)


CONTRADICTED = "contradicts its items; the higher counts"
_ITEM = (
    "not read: an item; its total is summed once all items of its minute and performer, or of a panel that has it as"
    " member, are there"
)


def _unreadable(
    entry: BundleEntry, asked: Sequence[Asked], counted: Sequence[tuple[Asked, answers.Points]], *, nothing_read: bool
) -> list[Unread]:
    """The answers to an instrument that nobody can read."""
    found = [Unread(str(each.finding), each.place) for each, points in counted if not points.readable]
    found += [
        Unread(item, each.place)
        for each in asked
        for item in each.items
        if not each.finding and _is_part_of_safety(item) and not answers.item_points(item, each.answer).readable
    ]
    found += [Unread("", each.place) for each in asked if _is_unknown_need(each)]
    if is_suicide_screen(entry.resource):
        unknown = _unknown_answers(asked, nothing_read=nothing_read)
        found += [Unread(ANY_OF_SUICIDE, place) for place in unknown]
    return found


def _is_unknown_need(asked: Asked) -> bool:
    """Whether it states the need of a dimension, by the hub's own system, that the hub does not know."""
    named = any(codes_in(asked.answer.get("code"), codes.NEED))
    return named and not asked.dimension and any(name.startswith("value") for name in asked.answer)


def time_asks_a_person(entry: BundleEntry, context: Context) -> bool:
    """A screen of safety whose time is missing, or is none: nobody can say whether it is recent, so a person looks at
    it the same day. A time that lies ahead is refused as everywhere."""
    if entry.type not in ("Observation", "QuestionnaireResponse"):
        return False
    try:
        clinical_time(entry, context)
    except HttpRefusal as refused:
        return refused.issues[0].code != "business-rule" and _is_of_safety(entry, context)
    return False


def _is_of_safety(entry: BundleEntry, context: Context) -> bool:
    asked = asked_by(entry, context)
    if any(decides_safety(each.finding) for each in asked if each.finding):
        return True
    if any(_is_part_of_safety(item) for each in asked for item in each.items):
        return True
    return is_suicide_screen(entry.resource)


def _is_part_of_safety(item: str) -> bool:
    return any(decides_safety(each) for each in totals_with(item))


def _untimed(entry: BundleEntry, context: Context) -> ScreenReading:
    asked = [each.finding for each in asked_by(entry, context) if each.finding]
    asks_of_suicide = [ANY_OF_SUICIDE] if is_suicide_screen(entry.resource) else []
    code = unreadable_as([*asked, *asks_of_suicide])
    asks = ReportedFinding(code, 1, context.now, f"{entry.type}/{entry.id}")
    place = f"{entry.place}.{'effective' if entry.type == 'Observation' else 'authored'}"
    return ScreenReading((asks,), (remark("not read: time missing or unreadable; a person is asked", place),))


def _reading(
    entry: BundleEntry, context: Context, found: Sequence[Read], unreadable: Sequence[Unread]
) -> ScreenReading:
    source, at = f"{entry.type}/{entry.id}", clinical_time(entry, context)
    findings = (ReportedFinding(each.code, each.value, at, source) for each in found)
    vague = _may_be_recent(entry, context, found)
    asks = [_asks_a_person(entry, context, unreadable, vague)] if unreadable or vague else []
    return ScreenReading(
        (*findings, *asks),
        (
            *(remark(f"read as {each.code}{each.how and f': {each.how}'}", each.place) for each in found),
            *(remark(f"{each.code}: {TOO_OLD}", each.place) for each in found if is_old(each.code, at, context)),
            *(remark(f"{each.code}: may lie within its window; a person is asked", each.place) for each in vague),
            *(
                remark(f"not read: answer unknown; {_what_comes_of(each, context)}", place)
                for each in asks
                for _, place in unreadable
            ),
        ),
    )


def _asks_a_person(
    entry: BundleEntry, context: Context, unreadable: Sequence[Unread], vague: Sequence[Read]
) -> ReportedFinding:
    """At its own time, or now where nobody can say whether it is recent."""
    code = unreadable_as([*(each.code for each in unreadable), *(each.code for each in vague)])
    first, last = clinical_time(entry, context), latest_time(entry, context)
    is_recent_or_not = bool(vague) or (is_old(code, first, context) and not is_old(code, last, context))
    return ReportedFinding(code, 1, context.now if is_recent_or_not else first, f"{entry.type}/{entry.id}")


def _what_comes_of(asks: ReportedFinding, context: Context) -> str:
    return TOO_OLD if is_old(asks.code, asks.at, context) else PERSON_ASKED


def _may_be_recent(entry: BundleEntry, context: Context, found: Sequence[Read]) -> list[Read]:
    """The answers of safety that are too old by the beginning of the day, month or year that is stated, and not by its
    end: nobody can say whether they still alarm."""
    first, last = clinical_time(entry, context), latest_time(entry, context)
    return [
        each
        for each in found
        if each.value
        and decides_safety(each.code)
        and is_old(each.code, first, context)
        and not is_old(each.code, last, context)
    ]


def _without_answers(entry: BundleEntry) -> ScreenReading:
    line = TAKEN_BACK if entry.resource["status"] == "entered-in-error" else "not read: status"
    return ScreenReading(issues=(remark(line, f"{entry.place}.status"),))


def _nothing_read(entry: BundleEntry, asked: Sequence[Asked], context: Context) -> ScreenReading:
    form = unknown_form(entry.resource, context) if any(each.answer for each in asked) else None
    return ScreenReading(issues=(remark(_why_nothing(entry, asked, form), entry.place),), unknown_form=form)


def _why_nothing(entry: BundleEntry, asked: Sequence[Asked], form: str | None) -> str:
    if "hasMember" in entry.resource:
        return "not read: a panel; each of its members is read by itself"
    if any(each.finding or each.items for each in asked):
        return "not read: no answer"
    return "not read: code unknown" + (f"; its Questionnaire too, {PERSON_ASKED}" if form else "")


def remark(diagnostics: str, place: str) -> Issue:
    """What an entry's outcome says of how it was read: codes only, never a value."""
    severity = "information" if diagnostics.startswith("read as") else "warning"
    return Issue(severity, "informational", (place,), diagnostics)  # type: ignore[arg-type]


def _points_by_item(asked: Sequence[Asked]) -> dict[str, int]:
    """Of an item that is answered twice the most."""
    found: dict[str, int] = {}
    for each in asked:
        for item in each.items:
            points = answers.item_points(item, each.answer).value
            if points is not None:
                found[item] = max(found.get(item, points), points)
    return found


def _unknown_answers(asked: Sequence[Asked], *, nothing_read: bool) -> list[str]:
    """Of a suicide screen, the answers to questions that nobody knows: every yes; all of them, where nothing else was
    read."""
    unknown = [
        each
        for each in asked
        if not each.finding and not each.dimension and any(name.startswith("value") for name in each.answer)
    ]
    return [each.place for each in unknown if nothing_read or answers.points(answers.YES_OR_NO, each.answer).value]

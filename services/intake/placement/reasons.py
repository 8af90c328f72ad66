"""Why a level is recommended: of each rule the answers by which it holds, what goes with which rule, which answers are
missing or too old to decide, and what differs from the recommendation before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from services.intake.messages import (
    ConditionReason,
    Explanation,
    Input,
    Need,
    RuleChange,
    RuleReason,
    StatedNeed,
    Undecided,
)
from services.intake.placement import recommendation
from services.intake.placement.assessment import Assessment, support
from services.intake.placement.evidence import Piece
from services.intake.placement.levels import LEVELS
from services.intake.placement.sources import reference_of
from services.intake.record import Recommended
from services.intake.settings import Settings
from services.intake.table import TABLE, Choice, Conditional, ConditionPart, Line, Rule, answer_of, codes_of, lines

PRESCRIBER, ENHANCED = "partner-prescriber-starts-moud", "co-occurring-capability-attested"


def explain(
    known: Assessment, settings: Settings, found: recommendation.Recommendation, before: Recommended | None
) -> Explanation:
    """Of what the rules recommend now; `before` is what they recommended until now."""
    rows = [each for each in TABLE.rule if recommendation.applies(each, settings)]
    fired = [each for each in rows if support(each, known) is not None]
    reasons = tuple(_reason(rule, fired, known) for rule in found.rules)
    now = Explanation(
        rules=reasons,
        considered=(*_needs(known), *_scores(known)),
        track=_track(found.track, known),
        conditions=tuple(_condition(each, fired, reasons, known) for each in found.conditions),
        undecided=tuple(dict.fromkeys((*_unassessed(found), *_undecided(rows, known)))),
    )
    if before is None:
        return now
    changes = (*_added(before, now), *_gone(before, now, known), *_needs_changed(before.explanation, now))
    return msgspec.structs.replace(now, changes=changes, replaces_id=before.recommendation_id)


def _reason(rule: str, fired: Iterable[Rule], known: Assessment) -> RuleReason:
    rows = [each for each in fired if each.id == rule]
    inputs = [found for each in rows for found in _inputs(each, known)]
    if rule == "R15":
        inputs = [*_needs(known), *_answers((recommendation.REMISSION,), known.current, known)]
    raised = tuple(Need(each.dimension, each.level) for each in rows if each.dimension and each.level)
    return RuleReason(rule, tuple(dict.fromkeys(inputs)), raised)


def _inputs(row: Conditional, known: Assessment) -> list[Input]:
    """The answers of every line that holds."""
    holding = [line for line in lines(row.when) if all(known.holds(part, known.values) for part in line)]
    stated = [part.stated for line in holding for part in line if part.stated]
    needs = [_need(each) for each in known.needs if any(known.is_stated(each, form) for form in stated)]
    return [*needs, *_answers(sorted(codes_of(holding)), known.values, known)]


def _answers(codes: Iterable[str], among: Mapping[str, int], known: Assessment) -> list[Input]:
    return [_input(code, among[code], known.standing[code].piece) for code in codes if code in among]


def _input(code: str, value: int, piece: Piece | None) -> Input:
    """What the list of medications says has no piece: the list is no resource that was received."""
    if piece is None:
        return Input(code, answer_of(code, value))
    return Input(code, answer_of(code, value), piece.at, reference_of(piece.source))


def _needs(known: Assessment) -> list[Input]:
    return [_need(each) for each in known.needs if each.level in LEVELS]


def _need(stated: StatedNeed) -> Input:
    return Input(stated.dimension, stated.level, stated.at, reference_of(stated.source), is_need=True)


def _scores(known: Assessment) -> list[Input]:
    """A severity is shown beside the level also where no rule asks for it (domain 2.8, R14)."""
    return _answers(TABLE.severity, known.current, known)


def _track(track: str | None, known: Assessment) -> tuple[Input, ...]:
    held: Iterator[Choice] = (each for each in TABLE.track if support(each, known) is not None)
    first = next(held, None)
    return tuple(dict.fromkeys(_inputs(first, known))) if first is not None and first.code == track else ()


def _condition(
    condition: str, fired: Sequence[Rule], reasons: Sequence[RuleReason], known: Assessment
) -> ConditionReason:
    ids = {each.id for each in fired}
    match condition:
        case recommendation.BOTH:
            rules = {"R1"} | (ids & recommendation.WITHDRAWAL_RISK)
        case recommendation.OLD:
            old = set(known.to_confirm(known.standing))
            rules = {each.rule for each in reasons if any(one.code in old for one in each.inputs)}
        case _ if condition == PRESCRIBER:
            rules = {"R5"}
        case _ if condition == ENHANCED:
            rules = ids & {"R9"}
        case _:
            rules = {each.id for each in fired if each.condition == condition}
    return ConditionReason(condition, tuple(each.rule for each in reasons if each.rule in rules))


def _unassessed(found: recommendation.Recommendation) -> Iterator[Undecided]:
    """What keeps the rules from placing by the needs alone (R0)."""
    for code in found.missing:
        yield Undecided("R0", code, "too-old" if code == "recent-assessment" else "missing")


def _undecided(rows: Iterable[Rule], known: Assessment) -> Iterator[Undecided]:
    """By what a rule would hold that doesn't: an answer whose window has passed; or the other half of a condition that
    nobody has answered."""
    passed = _passed(known)
    for row in rows:
        if support(row, known) is None:
            for line in lines(row.when):
                yield from _wanting(row.id, line, passed, known)


def _passed(known: Assessment) -> dict[str, int]:
    """Answers that nobody has ended, and that are too old to stand."""
    stated = {code: [each for each in pieces if not each.ended] for code, pieces in known.evidence.items()}
    return {code: pieces[0].value for code, pieces in stated.items() if pieces and code not in known.standing}


def _wanting(rule: str, line: Line, passed: Mapping[str, int], known: Assessment) -> Iterator[Undecided]:
    open_parts = [part for part in line if not known.holds(part, known.values)]
    if any(not _may_hold(part, passed, known) for part in open_parts):
        return
    unanswered = [part for part in open_parts if part.code not in passed]
    if len(unanswered) == len(line):
        return
    for part in open_parts:
        yield Undecided(rule, part.code, "missing" if part in unanswered else "too-old")


def _may_hold(part: ConditionPart, passed: Mapping[str, int], known: Assessment) -> bool:
    if part.code in passed:
        return known.holds(part, passed)
    return bool(part.code) and part.code not in known.evidence and part.code not in known.listed


def _added(before: Recommended, now: Explanation) -> list[RuleChange]:
    """With the answers by which they hold."""
    return [RuleChange(each.rule, "added", _codes(each.inputs)) for each in now.rules if each.rule not in before.rules]


def _gone(before: Recommended, now: Explanation, known: Assessment) -> list[RuleChange]:
    """With those of their answers that are others now. One that an older release recommended by has none."""
    holding, inputs = {each.rule for each in now.rules}, {each.rule: each.inputs for each in before.explanation.rules}
    return [
        RuleChange(rule, "gone", _codes(one for one in inputs.get(rule, ()) if not _stands(one, known)))
        for rule in before.rules
        if rule not in holding
    ]


def _codes(inputs: Iterable[Input]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.code for each in inputs))


def _stands(earlier: Input, known: Assessment) -> bool:
    """Whether the same is answered now, by whatever resource."""
    if earlier.is_need:
        return any((each.dimension, each.level) == (earlier.code, earlier.answer) for each in known.needs)
    value = known.values.get(earlier.code)
    return value is not None and answer_of(earlier.code, value) == earlier.answer


def _needs_changed(before: Explanation, now: Explanation) -> Iterator[RuleChange]:
    earlier = {each.code: each.answer for each in before.considered if each.is_need}
    for each in now.considered:
        if each.is_need and each.code in earlier and earlier[each.code] != each.answer:
            yield RuleChange("", "changed", (each.code,))

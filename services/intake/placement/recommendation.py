"""From an assessment to a level-of-care recommendation: every rule that fired, in order (domain 2.3, 2.8).

The hub recommends and explains; a licensed clinician signs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.intake.messages import Need
from services.intake.placement.assessment import Assessment, support
from services.intake.placement.levels import LEVELS, Combined, combine, is_outpatient
from services.intake.placement.schedule import choose
from services.intake.settings import Settings
from services.intake.table import TABLE, Rule

CO_OCCURRING = "co-occurring"
WITHDRAWAL_RISK = frozenset({"R2", "R3", "R4"})
"""Beside R1 they ask for a psychiatric setting that manages withdrawal too (ASAM AWM III.2)."""
BOTH = "withdrawal-management-there"
OLD = "confirm-older-answers"
REMISSION = "stable-remission"
"""The one fact that lowers a level (R15): an old one doesn't."""
WEEKLY_SUPPORT = ("none", "1.0", "1.5")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`level` is None where the rules may not place automatically (R0): `missing` says what a person must look at."""

    level: str | None
    rules: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    track: str | None = None
    missing: tuple[str, ...] = ()
    hold: bool = False
    """A same-day medical evaluation comes first (R4), or a screen is to be read (R20)."""
    reviews: tuple[str, ...] = ()
    """Rules that ask a person to look, whatever the level (R7)."""
    to_confirm: tuple[str, ...] = ()
    """Codes of answers by which a rule fired, or might have, and which have grown old."""


def recommend(known: Assessment, settings: Settings) -> Recommendation:
    """Safety rules first, even when data are missing; then R0; then the rules whose needs are combined."""
    behind = [(each, support(each, known)) for each in TABLE.rule if applies(each, settings)]
    fired = [each for each, by in behind if by is not None]
    missing = what_is_missing(known, settings)
    if missing and not any(each.safety for each in fired):
        return Recommendation(level=None, rules=("R0",), missing=missing)
    needs = _needs(known, fired)
    combined, weekly = _combined(needs, fired, known, settings)
    to_confirm = known.to_confirm({REMISSION}.union(*(by for _, by in behind if by)))
    return Recommendation(
        level=combined.level,
        rules=_names(fired, bool(missing), weekly),
        conditions=_conditions(fired, combined, to_confirm),
        needs=_per_dimension(needs),
        track=choose(TABLE.track, known) or "general",
        missing=missing,
        hold=any(each.hold for each in fired),
        reviews=tuple(dict.fromkeys(each.id for each in fired if each.review)),
        to_confirm=to_confirm,
    )


def asked_by_danger(known: Assessment) -> str:
    """The level that evidence of danger asks for while it stands (R1 to R3); `none` where none stands."""
    stands = [each.level for each in TABLE.rule if each.safety and support(each, known) is not None]
    return combine([each for each in stands if each]).level


def what_is_missing(known: Assessment, settings: Settings) -> tuple[str, ...]:
    """Why no automatic placement is made: dimensions without a need, one with a code the table doesn't know, an age
    unknown or under 18, or needs assessed too long ago."""
    stated = {each.dimension: each for each in known.needs}
    missing = [each for each in TABLE.dimensions if each not in stated]
    missing += [each.dimension for each in known.needs if each.level not in LEVELS]
    under_18 = known.values.get("under-18")
    if under_18 != 0:
        missing.append("age" if under_18 is None else "adult")
    since = known.now - timedelta(days=settings.assessment_days)
    if any(stated[each].at < since for each in TABLE.dimensions if each in stated):
        missing.append("recent-assessment")
    return tuple(dict.fromkeys(missing))


def applies(rule: Rule, settings: Settings) -> bool:
    """Whether the program attests what this row asks for, or doesn't."""
    attested = settings.attests
    return (rule.where is None or rule.where in attested) and (rule.unless is None or rule.unless not in attested)


Needs = Sequence[tuple[str, str]]
"""Dimension and level, stated or raised. All of them count: a need that was raised still stands beside the stated."""


def _needs(known: Assessment, fired: Iterable[Rule]) -> Needs:
    stated = [(each.dimension, each.level) for each in known.needs if each.level in LEVELS]
    raised = [(each.dimension, each.level) for each in fired if each.dimension and each.level]
    return list(dict.fromkeys(stated + raised))


def _combined(needs: Needs, fired: Sequence[Rule], known: Assessment, settings: Settings) -> tuple[Combined, bool]:
    """The level, and whether weekly support is all it asks for (R15)."""
    attested = CO_OCCURRING in settings.attests
    combined = combine([level for _, level in needs], co_occurring_attested=attested)
    beside_partner = _beside_partner(needs, fired, known, settings)
    if beside_partner is not None:
        with_partner = combine([level for _, level in beside_partner], co_occurring_attested=attested)
        if with_partner.level == "2.1":
            return Combined("2.1", ("partner-prescriber-starts-moud", *with_partner.conditions)), False
    if combined.level not in WEEKLY_SUPPORT:
        return combined, False
    remission = known.current.get(REMISSION, 0) > 0 and combined.level != "1.5"
    return Combined("1.0" if remission else "1.5", combined.conditions), True


def _beside_partner(needs: Needs, fired: Sequence[Rule], known: Assessment, settings: Settings) -> Needs | None:
    """The needs without medication to be started, where a named partner prescriber starts it beside the IOP.

    Only this 1.7 can be left to the partner: one for withdrawal (R4, COWS 13 and more) or for another dimension stays.
    """
    values = known.values
    starts = values.get("moud-start", 0) > 0 or values.get("moud-titrate", 0) > 0
    in_withdrawal = values.get("cows", 0) >= 13 or any(each.hold and each.dimension == "withdrawal" for each in fired)
    if not settings.partner_prescriber or not starts or in_withdrawal:
        return None
    return [each for each in needs if each != ("withdrawal", "1.7")]


def _names(fired: Sequence[Rule], incomplete: bool, weekly: bool) -> tuple[str, ...]:
    """Every rule that fired, in the table's order: safety, R0, the needs; R15 stands before R16."""
    names = [each.id for each in fired] + ["R0"] * incomplete + ["R15"] * weekly
    safety = {each.id for each in fired if each.safety}
    return tuple(sorted(dict.fromkeys(names), key=lambda each: (each not in safety, int(each[1:]))))


def _conditions(fired: Sequence[Rule], combined: Combined, to_confirm: Sequence[str]) -> tuple[str, ...]:
    of_rules = [
        each.condition for each in fired if each.condition and (not each.outpatient or is_outpatient(combined.level))
    ]
    ids = {each.id for each in fired}
    both = [BOTH] if "R1" in ids and ids & WITHDRAWAL_RISK else []
    old = [OLD] if to_confirm else []
    return tuple(dict.fromkeys((*of_rules, *combined.conditions, *both, *old)))


def _per_dimension(needs: Needs) -> tuple[Need, ...]:
    """The need of each dimension after raising."""
    by_dimension: dict[str, list[str]] = {}
    for dimension, level in needs:
        by_dimension.setdefault(dimension, []).append(level)
    return tuple(Need(each, combine(levels).level) for each, levels in by_dimension.items())

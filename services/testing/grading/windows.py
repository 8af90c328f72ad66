"""Which positives can't show new use, because an earlier one may still be excreted (domain 5.2)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date

from services.testing import tables
from services.testing.medications import IngredientPeriod
from services.testing.settings import Settings
from services.testing.specimens import (
    ANY,
    OF,
    SETTLED,
    VOID,
    Measure,
    Specimen,
    analyte_of,
    code_of,
    definitive_of,
    drugs_of,
    groups_of,
    letter_of,
    positive_groups,
)
from services.testing.state import State
from shared.rules.packing import DAY, day_in


class Windows:
    """Which positives lie within the residual window of one that could show use (domain 5.2).

    Windows are of excretion in urine: no positive of another specimen lies in one, and one that tells when the drug
    was used begins one. A window is a maximum: counted from a positive that could not show new use, the chain would
    never end. What is provisional begins none: a word that may be taken back makes nothing else milder.
    """

    def __init__(self, state: State, settings: Settings) -> None:
        self._state, self._days = state, settings.residual_days
        self._depot_days = depot_days(state.medications, settings)
        self._last = dict(state.last_positive_by_group)
        self._found = list(_evicted(state.last_positive_by_group))
        self._residual: dict[str, frozenset[str]] = {}
        for specimen in state.specimens:
            self._residual[specimen.id] = self._followed(specimen, day_in(settings.timezone, specimen.collected_at))

    def residual(self, specimen: Specimen) -> frozenset[str]:
        """Metabolite groups whose positive in it can't show new use."""
        return self._residual[specimen.id]

    def _followed(self, specimen: Specimen, day: date) -> frozenset[str]:
        """Its residual groups; from its other positives, and from what a prescription explains, windows count anew."""
        groups = self._positive_groups(specimen, day)
        if not groups:
            return frozenset()
        inside, collected_at, begun = set(), specimen.collected_at, positive_groups(specimen)
        for group, explained in groups:
            since = collected_at - self._last.get(group, collected_at)
            within, drugs = 0 < since <= self._days.get(group, 0) * DAY, drugs_of(specimen.live, group)
            if within and not specimen.matrix and not self._is_another_drug(group, drugs - {ANY}, collected_at):
                inside.add(group)
            if group in begun and (explained or group not in inside):
                self._last[group] = max(collected_at, self._last.get(group, 0))
            self._found += [(group, collected_at, each) for each in drugs_of(specimen.final, group)]
        return frozenset(inside)

    def _is_another_drug(self, group: str, now: Collection[str], collected_at: int) -> bool:
        """Whether a definitive method found a drug of the group that nothing found within the window before may be."""
        since = collected_at - self._days.get(group, 0) * DAY
        before = {drug for of, at, drug in self._found if of == group and since <= at < collected_at}
        return any(not any(_may_have_been(each, one) for each in before) for one in now)

    def _is_explained(self, measure: Measure, day: date) -> bool:
        return explained_by(analyte_of(measure), self._state.medications, day, self._depot_days) is not None

    def _positive_groups(self, specimen: Specimen, day: date) -> list[tuple[str, bool]]:
        """Metabolite groups positive in a specimen and not refuted, and whether prescriptions explain all of it."""
        groups: dict[str, bool] = {}
        if not specimen.dates_use:
            return []
        for measure in specimen.positive:
            known = tables.ANALYTES.get(analyte_of(measure))
            if known is not None and not refuted(measure, specimen):
                explained = self._is_explained(measure, day)
                groups[known.metabolite_group] = explained and groups.get(known.metabolite_group, True)
        return list(groups.items())


def _evicted(last_positives: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int, str]]:
    """Group, time and drug of what evicted specimens held; any of the group, where an earlier release evicted them."""
    parts = [(*name.partition(OF), at) for name, at in last_positives]
    known = {(group, at) for group, of, _, at in parts if of}
    for group, of, drug, at in parts:
        if of or (group, at) not in known:
            yield group, at, drug or ANY


def _may_have_been(before: str, now: str) -> bool:
    """Whether what was found before may be of the drug that is found now.

    A drug leaves its metabolites behind; what is a drug itself (amphetamine) is no sign of one that becomes it, nor of
    what holds or becomes several (opium, benzphetamine).
    """
    left = any(now in leaves and before in {drug, *leaves} for drug, leaves in tables.LEAVES.items())
    if before in (ANY, now) or left:
        return True
    drugs = {each.name: each.explains for each in tables.INGREDIENTS.values()}
    return any({before, now} <= of for name, of in drugs.items() if (name in of and name != now) or before not in drugs)


def depot_days(medications: Iterable[IngredientPeriod], settings: Settings) -> int:
    """Read only where a depot is known, so that `why` names it there alone."""
    return settings.depot_days if any(each.depot for each in medications) else 0


def explained_by(analyte: str, medications: Iterable[IngredientPeriod], day: date, depot_days: int) -> str | None:
    for taken in medications:
        if taken.may_show(day, depot_days) and analyte in tables.INGREDIENTS[taken.ingredient].explains:
            return taken.ingredient
    return None


def refuted(measure: Measure, specimen: Specimen) -> bool:
    """Whether definitive methods looked in this specimen for all that the measure may have found, and found none of it.

    One that found anything of its metabolite group upholds it, and a specimen that is not valid refutes nothing.
    """
    if definitive_of(measure) or specimen.condition != "valid":
        return False
    by_letter: dict[str, list[Measure]] = {}
    for row in specimen.rows:
        if row.status in SETTLED and row.status not in VOID and definitive_of(row.measure):
            by_letter.setdefault(letter_of(row.measure), []).append(row.measure)
    code, analyte = code_of(measure)[0], analyte_of(measure)
    if groups_of(tables.upholding(code, analyte)) & groups_of(analyte_of(each) for each in by_letter.get("p", ())):
        return False
    negative = (tables.looked_for(code_of(each)[0], analyte_of(each)) for each in by_letter.get("n", ()))
    absent = frozenset().union(*negative)
    return tables.is_absent(code, analyte, absent)

"""Ordered tests as the state holds them, and what became of each. Pure.

What stands of a test is computed from all that was reported of it, so that the order in which it came cannot matter.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec

from services.testing.orders.dispatch import Dispatch
from services.testing.specimens import Specimen
from shared.events.envelope import name_id
from shared.rules.packing import DAY, instant, unpack_id

EVIDENCE_MOST = 6
"""Reports about one test that the state holds; of more the last ones."""
TESTS_MOST = 40
"""Ordered tests that the state holds: more than the days of `remembered_days` have none, unless somebody orders
several a day, and those before that were refused or missed."""

Kind = Literal["collected", "refused", "missed", "result", "received"]
"""What a report says: by the program that the specimen was given, refused, or that nobody came; by a laboratory that it
has a result, or only that it has the specimen."""
KINDS: tuple[Kind, ...] = ("collected", "refused", "missed", "result", "received")
OF_LABORATORY = ("result", "received")
GIVEN = ("collected", *OF_LABORATORY)

CollectionOutcome = Literal["awaited", "collected", "refused", "missed", "cancelled"]


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """One report about an ordered test: the id of the Specimen or of the report (packed), what it says (its place in
    KINDS), and when the specimen was given or refused."""

    id: str
    place: int
    at: int

    @property
    def kind(self) -> Kind:
        return KINDS[self.place]


class OrderedTest(msgspec.Struct, frozen=True, array_like=True):
    """One ordered test; ids are packed, instants in seconds.

    `announced_at` is when it was placed in this window. `numbers` are short digests of those by which it was placed.
    `silent`: its window passed, was listened to, and nobody came. `asked`: a person was asked what became of it.
    `cancelled` is why it is asked for no more: by whoever ordered it, or since the stay was over or paused, which may
    turn out to be wrong. `overdue`: no result came by `result_by`. `look_at` 0: nothing of it is waited for. `panel`
    is the LOINC code by which it was ordered, empty for any drug test; `dispatch` what its laboratory was told last.
    """

    id: str
    opens_at: int
    closes_at: int
    announced_at: int
    look_at: int = 0
    result_by: int = 0
    random: bool = False
    cancelled: Literal["", "revoked", "entered-in-error", "stay-over", "stay-paused"] = ""
    silent: bool = False
    asked: bool = False
    overdue: bool = False
    evidence: tuple[Evidence, ...] = ()
    numbers: tuple[str, ...] = ()
    panel: str = ""
    dispatch: Dispatch | None = None

    @property
    def given_at(self) -> int:
        """When the specimen was given that counts: in time rather than late, then the first; 0 for none."""
        given = [each.at for each in self.evidence if each.kind in GIVEN]
        return min(given, key=lambda at: (at > self.closes_at, at), default=0)

    @property
    def refused_at(self) -> int:
        return max((each.at for each in self.evidence if each.kind == "refused"), default=0)

    @property
    def resulted(self) -> bool:
        return any(each.kind == "result" for each in self.evidence)

    @property
    def outcome(self) -> CollectionOutcome:
        """A specimen given in time stands above a refusal before it; a refusal above a miss."""
        if self.cancelled:
            return "cancelled"
        if self.given_at and self.given_at <= self.closes_at:
            return "collected"
        if self.refused_at:
            return "refused"
        stated = any(each.kind == "missed" for each in self.evidence)
        return "missed" if stated or self.silent or self.given_at else "awaited"

    @property
    def not_given_at(self) -> int:
        """When it was refused or missed; 0 where it was neither."""
        match self.outcome:
            case "refused":
                return self.refused_at
            case "missed":
                return self.closes_at
            case _:
                return 0

    @property
    def awaits_result(self) -> bool:
        return bool(self.given_at) and not self.resulted and not self.cancelled

    def with_evidence(self, found: Evidence) -> "OrderedTest":
        others = [each for each in self.evidence if each.id != found.id]
        evidence = sorted([*others, found], key=lambda each: (each.at, each.id))[-EVIDENCE_MOST:]
        return msgspec.structs.replace(self, evidence=tuple(evidence))

    def without_evidence(self, gone: Collection[str]) -> "OrderedTest":
        evidence = tuple(each for each in self.evidence if each.id not in gone)
        return self if evidence == self.evidence else msgspec.structs.replace(self, evidence=evidence)


class Draws(msgspec.Struct, frozen=True, array_like=True):
    """A patient's random tests: how many were drawn, the local day from which the next gap counts (its ordinal), and
    when it is looked next whether the notice of the next one has come. What will be drawn stands nowhere."""

    drawn: int = 0
    after: int = 0
    look_at: int = 0


class Orders(msgspec.Struct, frozen=True, array_like=True):
    """All that is ordered of a patient. `draws` is None of one whose tests the hub does not draw."""

    tests: tuple[OrderedTest, ...] = ()
    draws: Draws | None = None
    stage: str = ""
    paused: bool = False
    died: bool = False

    @property
    def stopped(self) -> bool:
        """Whether nothing is asked of the patient now."""
        return self.paused or self.died

    def test(self, packed: str) -> OrderedTest | None:
        return next((each for each in self.tests if each.id == packed), None)

    def with_test(self, test: OrderedTest) -> "Orders":
        others = [each for each in self.tests if each.id != test.id]
        tests = sorted([*others, test], key=lambda each: (each.opens_at, each.id))[-TESTS_MOST:]
        return msgspec.structs.replace(self, tests=tuple(tests))


def due(orders: Orders) -> datetime | None:
    """When the next look is due."""
    looks = [each.look_at for each in orders.tests]
    looks += [each.dispatch.again_at for each in orders.tests if each.dispatch]
    looks += [orders.draws.look_at] if orders.draws else []
    return min((instant(each) for each in looks if each), default=None)


def specimen_id(packed: str) -> str:
    """The one Specimen of an ordered test."""
    return name_id(unpack_id(packed), "specimen")


def is_within(specimen: Specimen, test: OrderedTest) -> bool:
    """Whether it was collected in the window, whoever ordered it. A day alone is its first moment."""
    if specimen.voided:
        return False
    to_minute = any(each.to_minute for each in specimen.versions if each.collected_at == specimen.collected_at)
    since = min(test.announced_at, test.opens_at) if to_minute else test.opens_at - DAY
    return since <= specimen.collected_at <= test.closes_at


def reported(specimen: Specimen) -> Evidence:
    """What a laboratory's report says of the test that it belongs to."""
    kind: Kind = "received" if specimen.status == "registered" else "result"
    return Evidence(specimen.id, KINDS.index(kind), specimen.collected_at)


def of_specimen(orders: Orders, specimen: Specimen, named: Collection[str]) -> list[OrderedTest]:
    """To which tests it belongs: those it names by their number (short digests or packed ids); else where it is known
    to belong; else the one in whose window it was collected and of which no laboratory has reported."""
    if by_number := [each for each in orders.tests if {each.id, *each.numbers} & set(named)]:
        return by_number
    if known := [each for each in orders.tests if specimen.id in {found.id for found in each.evidence}]:
        return known
    unreported = (each for each in orders.tests if not any(found.kind in OF_LABORATORY for found in each.evidence))
    return [each for each in unreported if is_within(specimen, each)][:1]

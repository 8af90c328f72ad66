"""The three made-up patients, as data: what their EHR sends, what is expected of it, what their weeks are like."""

from collections.abc import Mapping

import msgspec

BUPRENORPHINE_NALOXONE = "351264"
"""RxNorm, a product of the hub's own table of medications."""
NEGATIVE: frozenset[str] = frozenset()

IOP_NEEDS: Mapping[str, str] = {
    "withdrawal": "none",
    "biomedical": "1.0",
    "psychiatric-cognitive": "1.5",
    "substance-use-risk": "2.1",
    "recovery-environment": "1.5",
}


class Consented(msgspec.Struct, frozen=True):
    """A consent given at intake: whom it names, for what, which fields; days it lasts, None as long as treatment."""

    partner: str
    purpose: str
    fields: tuple[str, ...]
    days: int | None = None


TREATMENT = Consented("riverbend-outpatient", "TREAT", ("name", "phone"))
ALUMNI = Consented("riverbend-alumni", "alumni", ("name", "phone"), days=90)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """`letter` and `label` are all that is ever shown. `positive` names per week (from 0) what the laboratory finds;
    in `testing_dies` the process is killed once it acknowledged that; in `ordered` the test is ordered of the
    laboratory, which reports under the order's number; `misses` and `excuses` are (week, weekday) of sessions, Monday
    being 0."""

    letter: str
    label: str
    facts: Mapping[str, bool]
    needs: Mapping[str, str]
    level: str
    rules: tuple[str, ...]
    medications: tuple[str, ...] = ()
    consents: tuple[Consented, ...] = ()
    positive: Mapping[int, frozenset[str]] = {}
    positive_always: frozenset[str] = NEGATIVE
    testing_dies: frozenset[int] = frozenset()
    ordered: frozenset[int] = frozenset()
    misses: frozenset[tuple[int, int]] = frozenset()
    excuses: frozenset[tuple[int, int]] = frozenset()
    disposition: str = ""


QUIET = Course(
    letter="A",
    label="a quiet course, on buprenorphine",
    facts={"safe-housing": True, "primary-opioid": True, "moud-continue": True},
    needs=IOP_NEEDS,
    level="2.1",
    rules=("R14",),
    medications=(BUPRENORPHINE_NALOXONE,),
    consents=(TREATMENT,),
    positive_always=frozenset({"buprenorphine"}),
    excuses=frozenset({(6, 3)}),
    disposition="completed",
)
UNQUIET = Course(
    letter="B",
    label="a miss, a positive, and a corrected result",
    facts={"safe-housing": True, "primary-stimulant": True, "weekly-outpatient-not-holding": True},
    needs=IOP_NEEDS,
    level="2.1",
    rules=("R14", "R19"),
    consents=(TREATMENT,),
    positive={0: frozenset({"benzoylecgonine"}), 4: frozenset({"benzoylecgonine"})},
    testing_dies=frozenset({4}),
    ordered=frozenset({6}),
    misses=frozenset({(4, 0)}),
    disposition="step-down",
)
NOT_FIT = Course(
    letter="C",
    label="referred, and another level fits",
    facts={"safe-housing": False, "primary-opioid": True, "moud-start": True},
    needs=IOP_NEEDS,
    level="2.7",
    rules=("R5", "R12", "R14"),
)
MEMBER = Course(
    letter="G",
    label="one of eight in a group of which nothing is reported for a morning",
    facts=UNQUIET.facts,
    needs=IOP_NEEDS,
    level="2.1",
    rules=UNQUIET.rules,
)
COURSES = (QUIET, UNQUIET, NOT_FIT)

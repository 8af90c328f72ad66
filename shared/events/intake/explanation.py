"""Why a level of care is recommended, as FHIR: codes, times and references; no text, no points of a score.

What an answer is stands as a code: `yes` or `no` of a fact, the severity of a score (domain 2.6, 2.7), the level of a
need. Each part hangs as an extension on what it explains.
"""

from datetime import datetime
from typing import Literal

import msgspec

from shared.events import codes, fhir

_DEFINITIONS = f"{codes.HUB}/StructureDefinition"


class Need(msgspec.Struct, frozen=True, array_like=True):
    """The least intensive level that safely meets one dimension's need; codes of the hub's 4th-edition systems."""

    dimension: str
    level: str


class Input(msgspec.Struct, frozen=True, array_like=True):
    """An answer that a rule rests on: what was asked (a dimension, where `is_need`), what it is, when that was in the
    clinic, and the resource it stands in (Type/id; empty where nobody remembers it)."""

    code: str
    answer: str
    at: datetime | None = None
    evidence: str = ""
    is_need: bool = False

    def write(self) -> fhir.Element:
        asked, answered = (codes.NEED, codes.LEVEL) if self.is_need else (codes.FACT, codes.ANSWER)
        return extension(
            "placement-input",
            part("code", "Coding", fhir.coding(asked, self.code)),
            part("answer", "Coding", fhir.coding(answered, self.answer)),
            part("at", "DateTime", self.at),
            part("resource", "Reference", {"reference": self.evidence} if self.evidence else None),
        )


class RuleReason(msgspec.Struct, frozen=True, array_like=True):
    """A rule that holds: by which inputs, and the needs it raises."""

    rule: str
    inputs: tuple[Input, ...] = ()
    raised: tuple[Need, ...] = ()

    def write(self) -> list[fhir.Element]:
        raised = (
            extension(
                "placement-need",
                part("dimension", "Coding", fhir.coding(codes.NEED, each.dimension)),
                part("level", "Coding", fhir.coding(codes.LEVEL, each.level)),
            )
            for each in self.raised
        )
        return [*(each.write() for each in self.inputs), *raised]


class ConditionReason(msgspec.Struct, frozen=True, array_like=True):
    """The rules by which a condition goes with the level; none where the needs alone ask for it (domain 2.3)."""

    condition: str
    rules: tuple[str, ...]


class Undecided(msgspec.Struct, frozen=True, array_like=True):
    """An answer by which a rule would hold, or could be looked at: it is missing, or too old."""

    rule: str
    code: str
    reason: Literal["missing", "too-old"]

    def write(self) -> fhir.Element:
        return extension(
            "placement-undecided",
            part("rule", "Coding", fhir.coding(codes.RULE, self.rule)),
            part("code", "Code", self.code),
            part("reason", "Code", self.reason),
        )


class RuleChange(msgspec.Struct, frozen=True, array_like=True):
    """What differs from the recommendation before: a rule `added`, with the inputs by which it holds, or `gone`, with
    those that are others now, or (of no rule) a need `changed`."""

    rule: str
    change: Literal["added", "gone", "changed"]
    codes: tuple[str, ...] = ()

    def write(self) -> fhir.Element:
        return extension(
            "placement-change",
            part("change", "Code", self.change),
            part("rule", "Coding", fhir.coding(codes.RULE, self.rule) if self.rule else None),
            *(part("input", "Code", each) for each in self.codes),
        )


class Explanation(msgspec.Struct, frozen=True, array_like=True):
    """Of each rule why it holds; `considered`: the needs and scores that were stated, whether a rule asked for them or
    not; of the track and the conditions why they are; what is undecided, and what has changed since which
    recommendation (`replaces_id`)."""

    rules: tuple[RuleReason, ...] = ()
    considered: tuple[Input, ...] = ()
    track: tuple[Input, ...] = ()
    conditions: tuple[ConditionReason, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    changes: tuple[RuleChange, ...] = ()
    replaces_id: str | None = None

    def of_rule(self, rule: str) -> list[fhir.Element]:
        return [part for each in self.rules if each.rule == rule for part in each.write()]

    def of_level(self) -> list[fhir.Element]:
        return [each.write() for each in self.considered]

    def of_track(self) -> list[fhir.Element]:
        return [each.write() for each in self.track]

    def of_condition(self, condition: str) -> list[fhir.Element]:
        return [
            {"url": f"{_DEFINITIONS}/placement-rule", "valueCoding": fhir.coding(codes.RULE, rule)}
            for each in self.conditions
            if each.condition == condition
            for rule in each.rules
        ]

    def of_request(self) -> list[fhir.Element]:
        return [each.write() for each in self.undecided]

    def replaces(self) -> list[fhir.Element]:
        """What was recommended before, and how that differs."""
        if self.replaces_id is None:
            return []
        return [explained(fhir.reference("ServiceRequest", self.replaces_id), [each.write() for each in self.changes])]

    def resources(self) -> tuple[str, ...]:
        """Each resource (Type/id) that something rests on, once."""
        inputs = (*self.considered, *(each for reason in self.rules for each in reason.inputs), *self.track)
        return tuple(dict.fromkeys(each.evidence for each in inputs if each.evidence))


def explained(element: fhir.Element, why: list[fhir.Element]) -> fhir.Element:
    """An element with what explains it."""
    return {**element, "extension": why} if why else element


def extension(name: str, *parts: fhir.Element) -> fhir.Element:
    return {"url": f"{_DEFINITIONS}/{name}", "extension": [each for each in parts if each]}


def part(name: str, kind: str, value: object) -> fhir.Element:
    return {"url": name, f"value{kind}": value} if value is not None else {}

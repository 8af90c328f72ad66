"""What testing emits: a drug test's graded results, their correction, and a result that found its patient."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource

ResultFinding = Literal["positive", "negative", "indeterminate", "unsatisfactory", "pending", "valid"]
"""`valid` is a finding of validity measures (creatinine, specific gravity, pH) only."""
UNMAPPED = "unmapped"
"""The analyte of a code that no table knows: stored, never graded, shown to a person."""
UNCODED = "uncoded"
_CODE = re.compile(r"[!-~]{1,64}")
INTERPRETATION = {"positive": "POS", "negative": "NEG", "indeterminate": "IND"}

ResultOutcome = Literal[
    "baseline",
    "expected-negative",
    "expected-positive",
    "unexpected-positive-presumptive",
    "unexpected-positive-confirmed",
    "unexplained-positive",
    "cannot-show-new-use",
    "not-confirmed",
    "unexpected-negative-prescribed",
    "metabolite-absent",
    "indeterminate",
    "dilute",
    "substituted",
    "adulterated",
    "invalid",
    "temperature-out-of-range",
    "rejected-unsatisfactory",
    "cancelled",
    "pending",
    "valid",
]
"""Domain 4.4.

- `unexplained-positive`: in older events only: an active medication was in no table.
- `cannot-show-new-use`: within the residual window of an earlier positive (domain 5.2).
- `not-confirmed`: a definitive method did not find in this specimen what a presumptive one suggested.
- `metabolite-absent`: of a prescribed maintenance medication the drug alone, both quantified; no ratio is judged.
- `pending`: not graded (no open episode, no result yet, or a code that no table knows).
"""

Condition = Literal[
    "valid",
    "unclear",
    "dilute",
    "substituted",
    "adulterated",
    "invalid",
    "temperature-out-of-range",
    "rejected-unsatisfactory",
]
"""The specimen's (domain 4.3), as the laboratory states it or as its validity measures show it.

`unclear`: a measure says nothing that can be read, or shows only part: no absence is shown."""


ReportStatus = Literal["registered", "partial", "preliminary", "final", "corrected", "cancelled", "entered-in-error"]
"""A `partial` report has final rows and others that are not."""


ResultStatus = Literal["registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error"]


class Number(msgspec.Struct, frozen=True, array_like=True):
    """A report's number at its laboratory (FILL) or at whoever ordered it (PLAC); system and assigner where known."""

    kind: str
    value: str
    system: str = ""
    assigner: str = ""

    def write(self) -> Resource:
        return fhir.without_nothing(
            {
                "type": fhir.concept(codes.IDENTIFIER_TYPE, self.kind) if self.kind else None,
                "system": self.system or None,
                "value": self.value,
                "assigner": {"display": self.assigner} if self.assigner else None,
            }
        )


class AnalyteResult(msgspec.Struct, frozen=True, array_like=True):
    """One analyte (or validity measure) of a report: what the laboratory found and what it means for this patient."""

    observation_id: str
    code: str
    code_system: str
    analyte: str
    finding: ResultFinding
    confirmed: bool
    outcome: ResultOutcome
    explained_by: str | None = None
    """RxNorm ingredient that explains it, where one does."""
    status: ResultStatus | None = None
    """The row's own; None where it is the report's."""
    derived_from: str | None = None
    """The Observation that holds the row as its laboratory sent it, figure and unit: on no topic."""
    to_confirm: bool = False
    """Whether the patient takes something that an immunoassay may take for it: only a definitive method tells."""
    in_food: bool = False
    """Whether a food may have made the specimen positive for it: no method tells."""

    def own_code(self) -> Resource:
        """The laboratory's. What is no code but a text may say anything: it stays in the Task that asks what it means,
        and off the topics."""
        if not _CODE.fullmatch(self.code):
            return {"code": UNCODED}
        return fhir.coding(self.code_system, self.code) if self.code_system else {"code": self.code}


class DrugTestEvent(Event, frozen=True, kw_only=True):
    """What is known of one specimen, over all its reports, whole, each time: one DiagnosticReport."""

    report_id: str
    specimen_id: str
    collected_at: datetime
    issued_at: datetime
    status: ReportStatus
    baseline: bool
    results: tuple[AnalyteResult, ...]
    condition: Condition = "valid"
    numbers: tuple[Number, ...] = ()
    order_id: str = ""
    """The ordered test that it answers, where one is known to."""
    identity_doubt: bool = False
    """Whether a report of it names another family name or birth date than the patient's, whom its identifier found."""

    def identifiers(self) -> Mapping[str, list[Resource]]:
        return {self.report_id: [each.write() for each in self.numbers]} if self.numbers else {}

    def takes_back(self) -> Mapping[str, str]:
        """The rows as their laboratory sent them, where it took them back, or their report without them."""
        stands = ((each.derived_from, each.status or self.status) for each in self.results)
        return {row: status for row, status in stands if row and status in ("cancelled", "entered-in-error")}

    def write(self, patient: str) -> list[Resource]:
        subject = fhir.reference("Patient", patient)
        return [
            self._report(subject),
            *(self._observation(each, subject) for each in self.results),
            self._specimen(subject),
        ]

    def _specimen(self, subject: fhir.Element) -> Resource:
        unusual = None if self.condition == "valid" else [fhir.concept(codes.OUTCOME, self.condition)]
        return fhir.without_nothing(
            {
                "resourceType": "Specimen",
                "id": self.specimen_id,
                "subject": subject,
                "collection": {"collectedDateTime": self.collected_at},
                "condition": unusual,
            }
        )

    def _report(self, subject: fhir.Element) -> Resource:
        concluded = [*(["baseline"] if self.baseline else []), *(["identity-doubt"] if self.identity_doubt else [])]
        return fhir.without_nothing(
            {
                "resourceType": "DiagnosticReport",
                "id": self.report_id,
                "basedOn": [fhir.reference("ServiceRequest", self.order_id)] if self.order_id else None,
                "status": self.status,
                "code": fhir.concept(codes.TASK, "drug-test"),
                "subject": subject,
                "effectiveDateTime": self.collected_at,
                "issued": self.issued_at,
                "specimen": [fhir.reference("Specimen", self.specimen_id)],
                "result": [fhir.reference("Observation", each.observation_id) for each in self.results],
                "conclusionCode": [fhir.concept(codes.OUTCOME, each) for each in concluded] or None,
            }
        )

    def _observation(self, result: AnalyteResult, subject: fhir.Element) -> Resource:
        meaning = [fhir.concept(codes.OUTCOME, result.outcome)]
        status = "preliminary" if self.status == "partial" else self.status
        if result.finding in INTERPRETATION:
            meaning.insert(0, fhir.concept(codes.INTERPRETATION, INTERPRETATION[result.finding]))
        if result.to_confirm:
            meaning.append(fhir.concept(codes.OUTCOME, "confirmation-advised"))
        if result.in_food:
            meaning.append(fhir.concept(codes.OUTCOME, "found-in-food"))
        coded = [result.own_code(), fhir.coding(codes.ANALYTE, result.analyte)]
        return fhir.without_nothing(
            {
                "resourceType": "Observation",
                "id": result.observation_id,
                "status": "registered" if result.finding == "pending" else result.status or status,
                "code": {"coding": coded},
                "subject": subject,
                "effectiveDateTime": self.collected_at,
                "valueCodeableConcept": fhir.concept(codes.ANALYTE, result.finding),
                "interpretation": meaning,
                "method": fhir.concept(codes.ANALYTE, "definitive" if result.confirmed else "presumptive"),
                "specimen": fhir.reference("Specimen", self.specimen_id),
                "derivedFrom": [fhir.reference("Observation", result.derived_from)] if result.derived_from else None,
            }
        )


class DrugTestResulted(DrugTestEvent, frozen=True, kw_only=True):
    """A report, graded against the baseline and the medications of its collection date."""


class DrugTestCorrected(DrugTestEvent, frozen=True, kw_only=True):
    """The laboratory, or a list of medications that came later, changed what an earlier report meant."""


class ResultMatched(DrugTestEvent, frozen=True, kw_only=True):
    """A report that waited for its patient found one. Graded only once an episode is open."""

    provenance_id: str
    matched_at: datetime

    def write(self, patient: str) -> list[Resource]:
        provenance: Resource = {
            "resourceType": "Provenance",
            "id": self.provenance_id,
            "target": [fhir.reference("DiagnosticReport", self.report_id)],
            "recorded": self.matched_at,
            "activity": fhir.concept(codes.DATA_OPERATION, "UPDATE"),
            "agent": [{"who": fhir.staff("testing")}],
        }
        return [provenance, *DrugTestEvent.write(self, patient)]


class ExpectedResultsContinued(Event, frozen=True, kw_only=True):
    """So many specimens in a row showed nothing but what was expected, which is to be praised (ASAM 2017): nobody is
    asked anything. One Observation for each specimen that completes such a row; `wrong`: it was none after all.
    """

    observation_id: str
    report_ids: tuple[str, ...]
    """In order of collection."""
    in_a_row: int
    """So many are asked for."""
    since: datetime
    until: datetime
    """When the first and the last of them were collected."""
    counted_at: datetime
    wrong: bool = False

    def write(self, patient: str) -> list[Resource]:
        observation = fhir.without_nothing(
            {
                "resourceType": "Observation",
                "id": self.observation_id,
                "status": "entered-in-error" if self.wrong else "final",
                "code": fhir.concept(codes.COUNT, "expected-results"),
                "subject": fhir.reference("Patient", patient),
                "focus": [fhir.reference("DiagnosticReport", each) for each in self.report_ids],
                "effectivePeriod": {"start": self.since, "end": self.until},
                "issued": self.counted_at,
                "valueInteger": self.in_a_row,
            }
        )
        return [observation]

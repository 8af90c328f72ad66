"""Foreign FHIR reports, as commands: what is grouped, what is believed, what is refused."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.testing.edge import interpret
from services.testing.messages import ReportResult
from shared.edge.clients import Caller
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal
from shared.platform.clients import RegisteredClient
from tests.testing.given import PATIENT, SETTINGS

NOW = datetime(2025, 3, 12, 9, 0, tzinfo=UTC)
CALLER = Caller("lab", RegisteredClient(programs=("demo",), base_url="https://lab.example/fhir"), "demo", ())
YEARS_LATER = datetime(2030, 1, 1, tzinfo=UTC)
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "fhir" / "drug-screens"
LOINC = "http://loinc.org"
COVID, COCAINE, FENTANYL = "94500-6", "14314-9", "59673-4"


def context(
    patient: str = PATIENT, stored: Mapping[tuple[str, str], StoredResource] | None = None, now: datetime = NOW
) -> Context:
    return Context(CALLER, patient, "demo", SETTINGS, now, stored or {})


def entry(resource: dict[str, Any], identity: str, method: Any = "POST") -> BundleEntry:
    kind = resource["resourceType"]
    return BundleEntry(method, kind, identity, resource, None, None, None, f"{kind}[{identity}]")


def observation(code: str = COCAINE, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": "2025-03-10T08:30:00-04:00",
        **more,
    }


def diagnostic_report(*results: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "Urine drug screen"},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": "2025-03-10T08:30:00-04:00",
        "issued": "2025-03-11T10:00:00Z",
        "result": [{"reference": each} for each in results],
        **more,
    }


def interpreted(*entries: BundleEntry, **more: Any) -> tuple[list[ReportResult], Interpretation]:
    interpretation = interpret(entries, context(**more))
    return [each for each in interpretation.commands if isinstance(each, ReportResult)], interpretation


def test_a_report_with_its_observations_is_one_command() -> None:
    commands, interpretation = interpreted(
        entry(observation(COCAINE, valueString="NEG"), "o1"),
        entry(observation(FENTANYL, valueString="POS"), "o2"),
        entry(diagnostic_report("Observation/o1", "Observation/o2"), "r1"),
    )
    (command,) = commands
    assert [(each.analyte, each.finding) for each in command.results] == [
        ("benzoylecgonine", "negative"),
        ("fentanyl", "positive"),
    ]
    assert command.collected_at == datetime(2025, 3, 10, 12, 30, tzinfo=UTC)
    assert len(interpretation.accepted) == 3


def test_a_lone_observation_is_a_report_of_one() -> None:
    commands, _ = interpreted(entry(observation(valueString="positive"), "o1"))
    assert [each.finding for each in commands[0].results] == ["positive"]


def test_everything_is_kept_as_it_came() -> None:
    came = observation(valueQuantity={"value": Decimal("1.00"), "unit": "ng/mL"})
    _, interpretation = interpreted(entry(came, "o1"))
    assert interpretation.accepted[0].resource == came


@pytest.mark.parametrize("time", [None, "2031-01-01", "2025-03"])
def test_an_answer_at_order_entry_needs_no_time_and_refuses_nothing(time: str | None) -> None:
    """A laboratory's Bundle holds questions asked with the order: they have no time, or that of something planned."""
    answer = {**observation("95419-8"), "valueString": "No", "effectiveDateTime": time}
    rows = [entry(observation(valueString="POSITIVE"), "o1"), entry(diagnostic_report("Observation/o1"), "r1")]
    written = {name: value for name, value in answer.items() if value is not None}
    (command,), interpretation = interpreted(*rows, entry(written, "o2"))
    assert [each.finding for each in command.results] == ["positive"]
    assert interpretation.accepted[2].resource["meta"]["tag"][0]["code"] == "not-a-drug-test"


def test_what_is_no_drug_test_is_kept_marked_and_never_told() -> None:
    commands, interpretation = interpreted(entry(observation(COVID, valueString="Detected"), "o1"))
    assert commands == []
    assert interpretation.accepted[0].resource["meta"]["tag"][0]["code"] == "not-a-drug-test"


def test_while_the_patient_is_unknown_nothing_is_said_of_a_subject() -> None:
    _, interpretation = interpreted(entry(observation(valueString="NEG"), "o1"), patient="")
    assert "subject" not in interpretation.accepted[0].resource


def test_the_laboratorys_number_makes_the_report_the_same_again() -> None:
    number = {"identifier": [{"system": "urn:lab", "value": "F7"}]}
    first, _ = interpreted(entry(diagnostic_report("Observation/o1", **number), "r1"), entry(observation(), "o1"))
    second, _ = interpreted(
        entry(diagnostic_report("Observation/o9", **number, status="corrected"), "r9"), entry(observation(), "o9")
    )
    assert first[0].report_id == second[0].report_id
    assert second[0].status == "corrected"


def test_without_a_number_an_update_of_the_resource_is_the_same_report() -> None:
    first, _ = interpreted(entry(observation(valueString="POS"), "o1"))
    second, _ = interpreted(entry(observation(valueString="NEG", status="corrected"), "o1", "PUT"))
    assert first[0].report_id == second[0].report_id


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "10828004"}]}}, "positive"),
        ({"valueCodeableConcept": {"text": "None Detected"}}, "negative"),
        ({"valueBoolean": False}, "negative"),
        ({"valueQuantity": {"value": Decimal(50), "comparator": "<"}}, "negative"),
        ({"valueQuantity": {"value": Decimal(50)}, "referenceRange": [{"high": {"value": Decimal(20)}}]}, "positive"),
        ({"valueQuantity": {"value": Decimal(5)}, "referenceRange": [{"text": "<20 ng/mL"}]}, "negative"),
        ({"valueInteger": 5}, "indeterminate"),
        ({"valueRange": {"low": {"value": Decimal(50)}, "high": {"value": Decimal(60)}}}, "indeterminate"),
        ({"valueRatio": {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(9)}}}, "indeterminate"),
        ({"interpretation": [{"coding": [{"code": "ND"}]}]}, "negative"),
        ({"interpretation": [{"coding": [{"code": "A"}]}]}, "indeterminate"),
        ({"dataAbsentReason": {"text": "x"}}, "indeterminate"),
    ],
)
def test_every_form_of_a_value(value: dict[str, Any], found: str) -> None:
    commands, _ = interpreted(entry(observation(**value), "o1"))
    assert commands[0].results[0].finding == found


def test_components_and_members_are_read() -> None:
    part = {"code": {"coding": [{"system": LOINC, "code": FENTANYL}]}, "valueString": "POS"}
    commands, _ = interpreted(entry(observation("53747-2", component=[part]), "o1"))
    assert [each.analyte for each in commands[0].results] == ["fentanyl"]
    panel = observation("53747-2", hasMember=[{"reference": "Observation/o2"}])
    commands, _ = interpreted(entry(panel, "o1"), entry(observation(valueString="NEG"), "o2"))
    assert [[each.analyte for each in command.results] for command in commands] == [["benzoylecgonine"]]


def test_the_specimen_gives_number_condition_and_collection() -> None:
    specimen = {
        "resourceType": "Specimen",
        "status": "unsatisfactory",
        "accessionIdentifier": {"system": "urn:lab", "value": "S1"},
        "collection": {"collectedDateTime": "2025-03-10T07:00:00-04:00"},
    }
    named = observation(valueString="NEG", specimen={"reference": "Specimen/s1"})
    commands, _ = interpreted(entry(specimen, "s1"), entry(named, "o1"))
    assert commands[0].condition == "rejected-unsatisfactory"
    assert commands[0].collected_at == datetime(2025, 3, 10, 11, 0, tzinfo=UTC)


def test_a_specimen_refused_in_fhir_is_collected_again_though_its_report_is_cancelled() -> None:
    specimen = {"resourceType": "Specimen", "status": "unsatisfactory"}
    cancelled = observation(status="cancelled", specimen={"reference": "Specimen/s1"})
    report = diagnostic_report("Observation/o1", status="cancelled")
    commands, _ = interpreted(entry(specimen, "s1"), entry(cancelled, "o1"), entry(report, "r1"))
    assert [(each.status, each.condition) for each in commands] == [("final", "rejected-unsatisfactory")]


def test_a_day_is_its_midnight_in_the_programs_zone() -> None:
    commands, _ = interpreted(entry(observation(valueString="NEG", effectiveDateTime="2024-07-01"), "o1"))
    assert commands[0].collected_at == datetime(2024, 7, 1, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2016-12-31T23:59:60Z", "value"),
        ("1025-03-10T08:30:00-04:00", "value"),
        ("2025-03-12T10:01:00Z", "business-rule"),
        ("2052-03-10", "business-rule"),
    ],
)
def test_a_time_that_no_clock_has_or_that_lies_ahead_is_refused(at: str, code: str) -> None:
    with pytest.raises(HttpRefusal) as refusal:
        interpreted(entry(observation(valueString="NEG", effectiveDateTime=at), "o1"))
    assert [(each.code, each.expression) for each in refusal.value.issues] == [(code, ("Observation[o1].effective",))]


def test_a_month_is_no_collection_day_and_the_next_time_counts() -> None:
    commands, _ = interpreted(
        entry(observation(valueString="NEG", effectiveDateTime="2025-03", issued="2025-03-11T10:00:00Z"), "o1")
    )
    assert commands[0].collected_at == datetime(2025, 3, 11, 10, 0, tzinfo=UTC)


def test_a_report_without_any_time_is_refused() -> None:
    untimed = observation(valueString="NEG")
    del untimed["effectiveDateTime"]
    with pytest.raises(HttpRefusal) as refusal:
        interpreted(entry(untimed, "o1"))
    assert refusal.value.issues[0].code == "required"


def test_a_preliminary_report_may_become_final_without_its_observations() -> None:
    stored = {("DiagnosticReport", "r1"): StoredResource(PATIENT, diagnostic_report(status="preliminary"))}
    commands, _ = interpreted(entry(diagnostic_report("Observation/o1"), "r1", "PUT"), stored=stored)
    assert commands[0].status == "promoted"


def test_a_corrected_report_without_its_observations_is_refused() -> None:
    stored = {("DiagnosticReport", "r1"): StoredResource(PATIENT, diagnostic_report())}
    with pytest.raises(HttpRefusal):
        interpreted(entry(diagnostic_report("Observation/o1", status="corrected"), "r1", "PUT"), stored=stored)


def test_a_report_whose_observations_are_not_all_sent_says_what_changed() -> None:
    first = entry(observation(valueString="NEG", status="corrected"), "o1", "PUT")
    both = diagnostic_report("Observation/o1", "Observation/o2", status="corrected")
    commands, _ = interpreted(first, entry(both, "r1", "PUT"))
    assert [(each.extent, len(each.results)) for each in commands] == [("message", 1)]


def test_an_observation_updated_alone_is_part_of_the_report_it_came_with() -> None:
    observations = entry(observation(valueString="POS"), "o1"), entry(observation(FENTANYL, valueString="POS"), "o2")
    commands, interpretation = interpreted(
        *observations, entry(diagnostic_report("Observation/o1", "Observation/o2"), "r1")
    )
    stored = {(each.type, str(each.id)): StoredResource(PATIENT, each.resource) for each in interpretation.accepted}
    again, later = interpreted(entry(observation(valueString="NEG", status="corrected"), "o1", "PUT"), stored=stored)
    assert [(each.report_id, each.extent) for each in again] == [(commands[0].report_id, "component")]
    stored[("Observation", "o1")] = StoredResource(PATIENT, later.accepted[0].resource)
    once_more, _ = interpreted(entry(later.accepted[0].resource, "o1", "PUT"), stored=stored)
    assert once_more[0].report_id == commands[0].report_id


def test_observations_that_name_each_other_as_members_end() -> None:
    one = entry(observation(hasMember=[{"reference": "Observation/o2"}], valueString="POS"), "o1")
    other = entry(observation(hasMember=[{"reference": "Observation/o1"}], valueString="POS"), "o2")
    commands, _ = interpreted(one, other, entry(diagnostic_report("Observation/o1"), "r1"))
    assert len(commands) == 1


def test_a_month_names_no_day_of_collection() -> None:
    month = diagnostic_report("Observation/o1", effectiveDateTime="2025-03")
    commands, _ = interpreted(entry(observation(), "o1"), entry(month, "r1"))
    assert commands[0].collected_at == datetime(2025, 3, 11, 10, 0, tzinfo=UTC)


def test_a_report_taken_back_needs_no_observations() -> None:
    commands, _ = interpreted(entry(diagnostic_report("Observation/o1", status="entered-in-error"), "r1", "PUT"))
    assert commands[0].status == "entered-in-error"


def test_contained_observations_are_read() -> None:
    inside = {**observation(valueString="NEG"), "id": "c1"}
    commands, _ = interpreted(entry(diagnostic_report("#c1", contained=[inside]), "r1"))
    assert [each.finding for each in commands[0].results] == ["negative"]


DRUG_SCREENS = {
    "amphetamine": ("3349-8", "amphetamines", "positive", False),
    "barbiturate": ("3372-0", "barbiturates", "negative", False),
    "benzodiazepine": ("3390-2", "benzodiazepines", "negative", False),
    "buprenorphine": ("38373-7", "buprenorphine", "negative", False),
    "cannabinoid": ("26747-6", "cannabinoids", "negative", False),
    "cocaine": ("3394-4", "benzoylecgonine", "negative", False),
    "fentanyl": ("74372-4", "fentanyl-analogue", "negative", False),
    "heroin": ("10976-9", "6-acetylmorphine", "negative", False),
    "methadone": ("41466-4", "methadone", "negative", False),
    "opiate": ("8220-6", "opiates", "positive", False),
    "oxycodone": ("89302-4", "noroxymorphone", "negative", False),
    "pcp": ("3937-0", "phencyclidine", "negative", False),
}
"""What a toxicologist reads in the public drug screens, by their names: the code, what it measures, what was found, and
whether by a method that confirms."""


@pytest.mark.skipif(not SAMPLES.exists(), reason="public sample Observations are not on this machine")
@pytest.mark.parametrize("name", DRUG_SCREENS)
def test_a_public_drug_screen_means_what_a_toxicologist_reads_in_it(name: str) -> None:
    screen = json.loads((SAMPLES / f"Observation-{name}-urine-drug-screening-result.json").read_text())
    (command,), _ = interpreted(entry(screen, name), now=YEARS_LATER)
    (result,) = command.results
    assert (result.code, result.analyte, result.finding, result.definitive) == DRUG_SCREENS[name]
    assert (command.status, command.condition, command.extent) == ("final", "valid", "report")


@pytest.mark.skipif(not SAMPLES.exists(), reason="public sample Observations are not on this machine")
def test_no_public_drug_screen_is_left_out() -> None:
    assert len(list(SAMPLES.glob("Observation-*.json"))) == len(DRUG_SCREENS)


def test_a_final_report_without_any_observation_is_refused_and_takes_nothing_back() -> None:
    with pytest.raises(HttpRefusal) as refused:
        interpreted(entry(diagnostic_report(), "r1"))
    assert refused.value.status == 422
    (cancelled,), _ = interpreted(entry(diagnostic_report(status="cancelled"), "r1"))
    assert cancelled.status == "cancelled"


def test_members_contained_in_the_report_are_read() -> None:
    inside = {**observation(FENTANYL, valueString="POSITIVE"), "id": "m1"}
    head = {**observation("53747-2", hasMember=[{"reference": "#m1"}]), "id": "c1"}
    (command,), _ = interpreted(entry(diagnostic_report("#c1", contained=[inside, head]), "r1"))
    assert [(each.code, each.finding) for each in command.results] == [(FENTANYL, "positive")]


def test_a_specimen_contained_in_a_lone_observation_is_read() -> None:
    specimen = {
        "resourceType": "Specimen",
        "id": "s1",
        "status": "unsatisfactory",
        "type": {"text": "Oral fluid"},
        "collection": {"collectedDateTime": "2025-03-09T07:00:00Z"},
    }
    lone = observation(FENTANYL, valueString="NEG", contained=[specimen], specimen={"reference": "#s1"})
    (command,), _ = interpreted(entry(lone, "o1"))
    assert (command.condition, command.matrix) == ("rejected-unsatisfactory", "oral-fluid")
    assert command.collected_at == datetime(2025, 3, 9, 7, 0, tzinfo=UTC)


def test_what_fhir_remarks_of_the_condition_of_the_specimen_counts() -> None:
    specimen = {"resourceType": "Specimen", "condition": [{"text": "Dilute specimen"}]}
    remarked = observation(FENTANYL, valueString="NEG", note=[{"text": "Specimen appears adulterated."}])
    for first, more, condition in (
        (observation(FENTANYL, valueString="NEG"), {"specimen": [{"reference": "Specimen/s1"}]}, "dilute"),
        (remarked, {}, "adulterated"),
        (observation(FENTANYL, valueString="NEG"), {"conclusion": "Substituted"}, "substituted"),
    ):
        report = entry(diagnostic_report("Observation/o1", **more), "r1")
        (command,), _ = interpreted(entry(first, "o1"), entry(specimen, "s1"), report)
        assert command.condition == condition


def test_an_interpretation_in_words_or_in_snomed_is_read() -> None:
    for interpretation in ({"text": "Positive"}, {"coding": [{"code": "10828004"}]}, {"coding": [{"code": "pos"}]}):
        (command,), _ = interpreted(entry(observation(FENTANYL, interpretation=[interpretation]), "o1"))
        assert [each.finding for each in command.results] == ["positive"]

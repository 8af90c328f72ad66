"""Foreign FHIR read closely: which medication, whose score, how old."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from deploy import keys as key_files
from services.intake import messages as w
from services.intake.edge import answers, edge
from services.intake.instruments import INSTRUMENTS, STATED, Question, question
from services.intake.settings import Settings
from shared.edge import fhir, patients
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.envelope import Command
from shared.platform.keys import Identifier, Keys
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.given import SETTINGS
from tests.intake.story import Story
from tests.laws import examples
from tests.service import caller

Json = dict[str, Any]
PATIENT = "3f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
WHO = f"Patient/{PATIENT}"
CALLER = caller("ehr")
ASKS = {"screen-unreadable": 1}
LASTING = {"lasting-screen-unreadable": 1}
"""A person is asked to read it, and as long as an answer about suicide would have counted."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.load(key_files.make(tmp_path_factory.mktemp("keys")), "intake")


def commands_of(keys: Keys, *resources: Json, method: str = "POST", before: Json | None = None) -> tuple[Command, ...]:
    return interpreted(keys, *resources, method=method, before=before).commands


def interpreted(
    keys: Keys,
    *resources: Json,
    method: str = "POST",
    before: Json | None = None,
    same_minute: Sequence[Json] = (),
    numbers: Settings | None = None,
) -> Interpretation:
    """What these resources mean, resolved as a submission is, with what is stored of the `same_minute`."""
    parsed = fhir.parse(json.dumps(bundles.transaction(*resources)).encode())
    fhir.require_valid(parsed)
    ids = {str(number): str(uuid5(NAMESPACE_URL, str(number))) for number in range(len(resources))}
    entries = fhir.transaction(parsed)
    assigned = {id(entry): ids[str(number)] for number, entry in enumerate(entries)}
    resolved = fhir.resolve(entries, lambda entry: assigned[id(entry)])
    patients.rewrite(resolved, PATIENT)
    if method == "PUT":
        resolved = tuple(msgspec.structs.replace(each, method="PUT") for each in resolved)
    stored = {
        (each.type, str(each.id)): StoredResource(PATIENT, before or {}) for each in resolved if each.method == "PUT"
    }
    others = {each["id"]: StoredResource(PATIENT, each) for each in same_minute}
    context = Context(CALLER, PATIENT, "demo", numbers or SETTINGS, MONDAY, stored, others)
    return edge(keys).read(resolved, context)


def one(commands: Sequence[Command], kind: type[Any]) -> Any:
    (found,) = [each for each in commands if isinstance(each, kind)]
    return found


# Medications


def medications(keys: Keys, *resources: Json) -> tuple[w.Prescribed, ...]:
    recorded: w.RecordMedications = one(commands_of(keys, *resources), w.RecordMedications)
    return recorded.medications


def order(**changed: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": "1819"}]},
        "subject": {"reference": WHO},
        "authoredOn": "2026-01-01",
        **changed,
    }


def test_an_order_is_taken_from_the_day_it_was_written(keys: Keys) -> None:
    (taken,) = medications(keys, order())
    assert (taken.rxnorm, taken.start_on, taken.end_on, taken.taken) == ("1819", date(2026, 1, 1), None, True)


def test_validity_and_route_are_read(keys: Keys) -> None:
    route = {"coding": [{"system": "http://snomed.info/sct", "code": "37839007"}]}
    period = {"start": "2026-01-02T23:30:00-05:00", "end": "2026-02-01"}
    (taken,) = medications(
        keys, order(dispenseRequest={"validityPeriod": period}, dosageInstruction=[{"route": route}])
    )
    assert (taken.start_on, taken.end_on, taken.route) == (date(2026, 1, 2), date(2026, 2, 1), "sublingual")


@pytest.mark.parametrize(
    "change", [{"status": "cancelled"}, {"status": "draft"}, {"intent": "proposal"}, {"doNotPerform": True}]
)
def test_what_was_never_given_is_not_on_the_list(keys: Keys, change: Json) -> None:
    (taken,) = medications(keys, order(**change))
    assert not taken.taken


@pytest.mark.parametrize("status", ["stopped", "completed", "on-hold"])
@pytest.mark.parametrize(
    ("ends", "end_on"), [(None, date(2026, 1, 5)), ("2026-06-01", date(2026, 1, 5)), ("2026-01-03", date(2026, 1, 3))]
)
def test_what_is_not_taken_any_more_ended_today_or_when_it_is_stated_before(
    keys: Keys, status: str, ends: str | None, end_on: date
) -> None:
    period = {"dispenseRequest": {"validityPeriod": {"start": "2026-01-01", "end": ends}}} if ends else {}
    (taken,) = medications(keys, order(status=status, **period))
    assert (taken.taken, taken.end_on) == (True, end_on)


def test_rxnorm_is_known_by_its_object_identifier_too(keys: Keys) -> None:
    coding = {"system": "urn:oid:2.16.840.1.113883.6.88", "code": "1819"}
    (taken,) = medications(keys, order(medicationCodeableConcept={"coding": [coding]}))
    assert taken.rxnorm == "1819"


def test_a_medication_without_a_code_counts_all_the_same(keys: Keys) -> None:
    text = order(medicationCodeableConcept={"text": "something for sleep"})
    (taken,) = medications(keys, text)
    assert (taken.rxnorm, taken.taken) == ("", True)


def test_the_code_is_found_in_a_contained_medication_and_in_one_of_the_bundle(keys: Keys) -> None:
    code = {"coding": [{"system": codes.RXNORM, "code": "6813"}]}
    base = {key: value for key, value in order().items() if key != "medicationCodeableConcept"}
    inside = {
        **base,
        "contained": [{"resourceType": "Medication", "id": "m", "code": code}],
        "medicationReference": {"reference": "#m"},
    }
    same_specimen = {
        "fullUrl": "urn:uuid:22222222-0000-4000-8000-000000000001",
        "resourceType": "Medication",
        "code": code,
    }
    pointing = {**base, "medicationReference": {"reference": same_specimen["fullUrl"]}}
    assert {each.rxnorm for each in medications(keys, inside, same_specimen, pointing)} == {"6813"}


@pytest.mark.parametrize(
    ("ingredients", "rxnorm"),
    [
        ([{"itemCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": "6813"}]}}], "6813"),
        ([{"itemCodeableConcept": {"text": "methadone"}}], ""),
        (
            [
                {"itemCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": "1819"}]}},
                {"itemCodeableConcept": {"text": "something inert"}, "isActive": False},
            ],
            "1819",
        ),
        (
            [
                {"itemCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": "1819"}]}},
                {"itemCodeableConcept": {"coding": [{"system": codes.RXNORM, "code": "7242"}]}},
            ],
            "",
        ),
    ],
)
def test_a_medication_of_one_ingredient_is_known_by_it(keys: Keys, ingredients: list[Json], rxnorm: str) -> None:
    base = {key: value for key, value in order().items() if key != "medicationCodeableConcept"}
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "tablets"}, "ingredient": ingredients}
    (taken,) = medications(keys, {**base, "contained": [medication], "medicationReference": {"reference": "#m"}})
    assert (taken.rxnorm, taken.taken) == (rxnorm, True)


# Scores, answers, age


def findings(keys: Keys, *resources: Json) -> dict[str, int]:
    assessed: w.RecordAssessment = one(commands_of(keys, *resources), w.RecordAssessment)
    return {each.code: each.value for each in assessed.findings}


def loinc(code: str, **value: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": codes.LOINC, "code": code}]},
        "subject": {"reference": WHO},
        "effectiveDateTime": "2026-01-05",
        **value,
    }


@pytest.mark.parametrize(
    "value",
    [
        {"valueInteger": 12},
        {"valueQuantity": {"value": 12.0}},
        {"valueString": "12"},
    ],
)
def test_a_total_is_read_in_each_of_its_forms(keys: Keys, value: Json) -> None:
    assert findings(keys, loinc("44261-6", **value)) == {"phq-9": 12}


def test_a_coded_answer_counts_its_points(keys: Keys) -> None:
    answer = {"coding": [{"system": codes.LOINC, "code": "LA6569-3"}]}
    assert findings(keys, loinc("44260-8", valueCodeableConcept=answer)) == {"phq-9-item-9": 1}


@pytest.mark.parametrize(
    ("code", "value", "asks"),
    [
        ("44260-8", {"valueCodeableConcept": {"coding": [{"system": codes.LOINC, "code": "LA0000-0"}]}}, LASTING),
        ("44261-6", {"valueString": "many"}, ASKS),
        ("44261-6", {"valueInteger": 28}, ASKS),
        ("44261-6", {"valueInteger": -1}, ASKS),
        ("93249-1", {"valueInteger": 3}, LASTING),
        ("93249-1", {"valueString": "rather not say"}, LASTING),
    ],
)
def test_an_answer_that_cannot_be_read_asks_a_person_and_refuses_nothing(
    keys: Keys, code: str, value: Json, asks: Json
) -> None:
    assert findings(keys, loinc(code, **value), bundles.score(WHO, "cows", 13)) == {**asks, "cows": 13}


@pytest.mark.parametrize(("code", "points"), [("ciwa-ar", 70), ("cows", 60)])
def test_a_score_of_withdrawal_beyond_its_bounds_asks_a_person(keys: Keys, code: str, points: int) -> None:
    assert findings(keys, bundles.score(WHO, code, points)) == ASKS


@pytest.mark.parametrize(
    ("code", "days", "remark"),
    [
        ("93249-1", 90, "a person is asked"),
        ("93249-1", 91, "older than its window"),
        ("44261-6", 7, "a person is asked"),
        ("44261-6", 8, "older than its window"),
    ],
)
def test_an_older_answer_that_cannot_be_read_asks_as_long_as_it_would_have_counted(
    keys: Keys, code: str, days: int, remark: str
) -> None:
    at = MONDAY - timedelta(days=days)
    screen = loinc(code, valueString="see note", effectiveDateTime=at.isoformat())
    assert remarks_of(keys, screen) == [f"not read: answer unknown; {remark}"]
    asked = Story().and_then(*commands_of(keys, screen)).state.escalations
    assert len(asked) == (remark == "a person is asked")


def test_an_answer_that_cannot_be_read_and_may_be_recent_asks_a_person_now(keys: Keys) -> None:
    screen = loinc("44261-6", valueString="see note", effectiveDateTime="2025-12")
    (found,) = one(commands_of(keys, screen), w.RecordAssessment).findings
    assert (found.code, found.at) == ("screen-unreadable", MONDAY)


def test_a_score_above_a_number_counts_as_the_least_that_it_can_be_and_a_person_reads_it(keys: Keys) -> None:
    def read(comparator: str) -> dict[str, int]:
        return findings(keys, loinc("44261-6", valueQuantity={"value": 12, "comparator": comparator}))

    asks = {"screen-unreadable": 1}
    assert (read(">"), read(">=")) == ({"phq-9": 13, **asks}, {"phq-9": 12, **asks})
    assert (read("<"), read("<=")) == (asks, asks)


YES = [
    {"valueBoolean": True},
    {"valueInteger": 1},
    {"valueString": "Yes"},
    {"valueCodeableConcept": {"coding": [{"system": codes.LOINC, "code": "LA33-6"}]}},
    {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "373066001"}]}},
    {"valueCodeableConcept": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0136", "code": "Y"}]}},
    {"valueCodeableConcept": {"coding": [{"system": "urn:own", "code": "1234", "display": "Yes"}]}},
    {"valueCodeableConcept": {"text": "yes"}},
]


@pytest.mark.parametrize("value", YES)
def test_a_yes_is_read_in_each_of_its_forms(keys: Keys, value: Json) -> None:
    assert findings(keys, loinc("93249-1", **value)) == {"c-ssrs-q4": 1}
    component = {"code": {"coding": [{"system": codes.LOINC, "code": "93250-9"}]}, **value}
    assert findings(keys, loinc("93373-9", component=[component])) == {"c-ssrs-q5": 1}


@pytest.mark.parametrize(("level", "points"), [("LA9194-7", 1), ("LA6751-7", 2), ("LA9193-9", 3)])
def test_a_risk_level_is_read(keys: Keys, level: str, points: int) -> None:
    value = {"coding": [{"system": codes.LOINC, "code": level}]}
    assert findings(keys, loinc("93374-7", valueCodeableConcept=value)) == {"c-ssrs-risk": points}
    assert findings(keys, loinc("93374-7", valueString="High Risk")) == {"c-ssrs-risk": 3}


def test_a_due_date_is_read_as_a_day(keys: Keys) -> None:
    assert findings(keys, loinc("11778-8", valueDateTime="2026-03-01")) == {
        "delivery-due": date(2026, 3, 1).toordinal()
    }
    assert findings(keys, loinc("11778-8", valueDateTime="2026")) == {"screen-unreadable": 1}


def response(*items: Json, **changed: Any) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": WHO},
        "authored": "2026-01-05T09:00:00-05:00",
        "item": list(items),
        **changed,
    }


@pytest.mark.parametrize(
    "item",
    [
        {"linkId": "/93249-1"},
        {"linkId": "c-ssrs-q4"},
        {"linkId": "q4", "definition": "http://loinc.org/q/93249-1"},
        {"linkId": "q4", "text": "Have you had these thoughts and had some intention of acting on them?"},
    ],
)
def test_an_item_is_known_by_link_id_definition_or_wording(keys: Keys, item: Json) -> None:
    answered_yes = {**item, "answer": [{"valueString": "Yes"}]}
    screen = response(answered_yes, questionnaire="http://ehr.example/Questionnaire/c-ssrs-screen")
    assert findings(keys, screen) == {"c-ssrs-q4": 1}
    assert findings(keys, {**screen, "status": "in-progress"}) == {"c-ssrs-q4": 1}


def test_a_yes_to_a_question_of_a_suicide_screen_that_nobody_knows_asks_a_person(keys: Keys) -> None:
    known = {"linkId": "/93246-7", "answer": [{"valueBoolean": True}]}
    canonical = "http://ehr.example/Questionnaire/c-ssrs"

    def read(answer: Json) -> dict[str, int]:
        paraphrased = {"linkId": "q4", "text": "Do you intend to act on these thoughts?", "answer": [answer]}
        return findings(keys, response(known, paraphrased, questionnaire=canonical))

    assert read({"valueString": "Yes"}) == {"c-ssrs-q1": 1, **LASTING}
    assert read({"valueString": "No"}) == {"c-ssrs-q1": 1}
    assert read({"valueString": "spoke with the family"}) == {"c-ssrs-q1": 1}


def test_only_a_question_of_behaviour_is_one_however_many_ask_of_the_past_months(keys: Keys) -> None:
    def read(text: str) -> dict[str, int]:
        item = {"linkId": "q6b", "text": text, "answer": [{"valueBoolean": True}]}
        return findings(keys, response(item, questionnaire="http://ehr.example/Questionnaire/c-ssrs"))

    assert read("If YES, was this within the past 3 months?") == {"c-ssrs-behavior": 1}
    assert read("Have you been to an emergency room within the past 3 months?") == LASTING


@pytest.mark.parametrize("system", [{}, {"system": "urn:oid:2.16.840.1.113883.6.1"}])
def test_a_code_of_loinc_is_known_without_its_system(keys: Keys, system: Json) -> None:
    bare = loinc("93249-1", valueBoolean=True) | {"code": {"coding": [{**system, "code": "93249-1"}]}}
    assert findings(keys, bare) == {"c-ssrs-q4": 1}


@pytest.mark.parametrize(
    "text",
    ["Thoughts of self-harm", "Have you had thoughts of hurting yourself?", "Wish to be dead", "Do you self harm?"],
)
def test_a_yes_to_self_harm_asks_a_person_under_whatever_code(keys: Keys, text: str) -> None:
    own = loinc("93249-1", valueBoolean=True) | {
        "code": {"coding": [{"system": "urn:own", "code": "7", "display": text}]}
    }
    assert findings(keys, own) == LASTING
    assert findings(keys, response({"linkId": "q7", "text": text, "answer": [{"valueBoolean": True}]})) == LASTING
    own["code"]["coding"][0]["display"] = "Self-reported harms of drinking"
    assert commands_of(keys, own) == ()


def test_a_suicide_screen_of_which_nothing_can_be_read_asks_a_person(keys: Keys) -> None:
    item = {"linkId": "q4", "text": "Frage 4", "answer": [{"valueString": "Ja"}]}
    screen = response(item, questionnaire="http://ehr.example/Questionnaire/c-ssrs")
    assert findings(keys, screen) == LASTING
    named = loinc("99999-9", valueString="positive")
    named["code"]["text"] = "Suicide risk screen"
    assert findings(keys, named) == LASTING
    assert commands_of(keys, response(item, questionnaire="http://ehr.example/Questionnaire/nutrition")) == ()
    assert commands_of(keys, {**named, "status": "registered"}) == ()


PHQ_9 = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"]


def test_a_missing_total_is_summed_where_every_item_is_there(keys: Keys) -> None:
    coded = {"valueCoding": {"system": codes.LOINC, "code": "LA6570-1"}}
    items = [{"linkId": f"/{each}", "answer": [coded]} for each in PHQ_9]
    assert findings(keys, response(*items)) == {"phq-9-item-9": 2, "phq-9": 18}
    assert findings(keys, response(*items[1:])) == {"phq-9-item-9": 2}
    total = {"linkId": "/44261-6", "answer": [{"valueInteger": 17}]}
    assert findings(keys, response(*items, total)) == {"phq-9-item-9": 2, "phq-9": 18}
    assert "read as phq-9: contradicts its items; the higher counts" in remarks_of(keys, response(*items, total))
    components = [{"code": {"coding": [{"system": codes.LOINC, "code": each}]}, "valueInteger": 1} for each in PHQ_9]
    assert findings(keys, loinc("44249-1", component=components)) == {"phq-9-item-9": 1, "phq-9": 9}


COWS = [f"cows-item-{number}" for number in range(1, 12)]


def apart(codes_of_items: Sequence[str], points: int, **changed: Any) -> list[Json]:
    """Each item an Observation of its own."""
    return [bundles.score(WHO, each, points) | changed for each in codes_of_items]


def test_a_total_is_summed_from_separate_observations_of_one_minute_and_performer(keys: Keys) -> None:
    items = apart(COWS, 2, performer=[{"reference": "Practitioner/nurse"}])
    meaning = interpreted(keys, *items)
    assert findings(keys, *items) == {"cows": 22}
    (stored,) = meaning.stored
    body = json.loads(stored.body)
    fhir.require_valid(body)
    assert (body["valueInteger"], len(body["derivedFrom"]), body["subject"]["reference"]) == (22, 11, WHO)
    (finding,) = one(meaning.commands, w.ReportFindings).findings
    assert (finding.evidence, finding.at) == (f"Observation/{body['id']}", MONDAY)
    assert {issue.diagnostics for issues in meaning.remarks.values() for issue in issues} == {
        "read as cows: summed from its items"
    }


def test_nothing_is_summed_of_too_few_items_or_of_another_time_or_performer_or_beside_a_stated_total(
    keys: Keys,
) -> None:
    items = apart(COWS, 2)
    later = items[-1] | {"effectiveDateTime": "2026-01-05T14:02:00Z"}
    other = items[-1] | {"performer": [{"reference": "Practitioner/another"}]}
    for sent in (items[:-1], [*items[:-1], later], [*items[:-1], other]):
        assert commands_of(keys, *sent) == ()
    assert findings(keys, *items, bundles.score(WHO, "cows", 22)) == {"cows": 22}
    assert interpreted(keys, *items, bundles.score(WHO, "cows", 22)).stored == ()
    assert remarks_of(keys, items[0]) == [
        "not read: an item; its total is summed once all items of its minute and performer, or of a panel that has it"
        " as member, are there"
    ]


def test_a_reversed_item_counts_what_its_answer_lacks(keys: Keys) -> None:
    able_to_stop = apart([f"dast-10-item-{number}" for number in range(1, 11)], 1)
    assert findings(keys, *able_to_stop) == {"dast-10": 9}


def stored_sum(keys: Keys, points: int = 2) -> tuple[list[Json], Json]:
    """The items of a COWS of one minute, and their sum, as stored; the first item is the one of the first entry."""
    ids = [str(uuid5(NAMESPACE_URL, str(number))) for number in range(len(COWS))]
    items = [each | {"id": identity} for identity, each in zip(ids, apart(COWS, points), strict=True)]
    (total,) = interpreted(keys, *apart(COWS, points)).stored
    return items, json.loads(total.body)


def test_items_that_come_one_by_one_are_summed_with_those_that_came_before(keys: Keys) -> None:
    (first, *others), total = stored_sum(keys)
    new = {name: value for name, value in first.items() if name != "id"}
    meaning = interpreted(keys, new, same_minute=others)
    assert [each.code for each in one(meaning.commands, w.ReportFindings).findings] == ["cows"]
    assert [json.loads(each.body)["id"] for each in meaning.stored] == [total["id"]]
    assert interpreted(keys, new, same_minute=others[1:]).commands == ()
    assert (
        interpreted(keys, bundles.score(WHO, "ciwa-ar-item-1", 2), same_minute=[first, *others, total]).commands == ()
    )


@given(before=some.lists(some.integers(0, 4), min_size=11, max_size=11), now=some.integers(0, 4))
@settings(max_examples=examples(30), deadline=None)
def test_a_sum_follows_its_corrected_item_so_that_a_worse_one_never_gives_a_milder_answer(
    keys: Keys, before: list[int], now: int
) -> None:
    first, *others = [
        each | {"valueInteger": points, "id": str(uuid5(NAMESPACE_URL, str(number)))}
        for number, (each, points) in enumerate(zip(apart(COWS, 0), before, strict=True))
    ]
    _, total = stored_sum(keys)
    recorded = one(
        interpreted(
            keys, first | {"valueInteger": now}, method="PUT", before=first, same_minute=[first, *others, total]
        ).commands,
        w.RecordAssessment,
    )
    found = {each.code: each.value for each in recorded.findings}
    assert found == ({"cows": sum(before) - before[0] + now} if now != before[0] else found)
    assert "screen-unreadable" not in found


def test_a_sum_counts_no_more_once_one_of_its_items_is_withdrawn_and_a_person_is_asked(keys: Keys) -> None:
    items, total = stored_sum(keys)
    wrong = items[0] | {"status": "entered-in-error"}
    meaning = interpreted(keys, wrong, method="PUT", before=items[0], same_minute=[*items, total])
    recorded = one(meaning.commands, w.RecordAssessment)
    source = f"Observation/{total['id']}"
    assert source in recorded.sources and [each.code for each in recorded.findings] == ["screen-unreadable"]
    assert [json.loads(each.body)["status"] for each in meaning.stored] == ["entered-in-error"]
    same = interpreted(
        keys, items[0] | {"status": "amended"}, method="PUT", before=items[0], same_minute=[*items, total]
    )
    assert [each.value for each in one(same.commands, w.RecordAssessment).findings] == [total["valueInteger"]]
    alone = interpreted(keys, wrong, method="PUT", before=items[0], same_minute=items[:3])
    assert alone.stored == () and one(alone.commands, w.RecordAssessment).findings == ()


def test_a_correction_that_nobody_can_read_takes_back_nothing(keys: Keys) -> None:
    items, total = stored_sum(keys)
    unreadable = items[0] | {"valueInteger": 9}
    meaning = interpreted(keys, unreadable, method="PUT", before=items[0], same_minute=[*items, total])
    assert meaning.stored == () and one(meaning.commands, w.RecordAssessment).sources == ()
    yes = loinc("93249-1", valueString="yes")
    recorded = one(commands_of(keys, yes | {"valueString": "see note"}, method="PUT", before=yes), w.RecordAssessment)
    assert recorded.sources == () and [each.code for each in recorded.findings] == [*LASTING]
    no = one(commands_of(keys, yes | {"valueString": "no"}, method="PUT", before=yes), w.RecordAssessment)
    assert no.sources and [each.value for each in no.findings] == [0]


def test_an_item_of_a_safety_total_that_cannot_be_read_or_has_no_time_asks_a_person(keys: Keys) -> None:
    unreadable = apart(COWS[:1], 2)[0] | {"valueInteger": 9}
    assert findings(keys, unreadable) == {"screen-unreadable": 1}
    untimed = {name: value for name, value in apart(COWS[:1], 2)[0].items() if name != "effectiveDateTime"}
    assert findings(keys, untimed) == {"screen-unreadable": 1}


EHR_CODES = f"{bundles.EHR}/CodeSystem/screen"
FORM = f"{bundles.EHR}/Questionnaire/admission"


def test_an_ehr_s_own_codes_and_items_are_read_by_the_program_s_table(keys: Keys) -> None:
    own = loinc("1", valueBoolean=True) | {"code": {"coding": [{"system": EHR_CODES, "code": "SUICIDE-INTENT"}]}}
    assert findings(keys, own) == {"c-ssrs-q4": 1}
    item = {"linkId": "suicide.4", "answer": [{"valueBoolean": True}]}
    assert findings(keys, response(item, questionnaire=f"{FORM}|3")) == {"c-ssrs-q4": 1}
    elsewhere = own | {"code": {"coding": [{"system": "urn:another", "code": "SUICIDE-INTENT"}]}}
    assert commands_of(keys, elsewhere) == ()
    assert findings(keys, response(item, questionnaire="urn:another")) == LASTING


@pytest.mark.parametrize(("own", "code"), [("no-bar", "cows"), ("urn:own|1", "shoe-size")])
def test_a_table_that_maps_to_nothing_stops_the_start(own: str, code: str) -> None:
    with pytest.raises(ValueError, match="local_codes"):
        msgspec.structs.replace(SETTINGS, local_codes={own: code}).__post_init__()


def remarks_of(keys: Keys, resource: Json, before: Json | None = None) -> list[str]:
    method = "POST" if before is None else "PUT"
    remarks = interpreted(keys, resource, method=method, before=before).remarks
    return [each.diagnostics for issues in remarks.values() for each in issues]


@pytest.mark.parametrize(
    ("resource", "remarks"),
    [
        (loinc("93249-1", valueString="Yes"), ["read as c-ssrs-q4"]),
        (loinc("8867-4", valueInteger=70), ["not read: code unknown"]),
        (loinc("93249-1"), ["not read: no answer"]),
        (loinc("93249-1", valueString="Yes", status="registered"), ["not read: status"]),
        (loinc("93249-1", valueString="Yes", status="entered-in-error"), ["read as taken back"]),
        (loinc("93249-1", valueString="perhaps"), ["not read: answer unknown; a person is asked"]),
        (
            loinc("93249-1", valueString="Yes", effectiveDateTime="2025-11-01"),
            ["read as c-ssrs-q4", "c-ssrs-q4: older than its window"],
        ),
    ],
)
def test_the_outcome_of_an_entry_says_how_it_was_read_and_never_the_answer(
    keys: Keys, resource: Json, remarks: list[str]
) -> None:
    assert remarks_of(keys, resource) == remarks


def test_a_yes_that_may_lie_within_its_window_asks_a_person(keys: Keys) -> None:
    """MONDAY is 5 January: the window of 30 days begins within 6 December."""
    for vague in ("2025-12", "2025", "2025-12-06"):
        assert findings(keys, loinc("93250-9", valueBoolean=True, effectiveDateTime=vague)) == {
            "c-ssrs-q5": 1,
            **LASTING,
        }
        assert findings(keys, loinc("93250-9", valueBoolean=False, effectiveDateTime=vague)) == {"c-ssrs-q5": 0}
    form = response({"linkId": "/93250-9", "answer": [{"valueBoolean": True}]})
    assert findings(keys, form | {"authored": "2025-12"}) == {"c-ssrs-q5": 1, **LASTING}


@pytest.mark.parametrize("time", ["2025-11", "2024", "2025-12-05", "2026-01", "2026", "2026-01-05"])
def test_a_yes_surely_within_its_window_or_surely_not_asks_nobody(keys: Keys, time: str) -> None:
    assert findings(keys, loinc("93250-9", valueBoolean=True, effectiveDateTime=time)) == {"c-ssrs-q5": 1}


UNTIMED = [
    {"effectiveDateTime": None},
    {"effectiveDateTime": "2016-12-31T23:59:60Z"},
    {"effectiveDateTime": "0001-01-01"},
    {"effectiveDateTime": None, "effectivePeriod": {}},
]


@pytest.mark.parametrize("time", UNTIMED)
def test_a_screen_of_safety_without_a_readable_time_asks_a_person_and_refuses_nothing(keys: Keys, time: Json) -> None:
    changed = loinc("93249-1", valueBoolean=True) | time
    screen = {name: value for name, value in changed.items() if value not in (None, {})}
    assert findings(keys, screen, bundles.score(WHO, "44261-6", 12)) == {**LASTING, "phq-9": 12}
    assert remarks_of(keys, screen) == ["not read: time missing or unreadable; a person is asked"]


def test_a_suicide_form_without_its_time_asks_a_person(keys: Keys) -> None:
    screen = response({"linkId": "/93249-1", "answer": [{"valueBoolean": True}]})
    del screen["authored"]
    assert findings(keys, screen) == LASTING


@pytest.mark.parametrize("code", ["93249-1", "44261-6", "8867-4"])
@pytest.mark.parametrize("time", ["2027-01-05", "2027-01-05T09:00:00Z"])
def test_an_observation_that_lies_ahead_is_refused_whatever_it_decides(keys: Keys, code: str, time: str) -> None:
    with pytest.raises(HttpRefusal, match=r"business-rule at Bundle.entry\[0\].resource.effective"):
        commands_of(keys, loinc(code, valueInteger=1, effectiveDateTime=time))


@pytest.mark.parametrize("time", ["9999", "1700-01-05", "2016-12-31T23:59:60Z"])
def test_an_observation_that_decides_nothing_comes_through_the_same_door(keys: Keys, time: str) -> None:
    with pytest.raises(HttpRefusal, match=r"value at Bundle.entry\[0\].resource.effective"):
        commands_of(keys, loinc("8867-4", valueInteger=70, effectiveDateTime=time))
    assert commands_of(keys, loinc("8867-4", valueInteger=70, effectiveDateTime="1931-01-05")) == ()


def test_a_questionnaire_response_answers_by_its_link_ids(keys: Keys) -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": WHO},
        "authored": "2026-01-05T09:00:00-05:00",
        "item": [
            {
                "linkId": "group",
                "item": [
                    {
                        "linkId": "/44260-8",
                        "answer": [{"valueCoding": {"system": codes.LOINC, "code": "LA6571-9"}}],
                    },
                    {"linkId": "/44261-6", "answer": [{"valueDecimal": 21}]},
                    {"linkId": "/00000-0", "answer": [{"valueString": "free text"}]},
                ],
            }
        ],
    }
    commands = commands_of(keys, response)
    assert one(commands, w.ReportFindings).findings[0].code == "phq-9-item-9"
    assert {each.code: each.value for each in one(commands, w.RecordAssessment).findings} == {
        "phq-9-item-9": 3,
        "phq-9": 21,
    }


def test_an_observation_entered_in_error_takes_its_finding_back(keys: Keys) -> None:
    mistaken = {**bundles.fact(WHO, "c-ssrs-q4", True), "status": "entered-in-error"}
    recorded = one(commands_of(keys, mistaken, method="PUT"), w.RecordAssessment)
    assert recorded.findings == ()
    assert recorded.sources == (f"Observation/{uuid5(NAMESPACE_URL, '0')}",)
    assert commands_of(keys, mistaken) == ()


def test_what_lies_ahead_has_not_been_assessed(keys: Keys) -> None:
    """A wrong year would stay the newest for ever. A sender's clock may be a little ahead."""
    soon, next_year = MONDAY + timedelta(minutes=59), MONDAY + timedelta(days=365)
    assert commands_of(keys, bundles.need(WHO, "withdrawal", "none", soon))
    for ahead in (bundles.need(WHO, "withdrawal", "none", next_year), bundles.score(WHO, "cows", 14, next_year)):
        with pytest.raises(HttpRefusal, match=r"business-rule at Bundle.entry\[0\].resource.effective"):
            commands_of(keys, ahead)


@pytest.mark.parametrize(
    ("end", "at"),
    [
        ("2026-01-05T13:00:00Z", MONDAY - timedelta(hours=1)),
        ("2026-01-05T14:59:00Z", MONDAY),
        ("2026-01-05", MONDAY),
        ("2026-01-04", datetime(2026, 1, 5, 4, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_discharge_of_a_day_is_at_its_end_and_never_later_than_now(keys: Keys, end: str, at: datetime) -> None:
    (command,) = commands_of(keys, *discharged(end))
    assert isinstance(command, w.Discharge) and command.at == at


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-14:00", "9999"])
def test_a_time_in_no_patients_life_is_refused(keys: Keys, end: str) -> None:
    """There is no such instant in another time zone."""
    with pytest.raises(HttpRefusal, match=r"value at Bundle.entry\[1\].resource.period.end"):
        commands_of(keys, *discharged(end))


@pytest.mark.parametrize("end", ["2026-01-05T15:01:00Z", "2026-01-06", "2027"])
def test_a_discharge_is_told_once_it_has_happened(keys: Keys, end: str) -> None:
    with pytest.raises(HttpRefusal, match=r"business-rule at Bundle.entry\[1\].resource.period.end"):
        commands_of(keys, *discharged(end))


def discharged(end: str) -> list[Json]:
    episode = {"resourceType": "EpisodeOfCare", "status": "finished", "patient": {"reference": WHO}}
    home = {"coding": [{"system": codes.DISCHARGE, "code": "home"}]}
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": codes.ACT, "code": "AMB"},
        "subject": {"reference": WHO},
        "period": {"end": end},
        "hospitalization": {"dischargeDisposition": home},
    }
    return [episode, encounter]


def test_a_need_entered_in_error_goes_to_a_person(keys: Keys) -> None:
    mistaken = {**bundles.need(WHO, "biomedical", "1.0"), "status": "entered-in-error"}
    (stated,) = one(commands_of(keys, mistaken), w.RecordAssessment).needs
    assert stated.level == "entered-in-error"


def test_a_diagnosis_is_evidence_by_its_longest_known_prefix(keys: Keys) -> None:
    recorded = one(
        commands_of(keys, bundles.condition(WHO, "F11.20"), bundles.condition(WHO, "F33.1")), w.RecordConditions
    )
    assert {each.code: each.value for each in recorded.findings} == {
        "opioid-use-disorder": 1,
        "dsm-5-criteria": 4,
        "psychiatric-diagnosis": 1,
    }


def clinical(status: str) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {"clinicalStatus": {"coding": [{"system": system, "code": status}]}}


@pytest.mark.parametrize(
    "past",
    [
        {**bundles.condition(WHO, "F11.20"), **clinical("remission")},
        {**bundles.condition(WHO, "F11.20"), **clinical("resolved")},
        {**bundles.condition(WHO, "F11.20"), **clinical("inactive")},
        {**bundles.condition(WHO, "F11.20"), "abatementDateTime": "2024-01-01"},
        bundles.condition(WHO, "F11.21"),
        bundles.condition(WHO, "F1121"),
        bundles.condition(WHO, "f11.91"),
    ],
)
def test_a_disorder_in_remission_is_history_and_not_present(keys: Keys, past: Json) -> None:
    (recorded,) = commands_of(keys, past)
    assert isinstance(recorded, w.RecordConditions)
    assert [each.code for each in recorded.findings] == ["opioid-use-disorder-history"]


def test_a_status_is_known_by_its_code_whatever_its_system(keys: Keys) -> None:
    def read(**statuses: str) -> list[str]:
        coded = {name: {"coding": [{"code": status}]} for name, status in statuses.items()}
        found = commands_of(keys, bundles.condition(WHO, "F11.20") | coded)
        return [each.code for command in found if isinstance(command, w.RecordConditions) for each in command.findings]

    assert read(clinicalStatus="resolved") == ["opioid-use-disorder-history"]
    assert read(verificationStatus="refuted") == read(verificationStatus="entered-in-error") == []
    present = ["opioid-use-disorder", "dsm-5-criteria"]
    assert read(clinicalStatus="active") == read(verificationStatus="confirmed") == present
    assert read(clinicalStatus="of our own") == present


@pytest.mark.parametrize("oid", ["2.16.840.1.113883.6.90", "2.16.840.1.113883.6.3"])
def test_a_diagnosis_is_known_by_the_oid_of_its_system(keys: Keys, oid: str) -> None:
    coded = {"code": {"coding": [{"system": f"urn:oid:{oid}", "code": "F11.20"}]}}
    recorded = one(commands_of(keys, bundles.condition(WHO, "F11.20") | coded), w.RecordConditions)
    assert [each.code for each in recorded.findings] == ["opioid-use-disorder", "dsm-5-criteria"]


def test_a_present_disorder_stays_one(keys: Keys) -> None:
    for status in ("active", "recurrence", "relapse"):
        recorded = one(commands_of(keys, {**bundles.condition(WHO, "F11.20"), **clinical(status)}), w.RecordConditions)
        assert [each.code for each in recorded.findings] == ["opioid-use-disorder", "dsm-5-criteria"]


def test_a_condition_entered_in_error_says_nothing_any_more(keys: Keys) -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    mistaken = {"verificationStatus": {"coding": [{"system": system, "code": "entered-in-error"}]}}
    recorded = one(commands_of(keys, bundles.condition(WHO, "F11.10") | mistaken, method="PUT"), w.RecordConditions)
    assert (recorded.findings, len(recorded.sources)) == ((), 1)


@pytest.mark.parametrize(
    ("icd10", "pregnant"),
    [("Z34.01", 1), ("Z331", 1), ("O99.321", 1), ("O99313", 1), ("O80", 0), ("Z37.0", 0), ("Z39.2", 0), ("O99.325", 0)],
)
def test_a_pregnancy_and_its_end_are_read_from_the_diagnoses(keys: Keys, icd10: str, pregnant: int) -> None:
    recorded = one(commands_of(keys, bundles.condition(WHO, icd10)), w.RecordConditions)
    assert {each.code: each.value for each in recorded.findings} == {"pregnant": pregnant}


def test_other_diagnoses_and_observations_decide_nothing(keys: Keys) -> None:
    assert commands_of(keys, bundles.condition(WHO, "E11.9"), loinc("8867-4", valueQuantity={"value": 70})) == ()


@pytest.mark.parametrize(
    ("born", "under"), [("2008-01-05", 0), ("2008-01-06", 1), ("2008", 1), ("2007", 0), ("2008-01", 1)]
)
def test_whether_the_patient_is_under_18_is_all_that_is_told_of_the_birth_date(
    keys: Keys, born: str, under: int
) -> None:
    someone = {**bundles.patient("0001"), "birthDate": born}
    assert findings(keys, someone) == {"under-18": under}


def test_an_unknown_birth_date_tells_nothing(keys: Keys) -> None:
    someone = {key: value for key, value in bundles.patient("0001").items() if key != "birthDate"}
    assert [type(each) for each in commands_of(keys, someone)] == [w.RecordPatient]


def test_the_sender_s_own_reference_is_one_of_the_digests(keys: Keys) -> None:
    someone = {**bundles.patient("0001"), "fullUrl": f"{bundles.EHR}/Patient/123"}
    recorded: w.RecordPatient = one(commands_of(keys, someone), w.RecordPatient)
    (own,) = keys.digests("demo", [Identifier(bundles.EHR, "Patient/123")])
    assert own in recorded.digests, "the digest is missing"


SNOMED = "http://snomed.info/sct"
FOOD_PANTRY = {"coding": [{"system": SNOMED, "code": "467771000124109"}]}
EKG = {"coding": [{"system": SNOMED, "code": "29303009"}]}
IOP = {"coding": [{"system": bundles.HCPCS, "code": "H0015"}]}
THIS_PROGRAM = [{"identifier": {"system": f"{codes.HUB}/NamingSystem/program", "value": "demo"}}]


@pytest.mark.parametrize("code", [FOOD_PANTRY, EKG, {"text": "intensive outpatient"}])
def test_an_order_of_something_else_is_no_referral(keys: Keys, code: Json) -> None:
    assert commands_of(keys, {**bundles.referral(WHO), "code": code}) == ()


def test_an_order_not_to_do_it_is_no_referral_and_takes_back_the_one_that_was(keys: Keys) -> None:
    order = {**bundles.referral(WHO), "id": "r1"}
    forbidden = {**order, "doNotPerform": True}
    assert commands_of(keys, forbidden) == ()
    assert one(commands_of(keys, forbidden, method="PUT", before=order), w.RevokeReferral).reason == "referral-revoked"
    assert one(commands_of(keys, order, method="PUT", before=forbidden), w.ReceiveReferral)


def leveled(*levels: str) -> Json:
    return {"orderDetail": [{"coding": [{"system": codes.LEVEL, "code": each}]} for each in levels]}


@pytest.mark.parametrize(
    ("order", "level"),
    [
        ({}, "2.1"),
        (leveled("2.5"), "2.5"),
        (leveled("2.1", "2.5"), ""),
        (leveled("9.9"), ""),
        ({"code": {"coding": [{"system": codes.LEVEL, "code": "2.1"}]}}, "2.1"),
        ({"code": FOOD_PANTRY, "performer": THIS_PROGRAM}, ""),
        ({"code": FOOD_PANTRY, "performer": THIS_PROGRAM, **leveled("3.7")}, "3.7"),
    ],
)
def test_a_referral_asks_for_the_level_it_names_else_for_what_its_code_means_else_nobody_knows(
    keys: Keys, order: Json, level: str
) -> None:
    assert one(commands_of(keys, {**bundles.referral(WHO), **order}), w.ReceiveReferral).level == level


def test_an_update_of_a_referral_says_otherwise_how_urgent_it_is_or_nothing_new(keys: Keys) -> None:
    order = {**bundles.referral(WHO), "id": "r1"}
    urgent, other = {**order, "priority": "urgent"}, {**order, **leveled("2.5")}
    assert one(commands_of(keys, urgent, method="PUT", before=order), w.CorrectReferral).priority == "urgent"
    assert one(commands_of(keys, other, method="PUT", before=order), w.CorrectReferral).level == "2.5"
    assert commands_of(keys, {**order, "note": [{"text": "ring twice"}]}, method="PUT", before=order) == ()


@pytest.mark.parametrize("change", [{"doNotPerform": True}, {"status": "revoked"}, {"status": "entered-in-error"}])
def test_the_answer_to_a_referral_taken_back_says_that_it_was(keys: Keys, change: Json) -> None:
    order = {**bundles.referral(WHO), "id": "r1"}
    (remarks,) = interpreted(keys, {**order, **change}, method="PUT", before=order).remarks.values()
    assert [each.diagnostics for each in remarks] == ["read as a referral taken back"]


@pytest.mark.parametrize("named", [{"code": IOP}, {"category": [IOP]}, {"performer": THIS_PROGRAM}])
def test_an_order_is_a_referral_by_code_by_category_or_by_naming_this_program(keys: Keys, named: Json) -> None:
    order = {**bundles.referral(WHO), "code": EKG, **named}
    assert one(commands_of(keys, order), w.ReceiveReferral)


def test_a_task_that_came_with_the_referral_tracks_it(keys: Keys) -> None:
    request = {"fullUrl": "urn:uuid:33333333-0000-4000-8000-000000000001", **bundles.referral(WHO)}
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": request["fullUrl"]},
        "for": {"reference": WHO},
    }
    received: w.ReceiveReferral = one(commands_of(keys, request, task), w.ReceiveReferral)
    assert received.task_id == str(uuid5(NAMESPACE_URL, "1"))


# Death


@pytest.mark.parametrize(
    ("stated", "method", "expected"),
    [
        ({"deceasedBoolean": True}, "POST", [w.ReportDeath()]),
        ({"deceasedDateTime": "2026-01-04T10:00:00Z"}, "POST", [w.ReportDeath(died_at=MONDAY - timedelta(hours=28))]),
        ({"deceasedBoolean": False}, "POST", [w.WithdrawDeath()]),
        ({"deceasedBoolean": False}, "PUT", [w.WithdrawDeath()]),
        ({}, "PUT", []),
        ({}, "POST", []),
    ],
)
def test_only_what_a_patient_states_of_their_death_counts_and_an_update_that_leaves_it_out_states_nothing(
    keys: Keys, stated: Json, method: str, expected: list[Command]
) -> None:
    found = commands_of(keys, bundles.patient("0001") | stated, method=method)
    assert [each for each in found if isinstance(each, w.ReportDeath | w.WithdrawDeath)] == expected


def test_nobody_has_died_tomorrow(keys: Keys) -> None:
    with pytest.raises(HttpRefusal, match=r"business-rule at .*deceased"):
        commands_of(keys, bundles.patient("0001") | {"deceasedDateTime": "2026-01-07"})


EPISODE: Json = {"resourceType": "EpisodeOfCare", "status": "active", "patient": {"reference": WHO}}
HOME = {"coding": [{"system": codes.DISCHARGE, "code": "home"}]}
LEFT: Json = {
    "resourceType": "Encounter",
    "status": "finished",
    "class": {"system": codes.ACT, "code": "AMB"},
    "subject": {"reference": WHO},
    "hospitalization": {"dischargeDisposition": HOME},
}


def test_an_episode_active_again_takes_its_discharge_back_and_its_encounter_says_the_same_once(keys: Keys) -> None:
    (command,) = commands_of(keys, EPISODE, method="PUT")
    assert isinstance(command, w.WithdrawDischarge) and command.encounter_id == ""
    both = commands_of(keys, EPISODE, LEFT | {"status": "entered-in-error"}, method="PUT", before=LEFT)
    assert both == (command,)


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "in-progress"])
def test_the_encounter_of_a_discharge_that_is_not_finished_any_more_takes_it_back(keys: Keys, status: str) -> None:
    (command,) = commands_of(keys, LEFT | {"status": status}, method="PUT", before=LEFT)
    assert isinstance(command, w.WithdrawDischarge) and command.episode_id == ""


def test_the_encounter_of_a_discharge_corrects_its_disposition_and_its_time(keys: Keys) -> None:
    ama = {"hospitalization": {"dischargeDisposition": {"coding": [{"system": codes.DISCHARGE, "code": "aadvice"}]}}}
    (command,) = commands_of(keys, LEFT | ama, method="PUT", before=LEFT)
    assert isinstance(command, w.CorrectDischarge) and (command.disposition, command.at) == ("ama", None)
    (command,) = commands_of(keys, LEFT | {"period": {"end": "2026-01-05T10:00:00Z"}}, method="PUT", before=LEFT)
    assert isinstance(command, w.CorrectDischarge) and command.at == MONDAY - timedelta(hours=4)


def test_an_encounter_that_never_stated_a_disposition_decides_nothing(keys: Keys) -> None:
    visit = {name: value for name, value in LEFT.items() if name != "hospitalization"}
    assert commands_of(keys, visit | {"status": "entered-in-error"}, method="PUT", before=visit) == ()
    found = interpreted(keys, LEFT)
    assert found.commands == () and [each.type for each in found.accepted] == ["Encounter"]
    ((issue,),) = found.remarks.values()
    assert "EpisodeOfCare" in issue.diagnostics


SAFETY_TASK: Json = {
    "resourceType": "Task",
    "status": "requested",
    "intent": "order",
    "code": {"coding": [{"system": codes.ESCALATION, "code": "safety"}]},
    "reasonCode": {"coding": [{"system": codes.ESCALATION, "code": "suicide-risk"}]},
    "for": {"reference": WHO},
}
OWNER = {"identifier": {"system": codes.STAFF, "value": "clinician-1"}}
SCREEN: Json = {
    "type": {"coding": [{"system": codes.INPUT, "code": "screen"}]},
    "valueReference": {"reference": "Observation/9f1f5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"},
}


def answered(reason: str, **changed: Any) -> Json:
    status_reason = {"coding": [{"system": codes.ESCALATION, "code": reason}]}
    return {**SAFETY_TASK, "status": "completed", "statusReason": status_reason, **changed}


def test_a_safety_escalation_is_ended_by_a_named_person_who_names_the_newer_screen(keys: Keys) -> None:
    whole = answered("reassessed-lower-risk", owner=OWNER, output=[SCREEN])
    (command,) = commands_of(keys, whole, method="PUT", before=SAFETY_TASK)
    assert isinstance(command, w.EndEvidence)
    assert (command.finding, command.by, command.screen) == (
        "suicide-risk",
        "clinician-1",
        SCREEN["valueReference"]["reference"],
    )
    (plan,) = commands_of(keys, answered("safety-plan-made", owner=OWNER), method="PUT", before=SAFETY_TASK)
    assert isinstance(plan, w.ResolveEscalation)


def test_a_local_reason_of_the_same_code_ends_no_evidence(keys: Keys) -> None:
    local = {"system": "http://ehr.example/reasons", "code": "mistaken"}
    acted = answered("acted-on", owner=OWNER)
    acted["statusReason"]["coding"].insert(0, local)
    (command,) = commands_of(keys, acted, method="PUT", before=SAFETY_TASK)
    assert isinstance(command, w.ResolveEscalation) and command.reason == "acted-on"


@pytest.mark.parametrize(
    ("task", "place"),
    [
        (answered("mistaken"), "owner"),
        (answered("reassessed-lower-risk", output=[SCREEN]), "owner"),
        (answered("reassessed-lower-risk", owner=OWNER), "output"),
    ],
)
def test_nobody_ends_evidence_without_a_name_and_a_newer_screen(keys: Keys, task: Json, place: str) -> None:
    with pytest.raises(HttpRefusal, match=rf"required at Bundle.entry\[0\].resource.{place}"):
        commands_of(keys, task, method="PUT", before=SAFETY_TASK)


plain = some.text(max_size=12) | some.sampled_from(["Yes", "no", "LA33-6", "Y", "12", "-1", "9e99", "NaN", "Infinity"])
values = some.one_of(
    some.builds(dict, valueString=plain),
    some.builds(dict, valueBoolean=some.booleans()),
    some.builds(dict, valueInteger=some.integers(-(2**31), 2**31 - 1)),
    some.builds(dict, valueDecimal=some.decimals(allow_nan=False, allow_infinity=False).map(float)),
    some.builds(
        dict,
        valueQuantity=some.fixed_dictionaries(
            {}, optional={"value": some.integers(-99, 99), "comparator": some.sampled_from(["<", "<=", ">=", ">"])}
        ),
    ),
    some.builds(dict, valueCoding=some.fixed_dictionaries({}, optional={"code": plain, "display": plain})),
    some.builds(dict, valueDate=some.just("2026-01-05")),
    some.just({}),
)


@settings(max_examples=examples(300))
@given(some.sampled_from(sorted({*STATED, *(code for each in INSTRUMENTS.asked for code in each.codes)})), values)
def test_whatever_is_answered_counts_within_its_bounds_or_is_unreadable(asked: str, value: Json) -> None:
    asks = question(asked)
    assert asks is not None
    counted = answers.points(asks, value)
    assert counted.value is None or 0 <= counted.value <= INSTRUMENTS.most.get(asks.finding, 1)
    if counted.value is not None and not counted.readable and asks.finding != "c-ssrs-risk":
        assert "valueDecimal" in value or "valueString" in value or "comparator" in value["valueQuantity"]


@pytest.mark.parametrize(
    "value", [{"valueDecimal": 24.5}, {"valueString": " 24.5 "}, {"valueQuantity": {"value": 24.5}}]
)
def test_half_a_point_gives_no_milder_score_and_a_person_reads_it(value: Json) -> None:
    assert answers.points(Question("cows", ""), value) == answers.Points(24, readable=False)


def test_half_an_answer_is_neither_yes_nor_no() -> None:
    for asked in ("c-ssrs-q4", "safe-housing", "pregnant", "cows"):
        asks = question(asked)
        assert asks is not None
        assert answers.points(asks, {"valueDecimal": 0.5}) == answers.UNREADABLE

"""An EHR's own codes mean what its code map says; an item of a form what its Questionnaire says."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import pytest

from services.intake import messages as w
from services.intake.edge import edge
from services.intake.edge.own_codes import require_known
from shared.edge import fhir
from shared.edge.contract import Context, Interpretation
from shared.edge.rehearsing import rehearsed
from shared.events import codes
from shared.platform.keys import Keys
from shared.platform.settings import ConfigurationError
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.given import SETTINGS
from tests.intake.story import Story
from tests.intake.test_interpret import CALLER, PATIENT, WHO, clinical, keys, loinc, one, response

__all__ = ["keys"]
Json = dict[str, Any]
OURS = "urn:oid:1.2.840.114350.1"
CODES = {
    f"{OURS}|1570": "ciwa-ar",
    f"{OURS}|1571": "daily-heavy-use",
    f"{OURS}|2001": "withdrawal",
    f"{OURS}|LOC-2.1": "2.1",
    f"{OURS}|A-YES": "yes",
    f"{OURS}|A-OFTEN": "LA6571-9",
    f"{OURS}|A-19": "19",
    f"{OURS}|D-OUD": "opioid-use-disorder",
    f"{OURS}|D-SEIZURE": "withdrawal-seizure-history",
    f"{OURS}|D-OVERDOSE": "T40.2X1A",
    "https://ehr.example/form|level": "withdrawal",
    "https://ehr.example/form|q3": "44260-8",
}


def context(**own: str) -> Context:
    client = msgspec.structs.replace(CALLER.client, codes=own or CODES)
    return Context(replace(CALLER, client=client), PATIENT, "demo", SETTINGS, MONDAY)


def read(keys: Keys, *resources: Json, within: Context | None = None) -> Interpretation:
    sent = fhir.transaction(bundles.transaction(*resources))
    entries = fhir.resolve(sent, lambda entry: str(uuid5(NAMESPACE_URL, entry.place)))
    return edge(keys).read(entries, within or context())


def own(code: str, **value: Any) -> Json:
    return loinc("1", **value) | {"code": {"coding": [{"system": OURS, "code": code}]}}


def test_a_code_of_the_clients_map_is_a_score_or_a_fact(keys: Keys) -> None:
    meaning = read(keys, own("1570", valueQuantity={"value": 21}), own("1571", valueBoolean=True))
    found = one(meaning.commands, w.RecordAssessment).findings
    assert {each.code: each.value for each in found} == {"ciwa-ar": 21, "daily-heavy-use": 1}
    assert read(keys, own("1572", valueBoolean=True)).commands == ()


def test_a_need_and_its_level_are_read_by_the_clients_map(keys: Keys) -> None:
    level = {"coding": [{"system": OURS, "code": "LOC-2.1"}]}
    (stated,) = one(read(keys, own("2001", valueCodeableConcept=level)).commands, w.RecordAssessment).needs
    assert (stated.dimension, stated.level) == ("withdrawal", "2.1")


def test_an_item_of_a_form_is_read_by_the_clients_map(keys: Keys) -> None:
    item = {"linkId": "q3", "answer": [{"valueInteger": 2}]}
    meaning = read(keys, response(item, questionnaire="https://ehr.example/form|2.0"))
    assert [each.code for each in one(meaning.commands, w.RecordAssessment).findings] == ["phq-9-item-9"]


def test_another_client_s_map_says_nothing(keys: Keys) -> None:
    other = context(**{"urn:other|1": "cows"})
    assert read(keys, own("1570", valueQuantity={"value": 21}), within=other).commands == ()


def test_an_item_is_read_by_the_code_that_its_questionnaire_in_the_bundle_gives_it(keys: Keys) -> None:
    form = {
        "resourceType": "Questionnaire",
        "status": "active",
        "url": "https://ehr.example/screen",
        "item": [
            {
                "linkId": "group",
                "type": "group",
                "item": [{"linkId": "a", "type": "choice", "code": [{"code": "93249-1"}]}],
            }
        ],
    }
    answered = response({"linkId": "a", "answer": [{"valueBoolean": True}]}, questionnaire="https://ehr.example/screen")
    assert read(keys, answered).commands == ()
    meaning = read(keys, form, answered)
    assert [each.code for each in one(meaning.commands, w.ReportFindings).findings] == ["c-ssrs-q4"]
    mapped = context(**{"https://ehr.example/screen|a": "c-ssrs-q2"})
    found = one(read(keys, form, answered, within=mapped).commands, w.RecordAssessment).findings
    assert [each.code for each in found] == ["c-ssrs-q2"]


@pytest.mark.parametrize(("own_code", "meaning"), [("1570", "ciwa-ar"), (f"{OURS}|1570", "ciwa")])
def test_a_line_that_nothing_reads_stops_the_start_by_its_place(tmp_path: Path, own_code: str, meaning: str) -> None:
    def write(line: str) -> None:
        table = '[client.ehr]\nprograms = ["demo"]\nbase_url = "https://ehr.example"\n[client.ehr.codes]\n'
        (tmp_path / "clients.toml").write_text(f"{table}{line}\n")

    write(f'"{own_code}" = "{meaning}"')
    with pytest.raises(ConfigurationError, match=r"clients\.toml: client\.ehr\.codes\..*must map system\|code"):
        require_known(tmp_path)
    write(f'"{OURS}|1570" = "ciwa-ar"')
    require_known(tmp_path)


def rehearse(keys: Keys, resource: Json) -> dict[str, tuple[tuple[str, ...], bool]]:
    found = rehearsed(edge(keys), msgspec.json.encode(resource), context())
    return {each.place: (each.lines, each.refused) for each in found}


def test_what_would_be_refused_is_said_and_the_rest_is_read_without_it(keys: Keys) -> None:
    untimed = {name: value for name, value in own("1570", valueInteger=9).items() if name != "effectiveDateTime"}
    level = {"coding": [{"system": OURS, "code": "LOC-9"}]}
    sample = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [
            {"resource": each}
            for each in (
                loinc("44261-6", valueInteger=12),
                own("2001", valueCodeableConcept=level),
                own("99", valueInteger=1),
                {"resourceType": "Location", "status": "active"},
                untimed,
            )
        ],
    }
    found = rehearse(keys, sample)
    place = "Bundle.entry[{}].resource".format
    assert found[place(0)] == ((f"read as phq-9 ({place(0)}.value)",), False)
    assert found[place(1)] == ((f"not read: level of withdrawal unknown; a person is asked ({place(1)})",), False)
    assert found[place(2)] == ((f"not read: code unknown ({place(2)})",), False)
    assert found[place(3)] == (("not read: stored as it came",), False)


def test_one_resource_is_read_alone_and_what_is_no_fhir_is_refused_whole(keys: Keys) -> None:
    (lines, refused), *_ = rehearse(keys, loinc("44261-6", valueInteger=12)).values()
    assert (lines[0].startswith("read as phq-9"), refused) == (True, False)
    ((lines, refused),) = rehearse(keys, {"resourceType": "Observation"}).values()
    assert refused and lines


def coded(code: str, **words: str) -> Json:
    return {"coding": [{"system": OURS, "code": code, **words}]}


def found(meaning: Interpretation) -> dict[str, int]:
    return {each.code: each.value for each in one(meaning.commands, w.RecordAssessment).findings}


def test_an_answer_in_the_clients_own_codes_is_a_yes_a_code_of_loinc_or_points(keys: Keys) -> None:
    answers = {
        "daily-heavy-use": own("1571", valueCodeableConcept=coded("A-YES")),
        "phq-9-item-9": loinc("44260-8", valueCodeableConcept=coded("A-OFTEN")),
        "ciwa-ar": own("1570", valueCodeableConcept=coded("A-19")),
    }
    assert found(read(keys, *answers.values())) == {"daily-heavy-use": 1, "phq-9-item-9": 3, "ciwa-ar": 19}
    item = {"linkId": "q3", "answer": [{"valueCoding": coded("A-OFTEN")["coding"][0]}]}
    assert found(read(keys, response(item, questionnaire="https://ehr.example/form"))) == {"phq-9-item-9": 3}


def test_an_own_answer_that_no_map_names_is_read_by_a_person_and_points_beyond_the_score_are_too(keys: Keys) -> None:
    unmapped = own("1570", valueCodeableConcept=coded("A-20"))
    assert found(read(keys, unmapped)) == {"screen-unreadable": 1}
    beyond = own("1571", valueCodeableConcept=coded("A-19"))
    assert found(read(keys, beyond)) == {"screen-unreadable": 1}


def test_what_an_answer_means_by_the_map_goes_before_its_words(keys: Keys) -> None:
    """A display may say yes to a question that asks for the opposite; another code beside it still counts."""
    denied = context(**{**CODES, f"{OURS}|A-YES": "no"})
    words = coded("A-YES", display="Yes") | {"text": "Yes"}
    assert found(read(keys, own("1571", valueCodeableConcept=words), within=denied)) == {"daily-heavy-use": 0}
    with_a_yes = {"coding": [*coded("A-YES")["coding"], {"system": codes.LOINC, "code": "LA33-6"}]}
    assert found(read(keys, own("1571", valueCodeableConcept=with_a_yes), within=denied)) == {"daily-heavy-use": 1}


@pytest.mark.parametrize(
    ("code", "changed", "evident"),
    [
        ("D-OUD", {}, {"opioid-use-disorder"}),
        ("D-OUD", clinical("resolved"), set()),
        ("D-SEIZURE", clinical("resolved"), {"withdrawal-seizure-history"}),
        ("D-OVERDOSE", {}, {"current-overdose", "recent-overdose", "overdose-history"}),
        ("D-OTHER", {}, set()),
    ],
)
def test_a_condition_in_the_clients_own_codes_is_what_the_map_says(
    keys: Keys, code: str, changed: Json, evident: set[str]
) -> None:
    condition = bundles.condition(WHO, "R07.9") | {"code": coded(code)} | changed
    recorded = [each for each in read(keys, condition).commands if isinstance(each, w.RecordConditions)]
    assert {finding.code for each in recorded for finding in each.findings} == evident
    ((lines, refused),) = rehearse(keys, condition).values()
    assert not refused and len(lines) == max(len(evident), 1)


def test_an_item_of_a_form_states_a_need_by_the_clients_map(keys: Keys) -> None:
    item = {"linkId": "level", "answer": [{"valueCoding": coded("LOC-2.1")["coding"][0]}]}
    form = response(item, questionnaire="https://ehr.example/form")
    (stated,) = one(read(keys, form).commands, w.RecordAssessment).needs
    assert (stated.dimension, stated.level) == ("withdrawal", "2.1")
    assert stated.source.startswith("QuestionnaireResponse/")
    ((lines, _),) = rehearse(keys, form).values()
    assert [each.partition(" (")[0] for each in lines] == ["read as withdrawal"]


UNREAD_LEVELS = [
    {"valueCodeableConcept": coded("LOC-9")},
    {"valueCodeableConcept": {"coding": [{"code": "2.1"}]}},
    {"valueCodeableConcept": {"coding": [{"system": codes.LEVEL, "code": "9.9"}]}},
    {"valueCodeableConcept": {"coding": [*coded("LOC-2.1")["coding"], {"system": codes.LEVEL, "code": "9.9"}]}},
    {"valueString": "2.1"},
    {},
]


@pytest.mark.parametrize("value", UNREAD_LEVELS)
def test_a_need_whose_level_nobody_can_read_refuses_nothing_and_is_missing(keys: Keys, value: Json) -> None:
    """Four needs, an overdose and the referral of the same Bundle count; a person is asked for the fifth."""
    others = [bundles.need(WHO, each, "1.5") for each in bundles.IOP_NEEDS if each != "withdrawal"]
    sent = [*others, own("2001", **value), bundles.fact(WHO, "current-overdose", True), bundles.referral(WHO)]
    state = Story().and_then(*read(keys, *sent).commands).state
    assert state.referral is not None
    assert [each.escalation.reason for each in state.escalations] == ["medical-emergency"]
    (need,) = [each for each in state.needs if each.dimension == "withdrawal"]
    assert need.level == "unreadable"
    quiet = Story().and_then(*read(keys, *sent[:-2], sent[-1]).commands).state
    (review,) = quiet.reviews
    assert (review.reason, set(review.missing) - {"age"}) == ("R0", {"withdrawal"})
    assert quiet.recommended is None


def test_an_older_readable_need_does_not_stand_in_for_one_that_nobody_can_read(keys: Keys) -> None:
    before = [bundles.need(WHO, each, "1.5", MONDAY - timedelta(days=1)) for each in bundles.IOP_NEEDS]
    newer = own("2001", valueCodeableConcept=coded("LOC-9"))
    state = Story().and_then(*read(keys, *before, newer, bundles.referral(WHO)).commands).state
    assert "withdrawal" in next(each.missing for each in state.reviews if each.reason == "R0")


def test_the_need_of_a_dimension_that_nobody_knows_asks_a_person_and_refuses_nothing(keys: Keys) -> None:
    unknown = bundles.need(WHO, "readiness", "1.0")
    meaning = read(keys, unknown, bundles.fact(WHO, "pregnant", True))
    assert found(meaning) == {"screen-unreadable": 1, "pregnant": 1}
    unanswered = {name: value for name, value in unknown.items() if not name.startswith("value")}
    assert read(keys, unanswered).commands == ()

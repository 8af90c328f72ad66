"""An EHR's own codes mean what its code map says; an item of a form what its Questionnaire says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.intake import messages as w
from services.intake.edge import edge
from services.intake.edge.own_codes import require_known
from shared.edge import fhir
from shared.edge.contract import Context, Interpretation
from shared.edge.rehearsing import rehearsed
from shared.platform.keys import Keys
from shared.platform.settings import ConfigurationError
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.given import SETTINGS
from tests.intake.test_interpret import CALLER, PATIENT, keys, loinc, one, response

__all__ = ["keys"]
Json = dict[str, Any]
OURS = "urn:oid:1.2.840.114350.1"
CODES = {
    f"{OURS}|1570": "ciwa-ar",
    f"{OURS}|1571": "daily-heavy-use",
    f"{OURS}|2001": "withdrawal",
    f"{OURS}|LOC-2.1": "2.1",
    "https://ehr.example/form|q3": "44260-8",
}


def context(**own: str) -> Context:
    client = msgspec.structs.replace(CALLER.client, codes=own or CODES)
    return Context(replace(CALLER, client=client), PATIENT, "demo", SETTINGS, MONDAY)


def read(keys: Keys, *resources: Json, within: Context | None = None) -> Interpretation:
    sent = fhir.transaction(bundles.transaction(*resources))
    entries = fhir.resolve(sent, lambda entry: entry.place.rpartition("[")[2].partition("]")[0])
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
    assert found[place(1)][1] and "Must be a level of care" in found[place(1)][0][0]
    assert found[place(2)] == ((f"not read: code unknown ({place(2)})",), False)
    assert found[place(3)] == (("not read: stored as it came",), False)


def test_one_resource_is_read_alone_and_what_is_no_fhir_is_refused_whole(keys: Keys) -> None:
    (lines, refused), *_ = rehearse(keys, loinc("44261-6", valueInteger=12)).values()
    assert (lines[0].startswith("read as phq-9"), refused) == (True, False)
    ((lines, refused),) = rehearse(keys, {"resourceType": "Observation"}).values()
    assert refused and lines

"""A form's items are read by the codes of its Questionnaire, whichever way and whenever before the client sent it."""

from typing import Any

import pytest

from services.intake import app
from shared.edge.forms import newest
from shared.edge.outcome import HttpRefusal
from shared.platform.keys import Keys
from tests.intake import bundles
from tests.intake.bundles import MONDAY, MRN_SYSTEM
from tests.intake.test_interpret import keys, response
from tests.intake.test_own_codes import CODES, OURS, context, found, read
from tests.service import ServiceOnPostgres, StartService

__all__ = ["keys"]
Json = dict[str, Any]
URL = "https://ehr.example/screen"


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    started = await start_service(app.assemble, "intake", MONDAY)
    await started.submit(bundles.intake("0001"))
    return started


def form(asks: str = "44260-8", version: str | None = "1", **changed: Any) -> Json:
    """One question, `a`, with this code; in a group, as forms are."""
    item = {"linkId": "a", "type": "choice", "code": [{"code": asks}]}
    versioned = {"version": version} if version else {}
    group = {"linkId": "group", "type": "group", "item": [item]}
    return {"resourceType": "Questionnaire", "status": "active", "url": URL, "item": [group]} | versioned | changed


def answered(canonical: str = f"{URL}|1", points: int = 2, **changed: Any) -> Json:
    item = {"linkId": "a", "answer": [{"valueInteger": points}]}
    about = {"identifier": {"system": MRN_SYSTEM, "value": "0001"}}
    return response(item, questionnaire=canonical, subject=about, **changed)


async def outcome(intake: ServiceOnPostgres, resource: Json, client: str = "ehr") -> list[str]:
    """What its entry's outcome says of how it was read."""
    done = await intake.submit(bundles.transaction(resource), client)
    return [each["diagnostics"] for each in (done.answered[-1].outcome or {}).get("issue", ())]


READ = "read as phq-9-item-9"
UNREAD = "not read: code unknown; its Questionnaire too, a person is asked"


async def test_a_form_that_was_posted_before_says_what_its_items_ask(intake: ServiceOnPostgres) -> None:
    identity = await intake.post(form())
    assert READ in await outcome(intake, answered())
    (stored,) = await intake.found("Questionnaire")
    assert (stored["id"], stored["url"]) == (identity, URL)
    assert await intake.count("resources WHERE type = 'Questionnaire' AND patient <> ''") == 0


async def test_a_form_in_an_earlier_bundle_counts_too_and_that_of_another_client_does_not(
    intake: ServiceOnPostgres,
) -> None:
    await intake.submit(bundles.transaction(form(), answered(points=0)))
    assert READ in await outcome(intake, answered())
    await intake.post(form(version="2"), client="lab")
    assert await outcome(intake, answered(f"{URL}|2")) == [UNREAD]


async def test_an_update_changes_what_is_read_from_then_on_and_the_same_again_nothing(
    intake: ServiceOnPostgres,
) -> None:
    identity = await intake.post(form("8867-4"))
    assert UNREAD not in (lines := await outcome(intake, answered()))
    assert lines == ["not read: code unknown"]
    await intake.put_thrice(form() | {"id": identity})
    assert READ in await outcome(intake, answered())
    assert await intake.post(form()) == identity
    (stored,) = await intake.found("Questionnaire")
    assert stored["meta"]["versionId"] == "2"


async def test_a_response_without_a_version_is_read_by_the_newest(intake: ServiceOnPostgres) -> None:
    for version, asks in (("1.10", "44260-8"), ("1.9", "44250-9")):
        await intake.post(form(asks, version))
    assert READ in await outcome(intake, answered(URL))
    assert READ not in await outcome(intake, answered(f"{URL}|1.9"))


async def test_a_form_that_nobody_has_sent_is_one_task_however_often_it_is_answered(intake: ServiceOnPostgres) -> None:
    assert await outcome(intake, answered()) == await outcome(intake, answered(f"{URL}|7")) == [UNREAD]
    task = await intake.task("send-questionnaire")
    assert [each["valueString"] for each in task["input"]] == ["ehr", URL]
    await intake.put(task | {"status": "completed"})
    assert (await intake.task("send-questionnaire"))["status"] == "completed"


async def test_what_can_be_read_without_its_form_asks_nobody_for_it(intake: ServiceOnPostgres) -> None:
    by_link = {"linkId": "/44260-8", "answer": [{"valueInteger": 2}]}
    assert READ in await outcome(intake, answered() | {"item": [by_link]})
    assert await outcome(intake, answered() | {"item": [{"linkId": "a"}]}) == ["not read: code unknown"]
    codes = [each["code"]["coding"][0]["code"] for each in await intake.found("Task")]
    assert "send-questionnaire" not in codes


async def test_a_form_in_a_refused_bundle_is_not_stored(intake: ServiceOnPostgres) -> None:
    need = bundles.need("", "biomedical", "1.0") | {"subject": answered()["subject"]}
    untimed = {name: value for name, value in need.items() if name != "effectiveDateTime"}
    with pytest.raises(HttpRefusal):
        await intake.submit(bundles.transaction(form(), untimed))
    assert await intake.count("resources WHERE type = 'Questionnaire'") == 0


@pytest.mark.parametrize(("changed", "status"), [({"version": "2"}, 422), ({"id": "no-such-form"}, 422)])
async def test_an_update_is_of_the_same_form(intake: ServiceOnPostgres, changed: Json, status: int) -> None:
    identity = await intake.post(form())
    with pytest.raises(HttpRefusal) as refused:
        await intake.put(form() | {"id": identity} | changed)
    assert refused.value.status == status


def test_a_contained_form_is_that_of_its_response_alone(keys: Keys) -> None:
    one, other = (answered("#form", contained=[form(asks) | {"id": "form"}]) for asks in ("44260-8", "93249-1"))
    other["item"][0]["answer"] = [{"valueBoolean": True}]
    assert found(read(keys, one, other)) == {"phq-9-item-9": 2, "c-ssrs-q4": 1}


def test_the_clients_map_says_what_the_codes_of_a_form_mean_and_goes_before_it_for_an_item(keys: Keys) -> None:
    own = form() | {"item": [{"linkId": "a", "type": "integer", "code": [{"system": OURS, "code": "1570"}]}]}
    assert found(read(keys, own, answered(URL, 12))) == {"ciwa-ar": 12}
    mapped = context(**{**CODES, f"{URL}|a": "cows"})
    assert found(read(keys, own, answered(URL, 12), within=mapped)) == {"cows": 12}


def test_by_another_version_nothing_is_read_and_by_one_without_a_version_all_are(keys: Keys) -> None:
    assert read(keys, form(version="2"), answered()).commands == ()
    assert found(read(keys, form(version=None), answered())) == {"phq-9-item-9": 2}


def test_a_word_that_is_also_a_dimension_states_no_need(keys: Keys) -> None:
    assert read(keys, form("withdrawal"), answered()).commands == ()


@pytest.mark.parametrize(
    ("versions", "expected"),
    [(["1.9", "1.10", "1.2"], "1.10"), (["2025-12", "2026-01"], "2026-01"), (["1", ""], "1"), (["draft", "1"], "1")],
)
def test_the_newest_is_the_highest_version_in_whatever_order_they_came(versions: list[str], expected: str) -> None:
    forms = [form(version=each) for each in versions]
    assert newest(forms).get("version") == newest(forms[::-1]).get("version") == expected
    retired = [each | {"status": "retired"} if each.get("version") == expected else each for each in forms]
    assert newest(retired).get("version") != expected

"""The pages that are made from the code are up to date, and no text for a user escapes them."""

import ast
import re

import pytest

from deploy.documents import alerts, errors, metrics, pages
from deploy.documents.emitters import Emitter, Text, texts
from deploy.documents.sources import constants

MODULE = """
WHERE = "clients.toml"

def handle(busy):
    if busy:
        reason = f"The {kind(busy)} is busy" + (" now" if busy.now else "")
        raise refuse(503, "throttled", "", reason)
    for wrong, field in ((a, "id"), (b, "name")):
        _no("required", f"{field} is required, see {WHERE}.")
    raise refuse(400, diagnostics="Send less.", code="too-long", expression="")

def _no(code, diagnostics, status=422):
    raise refuse(status, code, "", diagnostics)
"""


@pytest.mark.timeout(60)
def test_every_page_is_up_to_date() -> None:
    assert pages.stale() == [], "renew them with: .venv/bin/python -m deploy.documents"


def test_a_text_is_found_however_it_is_put_together() -> None:
    module = ast.parse(MODULE)
    found = sorted(texts("room.py", module, constants(module), errors.FHIR))
    assert [(text.text, text.code, text.status) for text in found] == [
        ("The {busy} is busy", "throttled", "503"),
        ("The {busy} is busy now", "throttled", "503"),
        ("id is required, see clients.toml.", "required", "422"),
        ("name is required, see clients.toml.", "required", "422"),
        ("Send less.", "too-long", "400"),
    ]


@pytest.mark.parametrize(
    ("emitters", "rooms", "known"),
    [
        (errors.FHIR, ("shared", "services"), "The token has expired."),
        (errors.COMMAND, ("deploy",), "nothing is parked under this key or id"),
        (errors.ISSUER, ("deploy",), "grant_type must be client_credentials"),
    ],
)
def test_each_kind_of_text_is_on_the_page(emitters: dict[str, Emitter], rooms: tuple[str, ...], known: str) -> None:
    found: list[Text] = errors.found(emitters, *rooms)
    assert known in {text.text for text in found}
    page = errors.page()
    assert [text for text in found if text.text.replace("|", "\\|") not in page] == []


def test_every_metric_of_an_alert_or_of_the_dashboard_exists_with_the_labels_it_asks_for() -> None:
    known = {
        name: set(re.findall(r"\w+", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", metrics.page(), re.M)
    }
    expressions = [*(each.expr for each in alerts.rules()), *alerts.panels()]
    asked = [each for expression in expressions for each in alerts.asked(expression)]
    assert ("iop_lane_oldest_seconds", {"lane"}) in asked, "a partner's lane is an alert"
    assert [name for name, labels in asked if not labels <= known.get(name, set()) or name not in known] == []


def test_each_alert_is_tried_with_a_series_that_fires_it() -> None:
    tried = (alerts.SOURCE.parent / "alerts_test.yml").read_text()
    assert [each.alert for each in alerts.rules() if f'{{alertname="{each.alert}"}}' not in tried] == []

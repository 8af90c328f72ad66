"""A partner without a client answers in a browser: a preview changes nothing, a step counts once, nobody is named."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from structlog.testing import capture_logs

from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.events import codes, fhir
from shared.events.codes import STAFF
from shared.path.inbound.readiness import Check
from tests.aftercare.running import DISCHARGED, Aftercare, admission, consent, discharge, identified
from tests.aftercare.test_closed_loop import task_of
from tests.aftercare.test_form import LINKS
from tests.laws import examples

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ENDED = "This link is not valid, or no more."
ALUMNI = "riverbend-alumni"


async def _ready() -> Sequence[Check]:
    return ()


@dataclass
class Browser:
    """What somebody at the alumni group holds: the link of the referral that they were sent."""

    aftercare: Aftercare
    http: httpx.AsyncClient
    path: str

    async def get(self, path: str | None = None) -> httpx.Response:
        return await self.http.get(path or self.path)

    async def press(self, content: str, path: str | None = None) -> httpx.Response:
        return await self.http.post(path or self.path, content=content, headers=FORM)

    async def stands(self) -> str:
        """The business status of the referral."""
        task = await task_of(self.aftercare, ALUMNI)
        return str(task["businessStatus"]["coding"][0]["code"])


def link_in(received: dict[str, Any]) -> str:
    task = next(each["resource"] for each in received["entry"] if each["resource"]["resourceType"] == "Task")
    asked = fhir.concept(codes.INPUT, "answer-link")
    return next(str(urlsplit(each["valueUrl"]).path) for each in task["input"] if each["type"] == asked)


@pytest.fixture
async def browser(aftercare: Aftercare) -> AsyncIterator[Browser]:
    running = aftercare.running
    dependencies = EdgeDependencies(
        running.submissions,
        TokenVerifier("http://127.0.0.1:1", "iop-hub", {}),
        aftercare.reader,
        aftercare.inbox,
        "",
        ready=_ready,
        more=aftercare.parts.routes(running),
    )
    await identified(aftercare)
    await aftercare.learn(consent("c1"), admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks((ALUMNI, "requested"), ("riverbend-outpatient", "on-hold"))
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Browser(aftercare, http, link_in(aftercare.partner.received[0]))


async def test_a_preview_changes_nothing_and_tells_nothing_of_the_patient(browser: Browser) -> None:
    shown = [await browser.get(), await browser.http.head(browser.path)]
    assert [each.status_code for each in shown] == [200, 200]
    assert await browser.stands() == "sent"
    text = shown[0].text
    assert "We accept the referral" in text and "Riverbend" in text and "<script" not in text
    referral = (await task_of(browser.aftercare, ALUMNI))["focus"]["reference"].removeprefix("ServiceRequest/")
    for nothing in (referral, browser.aftercare.patient, "Seeded", "5550123", "alumni"):
        assert nothing not in text
    assert shown[0].headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown[0].headers["content-security-policy"]


async def test_each_step_is_answered_once_and_the_referrals_number_is_shown_after(browser: Browser) -> None:
    first = await browser.press("step=accepted")
    assert (first.status_code, await browser.stands()) == (200, "accepted")
    emitted = await browser.aftercare.emitted()
    browser.aftercare.set_clock(DISCHARGED + timedelta(hours=1))
    assert (await browser.press("step=accepted")).status_code == 200
    assert await browser.aftercare.emitted() == emitted
    referral = (await task_of(browser.aftercare, ALUMNI))["focus"]["reference"].removeprefix("ServiceRequest/")
    assert referral in first.text and referral in (await browser.get()).text
    (provenance,) = await browser.aftercare.read("Provenance")
    assert provenance["agent"][0]["who"]["identifier"]["value"] == "partner-link"


async def test_an_appointment_is_read_in_the_programs_zone(browser: Browser) -> None:
    for unclear in ("soon", "2026-04-02", "2026-04-02T09:30%2B09:00", "2026-04-02T09:30Z"):
        assert (await browser.press(f"step=scheduled&at={unclear}")).status_code == 422
    assert (await browser.press("step=scheduled&at=2026-04-02T09:30")).status_code == 200
    (output,) = (await task_of(browser.aftercare, ALUMNI))["output"]
    assert output["valueDateTime"] == "2026-04-02T13:30:00Z"
    assert "2026-04-02 09:30 EDT" in (await browser.get()).text


async def test_a_no_needs_a_reason_and_ends_it(browser: Browser) -> None:
    assert (await browser.press("step=declined")).status_code == 422
    assert await browser.stands() == "sent"
    assert (await browser.press("step=declined&reason=no-capacity")).status_code == 200
    over = await browser.press("step=accepted")
    assert "This referral is over" in over.text and "<form" not in over.text
    assert await browser.stands() == "declined"


async def test_after_it_was_taken_back_the_link_is_as_one_that_never_was(browser: Browser) -> None:
    person = {"identifier": {"system": STAFF, "value": "case-manager-1"}}
    await browser.aftercare.put({**await task_of(browser.aftercare, ALUMNI), "status": "cancelled", "owner": person})
    never = await browser.get(f"/r/{urlsafe_b64encode(uuid4().bytes * 3).decode()}x")
    gone = await browser.press("step=accepted")
    assert (gone.status_code, gone.text) == (never.status_code, never.text) == (404, gone.text)
    assert ENDED in gone.text


async def test_three_wrong_tokens_end_it_and_none_is_logged(browser: Browser) -> None:
    beginning = browser.path[: len("/r/") + 22]
    with capture_logs() as logs:
        for number in range(3):
            assert (await browser.get()).status_code == 200
            wrong = await browser.get(f"{beginning}{str(number) * 43}")
            assert (wrong.status_code, ENDED in wrong.text) == (404, True)
    assert (await browser.get()).status_code == 404
    assert (await browser.press("step=accepted")).status_code == 404
    assert await browser.stands() == "sent"
    assert beginning.removeprefix("/r/") not in str(logs)


async def test_who_guesses_a_beginning_ends_nobodys_link(browser: Browser) -> None:
    for _ in range(5):
        guessed = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        assert (await browser.get(f"/r/{guessed}{browser.path[-43:]}")).status_code == 404
    assert (await browser.get()).status_code == 200


async def test_the_same_referral_sent_again_has_the_same_link_and_nothing_of_it_is_stored(browser: Browser) -> None:
    stored = await browser.aftercare.pool.fetch(
        "SELECT body FROM state UNION ALL SELECT body FROM resources UNION ALL SELECT content FROM journal"
    )
    token = browser.path.removeprefix("/r/")
    assert not any(part in row["body"] for row in stored for part in (token[:22], token[22:]))


async def test_it_is_valid_for_ninety_days(browser: Browser) -> None:
    browser.aftercare.set_clock(DISCHARGED + timedelta(days=91))

    async def closed() -> bool:
        return (await browser.get()).status_code == 404

    await browser.aftercare.until(closed)


@given(some.uuids())
@settings(max_examples=examples(100))
def test_a_token_leads_to_its_task_and_any_other_letters_do_not(task_id: Any) -> None:
    token = LINKS.token(str(task_id))
    assert LINKS.task_of(token) == str(task_id)
    assert LINKS.is_secret_of(token, str(task_id))
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert not LINKS.is_secret_of(changed, str(task_id))
    assert str(task_id) not in token


@given(some.text() | some.from_regex(r"[A-Za-z0-9_-]{60,70}", fullmatch=True))
@settings(max_examples=examples(100))
def test_whatever_stands_in_the_address_is_read_or_is_none(token: str) -> None:
    found = LINKS.task_of(token)
    assert found is None or len(token) == 65

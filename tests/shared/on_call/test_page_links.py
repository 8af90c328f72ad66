""" "I have it" from a telephone: a link previews without effect, acts once, ends by itself, and names nobody before."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.edge.page_links import AGAIN_SECONDS, PageLinks
from shared.path.destination import Routes
from shared.path.inbound.readiness import Check
from shared.path.outbound import links
from tests.intake import bundles
from tests.shared.on_call.escalated import TUESDAY_NIGHT, Escalated
from tests.shared.on_call.receiver import Receiver

MRN = "0001"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Telephone:
    """What whoever is on call holds: the link of the page that rang, and a browser."""

    escalated: Escalated
    http: httpx.AsyncClient
    path: str

    async def get(self, path: str | None = None) -> httpx.Response:
        return await self.http.get(path or self.path)

    async def press(self, content: str = "action=acknowledge", path: str | None = None) -> httpx.Response:
        return await self.http.post(path or self.path, content=content, headers=FORM)

    async def status(self) -> list[str]:
        found = await self.escalated.service.select(
            "SELECT body::json->>'status' FROM resources WHERE type = 'Task' AND body LIKE '%suicide-risk%'"
        )
        return [str(each[0]) for each in found]

    async def clients(self) -> list[tuple[str, str]]:
        """Through whom it was taken on, and how it is known who that was: each by its AuditEvent."""
        found = await self.escalated.service.select(
            """SELECT substring(body FROM 'on-call-link[a-z-]*'), substring(body FROM '"(proved|stated)"')
                FROM resources WHERE type = 'AuditEvent' AND body LIKE '%on-call-link%'"""
        )
        return [(str(client), str(known)) for client, known in found]


def link_of(receiver: Receiver) -> str:
    found = re.search(rb"https://intake.example.org(/e/[\w-]+)", receiver.pages[-1].body)
    assert found is not None
    return found[1].decode()


def dependencies(escalated: Escalated) -> EdgeDependencies:
    here = escalated.service
    paged = PageLinks(here.running.submissions, here.reader, escalated.pagers, here.wake_up)
    verifier = TokenVerifier("http://127.0.0.1:1", "iop-hub", {})
    return EdgeDependencies(
        here.running.submissions, verifier, here.reader, here.inbox, "", ready=_ready, more=paged.routes()
    )


async def _ready() -> Sequence[Check]:
    return ()


@pytest.fixture
async def rung(escalated: Escalated, pager: Receiver) -> AsyncIterator[Telephone]:
    """A screen came in at night and rang the pager of two people."""
    inbox = escalated.service.inbox
    inbox.routes = Routes([*inbox.routes.destinations, *escalated.destinations])
    transport = httpx.ASGITransport(build(dependencies(escalated)))
    async with escalated.running(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        await escalated.service.submit(bundles.intake(MRN, facts={"c-ssrs-q4": True}, at=TUESDAY_NIGHT))
        await pager.until(1)
        yield Telephone(escalated, http, link_of(pager))


async def test_a_preview_of_the_link_changes_nothing_and_names_nobody(rung: Telephone) -> None:
    shown = [await rung.get(), await rung.http.head(rung.path)]
    assert [each.status_code for each in shown] == [200, 200]
    assert await rung.status() == ["requested"]
    for text in ("T4 safety", "suicide-risk", "2026-03-03 03:15 EST", "I have it", "I cannot: tell the deputy"):
        assert text in shown[0].text
    assert MRN not in shown[0].text and "Patient" not in shown[0].text and "<script" not in shown[0].text
    headers = shown[0].headers
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_of_several_who_share_a_channel_one_says_who_they_are(rung: Telephone) -> None:
    unnamed = await rung.press()
    stranger = await rung.press("action=acknowledge&person=nobody-1")
    assert "Who are you?" in unnamed.text and "Who are you?" in stranger.text
    assert {(each.status_code, "Nobody has it yet" in each.text) for each in (unnamed, stranger)} == {(422, True)}
    assert "Nobody has it yet" not in (await rung.get()).text
    assert await rung.status() == ["requested"]

    taken = await rung.press("action=acknowledge&person=clinician-1")

    assert taken.status_code == 200 and "You have it" in taken.text and MRN in taken.text
    assert await rung.status() == ["accepted"]
    assert await rung.clients() == [("on-call-link-stated", "stated")]


async def test_whoever_has_it_is_told_so_where_the_patient_cannot_be_opened_any_more(rung: Telephone) -> None:
    await rung.escalated.service.pool.execute("UPDATE resources SET body = 'AAAA' WHERE type = 'Patient'")
    taken = await rung.press("action=acknowledge&person=clinician-1")
    assert "You have it" in taken.text and "Patient/" in taken.text and MRN not in taken.text


async def test_who_opened_the_link_or_was_shown_the_patient_is_recorded(rung: Telephone) -> None:
    service = rung.escalated.service
    await rung.get()
    await rung.press("action=acknowledge&person=clinician-1")
    await service.running.reads.write()
    found = await service.select("SELECT client, person, type, interaction FROM reads ORDER BY type, at")
    assert {each for each in found if each[0] != "ehr"} == {
        ("on-call-link-stated", "clinician-1", "Patient", "read"),
        ("on-call-link-stated", "", "Task", "read"),
    }


async def test_the_button_twice_is_answered_alike_and_later_the_link_is_used_up(rung: Telephone) -> None:
    pressed = "action=acknowledge&person=clinician-1"
    answers = [await rung.press(pressed) for _ in range(2)]
    assert [MRN in each.text for each in answers] == [True, True]
    rung.escalated.service.set_clock(TUESDAY_NIGHT + timedelta(seconds=AGAIN_SECONDS + 1))
    later = [await rung.press(pressed), await rung.get()]
    assert [MRN in each.text or "Patient" in each.text for each in later] == [False, False]
    assert "This escalation is accepted" in later[0].text


async def test_a_used_link_of_what_has_risen_since_offers_no_button(rung: Telephone) -> None:
    await rung.press("action=acknowledge&person=clinician-1")
    rung.escalated.service.set_clock(TUESDAY_NIGHT + timedelta(seconds=AGAIN_SECONDS + 1))
    await rung.escalated.service.pool.execute(
        "UPDATE resources SET body = replace(body, '\"accepted\"', '\"requested\"') WHERE type = 'Task'"
    )
    for shown in (await rung.get(), await rung.press("action=acknowledge&person=clinician-1")):
        assert "use the link of its newest page" in shown.text and "<button" not in shown.text


async def test_the_second_of_two_learns_who_was_first(rung: Telephone) -> None:
    await rung.press("action=acknowledge&person=clinician-1")
    second = await rung.press("action=acknowledge&person=on-call-clinician-1")
    assert second.status_code == 409 and "acknowledged by staff/clinician-1 at 03:00" in second.text
    assert MRN not in second.text


async def test_who_cannot_has_the_deputy_rung_whose_channel_is_their_own(rung: Telephone, deputies: Receiver) -> None:
    assert "The deputy is told" in (await rung.press("action=decline")).text
    await deputies.until(1)
    assert await rung.status() == ["requested"]
    deputy = await rung.get(link_of(deputies))
    assert "I have it" in deputy.text and "tell the deputy" not in deputy.text
    assert "You have it" in (await rung.press(path=link_of(deputies))).text
    assert await rung.clients() == [("on-call-link", "proved")]


async def test_three_wrong_tokens_end_the_link_and_the_deputy_is_told_instead(
    rung: Telephone, deputies: Receiver
) -> None:
    wrong = rung.path[:-4] + "AAAA"
    assert [(await rung.get(wrong)).status_code for _ in range(2)] == [404, 404]
    assert (await rung.get()).status_code == 200 and deputies.pages == []
    with capture_logs() as lines:
        assert (await rung.press(path=wrong)).status_code == 404
    assert [(await rung.get()).status_code, (await rung.press()).status_code] == [404, 404]
    assert [each["event"] for each in lines if each["log_level"] == "warning"] == [
        "link of a page ended: three tokens were wrong"
    ]
    assert await rung.status() == ["requested"]
    await deputies.until(1)
    assert "You have it" in (await rung.press(path=link_of(deputies))).text


async def test_whoever_knows_a_page_by_its_id_alone_ends_nobody_s_link(rung: Telephone, pager: Receiver) -> None:
    id_ = urlsafe_b64encode(UUID(pager.ids[0]).bytes).decode().rstrip("=")
    for guess in (f"{id_}{'A' * 43}", f"{id_}{rung.path[-43:]}"):
        assert [(await rung.get(f"/e/{guess}")).status_code for _ in range(4)] == [404] * 4
    assert (await rung.get()).status_code == 200
    assert "You have it" in (await rung.press("action=acknowledge&person=clinician-1")).text


@pytest.mark.parametrize("token", ["", "x", "A" * 65, "A" * 66, "%00" * 65, "..%2F..", "é" * 65])
async def test_what_is_no_token_of_a_page_is_not_found(rung: Telephone, token: str) -> None:
    assert (await rung.get(f"/e/{token}")).status_code == 404
    assert (await rung.press(path=f"/e/{token}")).status_code == 404


async def test_the_link_ends_when_the_escalation_is_to_be_acted_on(rung: Telephone) -> None:
    rung.escalated.service.set_clock(TUESDAY_NIGHT + timedelta(minutes=59))
    assert (await rung.get()).status_code == 200
    rung.escalated.service.set_clock(TUESDAY_NIGHT + timedelta(minutes=60))
    assert (await rung.press("action=acknowledge&person=clinician-1")).status_code == 404
    assert await rung.status() == ["requested"]


async def test_the_token_stands_in_no_log_and_no_table(rung: Telephone) -> None:
    token = rung.path.removeprefix("/e/")
    with capture_logs() as lines:
        await rung.get()
        await rung.get(rung.path[:-4] + "AAAA")
        await rung.press("action=acknowledge&person=clinician-1")
    secret = token[22:]
    assert secret not in json.dumps(lines, default=str)
    for table in ("pages", "outbox", "journal", "resources"):
        rows = await rung.escalated.service.select(f"SELECT {table}::text FROM {table}")
        assert rows and not [row for row in rows if secret in str(row[0])]


def test_without_pagers_there_is_no_such_address(escalated: Escalated) -> None:
    here = escalated.service
    assert PageLinks(here.running.submissions, here.reader, {}, here.wake_up).routes() == []


def test_each_page_has_a_link_of_its_own(escalated: Escalated) -> None:
    first, second = uuid4(), uuid4()
    made = links.Links("https://intake.example.org", escalated.service.keys)
    assert made.token(first) == made.token(first) != made.token(second)
    assert links.split(made.token(first)) == (made.handle(first), made.token(first)[22:])
    assert made.digest(first) == links.digest(made.token(first)[22:])

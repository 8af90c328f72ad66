"""Whoever is on call is told once, in time, with a reason; a deputy where nobody answers; nobody once it is closed."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from deploy.paths import REPOSITORY
from shared.events.escalation import (
    EscalationAcknowledged,
    EscalationHandedOver,
    EscalationOverdue,
    EscalationResolved,
    EscalationRetracted,
    EscalationUpdated,
    HandedOver,
)
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.outbound.on_call import PAGES_AT_ONCE, forget_pages
from shared.platform.pagers import pagers
from tests.shared.on_call.escalated import CURRENT, PATIENT_ID, TUESDAY_NIGHT, Escalated, escalation, raised
from tests.shared.on_call.receiver import ReceivedPage, Receiver

FORMER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LATER = TUESDAY_NIGHT + timedelta(minutes=5)


def verifier() -> Callable[[dict[str, str], bytes, str], bool]:
    """The lines that docs/on-call.md prints for a receiver."""
    page = (REPOSITORY / "docs/on-call.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    namespace: dict[str, Any] = {}
    exec(found[1], namespace)
    verify: Callable[[dict[str, str], bytes, str], bool] = namespace["is_ours"]
    return verify


async def test_a_raised_escalation_rings_once_and_its_receiver_knows_who_sent_it(
    escalated: Escalated, pager: Receiver, deputies: Receiver
) -> None:
    async with escalated.running():
        await escalated.emit(raised())
        await escalated.until_sent()
    (page,) = pager.pages
    assert deputies.pages == []
    assert verifier()(page.headers, page.body, CURRENT)
    assert not verifier()(page.headers, page.body + b" ", CURRENT)
    assert not verifier()(page.headers, page.body, FORMER)
    event = json.loads(page.body)
    assert event["id"] == page.headers["webhook-id"]
    assert event["data"].pop("link").startswith("https://intake.example.org/e/")
    assert event["data"] == {
        "tier": "T4",
        "category": "safety",
        "reason": "suicide-screen",
        "overdue": False,
        "program": "demo",
        "acknowledge_by": "2026-03-03T08:15:00Z",
        "act_by": "2026-03-03T09:00:00Z",
    }


async def test_during_a_rotation_both_secrets_are_believed(escalated: Escalated, deploy: Path, pager: Receiver) -> None:
    (deploy / "former.secret").write_text(FORMER)
    text = (deploy / "oncall.toml").read_text().replace('["pager.secret"]', '["pager.secret", "former.secret"]')
    (deploy / "oncall.toml").write_text(text)
    escalated.pagers = pagers(deploy)
    async with escalated.running():
        await escalated.emit(raised())
        await escalated.until_sent()
    (page,) = pager.pages
    assert [verifier()(page.headers, page.body, each) for each in (CURRENT, FORMER)] == [True, True]


@pytest.mark.parametrize("form", ["cloudevent", "plain", "slack", "pagerduty-v2"])
async def test_no_byte_that_leaves_names_the_patient(
    escalated: Escalated, deploy: Path, pager: Receiver, form: str
) -> None:
    key = 'routing_key_file = "pager.secret"\n' if form == "pagerduty-v2" else ""
    text = (deploy / "oncall.toml").read_text().replace('form = "cloudevent"', f'{key}form = "{form}"')
    (deploy / "oncall.toml").write_text(text)
    escalated.pagers = pagers(deploy)
    event = raised()
    async with escalated.running():
        await escalated.emit(event)
        await escalated.until_sent()
    (page,) = pager.pages
    assert_names_nobody(page, event.escalation.id)
    assert b"suicide-screen" in page.body and b"2026-03-03T08:15:00Z" in page.body


def assert_names_nobody(page: ReceivedPage, escalation_id: str) -> None:
    for hidden in (PATIENT_ID, escalation_id, "clinician", "Patient", "nurse", CURRENT):
        for text in (hidden, hidden.replace("-", "")):
            assert (text.encode() in page.whole) == (text == CURRENT and b"routing_key" in page.whole)


@pytest.mark.parametrize("closing", [EscalationResolved, EscalationRetracted, EscalationAcknowledged])
async def test_what_was_closed_before_it_rang_rings_nobody(escalated: Escalated, pager: Receiver, closing: Any) -> None:
    event = raised()
    reason = {"by": "clinician-1"} if closing is EscalationAcknowledged else {"reason": "acted-on"}
    await escalated.emit(event, closing(escalation=event.escalation, at=LATER, **reason))
    async with escalated.running():
        await escalated.until_sent()
        await escalated.until_sent(lane="partner:on-call-deputy")
    assert pager.pages == []


async def test_each_tier_rings_once_and_only_the_highest_that_stands(escalated: Escalated, pager: Receiver) -> None:
    first = escalation(3, acknowledge_by=TUESDAY_NIGHT + timedelta(hours=1))
    again = EscalationUpdated(escalation=first, at=LATER)
    risen = EscalationUpdated(escalation=escalation(4, id=first.id), at=LATER)
    async with escalated.running():
        await escalated.emit(raised(3, id=first.id, acknowledge_by=first.acknowledge_by), again)
        await escalated.until_sent()
        assert [json.loads(each.body)["data"]["tier"] for each in pager.pages] == ["T3"]
        await escalated.emit(again, again)
        await escalated.until_sent()
        await escalated.emit(again, risen)
        await escalated.until_sent()
        await escalated.emit(EscalationOverdue(escalation=risen.escalation, at=LATER))
        await escalated.until_sent()
    rung = [json.loads(each.body)["data"] for each in pager.pages]
    assert [(each["tier"], each["overdue"]) for each in rung] == [("T3", False), ("T4", False), ("T4", True)]


async def test_whom_it_is_handed_over_to_is_rung_by_their_own_channel_and_only_once(
    escalated: Escalated, pager: Receiver, deputies: Receiver
) -> None:
    first = raised(act_by=TUESDAY_NIGHT + timedelta(hours=4))
    theirs = msgspec.structs.replace(first.escalation, handed_over=HandedOver(LATER, "prescriber-1"))
    handed = EscalationHandedOver(escalation=theirs, at=LATER, reason="shift-ended", by="on-call-clinician-1")
    await escalated.emit(first, handed, EscalationUpdated(escalation=theirs, at=LATER))
    async with escalated.running():
        await escalated.until_sent()
        assert (len(pager.pages), len(deputies.pages)) == (0, 1)
        back = msgspec.structs.replace(theirs, handed_over=HandedOver(LATER + timedelta(minutes=1), ""))
        await escalated.emit(EscalationHandedOver(escalation=back, at=LATER, reason="unavailable", by="prescriber-1"))
        await escalated.until_sent()
    assert (len(pager.pages), len(deputies.pages)) == (1, 1)


async def test_a_milder_one_waits_for_business_hours_and_rings_then(escalated: Escalated, pager: Receiver) -> None:
    tomorrow = TUESDAY_NIGHT + timedelta(hours=24)
    async with escalated.running():
        await escalated.emit(raised(2, acknowledge_by=tomorrow, act_by=tomorrow), raised(4))
        await escalated.until_sent(left=1)
        assert [json.loads(each.body)["data"]["tier"] for each in pager.pages] == ["T4"]
        async with escalated.service.pool.acquire() as connection:
            assert "partner:on-call" not in await oldest_unsent_seconds(connection)
        escalated.service.set_clock(TUESDAY_NIGHT + timedelta(hours=5))
        await escalated.until_sent()
    assert [json.loads(each.body)["data"]["tier"] for each in pager.pages] == ["T4", "T2"]


@pytest.mark.parametrize("status", [0, 301, 400, 410, 503])
async def test_where_the_receiver_takes_nothing_the_deputy_is_told(
    escalated: Escalated, pager: Receiver, deputies: Receiver, status: int
) -> None:
    pager.status = status
    async with escalated.running():
        await escalated.emit(raised())
        await deputies.until(1)
        async with escalated.service.pool.acquire() as connection:
            assert "partner:on-call" in await oldest_unsent_seconds(connection)
        assert len(pager.pages) >= 2 and len(set(pager.ids)) == 1
        assert b"suicide-screen" in deputies.pages[0].body


async def test_a_page_that_nobody_takes_is_given_up_after_ten_tries(escalated: Escalated, pager: Receiver) -> None:
    pager.status = 503
    async with escalated.running():
        await escalated.emit(raised())
        await escalated.until_sent()
    assert len(pager.pages) == 10 and len(set(pager.ids)) == 1
    assert await escalated.service.count("pages WHERE ended = 'gave-up'") == 1


async def test_where_there_is_no_receiver_at_all_the_deputy_is_told(
    escalated: Escalated, deploy: Path, pager: Receiver, deputies: Receiver
) -> None:
    text = (deploy / "oncall.toml").read_text().replace(pager.url, "http://127.0.0.1:9/nobody")
    (deploy / "oncall.toml").write_text(text)
    escalated.pagers = pagers(deploy)
    async with escalated.running():
        await escalated.emit(raised())
        await deputies.until(1)


async def test_after_a_third_of_the_time_to_acknowledge_the_deputy_is_told_too(
    escalated: Escalated, pager: Receiver, deputies: Receiver
) -> None:
    async with escalated.running():
        await escalated.emit(raised())
        await escalated.until_sent()
        escalated.service.set_clock(TUESDAY_NIGHT + timedelta(minutes=4))
        await escalated.until_looked()
        assert deputies.pages == []
        escalated.service.set_clock(TUESDAY_NIGHT + timedelta(minutes=5))
        await deputies.until(1)
    assert len(pager.pages) == 1


async def test_a_page_that_a_crash_repeats_has_the_same_id(escalated: Escalated, pager: Receiver) -> None:
    pager.status = 0
    async with escalated.running():
        await escalated.emit(raised())
        await pager.until(1)
    pager.status = 204
    async with escalated.running():
        await escalated.until_sent()
    assert len(pager.pages) > 1 and len(set(pager.ids)) == 1


@pytest.mark.parametrize(("act_after", "valid"), [(20, 20), (-5, 60)])
async def test_a_link_is_valid_until_the_time_to_act_or_an_hour_where_that_is_over(
    escalated: Escalated, act_after: int, valid: int
) -> None:
    async with escalated.running():
        await escalated.emit(raised(act_by=TUESDAY_NIGHT + timedelta(minutes=act_after)))
        await escalated.until_sent()
    found = await escalated.service.select("SELECT valid_until FROM pages WHERE role = 'on-call'")
    assert found == [(TUESDAY_NIGHT + timedelta(minutes=valid),)]


async def test_the_gravest_goes_first_through_all_that_wait(escalated: Escalated, pager: Receiver) -> None:
    tomorrow = TUESDAY_NIGHT + timedelta(hours=24)
    mild = [raised(2, acknowledge_by=tomorrow, act_by=tomorrow) for _ in range(100)]
    await escalated.emit(*mild, *(raised(3) for _ in range(100)), raised(4))
    async with escalated.running():
        await pager.until(2 * PAGES_AT_ONCE)
    assert "T4" in [json.loads(each.body)["data"]["tier"] for each in pager.pages[: 2 * PAGES_AT_ONCE]]


async def test_a_hundred_pages_to_a_receiver_that_hangs_delay_no_graver_one(
    escalated: Escalated, pager: Receiver
) -> None:
    pager.status = 0
    async with escalated.running():
        await escalated.emit(*(raised(3) for _ in range(100)))
        await pager.until(PAGES_AT_ONCE)
        await escalated.emit(raised(4))
        await pager.until(3 * PAGES_AT_ONCE)
    assert "T4" in [json.loads(each.body)["data"]["tier"] for each in pager.pages]


async def test_a_hundred_as_grave_pages_of_a_program_whose_receiver_hangs_delay_none_of_another(
    escalated: Escalated, pager: Receiver, deputies: Receiver
) -> None:
    deputies.status = 0
    ours = escalated.pagers["demo"]
    hangs = replace(ours.channels["pager"], url=deputies.url)
    escalated.pagers = {"demo": ours, "west": replace(ours, channels={**ours.channels, "pager": hangs})}
    await escalated.emit(*(raised() for _ in range(100)), program="west")
    await escalated.emit(raised())
    async with escalated.running():
        await deputies.until(PAGES_AT_ONCE)
        await pager.until(1, seconds=1)


async def test_once_nobody_is_to_be_rung_any_more_nothing_waits_for_it(escalated: Escalated) -> None:
    pool = escalated.service.pool
    await escalated.emit(raised(), raised())
    await pool.execute("UPDATE outbox SET lane = 'partner:alumni' WHERE id = (SELECT min(id) FROM outbox)")
    with capture_logs() as lines:
        await forget_pages(pool)
        await forget_pages(pool)
    assert await escalated.service.count("outbox") == 1
    assert [(each["event"], each["count"]) for each in lines] == [
        ("pages dropped: there is no oncall.toml any more", 3)
    ]


async def test_a_row_that_nobody_can_read_is_parked_and_the_others_go_on(escalated: Escalated, pager: Receiver) -> None:
    await escalated.emit(raised())
    await escalated.service.pool.execute("UPDATE outbox SET body = '{'")
    await escalated.emit(raised())
    async with escalated.running():
        await pager.until(1)
        await escalated.until_sent(left=1)
    parked = await escalated.service.select("SELECT parked FROM outbox WHERE lane = 'partner:on-call'")
    assert str(parked[0][0]).startswith("unreadable: DecodeError")

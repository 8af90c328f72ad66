"""The books: nothing the partner's socket saw is missing from the accounting of disclosures."""

import asyncio
from collections import Counter
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from services.aftercare.messages import ConsentRevoked
from shared.path.destination import Transport
from shared.path.outbound import gate, http
from shared.path.outbound.accounting import Accounts
from shared.path.outbound.sender import Reply
from tests.aftercare.books import BooksStorm
from tests.aftercare.deaths import POINTS, dying
from tests.aftercare.running import DISCHARGED, PARTNERS, Aftercare, consent, identified

HOUSE = PARTNERS["riverbend-house"]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BACK_OFF_SECONDS_FIRST", 0.02)


async def referred(here: Aftercare) -> str:
    """The patient consents, and a referral stands in the lane; the consent's id."""
    consent_id = str(uuid4())
    await identified(here)
    await here.learn(consent(consent_id, HOUSE.name))
    await here.puts_into_its_lane(HOUSE)
    return consent_id


async def revoke(here: Aftercare, consent_id: str) -> None:
    await here.learn(ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED))


async def results(here: Aftercare) -> Counter[str]:
    return Counter(each["subtype"][0]["code"] for each in await here.books())


async def until_results(here: Aftercare, **expected: int) -> None:
    async def reached() -> bool:
        found = await results(here)
        return found == Counter({name.replace("_", "-"): count for name, count in expected.items()})

    await here.until(reached)


async def test_what_the_partner_took_before_it_answered_503_stays_in_the_books_after_the_revocation(
    aftercare_alone: Aftercare,
) -> None:
    here = aftercare_alone
    here.partner.status = 503
    consent_id = await referred(here)
    async with here.lane(HOUSE):
        await here.until_tried()
        await revoke(here, consent_id)
        await here.until(lambda: _ended(here))
    audits = await here.books()
    attempted = [each for each in audits if each["subtype"][0]["code"] == "attempted"]
    assert len(attempted) == len(here.partner.received) > 0
    for each in attempted:
        assert {"what": {"reference": f"Consent/{consent_id}"}} in each["entity"]
        assert [field["valueString"] for field in each["entity"][0]["detail"]] == ["name", "phone"]
        assert each["agent"][1]["who"]["identifier"]["value"] == HOUSE.name
        assert each["recorded"]
    (withheld,) = [each for each in audits if each not in attempted]
    assert withheld["subtype"][0]["code"] == "withheld-after-attempt"


async def _ended(here: Aftercare) -> bool:
    return await here.count("outbox WHERE lane LIKE 'partner:%'") == 0


async def test_a_refused_connection_is_marked_not_sent_and_the_send_that_succeeds_takes_its_place(
    aftercare_alone: Aftercare,
) -> None:
    here = aftercare_alone
    await referred(here)
    async with here.lane(HOUSE, transport=Transport("http://127.0.0.1:1/fhir")):
        await until_results(here, not_sent=1)
    async with here.lane(HOUSE):
        await until_results(here, made=1)
    assert len(here.partner.received) == 1


async def test_a_no_after_a_refused_connection_is_plainly_withheld(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    consent_id = await referred(here)
    async with here.lane(HOUSE, transport=Transport("http://127.0.0.1:1/fhir")):
        await until_results(here, not_sent=1)
        await revoke(here, consent_id)
        await until_results(here, not_sent=1, withheld=1)


async def test_a_yes_older_than_a_second_sends_nothing_and_is_asked_for_again(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = aftercare_alone
    monkeypatch.setattr(gate, "YES_SECONDS_MOST", -1.0)
    await referred(here)
    async with here.lane(HOUSE):
        await until_results(here, not_sent=1)
        assert here.partner.received == []
        monkeypatch.setattr(gate, "YES_SECONDS_MOST", 1.0)
        await until_results(here, made=1)
    assert len(here.partner.received) == 1


async def test_a_revocation_that_comes_while_the_connection_opens_is_in_time(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = aftercare_alone
    consent_id = await referred(here)
    post = http.post

    async def connecting_slowly(*request: Any) -> Reply:
        await revoke(here, consent_id)
        return await post(*request)

    monkeypatch.setattr(http, "post", connecting_slowly)
    async with here.lane(HOUSE):
        await until_results(here, withheld=1)
    assert here.partner.received == []


async def test_a_row_that_another_holder_of_the_lane_has_sent_is_not_sent_again(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = aftercare_alone
    await referred(here)
    post = http.post

    async def overtaken(*request: Any) -> Reply:
        await here.pool.execute("DELETE FROM outbox WHERE lane LIKE 'partner:%'")
        return await post(*request)

    monkeypatch.setattr(http, "post", overtaken)
    async with here.lane(HOUSE):
        await here.until(lambda: _ended(here))
        await asyncio.sleep(0.1)
    assert (here.partner.received, await here.books()) == ([], [])


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_the_partners_socket_saw_is_missing_from_the_books_wherever_the_lane_dies(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    storm = BooksStorm(aftercare_alone, Random(seed), patients=20, at_every_point=True)
    for name, writer in dying(storm.die).items():
        monkeypatch.setattr(Accounts, name, writer)
    await storm.run(seconds=3.0, kills_seconds=0.4)
    await storm.every_body_is_accounted_for()
    await storm.nothing_left_after_a_revocation()
    assert set(storm.died_at) == set(POINTS)

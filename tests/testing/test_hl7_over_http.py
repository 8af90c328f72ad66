"""HL7 v2 over HTTP: the status says what the acknowledgements say."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from services.testing.hl7.receiver import MEDIA_TYPE
from services.testing.hl7.routes import routes
from tests.service import caller
from tests.testing.receiving import ReceivingService, message
from tests.testing.test_acknowledgement_modes import asking
from tests.testing.test_batches import batch, shape


@pytest.fixture
async def http(testing: ReceivingService, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """As the laboratory, whose token is not looked at."""

    async def known(_: object) -> object:
        return caller("lab")

    monkeypatch.setattr(testing.running.token_verifier, "caller", known)
    app = Starlette(routes=routes(testing.receiver))
    headers = {"Content-Type": MEDIA_TYPE}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://hub.example", headers=headers
    ) as client:
        yield client


async def test_a_message_is_200_only_where_it_is_taken_and_204_where_no_answer_is_asked_for(
    http: httpx.AsyncClient,
) -> None:
    taken = await http.post("/hl7", content=message())
    refused = await http.post("/hl7", content=message("M2", mrn=""))
    silent = await http.post("/hl7", content=asking(message("M3", filler="F3"), "NE", "NE"))
    quietly_refused = await http.post("/hl7", content=asking(message("M4", mrn=""), "NE", "NE"))
    assert [each.status_code for each in (taken, refused, silent, quietly_refused)] == [200, 400, 204, 400]
    assert b"MSA|AA|M1\r" in taken.content and b"MSA|AE|M2\r" in refused.content
    assert silent.content == quietly_refused.content == b""


async def test_a_batch_is_200_only_where_all_of_it_is_taken(http: httpx.AsyncClient) -> None:
    whole = await http.post("/hl7/batch", content=batch(message(), message("M2", filler="F8")))
    assert (whole.status_code, shape(whole.content)) == (200, ["BHS DAY1", "AA M1", "AA M2", "BTS|2"])
    assert whole.headers["content-type"] == MEDIA_TYPE
    one_refused = await http.post("/hl7/batch", content=batch(message(), message("M3", mrn="")))
    miscounted = await http.post("/hl7/batch", content=batch(message(), bts="BTS|2"))
    alone = await http.post("/hl7/batch", content=message())
    assert [each.status_code for each in (one_refused, miscounted, alone)] == [400, 400, 200]

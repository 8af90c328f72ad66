"""While the worst bodies arrive, a service answers whether it lives: on the wall, over real sockets."""

import asyncio
import json
import time
from collections.abc import Callable

import httpx
import pytest

from shared.edge.http import FHIR_JSON
from tests.journey.clinic import Clinic
from tests.shared.edge.test_stalls import REFUSED
from tests.stalls import TRIES, TURN_SECONDS_MOST


@pytest.mark.parametrize("name", REFUSED)
async def test_a_service_answers_whether_it_lives_while_the_worst_bodies_arrive(clinic: Clinic, name: str) -> None:
    body, token = REFUSED[name](), await clinic.driver.token("ehr")
    kind = json.loads(body)["resourceType"]
    address = f"{clinic.driver.hub.services['intake'].base}/fhir{'' if kind == 'Bundle' else f'/{kind}'}"

    def send() -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": FHIR_JSON}
        return httpx.post(address, content=body, headers=headers, timeout=30).status_code

    for _ in range(TRIES):
        status, longest = await _longest_wait(clinic, send)
        assert status == 413
        if longest <= TURN_SECONDS_MOST:
            break
    assert longest <= TURN_SECONDS_MOST


async def _longest_wait(clinic: Clinic, send: Callable[[], int]) -> tuple[int, float]:
    """The status, and the longest wait for an answer in seconds, less how late the machine woke us meanwhile."""
    sending = asyncio.ensure_future(asyncio.to_thread(send))
    address, longest = f"{clinic.driver.hub.services['intake'].base}/health/live", 0.0
    async with httpx.AsyncClient() as client:
        while not sending.done():
            stall = asyncio.ensure_future(_stall())
            asked = time.perf_counter()
            assert (await client.get(address)).status_code == 200
            waited = time.perf_counter() - asked
            longest = max(longest, waited - await stall)
    return sending.result(), longest


async def _stall() -> float:
    """How much later than asked for the machine wakes whoever sleeps, in seconds."""
    slept = time.perf_counter()
    await asyncio.sleep(0.01)
    return time.perf_counter() - slept - 0.01

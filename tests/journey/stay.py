"""One whole stay as senders that never give up bring it about: for days on which nothing works at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import uuid4

import httpx

from tests.intake import bundles
from tests.journey.clinic import COCAINE, Clinic, Person, Resource, report

STEP_SECONDS_MOST = 240.0


class Insistence:
    """Sends the same again until it is answered for good, and counts how often it had to."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.tried_again = 0

    async def stay(self, consents: Sequence[Resource] = ()) -> Person:
        """Referred, assessed, signed, admitted; two specimens, the second positive; discharged."""
        driver, now = self.clinic.driver, self.clinic.now
        person = Person(f"MRN-{uuid4().hex[:12]}")
        intake = bundles.intake(person.mrn, now, consents=consents)
        answer = await self.until_answered(lambda: driver.post("intake", intake))
        person.id = answer.json()["entry"][0]["response"]["location"].split("/")[1]
        task = await self.found("intake", f"Task?patient={person.id}&status=requested")
        await self.until_answered(lambda: driver.put("intake", bundles.signed(task, "2.1", None)))
        for days_ago, positive in ((1, ()), (0, (COCAINE,))):
            message = report(person.mrn, now - timedelta(days=days_ago), positive)
            await self.until_answered(lambda sent=message: driver.post_hl7(sent))  # type: ignore[misc]
        episode = await self.found("intake", f"EpisodeOfCare?patient={person.id}&status=active")
        person.episode_id = str(episode["id"])
        ended = bundles.discharge(episode, "completed", now)
        await self.until_answered(lambda: driver.post("intake", ended))
        return person

    async def found(self, service: str, query: str) -> Resource:
        """The first match, once there is one."""
        while True:
            answer = await self.until_answered(lambda: self.clinic.driver.get(service, query))
            for entry in answer.json().get("entry", ()):
                found: Resource = entry["resource"]
                return found
            await asyncio.sleep(0.2)

    async def until_answered(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        give_up_at = time.monotonic() + STEP_SECONDS_MOST
        while time.monotonic() < give_up_at:
            try:
                answer = await send()
                if answer.status_code < 500 and answer.status_code != 409:
                    assert answer.status_code in (200, 201), answer.text
                    return answer
            except httpx.HTTPError:
                pass
            self.tried_again += 1
            await asyncio.sleep(0.5)
        raise AssertionError(f"no answer within {STEP_SECONDS_MOST:g} s")

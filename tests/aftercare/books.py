"""A lane under fire: its holder killed, consents revoked, the partner answering as it likes; then the books."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from services.aftercare.messages import ConsentRevoked
from shared.path.destination import Transport
from shared.path.outbound.gate import YES_SECONDS_MOST
from shared.path.outbound.lane import wait_for_work
from tests.aftercare.deaths import POINTS, WRITTEN
from tests.aftercare.partner import Conduct
from tests.aftercare.running import DISCHARGED, PARTNERS, Aftercare, consent, identified

HOUSE = PARTNERS["riverbend-house"]
CONDUCTS: tuple[Conduct, ...] = ("answers", "answers", "twice", "late", "never", "cuts")
STATUSES = (200, 200, 404, 409, 422, 500, 503)
ANSWER_SECONDS_MOST = 0.3
SENT = frozenset({"attempted", "made", "refused", "gave-up"})
"""Results that say that a byte may have left."""
Lane = Callable[[], AbstractAsyncContextManager[None]]


@dataclass
class BooksStorm:
    """`lane` is one life of the lane's holder: entered it sends, left it is dead."""

    here: Aftercare
    random: Random
    patients: int
    lane: Lane | None = None
    revoked: dict[str, float] = field(default_factory=dict)
    """Consent to the (monotonic) time at which its revocation had been stored."""
    seen: list[tuple[float, str, str]] = field(default_factory=list)
    """What the partner saw: when, which referral, by which consent."""
    died_at: list[str] = field(default_factory=list)
    """The points at which a life ended, in turn."""
    at_every_point: bool = False
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, seconds: float, kills_seconds: float) -> None:
        partner = self.here.partner
        partner.conduct = self._conduct
        consents = [await self._refer() for _ in range(self.patients)]
        self._until = time.monotonic() + seconds
        current = asyncio.create_task(self._stays_current())
        await asyncio.gather(
            self._lives(kills_seconds), *(self._revoke(*each, seconds * 0.6) for each in consents[::2])
        )
        current.cancel()

    async def die(self, point: str) -> None:
        """Here, if it is this point's turn: nothing more is done, and the life ends."""
        if self._is_next(point):
            await asyncio.Event().wait()

    def _lacks_a_point(self) -> bool:
        """A slow machine has more time to die everywhere."""
        return self.at_every_point and len(self.died_at) < len(POINTS) and time.monotonic() < self._until + 30.0

    def _is_next(self, point: str) -> bool:
        if self.dead.is_set() or point != POINTS[len(self.died_at) % len(POINTS)]:
            return False
        self.died_at.append(point)
        self.dead.set()
        return True

    async def every_body_is_accounted_for(self) -> None:
        """As often as the partner saw a referral under a consent, so often at least the books say it may have."""
        booked: Counter[tuple[str, str]] = Counter()
        for (body,) in await self.here.select("SELECT body FROM resources WHERE type = 'AuditEvent'"):
            audit = json.loads(body)
            if audit["subtype"][0]["code"] in SENT:
                references = [each["what"]["reference"].partition("/")[2] for each in audit["entity"]]
                booked[references[1], references[2]] += 1
        assert self.seen
        missing = Counter((referral, by) for _, referral, by in self.seen) - booked
        assert not missing

    async def nothing_left_after_a_revocation(self) -> None:
        late = [at - self.revoked[by] for at, _, by in self.seen if by in self.revoked and at > self.revoked[by]]
        assert max(late, default=0.0) <= YES_SECONDS_MOST

    def _conduct(self) -> Conduct:
        bundle = self.here.partner.received[-1]
        identifiers = {
            each["resource"]["resourceType"]: each["resource"]["identifier"][0]["value"] for each in bundle["entry"]
        }
        self.seen.append((time.monotonic(), identifiers["ServiceRequest"], identifiers["Consent"]))
        self._is_next(WRITTEN)
        self.here.partner.status = self.random.choice(STATUSES)
        return self.random.choice(CONDUCTS)

    async def _refer(self) -> tuple[str, str]:
        self.here.patient, consent_id = str(uuid4()), str(uuid4())
        await identified(self.here, mrn=self.here.patient)
        await self.here.learn(consent(consent_id, HOUSE.name))
        await self.here.puts_into_its_lane(HOUSE)
        return self.here.patient, consent_id

    async def _revoke(self, patient: str, consent_id: str, seconds_most: float) -> None:
        await asyncio.sleep(self.random.uniform(0.0, seconds_most))
        revoked = ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED)
        await self.here.consume(revoked, patient=patient)
        self.revoked[consent_id] = time.monotonic()

    async def _lives(self, kills_seconds: float) -> None:
        transport = Transport(self.here.partner.url, seconds_most=ANSWER_SECONDS_MOST)
        lane: Lane = self.lane or (lambda: self.here.lane(HOUSE, transport=transport))
        while time.monotonic() < self._until or self._lacks_a_point():
            self.dead.clear()
            async with lane():
                await wait_for_work(self.dead, self.random.uniform(0.0, 2 * kills_seconds))

    async def _stays_current(self) -> None:
        while True:
            await self.here.consents_current()
            await asyncio.sleep(5.0)

"""A lane under fire: its holder killed, consents revoked, the partner answering as it likes; then the books."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from services.aftercare.messages import ConsentRevoked
from shared.events.envelope import name_id
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
STALL_SECONDS_MOST = 2.0
"""What a busy machine may lay between a byte sent and the partner that notes it."""
SENT = frozenset({"attempted", "made", "refused", "gave-up"})
"""Results that say that a byte may have left."""
MEMBERS = {"name": "name", "telecom": "phone", "address": "area"}
"""Of a Patient, and the field that each of them tells."""
AUDITS = "SELECT body FROM resources WHERE type = 'AuditEvent'"
Lane = Callable[[], AbstractAsyncContextManager[None]]


class Body(NamedTuple):
    """What the partner was told, of whom (as it knows them), by which consent: the books name the same."""

    patient: str
    referral: str
    consent: str
    fields: tuple[str, ...]

    @classmethod
    def seen(cls, bundle: dict[str, Any]) -> "Body":
        named = {each["resource"]["resourceType"]: each["resource"] for each in bundle["entry"]}
        patient, referral, by = (
            named[kind]["identifier"][0]["value"] for kind in ("Patient", "ServiceRequest", "Consent")
        )
        return cls(patient, referral, by, tuple(name for member, name in MEMBERS.items() if member in named["Patient"]))

    @classmethod
    def booked(cls, audit: dict[str, Any]) -> "Body":
        patient, referral, by = (each["what"]["reference"].partition("/")[2] for each in audit["entity"])
        fields = tuple(each["valueString"] for each in audit["entity"][0]["detail"])
        return cls(name_id(patient, HOUSE.identifier), referral, by, fields)


@dataclass
class BooksStorm:
    """`lane` is one life of the lane's holder: entered it sends, left it is dead."""

    here: Aftercare
    random: Random
    patients: int
    lane: Lane | None = None
    revoked: dict[str, float] = field(default_factory=dict)
    """Consent to the (monotonic) time at which its revocation had been stored."""
    seen: list[tuple[float, Body]] = field(default_factory=list)
    """What the partner saw, and when."""
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
        """As often as the partner saw these fields of a patient by a consent, so often at least the books say it may
        have; and of what it saw none says that nothing left."""
        audits = [json.loads(body) for (body,) in await self.here.select(AUDITS)]
        booked = Counter(Body.booked(each) for each in audits if _result(each) in SENT)
        withheld = {each["entity"][1]["what"]["reference"] for each in audits if _result(each) == "withheld"}
        assert self.seen
        missing = Counter(body for _, body in self.seen) - booked
        assert not missing
        assert not withheld & {f"ServiceRequest/{body.referral}" for _, body in self.seen}

    async def nothing_left_after_a_revocation(self) -> None:
        revoked = [(at, self.revoked[body.consent]) for at, body in self.seen if body.consent in self.revoked]
        assert max((at - since for at, since in revoked), default=0.0) <= YES_SECONDS_MOST + STALL_SECONDS_MOST

    def _conduct(self) -> Conduct:
        self.seen.append((time.monotonic(), Body.seen(self.here.partner.received[-1])))
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
                await wait_for_work(self.dead, self._life_seconds(kills_seconds))

    def _life_seconds(self, kills_seconds: float) -> float:
        """Longer ones once time is up and a point is still lacking: on a slow machine a short one sends nothing."""
        late = max(0.0, time.monotonic() - self._until)
        return self.random.uniform(0.0, 2 * kills_seconds * (1 + late))

    async def _stays_current(self) -> None:
        while True:
            await self.here.consents_current()
            await asyncio.sleep(5.0)


def _result(audit: dict[str, Any]) -> str:
    result: str = audit["subtype"][0]["code"]
    return result

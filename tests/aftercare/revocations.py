"""Revocation against release: consents revoked at random offsets from the release, the partner answering as it likes;
then the books, patient by patient."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from services.aftercare.messages import ConsentRevoked
from shared.events.envelope import name_id
from shared.path.destination import Transport
from tests.aftercare.books import ANSWER_SECONDS_MOST, AUDITS, CONDUCTS, HOUSE, SENT, STATUSES, Body
from tests.aftercare.partner import Conduct
from tests.aftercare.running import DISCHARGED, Aftercare, consent, identified
from tests.service import consumed

AT_ONCE = 6
AGAIN_SECONDS = 0.5
"""Half of the offsets lie within what a release takes, half reach so far into trying again."""
OF_PATIENT = f"{AUDITS} AND patient = $1"


@dataclass
class Race:
    """One patient's referral and the revocation that meets it. `sends_before`: those in the books as it was stored."""

    patient: str
    offset_seconds: float
    consent: str = field(default_factory=lambda: str(uuid4()))
    revoked_at: float = 0.0
    sends_before: int = -1
    results: Counter[str] = field(default_factory=Counter)
    booked: Counter[Body] = field(default_factory=Counter)

    @property
    def known_as(self) -> str:
        """The patient as the partner knows them."""
        return name_id(self.patient, HOUSE.identifier)


@dataclass
class Revocations:
    """The race of many patients, a few at once."""

    here: Aftercare
    random: Random
    seen: dict[str, list[tuple[float, Body]]] = field(default_factory=lambda: defaultdict(list))
    """What the partner saw, and when, by the patient as it knows them."""
    conducts: Counter[str] = field(default_factory=Counter)
    races: list[Race] = field(default_factory=list)
    release_seconds: float = 0.0
    """What a release took that nobody revoked, on the machine as it is, the slowest of a few."""

    async def run(self, count: int) -> None:
        impatient = Transport(self.here.partner.url, seconds_most=ANSWER_SECONDS_MOST)
        async with self.here.lane(HOUSE, transport=impatient):
            self.release_seconds = max(await asyncio.gather(*(self._released() for _ in range(AT_ONCE))))
            self.here.partner.conduct = self._conduct
            self.races = [Race(str(uuid4()), self._offset(number)) for number in range(count)]
            turns = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._in_turn(turns, each) for each in self.races))

    def the_books_are_what_the_partners_socket_saw(self) -> None:
        for race in self.races:
            assert race.booked == Counter(body for _, body in self.seen[race.known_as])

    def nothing_began_after_the_revocation(self) -> None:
        assert [each for each in self.races if sum(each.booked.values()) != each.sends_before] == []

    def each_referral_ended_once(self) -> None:
        assert {"withheld", "withheld-after-attempt"} < {result for race in self.races for result in race.results}
        for race in self.races:
            (end,) = race.results.keys() - {"attempted", "not-sent"}
            assert race.results[end] == 1
            assert (end == "withheld") == (not race.booked)
            assert end in ("made", "refused", "withheld", "withheld-after-attempt")

    def __str__(self) -> str:
        ends = Counter(result for race in self.races for result in race.results if result != "attempted")
        late = [at - race.revoked_at for race in self.races for at, _ in self.seen[race.known_as]]
        bodies = f"{len(late)} bodies seen, the last {max(late, default=0.0):.3f} s after its revocation was stored"
        return f"{len(self.races)} offsets: {dict(ends)}; {bodies}; partner: {dict(self.conducts)}"

    def _offset(self, number: int) -> float:
        return self.random.uniform(0.0, self.release_seconds + (AGAIN_SECONDS if number % 2 else 0.0))

    def _conduct(self) -> Conduct:
        body = Body.seen(self.here.partner.received[-1])
        self.seen[body.patient].append((time.monotonic(), body))
        self.here.partner.status = self.random.choice(STATUSES)
        conduct = self.random.choice(CONDUCTS)
        self.conducts[conduct if conduct in ("late", "never", "cuts") else f"{conduct} {self.here.partner.status}"] += 1
        return conduct

    async def _refer(self, race: Race) -> None:
        await identified(self.here, mrn=race.patient, patient=race.patient)
        await self.here.learn(consent(race.consent, HOUSE.name), patient=race.patient)
        await self.here.puts_into_its_lane(HOUSE, patient=race.patient)

    async def _released(self) -> float:
        race = Race(str(uuid4()), 0.0)
        await self._refer(race)
        began = time.monotonic()
        await self.here.until(lambda: self._ended(race))
        return time.monotonic() - began

    async def _in_turn(self, turns: asyncio.Semaphore, race: Race) -> None:
        async with turns:
            await self._refer(race)
            await asyncio.sleep(race.offset_seconds)
            await self._revoke(race)
            await self.here.until(lambda: self._ended(race))
            audits = [json.loads(body) for (body,) in await self.here.select(OF_PATIENT, race.patient)]
            results = [(each["subtype"][0]["code"], each) for each in audits]
            race.results = Counter(result for result, _ in results)
            race.booked = Counter(Body.booked(each) for result, each in results if result in SENT)

    async def _revoke(self, race: Race) -> None:
        """What stands in the books is counted as the last thing before it commits."""
        now = self.here.inbox.clock.now()
        revoked = ConsentRevoked(consent_id=race.consent, revoked_at=DISCHARGED)
        async with self.here.pool.acquire() as connection, connection.transaction():
            await self.here.inbox.take(connection, [consumed(revoked, race.patient, at=now)], now)
            rows = await connection.fetch(OF_PATIENT, race.patient)
        race.revoked_at = time.monotonic()
        race.sends_before = sum(json.loads(row["body"])["subtype"][0]["code"] in SENT for row in rows)

    async def _ended(self, race: Race) -> bool:
        found: int = await self.here.pool.fetchval(
            "SELECT count(*) FROM outbox WHERE lane LIKE 'partner:%' AND key = $1", race.patient
        )
        return found == 0

"""A laboratory in a storm: it sends by every way it has until it is answered for good, and knows what it sent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx

from deploy.certificates import Authority
from deploy.driver import END
from deploy.mllp_authority import FOLDER
from services.testing.hl7 import batches
from shared.platform.certificates import in_pem
from tests.journey.clinic import COCAINE, FENTANYL, MARIJUANA, Clinic, Person
from tests.journey.parts import pids
from tests.journey.test_a_laboratory import HEADINGS, line, post_batch
from tests.testing.mutating import MUTATIONS, codes_in, merged, split, taken

CUTOFF = "19357-3"
OWN = tuple(f"ZZ-{number}" for number in range(6))
"""Codes of the laboratory's own, in the order in which they are mapped."""
CODES = (COCAINE, FENTANYL, MARIJUANA, "58381-5", "14315-6", CUTOFF, *OWN)
VALUES = ("POSITIVE", "NEGATIVE", "NEGATIVE", "see the note")
AUTHORITY = "https://clinic.demo.iop-hub.org/mrn"
LOINC = "http://loinc.org"
SPECIMENS_EACH = 10
"""Of one patient: of many more the state would forget those that nothing depends on, and result them anew."""
ANSWER_BYTES_MOST = 60_000
"""So much is read at one go: MSH may be long, and is repeated."""
STEP_SECONDS_MOST, ANSWER_SECONDS_MOST = 240.0, 15.0
KILL_SECONDS, ROTATION_SECONDS, MAP_SECONDS = (3.0, 8.0), 12.0, 15.0
TRANSIENT = (OSError, EOFError, TimeoutError, httpx.HTTPError)


class Row(NamedTuple):
    code: str
    value: str


class SentSpecimen(NamedTuple):
    """A specimen of one minute, under a number of its own, and its rows."""

    person: Person
    collected: datetime
    number: str
    rows: tuple[Row, ...]

    def hl7(self, control: str) -> bytes:
        moment = self.collected.strftime("%Y%m%d%H%M%S+0000")
        rows = (
            f"OBX|{place}|ST|{row.code}^Screen {row.code}^{'L' if row.code in OWN else 'LN'}||{row.value}||||||F"
            for place, row in enumerate(self.rows, 1)
        )
        segments = (
            rf"MSH|^~\&|LIS|LAB|HUB|demo|{moment}||ORU^R01^ORU_R01|{control}|P|2.5.1",
            f"PID|1||{self.person.mrn}^^^IOPDEMO^MR||DOE^SYNTHETIC",
            f"OBR|1||{self.number}^LAB|DRUG^Urine drug screen^L|||{moment}|||||||||||||||{moment}|||F",
            *rows,
        )
        return "\r".join(segments).encode()

    def fhir(self) -> dict[str, Any]:
        """The same as a transaction; sent again it is the same submission."""
        about = {
            "subject": {"identifier": {"system": AUTHORITY, "value": self.person.mrn}},
            "effectiveDateTime": self.collected.isoformat(),
            "issued": self.collected.isoformat(),
        }
        entries: list[dict[str, Any]] = []
        for row in self.rows:
            system = {} if row.code in OWN else {"system": LOINC}
            coding = {"coding": [{"code": row.code, "display": f"Screen {row.code}", **system}]}
            resource = {"resourceType": "Observation", "status": "final", "code": coding, "valueString": row.value}
            entries.append(_entry(f"{self.number}-{row.code}", {**resource, **about}))
        report = {
            "resourceType": "DiagnosticReport",
            "identifier": [{"system": "urn:lab", "value": self.number}],
            "status": "final",
            "code": {"coding": [{"code": "DRUG", "display": "Urine drug screen"}]},
            "result": [{"reference": each["fullUrl"]} for each in entries],
            **about,
        }
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "identifier": {"system": "urn:lab:storm", "value": self.number},
            "entry": [*entries, _entry(self.number, report)],
        }


def _entry(name: str, resource: dict[str, Any]) -> dict[str, Any]:
    request = {"method": "POST", "url": resource["resourceType"]}
    return {"fullUrl": f"urn:lab:{name}", "resource": resource, "request": request}


@dataclass
class LaboratoryStorm:
    """What was sent and what was hit. Certificates are exchanged, codes are mapped and the service is killed beside
    it."""

    clinic: Clinic
    data: Path
    people: Sequence[Person]
    chance: Random
    ends_at: float
    specimens: list[SentSpecimen] = field(default_factory=list)
    mutated: list[bytes] = field(default_factory=list)
    """Those that were accepted."""
    mapped: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    pair: Path = Path()
    answer: bytes = b""
    """The last one, whatever it was of."""
    _number: int = 0

    def __post_init__(self) -> None:
        self.pair = self.data / "keys" / FOLDER / "lab.pem"

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends_at or self._number >= SPECIMENS_EACH * len(self.people)

    # --- what is sent

    def next(self) -> SentSpecimen:
        """Each of another minute: those of one minute are one."""
        self._number += 1
        codes = self.chance.sample(CODES, self.chance.randint(1, 5))
        rows = tuple(Row(code, "150" if code == CUTOFF else self.chance.choice(VALUES)) for code in codes)
        collected = self.clinic.now - timedelta(minutes=self._number)
        person = self.people[self._number * 2 // 3 % len(self.people)]  # of a pair now one patient's, now two's
        return SentSpecimen(person, collected, f"F{self._number}", rows)

    async def sends(self) -> None:
        ways = (self._whole, self._split, self._merged, self._in_a_batch, self._in_both_forms, self._mutated)
        while not self.over:
            way = self.chance.choice(ways)
            await way(self.next(), self.next())
            self.counts[way.__name__.strip("_")] += 1

    async def _whole(self, one: SentSpecimen, other: SentSpecimen) -> None:
        for each in (one, other, one):
            await self._line(each.hl7(each.number))
        self.specimens += one, other

    async def _split(self, one: SentSpecimen, other: SentSpecimen) -> None:
        parts = [*split(one.hl7(one.number), 1), *split(other.hl7(other.number), 2)]
        self.chance.shuffle(parts)
        await asyncio.gather(*map(self._line, parts))
        self.specimens += one, other

    async def _merged(self, one: SentSpecimen, other: SentSpecimen) -> None:
        same = one.person is other.person
        await self._line(merged(one.hl7(one.number), other.hl7(other.number), of_one_patient=same))
        self.specimens += one, other

    async def _in_a_batch(self, one: SentSpecimen, other: SentSpecimen) -> None:
        messages = [each for specimen in (one, other) for each in split(specimen.hl7(specimen.number), 2)]
        content = b"\r".join((rb"BHS|^~\&|LIS|LAB|HUB|demo", *messages, b"BTS|%d\r" % len(messages)))
        if self.chance.random() < 0.5:
            await self._line(content)
        else:
            await self._until(lambda: self._posted(content))
        self.specimens += one, other

    async def _in_both_forms(self, one: SentSpecimen, other: SentSpecimen) -> None:
        await asyncio.gather(
            self._until(lambda: self._submitted(one)),
            self._line(one.hl7(one.number)),
            self._line(other.hl7(other.number)),
            self._until(lambda: self._submitted(other)),
        )
        self.specimens += one, other

    async def _mutated(self, one: SentSpecimen, other: SentSpecimen) -> None:
        """Whatever it is answered, it is answered; what asks for no answer is another test's."""
        for each in (one, other):
            first, second = self.chance.choice(MUTATIONS), self.chance.choice(MUTATIONS)
            content = second(first(each.hl7(each.number), self.chance.randrange(9_999)), self.chance.randrange(9_999))
            answers = taken(content).answers
            if answers and len(answers[0]) < ANSWER_BYTES_MOST and not {0x0B, 0x1C} & set(content):
                codes = await self._line(content, ("AA", "AE", "AR", "CA", "CE", "CR"))
                self.mutated += [content] * (set(codes) <= {"AA", "CA"})

    # --- until it is answered for good

    async def _line(self, content: bytes, good: Sequence[str] = ("AA",)) -> list[str]:
        """Over a line with mutual TLS of its own."""
        found: list[str] = []

        async def answered() -> bool:
            async with asyncio.timeout(ANSWER_SECONDS_MOST), line(self.clinic.driver, self.pair) as (reader, writer):
                writer.write(b"\x0b" + content + END)
                answer = (await reader.readuntil(END)).removeprefix(b"\x0b").removesuffix(END)
            found[:], self.answer = codes_in(answer), answer
            return set(found) <= set(good) and (batches.is_batch(content) or b"|207^" not in answer)

        await self._until(answered)
        return found

    async def _posted(self, content: bytes) -> bool:
        return (await post_batch(self.clinic.driver, content)).status_code == 200

    async def _submitted(self, specimen: SentSpecimen) -> bool:
        return (await self.clinic.driver.post("testing", specimen.fhir(), "lab")).status_code == 200

    async def _until(self, good: Callable[[], Awaitable[bool]]) -> None:
        give_up_at, last = time.monotonic() + STEP_SECONDS_MOST, ""
        while time.monotonic() < give_up_at:
            try:
                if await good():
                    return
            except TRANSIENT as error:
                last = type(error).__name__
            self.counts["tried again"] += 1
            await asyncio.sleep(0.5)
        raise AssertionError(f"no good answer within {STEP_SECONDS_MOST:g} s; {last} {self.answer[:400]!r}")

    # --- what happens beside it

    async def kills(self) -> None:
        while not self.over:
            await asyncio.sleep(self.chance.uniform(*KILL_SECONDS))
            for pid in pids(self.data, "testing"):
                os.kill(pid, signal.SIGKILL)
                self.counts["killed"] += 1

    async def rotates(self) -> None:
        """The new certificate beside the old one, which is taken away while lines with it are open."""
        authority = Authority(self.data / "keys" / FOLDER)
        while not self.over:
            await asyncio.sleep(ROTATION_SECONDS)
            made = authority.sign("lab")
            new = self.pair.with_name(f"lab-{self.counts['rotated']}.pem")
            new.write_bytes(made.certificate + made.key)
            certificate = new.with_suffix(".crt")
            certificate.write_bytes(made.certificate)
            await self.iop("client", "add-laboratory", "lab", "--certificate", str(certificate))
            old, self.pair = self.pair, new
            await self.iop("client", "remove-certificate", "lab", in_pem(old.read_bytes())[0].fingerprint)
            self.counts["rotated"] += 1

    async def maps(self) -> None:
        """One code after the other, but for the last two; the first one is mapped to something else at last."""
        for code, meaning in (*((each, COCAINE) for each in OWN[:-2]), (OWN[0], FENTANYL)):
            await asyncio.sleep(MAP_SECONDS)
            if self.over:
                return
            lines = self.data / "codes.csv"
            lines.write_text(f"{HEADINGS}\nlab,{code},{meaning},R. Eviewer,2026-01-05\n")
            await self.iop("lab", "map", "import", str(lines), "--program", "demo")
            self.mapped[code] = meaning

    async def iop(self, *arguments: str) -> str:
        """A command as a person runs it."""
        command = (sys.executable, "-m", "deploy.cli", *arguments, "--data", str(self.data))
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

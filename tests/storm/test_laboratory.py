"""A storm over a laboratory's wire: its service is killed every few seconds while results come by every way at once.

Over MLLP with mutual TLS whose certificate is exchanged, in batches, split, merged, as FHIR of the same specimens, and
mutated; meanwhile codes of the laboratory's own are mapped. How long, IOP_STORM_LABORATORY_SECONDS says; it ends
earlier where each patient has had some specimens.
"""

import asyncio
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.demo.partner import Partners, running
from deploy.evidence import Record
from services.testing.hl7 import batches
from services.testing.hl7.results import digest_of
from services.testing.tables import LOINC, UNMAPPED
from shared.events import codes
from tests.journey.conftest import clinic_in, hub
from tests.journey.test_promises import nothing_lost
from tests.storm.laboratory import CUTOFF, OWN, LaboratoryStorm, SentSpecimen

SECONDS = float(os.environ.get("IOP_STORM_LABORATORY_SECONDS", "300"))
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
PEOPLE, SENDERS, DAYS = 24, 3, 4
SETTLE_SECONDS_MOST = 300.0
Meant = dict[str, list[str]]


@pytest.fixture
def partners() -> Iterator[Partners]:
    with running() as opened:
        yield opened


@pytest.fixture
def hub_data(tmp_path: Path, partners: Partners) -> Iterator[Path]:
    with hub(tmp_path / "hub", partners.environment(), "--mllp-tls") as data:
        yield data


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS_MOST + 600)
async def test_each_row_of_a_stormy_day_is_graded_left_out_or_listed_once(hub_data: Path, partners: Partners) -> None:
    async with clinic_in(hub_data, partners) as clinic:
        people = [await clinic.admit() for _ in range(PEOPLE)]
        for each in people:
            await clinic.test(each)  # the baseline
        await clinic.pass_by(days=DAYS)
        storm = LaboratoryStorm(clinic, hub_data, people, Random(SEED), time.monotonic() + SECONDS)
        await asyncio.gather(*(storm.sends() for _ in range(SENDERS)), storm.kills(), storm.rotates(), storm.maps())
        await clinic.driver.settle(SETTLE_SECONDS_MOST)
        await all_read_again(storm)
        await clinic.driver.settle(SETTLE_SECONDS_MOST)
        connection = await asyncpg.connect(clinic.driver.hub.postgres["testing"])
        await each_row_is_somewhere(connection, storm)
        await what_was_accepted_is_stored(connection, storm)
        await connection.close()
        await nothing_lost(clinic)
        nothing_twice(await clinic.driver.records("iop.testing.events"), storm)
        counts = await clinic.driver.counts()
        assert {name: each.parked for name, each in counts.items()} == dict.fromkeys(counts, 0)
        await storm.iop("replay", "--all")
    sent = f"{len(storm.specimens)} specimens, {len(storm.mutated)} mutated ones accepted"
    print(f"\n{sent}, {dict(storm.counts)}, seed {SEED}")  # noqa: T201


async def all_read_again(storm: LaboratoryStorm) -> None:
    """Until each question about a code that was mapped is answered."""
    until = time.monotonic() + SETTLE_SECONDS_MOST
    while time.monotonic() < until:
        with suppress(httpx.TransportError):  # what was killed last is starting
            asked = await storm.clinic.driver.search("testing", "Task?code=map-code&status=requested")
            if not any(code in json.dumps(each["input"]) for each in asked for code in storm.mapped):
                return
        await asyncio.sleep(1)
    pytest.fail("what was mapped was not read again")


async def each_row_is_somewhere(connection: Any, storm: LaboratoryStorm) -> None:
    """Each row of each specimen as it came, and once as it is meant: graded, or asked about; a cut-off is left out."""
    query = "SELECT patient, at, status, body FROM resources WHERE type = 'Observation' AND patient <> ''"
    came, meant = defaultdict[tuple[str, datetime], set[str]](set), defaultdict[tuple[str, datetime], Meant](dict)
    for patient, at, status, body in await connection.fetch(query):
        coded = {each.get("system"): each["code"] for each in json.loads(body)["code"].get("coding", ())}
        analyte = coded.pop(codes.ANALYTE, None)
        if analyte is None:
            came[patient, at] |= set(coded.values())
        elif status != "entered-in-error":
            (code,) = coded.values()
            meant[patient, at].setdefault(code, []).append(analyte)
    wrong = [each for each in storm.specimens if not is_whole(each, came, meant, storm)]
    assert wrong == [], [(each, came[_key(each)], meant[_key(each)]) for each in wrong[:3]]
    asked = await storm.clinic.driver.search("testing", "Task?code=map-code")
    sent = {row.code for each in storm.specimens for row in each.rows}
    assert {code for code in OWN if code in json.dumps(asked)} >= sent & set(OWN)


def _key(specimen: SentSpecimen) -> tuple[str, datetime]:
    return specimen.person.id, specimen.collected


def is_whole(
    specimen: SentSpecimen,
    came: Mapping[tuple[str, datetime], set[str]],
    meant: Mapping[tuple[str, datetime], Meant],
    storm: LaboratoryStorm,
) -> bool:
    sent = {row.code for row in specimen.rows}
    expected = {code: [_analyte(code, storm)] for code in sent - {CUTOFF}}
    key = _key(specimen)
    # A specimen of which nothing but a cut-off came is none that anybody asked about.
    return (came.get(key, set()) == sent or sent == {CUTOFF}) and meant.get(key, {}) == expected


def _analyte(code: str, storm: LaboratoryStorm) -> str:
    if code in OWN and code not in storm.mapped:
        return UNMAPPED
    return LOINC[storm.mapped.get(code, code)].analyte


async def what_was_accepted_is_stored(connection: Any, storm: LaboratoryStorm) -> None:
    """Of mutated messages nothing else is known: that none which was accepted is gone."""
    stored = {row["digest"] for row in await connection.fetch("SELECT DISTINCT digest FROM documents")}
    sent = [each for content in storm.mutated for each in _messages(content)]
    assert [each for each in sent if digest_of(each) not in stored] == []


def _messages(content: bytes) -> Sequence[bytes]:
    if not batches.is_batch(content):
        return [content]
    return [each for part in batches.take_apart(content).batches for each in part.messages]


def nothing_twice(records: Sequence[Record], storm: LaboratoryStorm) -> None:
    """An event that was sent again when its service died is the same; of what was sent unchanged no report was resulted
    by two events."""
    by_id: dict[str, Any] = {}
    for each in records:
        assert by_id.setdefault(each.id, each.bundle) == each.bundle
    once = {each.id: each for each in records if each.event == "DrugTestResulted"}.values()
    plain = {_key(each) for each in storm.specimens}
    counted = Counter(_report(each) for each in once)
    assert [report for report, count in counted.items() if count > 1 and report[:2] in plain] == []


def _report(record: Record) -> tuple[str, datetime, str]:
    (report,) = [each for each in record.resources if each["resourceType"] == "DiagnosticReport"]
    return record.patient, datetime.fromisoformat(report["effectiveDateTime"]), str(report["id"])

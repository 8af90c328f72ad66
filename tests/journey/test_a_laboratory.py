"""A laboratory: a day's batch while its service is killed, a certificate that is exchanged, a code of its own."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

import httpx
import pytest

from deploy.certificates import Authority
from deploy.driver import END, START, Driver
from deploy.mllp_authority import FOLDER
from services.testing.hl7.receiver import MEDIA_TYPE
from shared.platform.certificates import in_pem
from tests.journey.clinic import COCAINE, Clinic, Person, report
from tests.journey.test_promises import nothing_lost, restarted

PATIENTS, REPORTS_EACH = 10, 50
SENT_BEFORE, SENT_BETWEEN = 10, 20
SECONDS_MOST, TRIES_MOST = 60.0, 300
CODE = "ZZ-COC"
HEADINGS = "laboratory,code,meaning,reviewed_by,from"


async def test_a_days_batch_sent_twice_while_its_service_is_killed_is_each_result_once(clinic: Clinic) -> None:
    people = await asyncio.gather(*(clinic.admit() for _ in range(PATIENTS)))
    await clinic.pass_by(minutes=REPORTS_EACH)
    batch = batch_of([message for each in people for message in reports(clinic, each, REPORTS_EACH)])
    pid = clinic.driver.pid("testing")
    sent = asyncio.create_task(post_batch(clinic.driver, batch))
    await until(lambda: some_result(clinic, people))
    os.kill(pid, SIGKILL)
    with pytest.raises(httpx.TransportError):
        await sent
    await restarted(clinic, "testing", pid)
    await clinic.driver.heartbeat("testing")
    answers = [await post_batch(clinic.driver, batch) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].content.count(b"MSA|AA|") == PATIENTS * REPORTS_EACH
    await clinic.driver.settle(120)
    await nothing_lost(clinic)
    assert await results(clinic, people) == {each.id: REPORTS_EACH for each in people}


async def test_a_certificate_takes_the_place_of_another_while_results_come(clinic: Clinic, hub_data: Path) -> None:
    person = await clinic.admit()
    keys = hub_data / "keys"
    old, new = keys / FOLDER / "lab.pem", keys / FOLDER / "lab-next.pem"
    made = Authority(keys / FOLDER).sign("lab")
    new.write_bytes(made.certificate + made.key)
    await clinic.pass_by(minutes=SENT_BEFORE + SENT_BETWEEN)
    messages = reports(clinic, person, SENT_BEFORE + SENT_BETWEEN)
    async with line(clinic.driver, old) as connection:
        await answered(connection, messages[:SENT_BEFORE])
        certificate = new.with_suffix(".crt")
        certificate.write_bytes(made.certificate)
        iop(hub_data, "client", "add-laboratory", "lab", "--certificate", str(certificate))
        await until(lambda: is_taken(clinic.driver, new))
        async with line(clinic.driver, new) as other:
            await answered(connection, messages[SENT_BEFORE::2])
            await answered(other, messages[SENT_BEFORE + 1 :: 2])
            iop(hub_data, "client", "remove-certificate", "lab", in_pem(old.read_bytes())[0].fingerprint)
            await asyncio.sleep(2.0)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await answered(connection, [report(person.mrn, clinic.now)])
            await answered(other, messages[-1:])
    await clinic.driver.settle()
    assert await results(clinic, [person]) == {person.id: len(messages)}


async def test_a_code_that_is_mapped_grades_and_escalates_what_came_under_it(clinic: Clinic, hub_data: Path) -> None:
    person = await clinic.admit()
    await clinic.test(person)  # the baseline
    await clinic.pass_by(days=1)
    message = report(person.mrn, clinic.now, [COCAINE], negative=())
    message = message.replace(f"{COCAINE}^^LN".encode(), f"{CODE}^Cocaine screen^L".encode())
    assert b"MSA|AA" in await clinic.driver.send_mllp(message)
    await clinic.driver.settle()
    asked = await clinic.driver.search("testing", "Task?code=map-code&status=requested")
    (task,) = [each for each in asked if CODE in str(each["input"])]
    mapped = hub_data / "codes.csv"
    mapped.write_text(f"{HEADINGS}\nlab,{CODE},{COCAINE},R. Eviewer,2026-01-05\n")
    iop(hub_data, "lab", "map", "import", str(mapped), "--program", "demo")
    await until(lambda: is_completed(clinic.driver, task["id"]))
    await clinic.driver.settle()
    assert (await clinic.events(person, "iop.testing.events"))[-1] == "DrugTestCorrected"
    assert ("EscalationRaised", "unexpected-positive-presumptive") in await clinic.escalations(person)


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(TRIES_MOST):
        if await happens():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not come to that")


async def some_result(clinic: Clinic, people: Sequence[Person]) -> bool:
    return bool(await results(clinic, people))


async def is_completed(driver: Driver, task: str) -> bool:
    return bool((await driver.get("testing", f"Task/{task}")).json()["status"] == "completed")


def reports(clinic: Clinic, person: Person, count: int) -> list[bytes]:
    """Of specimens that were collected a minute apart: those of one minute are one."""
    return [report(person.mrn, clinic.now - timedelta(minutes=each)) for each in range(count)]


def batch_of(messages: Sequence[bytes]) -> bytes:
    return b"".join((b"BHS|^~\\&|LIS|LAB|HUB|demo\r", *messages, f"BTS|{len(messages)}\r".encode()))


async def post_batch(driver: Driver, batch: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {await driver.token('lab')}", "Content-Type": MEDIA_TYPE}
    async with httpx.AsyncClient(timeout=SECONDS_MOST, trust_env=False) as laboratory:
        return await laboratory.post(f"{driver.hub.services['testing'].hl7}/batch", content=batch, headers=headers)


async def results(clinic: Clinic, people: Sequence[Person]) -> Counter[str]:
    """How many drug tests of each of them were emitted; an event that was sent again when its service died is one."""
    ours = {each.id for each in people}
    records = await clinic.driver.records("iop.testing.events")
    by_event = {each.id: each.patient for each in records if each.patient in ours and each.event == "DrugTestResulted"}
    return Counter(by_event.values())


@asynccontextmanager
async def line(driver: Driver, pair: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection with mutual TLS, by the certificate and key of this file."""
    context = ssl.create_default_context(cafile=pair.parent / "ca.pem")
    context.load_cert_chain(pair)
    host, _, port = str(driver.hub.services["testing"].mllp_tls).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], messages: Sequence[bytes]) -> None:
    """All of them at once, and each is accepted."""
    reader, writer = connection
    writer.write(b"".join(START + each + END for each in messages))
    async with asyncio.timeout(SECONDS_MOST):
        for _ in messages:
            assert b"MSA|AA|" in await reader.readuntil(END)


async def is_taken(driver: Driver, pair: Path) -> bool:
    """Whether the hub follows already; else it says no in the handshake, or with the first byte."""
    try:
        async with line(driver, pair) as (reader, _):
            await asyncio.wait_for(reader.read(1), 0.2)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


def iop(data: Path, *arguments: str) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "deploy.cli", *arguments, "--data", str(data)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""A night on call: a page is in time whatever else goes on, a deputy is told where the pager is dead, and a crash
repeats a page under the same id."""

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.demo import partner
from deploy.demo.pager import CHANNELS, ROTA
from deploy.demo.partner import Partners
from shared.events.catalogue import CONSUMES
from shared.path.outbound.on_call import PAGES_AT_ONCE
from tests.intake import bundles
from tests.journey.clinic import Clinic
from tests.journey.conftest import StartHub, clinic_in
from tests.journey.parts import pids
from tests.journey.programs import OURS, THEIRS, with_a_second_program
from tests.journey.test_promises import ALUMNI, discharge_without_settling
from tests.shared.on_call.escalated import CURRENT, until
from tests.shared.on_call.receiver import Receiver
from tests.stalls import seconds_of

PROMISED_SECONDS = 2.0
TRIES = 3
"""The machine may be busy with something else: what delays a page delays each."""
WAITING_ROWS = 5_000
BACKLOG_REFERRALS = 40
TWO_TRIES_SECONDS_MOST = 60.0
"""Each takes 5 s, and there are 9 s between them; 15 minutes are left to acknowledge."""
NEVER_SECONDS = 3_600.0
GRAVE = {"c-ssrs-q4": True}
DEPUTY = """
[program.west.person.prescriber-1]
channel = "deputies"

[[program.west.deputy]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "00:00"
person = "prescriber-1"
"""


@dataclass(frozen=True)
class Night:
    """Our pager answers; theirs accepts and never does, their deputy's answers. The partners never answer."""

    data: Path
    partners: Partners
    pager: Receiver
    theirs: Receiver
    deputy: Receiver


@pytest.fixture(scope="module")
async def receivers() -> AsyncIterator[tuple[Receiver, Receiver, Receiver]]:
    async with Receiver().open() as pager, Receiver(status=0).open() as theirs, Receiver().open() as deputy:
        yield pager, theirs, deputy


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, receivers: tuple[Receiver, Receiver, Receiver], start_hub: StartHub
) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    settings = with_a_second_program(folder / "settings")
    pager, theirs, deputy = receivers
    (settings / "pager.secret").write_text(CURRENT)
    (settings / "rota.toml").write_text(ROTA + ROTA.replace(f"program.{OURS}", f"program.{THEIRS}") + DEPUTY)
    west = CHANNELS.replace(f"program.{OURS}", f"program.{THEIRS}")
    channels = (CHANNELS.format(url=pager.url), west.format(url=theirs.url))
    deputies = west.replace("channel.pager", "channel.deputies").format(url=deputy.url)
    (settings / "oncall.toml").write_text("".join((*channels, deputies)))
    with (
        partner.running() as partners,
        start_hub(folder / "hub", partners.environment(), "--settings", str(settings)) as data,
    ):
        yield Night(data, partners, pager, theirs, deputy)


@pytest.fixture(scope="module")
async def clinic(night: Night) -> AsyncIterator[Clinic]:
    async with clinic_in(night.data, night.partners) as opened:
        yield opened


async def test_a_grave_page_is_in_time_while_receivers_hang_thousands_wait_and_a_backlog_drains(
    clinic: Clinic, night: Night
) -> None:
    await thousands_wait_for_a_partner_that_hangs(clinic)
    for _ in range(TRIES):
        with kafka_away(clinic):
            await a_backlog_waits(clinic)
            await their_pager_hangs(clinic, night)
        seconds = await seconds_until_rung(clinic, night)
        if seconds <= PROMISED_SECONDS:
            break
    assert seconds <= PROMISED_SECONDS
    assert await waiting(clinic, "aftercare", f"partner:{ALUMNI}") > WAITING_ROWS


async def test_where_the_pager_is_dead_the_deputy_is_told_within_the_time_to_acknowledge(
    clinic: Clinic, night: Night
) -> None:
    rung = len(set(night.theirs.ids))
    await referred(clinic, f"{THEIRS}-ehr")
    await night.deputy.until(rung + 1, TWO_TRIES_SECONDS_MOST)


async def test_a_service_killed_after_a_page_was_sent_sends_it_again_under_the_same_id(
    clinic: Clinic, night: Night
) -> None:
    before = len(night.pager.pages)
    night.pager.status = 0
    await referred(clinic)
    await night.pager.until(before + 1)
    os.kill(clinic.driver.pid("intake"), signal.SIGKILL)
    night.pager.status = 204
    await night.pager.until(before + 2, 60)
    first, again = night.pager.pages[before:]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert json.loads(first.body) == json.loads(again.body)


async def seconds_until_rung(clinic: Clinic, night: Night) -> float:
    """From the first byte of a POST to the page that it causes, less how late the machine woke us meanwhile."""

    async def rung() -> None:
        before = len(night.pager.pages)
        await referred(clinic)
        await night.pager.until(before + 1)

    return await seconds_of(rung())


async def referred(clinic: Clinic, client: str = "ehr") -> None:
    """Somebody whose answers raise a T4."""
    intake = bundles.intake(f"MRN-{uuid4().hex[:12]}", clinic.now, facts=GRAVE)
    assert (await clinic.driver.post("intake", intake, client)).status_code == 200


async def thousands_wait_for_a_partner_that_hangs(clinic: Clinic) -> None:
    person = await clinic.admit(consents=(bundles.consent(ALUMNI),))
    clinic.partners.seconds = NEVER_SECONDS
    await discharge_without_settling(clinic, person)
    await until(lambda: waiting(clinic, "aftercare", f"partner:{ALUMNI}"), bool)
    connection = await asyncpg.connect(clinic.driver.hub.postgres["aftercare"])
    await connection.execute(
        """INSERT INTO outbox (lane, program, key, headers, body)
        SELECT lane, program, key, headers, body FROM outbox, generate_series(1, $2) WHERE lane = $1""",
        f"partner:{ALUMNI}",
        WAITING_ROWS,
    )
    await connection.close()


@contextmanager
def kafka_away(clinic: Clinic) -> Iterator[None]:
    """What waited for it drains once the block has ended."""
    (broker,) = pids(clinic.driver.data, "kafka")
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)


async def a_backlog_waits(clinic: Clinic) -> None:
    for _ in range(BACKLOG_REFERRALS):
        intake = bundles.intake(f"MRN-{uuid4().hex[:12]}", clinic.now)
        assert (await clinic.driver.post("intake", intake)).status_code == 200
    assert await waiting(clinic, "intake", f"topic:{CONSUMES['attendance']}") > BACKLOG_REFERRALS


async def their_pager_hangs(clinic: Clinic, night: Night) -> None:
    """With as many pages of ours as are sent at once."""

    async def rung() -> int:
        return len(set(night.theirs.ids))

    before = await rung()
    for _ in range(PAGES_AT_ONCE):
        await referred(clinic, f"{THEIRS}-ehr")
    await until(rung, lambda count: count >= before + PAGES_AT_ONCE)


async def waiting(clinic: Clinic, service: str, lane: str) -> int:
    connection = await asyncpg.connect(clinic.driver.hub.postgres[service])
    rows = await connection.fetchval("SELECT count(*) FROM outbox WHERE lane = $1", lane)
    await connection.close()
    return int(rows)

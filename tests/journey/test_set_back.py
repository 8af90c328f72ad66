"""One service's database is restored to yesterday: what happened since is consumed again, a revocation above all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg

from tests.journey.clinic import Clinic
from tests.journey.test_promises import ALUMNI, eventually

COPY = "yesterday"
REVOKED = "SELECT revoked FROM consents WHERE consent_id = $1"


async def test_a_service_restored_to_yesterday_tells_nobody_what_was_revoked_since(clinic: Clinic) -> None:
    revoking, staying = await clinic.admit(), await clinic.admit()
    consent = await clinic.consent(revoking, ALUMNI)
    await clinic.consent(staying, ALUMNI)
    received_before = len(clinic.partners.received(ALUMNI))
    async with closed(clinic) as (server, aftercare):
        await server.execute(f"CREATE DATABASE {COPY} TEMPLATE {aftercare}")
    await clinic.pass_by(days=1)
    assert (await clinic.revoke(consent)).status_code == 200
    assert await revoked(clinic, consent)

    async with closed(clinic) as (server, aftercare):
        await server.execute(f"DROP DATABASE {aftercare}")
        await server.execute(f"ALTER DATABASE {COPY} RENAME TO {aftercare}")
    assert await revoked(clinic, consent)
    await clinic.discharge(revoking)
    await clinic.discharge(staying)

    assert await eventually(clinic, revoking, "ReferralWithheld")
    assert await eventually(clinic, staying, "ReferralSent")
    assert "ReferralSent" not in await clinic.events(revoking, "iop.aftercare.events")
    assert len(clinic.partners.received(ALUMNI)) == received_before + 1


async def revoked(clinic: Clinic, consent: str) -> bool:
    """Whether aftercare comes to know of it, by its database; after ends in a row it begins within 60 s."""
    for _ in range(900):
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            aftercare = await asyncpg.connect(clinic.driver.hub.postgres["aftercare"])
            try:
                if await aftercare.fetchval(REVOKED, consent):
                    return True
            finally:
                await aftercare.close()
        await asyncio.sleep(0.1)
    return False


@asynccontextmanager
async def closed(clinic: Clinic) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    """The server, and the name of aftercare's database while nobody may use it; the service ends, to be started again
    once it may."""
    dsn = urlsplit(clinic.driver.hub.postgres["aftercare"])
    name = dsn.path.strip("/")
    server = await asyncpg.connect(dsn._replace(path="/postgres").geturl())
    try:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        while await server.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name):
            await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            await asyncio.sleep(0.1)
        yield server, name
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await server.close()

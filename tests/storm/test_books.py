"""The long form of the law of the books: the lane's process is killed (SIGKILL) at random points."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from tests.aftercare.books import BooksStorm
from tests.aftercare.running import Aftercare

pytest_plugins = ["tests.aftercare.conftest"]
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
SECONDS = float(os.environ.get("IOP_STORM_BOOKS_SECONDS", "90"))
PATIENTS = 200


async def test_nothing_the_partners_socket_saw_is_missing_from_the_books_whenever_the_lane_is_killed(
    aftercare_alone: Aftercare, keys_folder: Path
) -> None:
    here = aftercare_alone
    arguments = (here.dsn, str(keys_folder), str(here.running.process.clock_file), here.partner.url)

    @asynccontextmanager
    async def process() -> AsyncIterator[None]:
        holder = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.storm.lane_holder", *arguments)
        dies = asyncio.create_task(holder.wait())
        dies.add_done_callback(lambda _: storm.dead.set())
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                holder.kill()
            await dies

    storm = BooksStorm(here, Random(SEED), PATIENTS, process)
    await storm.run(SECONDS, kills_seconds=3.0)
    await storm.every_body_is_accounted_for()
    await storm.nothing_left_after_a_revocation()
    print(f"\n{len(storm.seen)} bodies seen, {len(storm.revoked)} consents revoked, seed {SEED}")  # noqa: T201

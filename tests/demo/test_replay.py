"""The journal can be replayed: from an empty state each decision of the demo is made again, with the same ids."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any
from uuid import UUID

import msgspec
import pytest

from deploy import embedded_postgres
from deploy.embedded_postgres import RunningPostgres
from shared.events.catalogue import BY_NAME
from shared.path.outbound import destinations
from shared.path.service import Service
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.circumstances import Circumstances
from shared.path.transaction.deciding import Deciding
from shared.path.transaction.delivery import Commanded, Consumed, Delivery, Internal
from shared.path.transaction.journal import DECIDED, HELD, Journal
from shared.platform import db
from shared.platform.build import build
from shared.platform.db import Row
from shared.platform.keys import Keys
from shared.platform.settings import Process, partners
from shared.process import ServiceAssembly
from tests.demo.conftest import Demo
from tests.house.test_rooms import SERVICES
from tests.service import DEPLOY


@pytest.fixture(scope="module")
def postgres(demo: Demo) -> Iterator[RunningPostgres]:
    """The demo's own PostgreSQL, once more."""
    running = embedded_postgres.start(demo.data)
    yield running
    running.stop()


@asynccontextmanager
async def journal_of(postgres: RunningPostgres, name: str) -> AsyncIterator[tuple[list[Row], list[Row]]]:
    """Its rows in their order, and the sets of settings they name."""
    connection = await db.connect(postgres.dsn(name))
    try:
        rows = await connection.fetch("SELECT * FROM journal ORDER BY sequence")
        yield list(rows), list(await connection.fetch("SELECT * FROM settings"))
    finally:
        await connection.close()


def assembled(demo: Demo, name: str) -> tuple[ServiceAssembly, Mapping[str, Any]]:
    process = Process(
        database_url="postgresql://",
        kafka_bootstrap="127.0.0.1:9092",
        deploy=DEPLOY,
        keys=demo.data / "keys",
        issuer="http://127.0.0.1:8100",
        clock_file=None,
    )
    assembly: ServiceAssembly = import_module(f"services.{name}.app").assemble(Keys.load(process.keys, name))
    return assembly, assembly.settings(process)


@pytest.mark.parametrize("name", SERVICES)
async def test_each_decision_of_the_demo_is_made_again_with_the_same_ids(
    demo: Demo, postgres: RunningPostgres, name: str
) -> None:
    assembly, today = assembled(demo, name)
    async with journal_of(postgres, name) as (rows, settings):
        stored = {row["digest"]: decoded(row, today) for row in settings}
        again = Replay(assembly, stored)
        decided = [row for row in rows if row["outcome"] == DECIDED]
        assert len(decided) > 10
        for row in rows:
            if not row["outcome"].startswith(HELD):
                assert again.decide(row) == (row["outcome"], row["emitted"]), row["event"]


@pytest.mark.parametrize("name", SERVICES)
async def test_each_decision_names_settings_that_are_stored_and_the_build_that_decided(
    demo: Demo, postgres: RunningPostgres, name: str
) -> None:
    _, today = assembled(demo, name)
    async with journal_of(postgres, name) as (rows, settings):
        assert {row["settings"] for row in rows} <= {row["digest"] for row in settings}
        assert {row["digest"] for row in settings} == set(Journal("", today).digests.values())
        assert {row["code"] for row in rows} == {build()}


def decoded(row: Row, today: Mapping[str, Any]) -> Any:
    return msgspec.json.decode(row["body"], type=type(today[row["program"]]))


class Replay:
    """Decides rows of one service's journal as the path decides, each key from an empty state."""

    def __init__(self, assembly: ServiceAssembly, settings: Mapping[str, Any]) -> None:
        self._service = assembly.service
        self._settings = settings
        self._routes = destinations.routes(
            assembly.service.name, partners(DEPLOY), assembly.form and assembly.form(DEPLOY)
        )
        self._states: dict[tuple[str, str], LockedState] = {}

    def decide(self, row: Row) -> tuple[str, Sequence[UUID]]:
        """The outcome of this row's delivery, and the ids of what is emitted."""
        key, decider = (row["kind"], row["key"]), self._service.deciders[row["kind"]]
        empty = LockedState(*key, row["program"], decider.version, "", None)
        locked = self._states.setdefault(key, empty)
        settings = {row["program"]: self._settings[row["settings"]]}
        circumstances = Circumstances(
            self._service, decider, row["now"], row["listening_since"], settings, {}, versions={}
        )
        batch = Batch(row["kind"], {row["key"]: locked}, self._routes)
        Deciding(circumstances, batch).run([delivery_of(row, self._service)])
        (made,) = batch.journal
        return made.outcome, list(made.emitted)


def delivery_of(row: Row, service: Service) -> Delivery:
    origin = {
        "id": row["cause"],
        "key": row["key"],
        "kind": row["kind"],
        "program": row["program"],
        "at": row["now"],
        "producer": row["producer"],
        "correlation_id": row["cause"],
    }
    match row["delivery"]:
        case "consumed":
            event = msgspec.json.decode(row["content"], type=BY_NAME[row["event"]].event)
            return Consumed(**origin, event=event)
        case "commanded":
            return Commanded(**origin, commands=service.read_commands(row["content"]))
        case _:
            return Internal(**origin, event=service.read_internal(row["content"]))

"""A backlog is worked off in large portions, in small ones while clients come; in its order either way."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.edge.outcome import HttpRefusal
from shared.path.inbound.polled import FEW, Polled
from shared.path.transaction import portions
from shared.path.transaction.delivery import Committed, Consumed
from shared.path.transaction.portions import LARGE, SMALL, Portion, Portions
from tests.laws import examples
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import admission

PATIENTS = 7
EVENT = consumed(admission(str(UUID(int=1))), str(UUID(int=1)))


@dataclass
class Transactions:
    """An inbox that remembers each batch it was given; before those named a client comes."""

    client_before: frozenset[int] = frozenset()
    portions: Portions = field(default_factory=Portions)
    taken: list[list[Consumed]] = field(default_factory=list)

    async def receive(self, deliveries: Sequence[Consumed]) -> list[Committed]:
        if len(self.taken) in self.client_before:
            with self.portions.client():
                pass
        self.taken.append(list(deliveries))
        return [Committed() for _ in deliveries]


class DeliveriesAsRecords:
    """A record is its delivery."""

    def read(self, record: Any) -> Any:
        return record.delivery


def records(count: int) -> list[Any]:
    """The event again and again, of each patient in turn; its id is its number."""
    numbered = [replace(EVENT, id=UUID(int=number), key=str(number % PATIENTS)) for number in range(count)]
    return [SimpleNamespace(key=each.key.encode(), partition=0, delivery=each) for each in numbered]


async def store(inbox: Transactions, count: int) -> None:
    polled = Polled(inbox, DeliveriesAsRecords(), _nothing)  # type: ignore[arg-type]
    await polled.store(records(count))


async def _nothing(_: Any) -> None:
    return None


async def test_while_a_client_waits_no_transaction_holds_many_patients() -> None:
    inbox = Transactions()
    with inbox.portions.client():
        await store(inbox, 400)
    assert max(map(len, inbox.taken)) == SMALL.transaction


async def test_what_a_poll_brings_few_of_is_one_transaction() -> None:
    inbox = Transactions()
    await store(inbox, FEW - 1)
    assert len(inbox.taken) == 1
    await store(inbox, FEW)
    assert len(inbox.taken) == 3


async def test_a_client_is_answered_before_the_next_transaction_of_the_backlog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portions, "BEHIND_CLIENTS_SECONDS_MOST", 60.0)
    inbox = Transactions()
    with inbox.portions.client():
        storing = asyncio.create_task(store(inbox, 10))
        for _ in range(20):
            await asyncio.sleep(0)
        assert inbox.taken == []
    await storing
    assert sum(map(len, inbox.taken)) == 10


async def test_where_a_client_always_waits_a_backlog_still_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "BEHIND_CLIENTS_SECONDS_MOST", 0.0)
    inbox = Transactions()
    with inbox.portions.client(), inbox.portions.client():
        await store(inbox, 400)
    assert sum(map(len, inbox.taken)) == 400


async def test_while_clients_come_one_transaction_of_the_backlog_runs_at_a_time() -> None:
    here = Portions()
    with here.client():
        pass
    async with here.of_backlog():
        second = asyncio.create_task(_begun(here))
        await asyncio.sleep(0)
        assert not second.done()
    assert await second == SMALL


async def test_where_nobody_waits_several_run_at_once() -> None:
    here = Portions()
    async with here.of_backlog(), here.of_backlog() as second:
        assert second == LARGE


async def _begun(here: Portions) -> Portion:
    async with here.of_backlog() as portion:
        return portion


async def test_where_nobody_waits_a_poll_is_two_transactions() -> None:
    inbox = Transactions()
    await store(inbox, 400)
    assert len(inbox.taken) == 2


async def test_a_client_who_comes_meanwhile_makes_the_next_transaction_small() -> None:
    inbox = Transactions(client_before=frozenset({0}))
    await store(inbox, 1_000)
    first, second, *others = map(len, inbox.taken)
    assert first == LARGE.transaction
    assert second <= LARGE.transaction
    assert max(others) <= SMALL.transaction


def test_portions_grow_again_once_no_client_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(portions, "ticks", lambda: now)
    here = Portions()
    assert here.now == LARGE
    with here.client():
        assert here.now == SMALL
    now += portions.CLIENT_SECONDS
    assert here.now == LARGE


@given(st.integers(0, 700), st.frozensets(st.integers(0, 12)))
@settings(max_examples=examples(20))
async def test_whoever_comes_meanwhile_each_patients_events_are_decided_once_and_in_order(
    count: int, client_before: frozenset[int]
) -> None:
    inbox = Transactions(client_before)
    await store(inbox, count)
    decided = defaultdict(list)
    for batch in inbox.taken:
        for delivery in batch:
            decided[delivery.key].append(delivery.id.int)
    wanted = {str(each): list(range(each, count, PATIENTS)) for each in range(min(count, PATIENTS))}
    assert decided == wanted


async def test_a_client_of_the_service_makes_portions_small_whatever_it_is_answered(here: ServiceOnPostgres) -> None:
    assert here.inbox.portions.now == LARGE
    with pytest.raises(HttpRefusal):
        await here.post({"resourceType": "Patient"})
    assert here.inbox.portions.now == SMALL

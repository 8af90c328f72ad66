"""The one function for every way into a service: Kafka batch, HTTP, MLLP, deadline, internal event, redrive.

read -> claim -> learn -> lock -> decide -> keep, in one transaction. At-least-once delivery, effectively-once effects.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.events.intake import PatientIdentified
from shared.path.service import Service
from shared.path.transaction import aliases, consent_ledger, store
from shared.path.transaction.batch import Batch, LockedState
from shared.path.transaction.deciding import Deliberation
from shared.path.transaction.delivery import Answer, Committed, Delivery, Incomplete, Reused, Stale
from shared.platform import db, metrics
from shared.platform.clock import Clock
from shared.platform.db import Connection
from shared.platform.listening import Listening
from shared.platform.settings import digest
from shared.rules.decision import Refused

_AgainAnswer = Committed | Incomplete
_encode = msgspec.json.Encoder().encode
DECIDED_AT_ONCE = 8
"""Events decided before others have their turn: a whole batch would make each POST wait for tens of milliseconds."""


class Inbox:
    """`wake` is called after each commit with the lanes it fed: what was emitted can be sent."""

    def __init__(
        self,
        service: Service,
        pool: Any,
        months: db.Months,
        clock: Clock,
        listening: Listening,
        settings: Mapping[str, Any],
        wake: Callable[[Iterable[str]], None],
    ) -> None:
        self.service = service
        self.pool = pool
        self.clock = clock
        self.settings = settings
        self._digests = {program: digest(each) for program, each in settings.items()}
        self.months = months
        self._listening = listening
        self.wake = wake

    async def receive(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """Take a batch in one transaction. Where the data of one record breaks a statement, take them singly."""
        try:
            return await self._transaction(deliveries)
        except Exception as error:
            if not db.is_data_error(error) or not deliveries:
                raise
            if len(deliveries) == 1:
                return await self._transaction([_unkeepable(deliveries[0], error)])
        answers: list[Answer] = []
        for delivery in deliveries:
            answers.extend(await self.receive([delivery]))
        return answers

    async def beat(self, heartbeats: Mapping[int, datetime]) -> None:
        """Each partition's consents are known up to its heartbeat. After the events before it, never with them."""
        async with self.pool.acquire() as connection:
            await consent_ledger.mark_current(connection, heartbeats)

    async def _transaction(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        now = self.clock.now()
        await self.months.ensure(now)
        async with self.pool.acquire() as connection, connection.transaction():
            answers, fed = await self.take(connection, deliveries, now)
        self.wake(fed)
        return answers

    async def take(
        self, connection: Connection, deliveries: Sequence[Delivery], now: datetime
    ) -> tuple[list[Answer], frozenset[str]]:
        """The path itself, inside the caller's transaction: one answer per item, in their order; the lanes it fed."""
        fresh, answered = await self._deduplicate(connection, deliveries)
        decided = await self._with_waiting(connection, fresh)
        await consent_ledger.apply(connection, decided)
        locked_states = await store.lock(connection, {delivery.key: delivery.program for delivery in decided})
        versions = await store.versions(
            connection, [(each.type, each.id) for delivery in decided for each in delivery.expects]
        )
        batch = await self._deliberate(decided, locked_states, versions, now)
        written = await store.store(connection, self.service, batch, now, self._listening.since)
        await self._answer(connection, batch, written, answered)
        done = [delivery.outbox_id for delivery in deliveries if delivery.outbox_id is not None]
        if done:
            await connection.execute(store.DELETE_INTERNAL, done)
        metrics.count(self.service.name, batch)
        return [answered.get(id(delivery), Committed()) for delivery in deliveries], batch.lanes

    async def _deliberate(
        self,
        deliveries: Sequence[Delivery],
        locked_states: dict[str, LockedState],
        versions: Mapping[tuple[str, str], int],
        now: datetime,
    ) -> Batch:
        batch = Batch(locked_states)
        deliberation = Deliberation(self.service, now, self._listening.since, self.settings, self._digests, versions)
        for first in range(0, len(deliveries), DECIDED_AT_ONCE):
            deliberation.run(deliveries[first : first + DECIDED_AT_ONCE], batch)
            await asyncio.sleep(0)
        for key, last in {delivery.key: delivery for delivery in deliveries if delivery.parked is not None}.items():
            if not locked_states[key].stuck:
                deliberation.release(last, locked_states[key], batch)
        return batch

    async def _deduplicate(
        self, connection: Connection, deliveries: Sequence[Delivery]
    ) -> tuple[list[Delivery], dict[int, Answer]]:
        """Those not seen before, and what to answer to those seen before."""
        free = await store.mark_processed(
            connection, {delivery.id: delivery.program for delivery in deliveries if delivery.deduplicate}
        )
        fresh: list[Delivery] = []
        repeated: list[Delivery] = []
        for delivery in deliveries:
            if not delivery.deduplicate:
                fresh.append(delivery)
            elif delivery.id in free:
                free.discard(delivery.id)
                fresh.append(delivery)
            else:
                repeated.append(delivery)
        commanded = [delivery for delivery in repeated if delivery.kind == "commanded"]
        answers: dict[int, Answer] = {}
        if commanded:
            rows = await connection.fetch(store.ANSWERS, [delivery.id for delivery in commanded])
            known = {row["id"]: row for row in rows}
            for delivery in commanded:
                answers[id(delivery)] = _answer_again(delivery, known.get(delivery.id))
        return fresh, answers

    async def _with_waiting(self, connection: Connection, deliveries: list[Delivery]) -> list[Delivery]:
        followers = await self.learn(connection, [delivery for delivery in deliveries if delivery.parked is None])
        return (
            [each for delivery in deliveries for each in (delivery, *followers.get(id(delivery), ()))]
            if followers
            else deliveries
        )

    async def learn(self, connection: Connection, deliveries: Sequence[Delivery]) -> Mapping[int, tuple[Delivery, ...]]:
        """Each PatientIdentified teaches its aliases; what waited for one of them follows it, by the item's identity.

        Learning again what is known changes nothing.
        """
        identified = [delivery for delivery in deliveries if isinstance(delivery.event, PatientIdentified)]
        if not identified:
            return {}
        followers = await aliases.learn(connection, identified, self.service)
        following = [each for several in followers.values() for each in several]
        await store.mark_processed(
            connection, {each.id: each.program for each in following if each.kind == "commanded"}
        )
        return followers

    async def _answer(
        self,
        connection: Connection,
        batch: Batch,
        written: Mapping[tuple[str, str], int],
        answered: dict[int, Answer],
    ) -> None:
        stored: list[tuple[UUID, str | None, str]] = []
        undone: list[UUID] = []
        for delivery, answer in batch.answers:
            if isinstance(answer, Committed) and delivery.kind == "commanded":
                answer = Committed(
                    tuple((*name, written.get(name, 1)) for name in batch.answered_resources.get(delivery.id, ()))
                )
            answered[id(delivery)] = answer
            if not delivery.deduplicate:
                continue
            if isinstance(answer, Refused | Stale):
                undone.append(delivery.id)
            elif delivery.kind == "commanded":
                stored.append((delivery.id, delivery.digest, _encode(answer).decode()))
        if stored:
            await connection.execute(store.ANSWER, *(list(column) for column in zip(*stored, strict=True)))
        if undone:
            await connection.execute(store.FORGET_PROCESSED, undone)


def _answer_again(delivery: Delivery, row: Mapping[str, Any] | None) -> Answer:
    """The same command again gets the answer it got; another one under the same id is refused."""
    if row is None or row["answer"] is None:
        return Committed()
    if row["digest"] != delivery.digest:
        return Reused()
    answer: Answer = msgspec.json.decode(row["answer"], type=_AgainAnswer)
    return answer


def _unkeepable(delivery: Delivery, error: Exception) -> Delivery:
    delivery.unreadable, delivery.event = f"{type(error).__name__} in PostgreSQL", None
    return delivery


async def run_submissions(
    inbox: Inbox, queue: "asyncio.Queue[tuple[Delivery, asyncio.Future[Answer]]]", most: int = 100
) -> None:
    """Commands waiting at the desk, up to `most` in one transaction. Trouble goes to each who waits."""
    while True:
        waiting = [await queue.get()]
        while len(waiting) < most and not queue.empty():
            waiting.append(queue.get_nowait())
        try:
            answers = await inbox.receive([delivery for delivery, _ in waiting])
        except Exception as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            continue
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)

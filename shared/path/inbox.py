"""The one function for every way into a service: Kafka batch, HTTP, MLLP, deadline, word to oneself, redrive.

read -> claim -> learn -> lock -> decide -> keep, in one transaction. At-least-once delivery, effectively-once effects.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.path import db, identity, keep, ledger, metrics
from shared.path.batch import Batch, Slot
from shared.path.clock import Clock
from shared.path.db import Connection
from shared.path.deliberation import Deliberation
from shared.path.item import Answer, Incomplete, Item, Kept, Reused, Stale
from shared.path.listening import Listening
from shared.path.service import Service
from shared.path.settings import digest
from shared.rules.decision import Refused
from shared.words.intake import PatientIdentified

_AgainAnswer = Kept | Incomplete
_encode = msgspec.json.Encoder().encode
DECIDED_AT_ONCE = 8
"""Words decided before others have their turn: a whole batch would make each POST wait for tens of milliseconds."""


class Inbox:
    """`wake` is called after each commit with the lanes it fed: what was said can be sent."""

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

    async def hear(self, items: Sequence[Item]) -> list[Answer]:
        """Take a batch in one transaction. Where the data of one record breaks a statement, take them singly."""
        try:
            return await self._transaction(items)
        except Exception as error:
            if not db.is_data_error(error) or not items:
                raise
            if len(items) == 1:
                return await self._transaction([_unkeepable(items[0], error)])
        answers: list[Answer] = []
        for item in items:
            answers.extend(await self.hear([item]))
        return answers

    async def beat(self, heartbeats: Mapping[int, datetime]) -> None:
        """Each partition's consents are known up to its heartbeat. After the words before it, never with them."""
        async with self.pool.acquire() as connection:
            await ledger.mark_current(connection, heartbeats)

    async def _transaction(self, items: Sequence[Item]) -> list[Answer]:
        now = self.clock.now()
        await self.months.ensure(now)
        async with self.pool.acquire() as connection, connection.transaction():
            answers, fed = await self.take(connection, items, now)
        self.wake(fed)
        return answers

    async def take(
        self, connection: Connection, items: Sequence[Item], now: datetime
    ) -> tuple[list[Answer], frozenset[str]]:
        """The path itself, inside the caller's transaction: one answer per item, in their order; the lanes it fed."""
        fresh, answered = await self._claim(connection, items)
        decided = await self._with_waiting(connection, fresh)
        await ledger.apply(connection, decided)
        slots = await keep.lock(connection, {item.key: item.program for item in decided})
        versions = await keep.versions(connection, [(each.type, each.id) for item in decided for each in item.expects])
        batch = await self._deliberate(decided, slots, versions, now)
        written = await keep.keep(connection, self.service, batch, now, self._listening.since)
        await self._answer(connection, batch, written, answered)
        done = [item.outbox_id for item in items if item.outbox_id is not None]
        if done:
            await connection.execute(keep.DELETE_SELF, done)
        metrics.heard(self.service.name, batch)
        return [answered.get(id(item), Kept()) for item in items], batch.lanes

    async def _deliberate(
        self,
        items: Sequence[Item],
        slots: dict[str, Slot],
        versions: Mapping[tuple[str, str], int],
        now: datetime,
    ) -> Batch:
        batch = Batch(slots)
        deliberation = Deliberation(self.service, now, self._listening.since, self.settings, self._digests, versions)
        for first in range(0, len(items), DECIDED_AT_ONCE):
            deliberation.run(items[first : first + DECIDED_AT_ONCE], batch)
            await asyncio.sleep(0)
        for key, last in {item.key: item for item in items if item.parked is not None}.items():
            if not slots[key].stuck:
                deliberation.release(last, slots[key], batch)
        return batch

    async def _claim(self, connection: Connection, items: Sequence[Item]) -> tuple[list[Item], dict[int, Answer]]:
        """Those not seen before, and what to answer to those seen before."""
        free = await keep.claim(connection, {item.id: item.program for item in items if item.claim})
        fresh: list[Item] = []
        repeated: list[Item] = []
        for item in items:
            if not item.claim:
                fresh.append(item)
            elif item.id in free:
                free.discard(item.id)
                fresh.append(item)
            else:
                repeated.append(item)
        told = [item for item in repeated if item.kind == "told"]
        answers: dict[int, Answer] = {}
        if told:
            rows = await connection.fetch(keep.ANSWERS, [item.id for item in told])
            known = {row["id"]: row for row in rows}
            for item in told:
                answers[id(item)] = _again(item, known.get(item.id))
        return fresh, answers

    async def _with_waiting(self, connection: Connection, items: list[Item]) -> list[Item]:
        followers = await self.learn(connection, [item for item in items if item.parked is None])
        return [each for item in items for each in (item, *followers.get(id(item), ()))] if followers else items

    async def learn(self, connection: Connection, items: Sequence[Item]) -> Mapping[int, tuple[Item, ...]]:
        """Each PatientIdentified teaches its aliases; what waited for one of them follows it, by the item's identity.

        Learning again what is known changes nothing.
        """
        identified = [item for item in items if isinstance(item.word, PatientIdentified)]
        if not identified:
            return {}
        followers = await identity.learn(connection, identified, self.service)
        following = [each for several in followers.values() for each in several]
        await keep.claim(connection, {each.id: each.program for each in following if each.kind == "told"})
        return followers

    async def _answer(
        self,
        connection: Connection,
        batch: Batch,
        written: Mapping[tuple[str, str], int],
        answered: dict[int, Answer],
    ) -> None:
        kept: list[tuple[UUID, str | None, str]] = []
        undone: list[UUID] = []
        for item, answer in batch.answers:
            if isinstance(answer, Kept) and item.kind == "told":
                answer = Kept(tuple((*name, written.get(name, 1)) for name in batch.told.get(item.id, ())))
            answered[id(item)] = answer
            if not item.claim:
                continue
            if isinstance(answer, Refused | Stale):
                undone.append(item.id)
            elif item.kind == "told":
                kept.append((item.id, item.digest, _encode(answer).decode()))
        if kept:
            await connection.execute(keep.ANSWER, *(list(column) for column in zip(*kept, strict=True)))
        if undone:
            await connection.execute(keep.UNCLAIM, undone)


def _again(item: Item, row: Mapping[str, Any] | None) -> Answer:
    """The same command again gets the answer it got; another one under the same id is refused."""
    if row is None or row["answer"] is None:
        return Kept()
    if row["digest"] != item.digest:
        return Reused()
    answer: Answer = msgspec.json.decode(row["answer"], type=_AgainAnswer)
    return answer


def _unkeepable(item: Item, error: Exception) -> Item:
    item.unreadable, item.word = f"{type(error).__name__} in PostgreSQL", None
    return item


async def run_desk(inbox: Inbox, queue: "asyncio.Queue[tuple[Item, asyncio.Future[Answer]]]", most: int = 100) -> None:
    """Commands waiting at the desk, up to `most` in one transaction. Trouble goes to each who waits."""
    while True:
        waiting = [await queue.get()]
        while len(waiting) < most and not queue.empty():
            waiting.append(queue.get_nowait())
        try:
            answers = await inbox.hear([item for item, _ in waiting])
        except Exception as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            continue
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)

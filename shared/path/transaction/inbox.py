"""The one function for every way into a service: Kafka batch, HTTP, MLLP, deadline, internal event, redrive.

deduplicate -> lock -> learn -> decide -> store, in one transaction. At-least-once delivery, effectively-once effects.

Every transaction takes its locks in one order, each sort of them sorted, so that two never wait for each other in a
ring: processed ids, turns, documents, rows of keys, aliases, consents, and then what it writes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from shared.path.destination import Routes
from shared.path.service import PATIENT, Service
from shared.path.transaction import aliases, consent_ledger, puts, questions, resources, store, turns, waiting
from shared.path.transaction.batch import INTERNAL_LANE, Batch, LockedState
from shared.path.transaction.circumstances import Circumstances
from shared.path.transaction.deciding import Deciding
from shared.path.transaction.delivery import (
    Answer,
    AnyDelivery,
    Commanded,
    Committed,
    Consumed,
    Delivery,
    Identified,
    Incomplete,
    Internal,
    Redriven,
    Reused,
    Stale,
    bare,
    document_of,
    marks_processed,
    name_of,
)
from shared.path.transaction.journal import Journal
from shared.path.transaction.portions import Portions
from shared.path.transaction.resources import OfProgram
from shared.path.transaction.stored import unstorable
from shared.path.transaction.waiting import Followers
from shared.platform import db, documents, metrics, tracing
from shared.platform.clock import Clock, ticks
from shared.platform.db import Connection, Pool, Row
from shared.platform.documents import Document
from shared.platform.listening import Listening
from shared.rules.decision import Refused

_RepeatedAnswer = Committed | Incomplete
ANSWERED = Refused("conflict", "Somebody answered this Task before.", "Task.status")
_encode = msgspec.json.Encoder().encode


class Inbox:
    """`wake` is called after each commit with the lanes it fed: what was emitted can be sent."""

    def __init__(
        self,
        service: Service,
        routes: Routes,
        pool: Pool,
        journal: Journal,
        clock: Clock,
        listening: Listening,
        settings: Mapping[str, Any],
        wake: Callable[[Iterable[str]], None],
    ) -> None:
        self.service = service
        self.routes = routes
        self.pool = pool
        self.journal = journal
        self.clock = clock
        self.settings = settings
        self.wake = wake
        self.portions = Portions()
        self._listening = listening

    async def receive(
        self, deliveries: Sequence[AnyDelivery], kind: str = PATIENT, *, by_owners: bool = False
    ) -> list[Answer]:
        """Take a batch, all of one kind of key, in one transaction. Where the data of one delivery breaks a statement,
        take them singly; where another has just created a row of theirs, take them again. So, `by_owners`, where an
        identifier of them belongs to another patient by now: seldom, so it is not looked for before."""
        try:
            return await self._transaction(deliveries, kind, by_owners)
        except store.CreatedMeanwhile:
            return await self.receive(deliveries, kind, by_owners=by_owners)
        except aliases.BoundMeanwhile:
            return await self.receive(deliveries, kind, by_owners=True)
        except Exception as error:
            if not db.is_data_error(error) or not deliveries:
                raise
            if len(deliveries) == 1:
                place = f"{type(error).__name__} in PostgreSQL"
                return await self._transaction([unstorable(bare(deliveries[0]), place)], kind, by_owners=True)
        answers: list[Answer] = []
        for delivery in deliveries:
            answers.extend(await self.receive([delivery], kind))
        return answers

    async def beat(self, heartbeats: Mapping[int, datetime]) -> None:
        """Each partition's consents are known up to its heartbeat. After the events before it, never with them."""
        async with self.pool.acquire() as connection:
            await consent_ledger.mark_current(connection, heartbeats)

    async def _transaction(self, deliveries: Sequence[AnyDelivery], kind: str, by_owners: bool) -> list[Answer]:
        now = self.clock.now()
        await self.journal.ensure(now)
        taking = tracing.meeting("batch", *_traces(deliveries), count=len(deliveries))
        with metrics.BATCH.labels(self.service.name).time(), taking:
            async with self.pool.acquire() as connection, connection.transaction():
                answers, fed = await self.take(connection, deliveries, now, kind, by_owners=by_owners)
        self.wake(fed)
        return answers

    async def take(
        self,
        connection: Connection,
        deliveries: Sequence[AnyDelivery],
        now: datetime,
        kind: str = PATIENT,
        *,
        by_owners: bool = True,
    ) -> tuple[list[Answer], frozenset[str]]:
        """The path itself, inside the caller's transaction: an answer a delivery, in their order; the lanes it fed.
        Raises BoundMeanwhile, CreatedMeanwhile."""
        fresh, answered = await self._deduplicate(connection, deliveries, by_owners)
        locked = await store.lock(connection, kind, _programs([bare(each) for each in fresh]))
        late = await waiting.gone(connection, fresh)
        answered |= {id(each): ANSWERED for each in late}
        anew = await waiting.read_since(connection, [each for each in fresh if id(each) not in answered], self.service)
        await store.forget_processed(connection, [each.id for each in anew])
        answered |= {id(each): Identified() for each in anew}
        decided = await self._with_followers(connection, [each for each in fresh if id(each) not in answered])
        await consent_ledger.apply(connection, decided)
        listening_since = self._listening.since
        batch = await self._decide(connection, decided, locked, now, listening_since, kind)
        decider = self.service.deciders[kind]
        with tracing.span("store"):
            written = await store.store(connection, decider, batch, now, listening_since)
        of_edges = batch.edge_answers
        stored = _stored(of_edges)
        await aliases.bind(
            connection, stored, [each for each, answer in of_edges if isinstance(answer, Refused | Stale)]
        )
        answered |= {id(delivery): answer for delivery, answer in batch.answers}
        await self._answer(connection, batch, of_edges, written, answered)
        await puts.remember(connection, [(each, answered[id(each)]) for each, _ in of_edges])
        done = [each.outbox_id for each in deliveries if isinstance(each, Internal) and each.outbox_id is not None]
        await store.delete(connection, INTERNAL_LANE, done)
        await waiting.end(connection, stored)
        await waiting.ask_about_refused(connection, batch.answers, self.service)
        await questions.add(connection, [bare(each) for each in stored])
        _count(self.service.name, batch)
        return [answered.get(id(delivery), Committed()) for delivery in deliveries], batch.lanes

    async def _decide(
        self,
        connection: Connection,
        deliveries: Sequence[AnyDelivery],
        locked: dict[str, LockedState],
        now: datetime,
        listening_since: datetime,
        kind: str,
    ) -> Batch:
        bares = [bare(each) for each in deliveries]
        expected = [(each.program, e.type, e.id) for each in bares if isinstance(each, Commanded) for e in each.expects]
        circumstances = Circumstances(
            self.service,
            self.service.deciders[kind],
            now,
            listening_since,
            self.settings,
            self.journal.digests,
            await resources.versions(connection, expected),
        )
        batch = Batch(kind, locked, self.routes)
        deciding = Deciding(circumstances, batch)
        left, seconds = iter(deliveries), 0.0
        while portion := list(islice(left, self.portions.now.decided)):
            began = ticks()
            deciding.run(portion)
            seconds += ticks() - began
            await asyncio.sleep(0)
        metrics.DECIDE.labels(self.service.name).observe(seconds)
        for key, last in {each.key: each for each in deliveries if isinstance(each, Redriven)}.items():
            if not locked[key].stuck:
                deciding.release(last)
        return batch

    async def _deduplicate(
        self, connection: Connection, deliveries: Sequence[AnyDelivery], by_owners: bool
    ) -> tuple[list[AnyDelivery], dict[int, Answer]]:
        """Those not seen before, and what to answer to those seen before."""
        marking = {each.id: each.program for each in deliveries if marks_processed(each)}
        free = await store.mark_processed(connection, marking, turns.asked_by(deliveries))
        fresh: list[AnyDelivery] = []
        repeated: list[Delivery] = []
        for delivery in deliveries:
            if not marks_processed(delivery):
                fresh.append(delivery)
            elif delivery.id in free:
                free.discard(delivery.id)
                fresh.append(delivery)
            else:
                repeated.append(delivery)
        of_edges = [each for each in deliveries if not isinstance(each, Consumed)]
        reused = await _store_documents(connection, of_edges)
        elsewhere = await aliases.bound_elsewhere(connection, of_edges if by_owners else repeated)
        elsewhere += await turns.done_meanwhile(connection, fresh)
        await store.forget_processed(connection, [bare(each).id for each in elsewhere if each in fresh])
        answered = await self._repeated(connection, repeated)
        answered |= {**reused, **{id(each): Identified() for each in elsewhere}}
        return [each for each in fresh if id(each) not in answered], answered

    async def _repeated(self, connection: Connection, deliveries: Sequence[Delivery]) -> dict[int, Answer]:
        commanded = [each for each in deliveries if isinstance(each, Commanded)]
        known = await store.answers(connection, [each.id for each in commanded])
        return {id(each): _answer_again(each, known.get(each.id)) for each in commanded}

    async def _with_followers(self, connection: Connection, deliveries: list[AnyDelivery]) -> list[AnyDelivery]:
        """What an identification releases is decided right behind it."""
        followers = await self.learn(connection, [each for each in deliveries if not isinstance(each, Redriven)])
        if not followers:
            return deliveries
        return [each for delivery in deliveries for each in (delivery, *followers.get(id(delivery), ()))]

    async def learn(self, connection: Connection, deliveries: Sequence[Delivery]) -> Followers:
        """Learn aliases; what waited for one of them follows, by the identity of the delivery that released it."""
        followers = await waiting.learn(connection, deliveries, self.service)
        facts = [each for several in followers.values() for each in several if isinstance(each, Commanded)]
        await store.mark_processed(connection, {each.id: each.program for each in facts})
        return followers

    async def _answer(
        self,
        connection: Connection,
        batch: Batch,
        decided: Sequence[tuple[AnyDelivery, Answer]],
        written: Mapping[OfProgram, int],
        answered: dict[int, Answer],
    ) -> None:
        """Remember what commands were answered; a refused one had no effect and may be tried again."""
        given: list[tuple[UUID, str | None, str]] = []
        undone: list[Delivery] = []
        for delivery, answer in decided:
            plain = bare(delivery)
            if isinstance(answer, Committed) and isinstance(plain, Commanded):
                names = batch.answered_resources.get(plain.id, ())
                standing = tuple((*name, written.get((plain.program, *name), 1)) for name in names)
                answer = Committed(standing, batch.answered_instead.get(plain.id, ()))
            answered[id(delivery)] = answer
            if not marks_processed(delivery):
                continue
            if isinstance(answer, Refused | Stale):
                undone.append(plain)
            elif isinstance(plain, Commanded):
                given.append((plain.id, plain.digest, _encode(answer).decode()))
        await store.remember(connection, given)
        await store.forget_processed(connection, [each.id for each in undone])
        await documents.take_back(connection, _documents(undone))


def _traces(deliveries: Sequence[AnyDelivery]) -> tuple[list[str | None], list[str | None]]:
    """The traces that meet in a batch, and those that deliveries of it were tried in before."""
    fresh = [each.traceparent for each in deliveries if not isinstance(each, Redriven)]
    return fresh, [each.delivery.traceparent for each in deliveries if isinstance(each, Redriven)]


def _programs(deliveries: Sequence[Delivery]) -> dict[str, str]:
    """The program of each key that has none yet: the first that a delivery about it names."""
    programs: dict[str, str] = {}
    for each in deliveries:
        programs[each.key] = programs.get(each.key) or each.program
    return programs


def _stored(answers: Sequence[tuple[AnyDelivery, Answer]]) -> list[AnyDelivery]:
    """What is decided or parked: what was refused leaves nothing behind."""
    return [delivery for delivery, answer in answers if isinstance(answer, Committed | Incomplete)]


def _documents(deliveries: Sequence[AnyDelivery]) -> list[Document]:
    return [document for each in deliveries if (document := document_of(each)) is not None]


async def _store_documents(connection: Connection, deliveries: Sequence[AnyDelivery]) -> dict[int, Answer]:
    """Store what was received. Refused is what came with other content under an id that was used before."""
    digests = await documents.store(connection, _documents(deliveries))
    return {
        id(each): Reused()
        for each in deliveries
        if digests and (document := document_of(each)) is not None and digests[document.id] != document.digest
    }


def _answer_again(delivery: Commanded, row: Row | None) -> Answer:
    """The same command again gets the answer it got; another one under the same id is refused."""
    if row is None or row["answer"] is None:
        return Committed()
    if row["digest"] != delivery.digest:
        return Reused()
    answer: Answer = msgspec.json.decode(row["answer"], type=_RepeatedAnswer)
    return answer


def _count(service: str, batch: Batch) -> None:
    """The metrics of one committed batch."""
    decided = Counter(_event(each) for each, answer in batch.answers if type(answer) is Committed)
    for event, number in decided.items():
        metrics.DELIVERIES.labels(service, event).inc(number)
    for lane, rows in Counter(row.lane for row in batch.outbox).items():
        metrics.EMITTED.labels(service, lane).inc(rows)


def _event(delivery: AnyDelivery) -> str:
    """Of several commands the first: few combinations are alike, and each would be a series."""
    return name_of(bare(delivery)).partition("+")[0]

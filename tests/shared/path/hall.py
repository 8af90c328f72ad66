"""A hall to try the path in: attendance's real decisions, a real database, a clock that stands still."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from services.attendance import decide
from services.attendance.messages import Commands
from services.attendance.settings import Settings
from services.attendance.state import VERSION, State, due, evolve
from shared.events import wire
from shared.events.envelope import Command, Envelope, Event
from shared.events.intake import EpisodeAdmitted, TemplateSlot
from shared.path.service import Service
from shared.path.transaction.delivery import Answer, Delivery, consumed
from shared.path.transaction.inbox import Inbox
from shared.platform import db
from shared.platform.clock import Clock
from shared.platform.listening import Listening
from shared.platform.settings import load

MONDAY_NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
MONDAY_SESSION = datetime(2026, 1, 5, 23, 0, tzinfo=UTC)
"""18:00 in New York."""
EVENINGS = (
    TemplateSlot("group", 0, "18:00", 180),
    TemplateSlot("group", 2, "18:00", 180),
    TemplateSlot("group", 4, "18:00", 180),
)
DEPLOY = Path(__file__).parents[3] / "deploy"


class Hall:
    """`hear` as from Kafka, `tell` as from the edge, `look` into the tables."""

    def __init__(self, inbox: Inbox, pool: Any, clock_file: Path) -> None:
        self.inbox = inbox
        self.pool = pool
        self._clock_file = clock_file

    def set_clock(self, moment: datetime) -> None:
        self._clock_file.write_text(moment.isoformat())
        self.inbox.clock._seen = None

    async def consume(self, *deliveries: Delivery) -> list[Answer]:
        return await self.inbox.receive(deliveries)

    async def command(self, patient: str, *commands: Command, cause: UUID | None = None, digest: str = "d") -> Answer:
        (answer,) = await self.inbox.receive([commanded(patient, *commands, cause=cause, digest=digest)])
        return answer

    async def look(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(query, *values)]

    async def emitted(self) -> list[str]:
        """The words in the outbox, in their order."""
        headers = await self.look("SELECT headers FROM outbox WHERE lane LIKE 'topic:%' ORDER BY id")
        return [wire.event_name(msgspec.json.decode(headers)) for (headers,) in headers]


def attendance() -> Service:
    """The real service; sealed parts are not opened here, so it holds no keys."""
    return Service(
        name="attendance",
        state_type=State,
        version=VERSION,
        react=decide.react,
        decide=decide.decide,
        evolve=evolve,
        due=due,
        commands=Commands,
    )


@asynccontextmanager
async def hall(dsn: str, folder: Path, service: Service | None = None) -> AsyncIterator[Hall]:
    clock_file = folder / "clock"
    clock_file.write_text(MONDAY_NOON.isoformat())
    clock = Clock(clock_file)
    async with db.pool(dsn) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        settings = load(DEPLOY, "attendance", Settings)
        inbox = Inbox(service or attendance(), pool, db.Months(dsn), clock, listening, settings, lambda _: None)
        yield Hall(inbox, pool, clock_file)


def record(event: Event, patient: str, identity: UUID | None = None, program: str = "demo") -> Delivery:
    """The event as it comes from Kafka."""
    cause = identity or uuid4()
    envelope = Envelope(
        id=cause,
        source="intake",
        event=type(event).__name__,
        program=program,
        patient=patient,
        at=MONDAY_NOON,
        correlation_id=cause,
        causation_id=cause,
    )
    written = wire.write(event, envelope)
    return consumed(written.headers, patient, written.body)


def garbage(patient: str) -> Delivery:
    """A record whose headers are whole and whose value is not."""
    good = record(admission(patient), patient)
    return consumed(good.headers, patient, b"{")


def commanded(patient: str, *commands: Command, cause: UUID | None = None, digest: str = "d") -> Delivery:
    identity = cause or uuid4()
    return Delivery(
        id=identity,
        key=patient,
        program="demo",
        kind="commanded",
        at=MONDAY_NOON,
        by="ehr",
        correlation_id=identity,
        commands=commands,
        digest=digest,
    )


def admission(patient: str, template: Sequence[TemplateSlot] = EVENINGS) -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=str(uuid5(UUID(patient), "episode")),
        plan_id=str(uuid5(UUID(patient), "plan")),
        referral_id=str(uuid5(UUID(patient), "referral")),
        level="2.1",
        track="substance",
        flags=(),
        template=tuple(template),
        admitted_at=MONDAY_NOON,
    )

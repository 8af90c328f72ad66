"""Intake without HTTP and Kafka in front: submissions are taken at the desk, facts heard, tables read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from deploy import keys as key_files
from services.intake import app
from services.intake.settings import Settings
from shared.edge import fhir
from shared.edge.clients import Caller, registered
from shared.edge.resolving import Submission, cause_of
from shared.edge.search import ResourceReader
from shared.edge.submissions import Done, Submissions
from shared.events import wire
from shared.events.envelope import Envelope, Event
from shared.path.transaction.aliases import Keys
from shared.path.transaction.delivery import consumed
from shared.path.transaction.inbox import Inbox, run_submissions
from shared.platform import db
from shared.platform.clock import Clock
from shared.platform.listening import Listening
from shared.platform.settings import load
from tests.intake.bundles import MONDAY

DEPLOY = Path(__file__).parents[2] / "deploy"
Json = dict[str, Any]


class Hl7Receiver:
    def __init__(self, inbox: Inbox, submissions: Submissions, keys: Keys, pool: Any) -> None:
        self.inbox, self.submissions, self.keys, self.pool = inbox, submissions, keys, pool
        self.caller = Caller("ehr", registered(DEPLOY)["ehr"], "demo", (("*", "cruds"),))
        self.reader = ResourceReader(pool, keys)

    async def takes(self, bundle: Json) -> Done:
        """A transaction, or a message."""
        body = json.dumps(bundle).encode()
        parsed = fhir.parse(body).resource
        fhir.require_valid(parsed)
        kind: Any = bundle["type"]
        entries = fhir.transaction(parsed) if kind == "transaction" else fhir.message(parsed)[1]
        cause, repeatable = cause_of(parsed, self.caller)
        return await self.submissions.submit(Submission(kind, entries, cause, repeatable, str(len(body))), self.caller)

    async def puts(self, resource: Json) -> Done:
        parsed = fhir.parse(json.dumps(resource).encode()).resource
        fhir.require_valid(parsed)
        entry = fhir.single("PUT", resource["resourceType"], resource["id"], parsed, {})
        return await self.submissions.submit(Submission("single", (entry,), uuid4(), False, "digest"), self.caller)

    async def consumes(self, patient: str, event: Event, source: str = "attendance") -> None:
        cause, now = uuid4(), self.inbox.clock.now()
        envelope = Envelope(
            id=cause,
            source=source,
            event=type(event).__name__,
            program="demo",
            patient=patient,
            at=now,
            correlation_id=cause,
            causation_id=cause,
        )
        written = wire.write(event, envelope)
        await self.inbox.receive([consumed(written.headers, patient, written.body)])

    async def found(self, kind: str, *asked: tuple[str, str]) -> list[Json]:
        """What a search answers, as plain JSON."""
        resources, _, _ = await self.reader.search(kind, asked, self.caller)
        return [json.loads(fhir.encode(each)) for each in resources]

    async def task(self, code: str) -> Json:
        """The one Task with this code."""
        (found,) = [each for each in await self.found("Task") if each["code"]["coding"][0]["code"] == code]
        return found

    async def emitted(self) -> list[str]:
        """The words in the outbox, in their order."""
        rows = await self.pool.fetch("SELECT headers FROM outbox WHERE lane LIKE 'topic:%' ORDER BY id")
        return [wire.event_name(json.loads(row["headers"])) for row in rows]

    async def everything_said(self) -> str:
        """All that would stand on a topic: keys, headers and bodies."""
        rows = await self.pool.fetch("SELECT key, headers, body FROM outbox")
        return "\n".join(f"{row['key']} {row['headers']} {row['body']}" for row in rows)


@asynccontextmanager
async def reception(database: str, folder: Path, now: datetime = MONDAY) -> AsyncIterator[Hl7Receiver]:
    keys = Keys.load(key_files.make(folder), "intake")
    clock_file = folder / "clock"
    clock_file.write_text(now.isoformat())
    clock, assemble = Clock(clock_file), app.assemble(keys)
    async with db.pool(database) as pool:
        listening = Listening(pool, clock)
        await listening.start()
        settings = load(DEPLOY, "intake", Settings)
        inbox = Inbox(assemble.service, pool, db.Months(database), clock, listening, settings, lambda _: None)
        submissions = Submissions(inbox, assemble.edge, keys)
        running = asyncio.create_task(run_submissions(inbox, submissions.queue))
        yield Hl7Receiver(inbox, submissions, keys, pool)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

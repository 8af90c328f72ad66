"""The desk: one submission from bytes to answer. Validated once, resolved, told, answered after the commit."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from shared.edge import fhir, patients
from shared.edge.clients import Caller
from shared.edge.contract import Context, Edge, Interpretation, Stored
from shared.edge.fhir import Answered, Entry
from shared.edge.outcome import Refusal, fault, refuse
from shared.path import db, identity
from shared.path.batch import clinical_time
from shared.path.identity import Keys
from shared.path.inbox import Inbox
from shared.path.item import Accepted, Answer, Expected, Incomplete, Item, Kept, Reused, Stale
from shared.rules.decision import Refused
from shared.words.intake import Digest

ANSWER_SECONDS_MOST = 30.0
QUEUE_MOST = 5_000
"""Commands that may wait at the desk; beyond, the client is asked to come back."""

Ticket = tuple[Item, "asyncio.Future[Answer]"]
_LETTER = {"POST": "c", "PUT": "u"}
_STORED = """SELECT type, id, patient, program, body, sealed FROM resources r
    JOIN unnest($1::text[], $2::text[]) AS u(type, id) USING (type, id)"""
_STATUS = {"conflict": 409, "not-found": 404, "business-rule": 422, "required": 422, "transient": 409, "forbidden": 403}


@dataclass(frozen=True)
class Submission:
    """What was asked, as entries; `cause` names it, so that the same again gets the same answer."""

    kind: Literal["transaction", "message", "single"]
    entries: tuple[Entry, ...]
    cause: UUID
    repeatable: bool
    digest: str


@dataclass(frozen=True)
class Done:
    """What became of a submission: an answer for each of its entries, in their order."""

    answered: tuple[Answered, ...]
    incomplete: bool
    existing: bool


class Desk:
    def __init__(self, inbox: Inbox, edge: Edge, keys: Keys) -> None:
        self.inbox = inbox
        self.edge = edge
        self._keys = keys
        self.queue: asyncio.Queue[Ticket] = asyncio.Queue(QUEUE_MOST)

    async def submit(self, submission: Submission, caller: Caller) -> Done:
        """Tell the service. Raises Refusal."""
        for entry in submission.entries:
            self._require(entry, caller)
        async with self.inbox.pool.acquire() as connection:
            entries, existing = await self._identified(connection, submission, caller)
            stored = await self._stored(connection, entries, caller)
            patient, digests = await self._patient(connection, entries, stored, caller)
        context = self._context(caller, patient or "", stored)
        patients.rewrite(entries, patient or "")
        fresh = [entry for entry in self._in_order(entries) if (entry.type, entry.id) not in existing]
        if not fresh:
            return Done(tuple(_existing(entry) for entry in entries), False, True)
        interpretation = self.edge.interpret(fresh, context)
        item = self._item(submission, interpretation, context, fresh)
        if patient is None:
            await self._wait(item, digests, caller)
            return self._done(entries, existing, Kept(), submission)
        return self._done(entries, existing, await self.tell(item), submission)

    async def tell(self, item: Item) -> Answer:
        """Queue the item and wait for its commit. Raises Refusal for everything that is no Kept or Incomplete."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            self.queue.put_nowait((item, future))
            answer = await asyncio.wait_for(future, ANSWER_SECONDS_MOST)
        except (asyncio.QueueFull, TimeoutError) as error:
            raise refuse(503, "throttled", "", "The service is busy.", Retry_After="5") from error
        except Exception as error:
            if not db.is_trouble(error):
                raise
            raise refuse(503, "transient", "", "The service can't reach its database.", Retry_After="5") from error
        return _not_refused(answer)

    def _require(self, entry: Entry, caller: Caller) -> None:
        taken = self.edge.takes.get(entry.type)
        wanted = "create" if entry.method == "POST" else "update"
        if taken is None and self.edge.accepts_any and entry.method == "POST":
            return
        if taken is None or wanted not in taken.interactions:
            raise refuse(422, "not-supported", entry.place, f"This service takes no {wanted} of this type.")
        caller.require(entry.type, _LETTER[entry.method])

    async def _identified(
        self, connection: db.Connection, submission: Submission, caller: Caller
    ) -> tuple[tuple[Entry, ...], set[tuple[str, str]]]:
        """The entries with ids: a Patient's by its identifiers, others by the cause, or by their ifNoneExist."""
        assigned: dict[int, str] = {}
        asked: dict[tuple[str, str], None] = {}
        for ordinal, entry in enumerate(submission.entries):
            if entry.type == "Patient" and self.edge.keeps_patients:
                assigned[id(entry)] = await patients.of_patient_entry(connection, self._keys, entry, caller)
            elif entry.if_none_exist is not None:
                name = f"{caller.name}|{caller.program}|{entry.type}?{entry.if_none_exist}"
                assigned[id(entry)] = str(uuid5(NAMESPACE_URL, name))
                asked[entry.type, assigned[id(entry)]] = None
            else:
                assigned[id(entry)] = str(uuid5(submission.cause, str(ordinal)))
        existing: set[tuple[str, str]] = set()
        if asked:
            rows = await connection.fetch(_STORED, [kind for kind, _ in asked], [name for _, name in asked])
            existing = {(row["type"], row["id"]) for row in rows}
        return fhir.resolve(submission.entries, lambda entry: assigned[id(entry)]), existing

    async def _stored(
        self, connection: db.Connection, entries: Sequence[Entry], caller: Caller
    ) -> dict[tuple[str, str], Stored]:
        """What each PUT replaces. There is no update-as-create: ids are the hub's to give."""
        updates = [entry for entry in entries if entry.method == "PUT"]
        if not updates:
            return {}
        rows = await connection.fetch(_STORED, [each.type for each in updates], [str(each.id) for each in updates])
        found = {(row["type"], row["id"]): row for row in rows if row["program"] == caller.program}
        for entry in updates:
            if (entry.type, str(entry.id)) not in found:
                raise refuse(404, "not-found", f"{entry.place}.id", "Nothing here has this id; the hub gives ids.")
        return {name: _stored(row) for name, row in found.items()}

    async def _patient(
        self,
        connection: db.Connection,
        entries: Sequence[Entry],
        stored: Mapping[tuple[str, str], Stored],
        caller: Caller,
    ) -> tuple[str | None, tuple[Digest, ...]]:
        if self.edge.keeps_patients:
            own = {str(entry.id) for entry in entries if entry.type == "Patient"}
            if len(own) > 1:
                raise refuse(422, "business-rule", entries[0].place, "A transaction is about one patient.")
            if own:
                return own.pop(), ()
        owners = {each.patient for each in stored.values() if each.patient}
        found, digests = await patients.of_references(connection, self._keys, entries, caller)
        owners |= {found} if found else set()
        if len(owners) > 1:
            raise refuse(422, "business-rule", entries[0].place, "A transaction is about one patient.")
        if not owners and not (self.edge.waits and digests):
            if not digests:
                raise refuse(422, "required", entries[0].place, "Nothing here says which patient it is about.")
            raise refuse(
                409,
                "transient",
                entries[0].place,
                "This patient is not known yet; try again soon.",
                Retry_After=str(patients.RETRY_SECONDS),
            )
        return (owners.pop() if owners else None), digests

    def _context(self, caller: Caller, patient: str, stored: Mapping[tuple[str, str], Stored]) -> Context:
        settings = self.inbox.settings[caller.program]
        return Context(caller, patient, caller.program, settings, self.inbox.clock.now(), stored)

    def _in_order(self, entries: Sequence[Entry]) -> list[Entry]:
        """The fixed order of a transaction's commands: Patient before Consent before the rest, Task last."""
        rank = {kind: place for place, kind in enumerate(self.edge.order)}
        return sorted(entries, key=lambda entry: rank.get(entry.type, len(rank)))

    def _item(
        self, submission: Submission, interpretation: Interpretation, context: Context, entries: Sequence[Entry]
    ) -> Item:
        return Item(
            id=submission.cause,
            key=context.patient,
            program=context.program,
            kind="told",
            at=context.now,
            by=context.caller.name,
            correlation_id=submission.cause,
            commands=interpretation.commands,
            accepted=(*(self._accepted(each) for each in interpretation.accepted), *interpretation.kept),
            expects=tuple(
                Expected(each.type, str(each.id), int(each.if_match) if each.if_match.isdigit() else 0)
                for each in entries
                if each.if_match is not None
            ),
            claim=submission.repeatable,
            digest=submission.digest,
        )

    def _accepted(self, entry: Entry) -> Accepted:
        """As it came, digits and instants untouched. A Patient is sealed, for it carries direct identifiers."""
        if entry.type == "Patient":
            return identity.sealed_patient(self._keys, str(entry.id), entry.resource)
        status = entry.resource.get("status")
        return Accepted(
            entry.type,
            str(entry.id),
            fhir.encode(entry.resource).decode(),
            status if isinstance(status, str) else None,
            _clinical_time(entry.resource),
        )

    async def _wait(self, item: Item, digests: Sequence[Digest], caller: Caller) -> None:
        """A laboratory fact for somebody nobody knows yet: kept, readable as unmatched, guessed none."""
        await keep_waiting(self.inbox, item, {caller.program: digests})

    def _done(
        self, entries: Sequence[Entry], existing: set[tuple[str, str]], answer: Answer, submission: Submission
    ) -> Done:
        versions = (
            {(kind, name): version for kind, name, version in answer.resources} if isinstance(answer, Kept) else {}
        )
        answered = tuple(
            _existing(entry) if (entry.type, entry.id) in existing else _answered(entry, versions) for entry in entries
        )
        return Done(answered, isinstance(answer, Incomplete), False)


async def keep_waiting(inbox: Inbox, item: Item, programs: Mapping[str, Sequence[Digest]]) -> None:
    """Keep a fact under every identifier and program it may belong to; what came with it is readable at once."""
    async with inbox.pool.acquire() as connection, connection.transaction():
        await identity.wait(connection, item, programs)
        for each in item.accepted:
            await connection.execute(
                """INSERT INTO resources (type, id, program, patient, status, at, updated_at, sealed, body)
                VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING""",
                each.type,
                each.id,
                item.program,
                each.status,
                each.at,
                item.at,
                each.sealed,
                each.body,
            )


def cause_of(bundle: Mapping[str, Any] | None, caller: Caller) -> tuple[UUID, bool]:
    """The submission's own name: from `Bundle.identifier`, within client and program, or a new one."""
    named = (bundle or {}).get("identifier") or {}
    if named.get("value"):
        name = f"{caller.name}|{caller.program}|{named.get('system', '')}|{named['value']}"
        return uuid5(NAMESPACE_URL, name), True
    return uuid4(), False


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _stored(row: Mapping[str, Any]) -> Stored:
    return Stored(row["patient"], {} if row["sealed"] else fhir.parse(row["body"].encode()).resource)


def _not_refused(answer: Answer) -> Answer:
    match answer:
        case Kept() | Incomplete():
            return answer
        case Stale(type=kind):
            raise refuse(412, "conflict", f"{kind}.meta.versionId", "The resource has changed since; read it again.")
        case Reused():
            raise refuse(409, "duplicate", "", "This identifier was used before, with other content.")
        case Refused(code=code, because=because, expression=expression):
            issue = fault(code, expression, because)  # type: ignore[arg-type]
            raise Refusal(_STATUS.get(code, 422), (issue,))


def _answered(entry: Entry, versions: Mapping[tuple[str, str], int]) -> Answered:
    version = str(versions.get((entry.type, str(entry.id)), 1))
    status = "201 Created" if entry.method == "POST" else "200 OK"
    return Answered(status, f"{entry.type}/{entry.id}/_history/{version}", version)


def _existing(entry: Entry) -> Answered:
    return Answered("200 OK", f"{entry.type}/{entry.id}")


def _clinical_time(resource: Mapping[str, Any]) -> datetime | None:
    """A foreign resource's clinical time, for search: its text read as an instant, a bare date as midnight UTC."""
    named = {name: _instant(value) for name, value in resource.items() if isinstance(value, str)}
    period = resource.get("period") or resource.get("effectivePeriod")
    if isinstance(period, dict) and isinstance(period.get("start"), str):
        named["period"] = {"start": _instant(period["start"])}  # type: ignore[assignment]
    return clinical_time(named)


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

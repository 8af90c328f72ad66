"""Submissions: what a client sends is resolved, interpreted, admitted, and answered after the commit."""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import assert_never
from weakref import WeakValueDictionary

from msgspec.structs import replace

from shared.edge import (
    admission,
    answering,
    conditional,
    conflicts,
    escalations,
    fhir,
    finding,
    forms,
    large_bodies,
    partner_tasks,
    patients,
    questions,
    received,
    several,
    updates,
)
from shared.edge.admission import (
    CONTRADICTS,
    OneKey,
    OnePatient,
    Reading,
    Several,
    Stored,
    Subject,
    ToAPerson,
    Unknown,
    Waiting,
)
from shared.edge.answering import Done
from shared.edge.clients import Caller
from shared.edge.contract import Context, Edge, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry, ResourceSupport, elements
from shared.edge.outcome import HttpRefusal, fault, refuse
from shared.edge.patients import RETRY_SECONDS
from shared.edge.resolving import Resolved, Submission, panels, panels_touched, resolve, same_minute, stored
from shared.events.envelope import patient_id
from shared.path.transaction import aliases, resources, sealed, waiting
from shared.path.transaction.delivery import (
    Answer,
    Commanded,
    Committed,
    Expected,
    Identified,
    Incomplete,
    Reused,
    Stale,
)
from shared.path.transaction.inbox import Inbox
from shared.path.transaction.resources import AcceptedResource, Name
from shared.platform import db, tracing
from shared.platform.db import Connection, Row
from shared.platform.keys import Keys
from shared.platform.traits import BOTH
from shared.rules.decision import Refused

ANSWER_SECONDS_MOST = 30.0
QUEUE_MOST = 5_000
"""Commands that may wait to be decided; beyond, the client is asked to come back."""
TRANSACTION_MOST = 100
"""Commands decided in one transaction."""

PendingSubmission = tuple[Commanded, "asyncio.Future[Answer]"]
_LETTER = {"POST": "c", "PUT": "u"}
_STATUS = {"conflict": 409, "not-found": 404, "business-rule": 422, "required": 422, "transient": 409, "forbidden": 403}


class Submissions:
    def __init__(self, inbox: Inbox, edge: Edge, keys: Keys) -> None:
        self.inbox = inbox
        self.edge = edge
        self._keys = keys
        self._queue: asyncio.Queue[PendingSubmission] = asyncio.Queue(QUEUE_MOST)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Two that ask for the same on a condition take turns: each looks and stores before the next one looks."""

    @property
    def waiting(self) -> int:
        """How many wait to be decided."""
        return self._queue.qsize()

    async def run(self) -> None:
        """Decide what is queued. What comes while one transaction commits is decided together in the next, of each kind
        of key. An error goes to each who waits for its answer."""
        while True:
            pending = [await self._queue.get()]
            while len(pending) < TRANSACTION_MOST and not self._queue.empty():
                pending.append(self._queue.get_nowait())
            for kind in dict.fromkeys(delivery.kind for delivery, _ in pending):
                await self._decide([each for each in pending if each[0].kind == kind], kind)

    async def _decide(self, pending: Sequence[PendingSubmission], kind: str) -> None:
        try:
            answers = await self.inbox.receive([delivery for delivery, _ in pending], kind)
        except Exception as error:
            for future in _still_wanted(pending):
                future.set_exception(error)
            return
        for (_, future), answer in zip(pending, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def submit(self, submission: Submission, caller: Caller) -> Done:
        """Decide it, or let it wait for its patient. Raises HttpRefusal."""
        async with AsyncExitStack() as turns:
            turns.enter_context(self.inbox.portions.client())
            self._require(submission, caller)
            for condition in sorted(self._turns_of(submission, caller)):
                await turns.enter_async_context(self._turns.setdefault(condition, asyncio.Lock()))
            if caller.client.partner:
                async with self.inbox.pool.acquire() as connection:
                    submission = await partner_tasks.of_its_own(connection, submission, caller)
            return await self._submit(submission, caller)

    def _turns_of(self, submission: Submission, caller: Caller) -> set[str]:
        """What it looks at before it stores."""
        observed = [each.resource for each in submission.entries if each.type == "Observation" and self.edge.minutes]
        subjects = {
            f"{caller.program}|{fhir.encode(each['subject']).decode()}" for each in observed if "subject" in each
        }
        return {*conditional.turns(submission.entries, caller), *updates.turns(submission, caller), *subjects}

    async def _submit(self, submission: Submission, caller: Caller) -> Done:
        async with self.inbox.pool.acquire() as connection:
            if (done := await self._work_item(connection, submission, caller)) is not None:
                return done
            if self.edge.forms and all(each.type == forms.QUESTIONNAIRE for each in submission.entries):
                return await self._forms_alone(connection, submission, caller)
            resolved = await self._resolved(connection, submission, caller)
            repeated = await updates.repeated(connection, resolved, caller)
            unchanged = await updates.unchanged(connection, resolved, repeated, caller)
        known = resolved.existing.keys() | repeated.keys()
        fresh = [each for each in self._in_order(resolved.entries) if (each.type, each.id) not in known]
        if not fresh:
            return answering.done(resolved, Committed(), {}, repeated, caller)
        context = await self._same_minute(submission, fresh, self._context(caller, resolved, unchanged))
        context = await self._with_what_is_behind(fresh, await self._with_forms(fresh, context))
        meant = escalations.of_hold(fresh, context)
        if meant is None:
            meant = await large_bodies.apart(submission.size, self.edge.read, fresh, context)
        puts = updates.puts(fresh, meant.remarks)
        creates = conditional.creates(fresh)
        delivery = self._delivery(submission, meant, context, fresh)
        delivery = replace(delivery, binds=resolved.binds, puts=puts, creates=creates)
        if resolved.doubts == 1:
            delivery = replace(delivery, commands=waiting.doubted(delivery.commands))
        if meant.questions or (resolved.patient is None and meant.commands):
            every = [*fresh, *unchanged]
            delivery = replace(delivery, document=received.document(submission, resolved, every, context, self._keys))
        match await self._admitted(delivery, resolved, context):
            case Stored(answer=answer):
                resolved.stored.update(await self._store_forms(fresh, context))
                resolved = await self._as_ours(resolved, answer, caller)
                return answering.done(resolved, answer, meant.remarks, repeated, caller)
            case Waiting() | ToAPerson():
                return answering.done(resolved, Committed(), meant.remarks, repeated, caller)
            case Identified():
                return await self._submit(submission, caller)

    async def _as_ours(self, resolved: Resolved, answer: Committed | Incomplete, caller: Caller) -> Resolved:
        """Where what was created is a resource of ours, with that one: it exists where it was there before."""
        if not isinstance(answer, Committed) or not answer.instead:
            return resolved
        ours = {(kind, given): identity for kind, given, identity in answer.instead}
        emitted = {(kind, identity) for kind, identity, _ in answer.resources}
        before = [(caller.program, kind, each) for (kind, _), each in ours.items() if (kind, each) not in emitted]
        async with self.inbox.pool.acquire() as connection:
            found = await resources.versions(connection, before)
        entries = tuple(replace(each, id=ours.get((each.type, str(each.id)), each.id)) for each in resolved.entries)
        existing = resolved.existing | {(kind, name): version for (_, kind, name), version in found.items()}
        return dataclasses.replace(resolved, entries=entries, existing=existing)

    async def _admitted(
        self, delivery: Commanded, resolved: Resolved, context: Context
    ) -> Stored | Waiting | ToAPerson | Identified:
        """Where a Task stands otherwise by now, the refusal says how."""
        subject: Subject = resolved.other or Unknown()
        if resolved.doubts == BOTH:
            subject = Several(frozenset({context.program}), CONTRADICTS)
        elif resolved.patient is not None:
            subject = OnePatient(context.program, resolved.patient)
        whose = partial(self._whose, delivery)
        reading = Reading(delivery, resolved.digests, listed=delivery.accepted, question=whose, traits=resolved.traits)
        try:
            return await self.admit(subject, [reading])
        except HttpRefusal as refusal:
            async with self.inbox.pool.acquire() as connection:
                raise await conflicts.as_it_stands(connection, refusal, resolved.entries, context) from refusal

    def _whose(self, delivery: Commanded, reason: str) -> AcceptedResource:
        """The Task that asks whose it is."""
        if self.edge.whose is None:
            raise patients.another_patient("Patient")
        return self.edge.whose(delivery, self.inbox.settings[delivery.program], reason)

    async def _same_minute(self, submission: Submission, entries: Sequence[BundleEntry], context: Context) -> Context:
        """With what is stored of the same minutes and in the same panels, where the service reads that too."""
        if self.edge.minutes is None or not context.patient:
            return context
        minutes = await large_bodies.apart(submission.size, self.edge.minutes, entries, context)
        if not minutes and not panels_touched(entries):
            return context
        patient, program = patient_id(context.patient), context.program
        async with self.inbox.pool.acquire() as connection:
            found = await same_minute(connection, patient, program, minutes) if minutes else {}
            together = await panels(connection, patient, program, entries)
        return dataclasses.replace(context, same_minute=found, panels=together)

    async def _with_forms(self, entries: Sequence[BundleEntry], context: Context) -> Context:
        """With the forms that the client sent before, where these name them and the service reads by them."""
        if self.edge.forms is None or not (asked := self.edge.forms(entries)):
            return context
        async with self.inbox.pool.acquire() as connection:
            return dataclasses.replace(context, forms=await forms.named(connection, asked, context.caller))

    async def _store_forms(self, entries: Sequence[BundleEntry], context: Context) -> dict[Name, StoredResource]:
        """Once the rest is committed and before it is answered: of what is refused no form is stored, and who got no
        answer sends it again."""
        if self.edge.forms is None or not any(each.type == forms.QUESTIONNAIRE for each in entries):
            return {}
        async with self.inbox.pool.acquire() as connection:
            return await forms.store(connection, entries, context.caller, context.now)

    async def _forms_alone(self, connection: Connection, submission: Submission, caller: Caller) -> Done:
        """They are about nobody: nothing is decided by them."""
        ids = {id(each): forms.id_of(each, caller) for each in submission.entries}
        entries = fhir.resolve(submission.entries, lambda entry: ids[id(entry)])
        await forms.require_current(connection, entries, caller)
        stored = await forms.store(connection, entries, caller, self.inbox.clock.now())
        versions = {name: each.version for name, each in stored.items()}
        return Done(tuple(answering.answered(each, versions) for each in entries), incomplete=False)

    async def _with_what_is_behind(self, entries: Sequence[BundleEntry], context: Context) -> Context:
        """With what an escalation rests on that was closed and is reopened, and whatever else the service looks at."""
        if not (names := [*escalations.behind(entries, context), *self.edge.behind(entries, context)]):
            return context
        async with self.inbox.pool.acquire() as connection:
            found = await stored(connection, context.program, names)
        return dataclasses.replace(context, stored={**context.stored, **found})

    async def _resolved(self, connection: Connection, submission: Submission, caller: Caller) -> Resolved:
        """Raises HttpRefusal; where it leads to several patients, a person is asked whether they are one."""
        try:
            return await resolve(connection, self._keys, self.edge, submission, caller)
        except several.SeveralPatients as found:
            known = [each for each in found.patients if await aliases.is_known(connection, caller.program, each)]
            if not known:
                raise
            question = several.task(caller.program, known, self.inbox.clock.now())
            await resources.add(connection, [question], caller.program, self.inbox.clock.now())
            raise several.asked(found, question) from found

    async def _work_item(self, connection: Connection, submission: Submission, caller: Caller) -> Done | None:
        """The answer to a Task of no patient, or that got its patient so, alone in its submission; None for anything
        else: looked up once."""
        if [(each.method, each.type) for each in submission.entries] != [("PUT", "Task")]:
            return None
        (entry,) = submission.entries
        row = await resources.one(connection, caller.program, ("Task", str(entry.id)))
        if row is None:
            return None
        if finding.is_answered(row, entry, self.edge):
            return await self._found(connection, submission, row, caller)
        return None if row["patient"] else await self._question(connection, entry, caller)

    async def _question(self, connection: Connection, entry: BundleEntry, caller: Caller) -> Done | None:
        settings, now = self.inbox.settings[caller.program], self.inbox.clock.now()
        context = Context(caller, "", caller.program, settings, now)
        version = await questions.answered(connection, self.edge, entry, context, self.inbox.service.name)
        if version is None:
            return None
        return Done((answering.answered(entry, {(entry.type, str(entry.id)): version}),), incomplete=False)

    async def _found(self, connection: Connection, submission: Submission, asked: Row, caller: Caller) -> Done:
        """A person names the patient of a fact that waited: it is decided as theirs, and waits no more."""
        (entry,) = submission.entries
        late = questions.conflict(asked["status"], entry.place)
        if asked["patient"] and entry.resource["status"] != asked["status"]:
            raise late
        try:
            resolved = await self._resolved(connection, submission, caller)
        except HttpRefusal as refused:
            raise late if asked["patient"] else refused from refused
        (entry,), context = resolved.entries, self._context(caller, resolved, ())
        delivery = await finding.delivery(connection, self.inbox.service, asked, resolved.patient, context, entry)
        answer: Committed | Incomplete = Committed()
        if delivery is not None:
            expects = tuple(_expected(entry))
            subject = OnePatient(caller.program, str(resolved.patient))
            admitted = await self.admit(subject, [Reading(replace(delivery, expects=expects), ())])
            if isinstance(admitted, Identified):
                return await self._submit(submission, caller)
            answer = admitted.answer if isinstance(admitted, Stored) else answer
        return answering.done(resolved, answer, {}, {}, caller)

    async def admit(self, subject: Subject, readings: Sequence[Reading]) -> Stored | Waiting | ToAPerson | Identified:
        """One patient, or another key: it is decided. Nobody known: it waits. Several: a person is asked. Raises
        HttpRefusal."""
        with self.inbox.portions.client(), tracing.span("submission"):
            match subject:
                case OnePatient(program=program, patient=patient):
                    (delivery,) = [each.delivery for each in readings if each.delivery.program == program]
                    accepted = resources.named(delivery.accepted, patient)
                    return await self._deliver(
                        replace(delivery, key=patient, accepted=accepted, traceparent=tracing.present())
                    )
                case OneKey(kind=kind, key=key):
                    (delivery,) = [each.delivery for each in readings]
                    return await self._deliver(replace(delivery, kind=kind, key=key, traceparent=tracing.present()))
                case Unknown():
                    return await admission.wait(self.inbox.pool, [self.missed(each) for each in readings])
                case Several():
                    return await admission.ask(self.inbox.pool, readings, subject)
                case _:
                    assert_never(subject)

    def missed(self, reading: Reading) -> Reading:
        """With the Task that asks who its patient is."""
        fact = reading.delivery
        missing = finding.task(fact, self.edge, self.inbox.settings[fact.program])
        return dataclasses.replace(reading, missing=missing)

    async def _deliver(self, delivery: Commanded) -> Stored | Identified:
        """Queue the commands and wait for their commit. Raises HttpRefusal for any other answer."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((delivery, future))
            async with asyncio.timeout(ANSWER_SECONDS_MOST):
                answer = await future
        except (asyncio.QueueFull, TimeoutError) as error:
            raise refuse(503, "throttled", "", "The service is busy.", Retry_After="5") from error
        except Exception as error:
            if not db.is_trouble(error):
                raise
            raise refuse(503, "transient", "", "The service can't reach its database.", Retry_After="5") from error
        return answer if isinstance(answer, Identified) else Stored(_not_refused(answer))

    def _require(self, submission: Submission, caller: Caller) -> None:
        """Each entry is of a type this service accepts, and within the token's scopes. A type it does not know may come
        along with one that it accepts."""
        takes = self.edge.takes
        types = self.edge.context_of(submission.entries)
        entries = [each for each in submission.entries if each.type not in types] or submission.entries
        any_type = "any-type" in self.edge.also
        carried = any_type and any(each.method == "POST" and each.type in takes for each in entries)
        for entry in entries:
            taken = takes.get(entry.type)
            wanted = "create" if entry.method == "POST" else "update"
            if taken is None and any_type and wanted == "create":
                if carried:
                    continue
            elif taken is None or wanted not in taken.interactions:
                raise refuse(
                    422, "not-supported", entry.place, f"This service accepts no {wanted} of this resource type."
                )
            _require_named(entry, taken)
            caller.require(entry.type, _LETTER[entry.method])

    def _context(self, caller: Caller, resolved: Resolved, unchanged: Sequence[BundleEntry]) -> Context:
        settings, now = self.inbox.settings[caller.program], self.inbox.clock.now()
        patient, program = resolved.patient or "", caller.program
        return Context(caller, patient, program, settings, now, resolved.stored, unchanged=unchanged)

    def _in_order(self, entries: Sequence[BundleEntry]) -> list[BundleEntry]:
        """The fixed order of a transaction's commands: Patient before Consent before the rest, Task last."""
        rank = {kind: place for place, kind in enumerate(self.edge.order)}
        return sorted(entries, key=lambda entry: rank.get(entry.type, len(rank)))

    def _delivery(
        self, submission: Submission, interpretation: Interpretation, context: Context, entries: Sequence[BundleEntry]
    ) -> Commanded:
        return Commanded(
            id=submission.cause,
            key=context.patient,
            program=context.program,
            at=context.now,
            producer=context.caller.name,
            correlation_id=submission.cause,
            commands=interpretation.commands,
            accepted=(*(self._accepted(each, context) for each in interpretation.accepted), *interpretation.stored),
            expects=tuple(expected for each in entries for expected in _expected(each)),
            repeatable=submission.repeatable,
            digest=submission.digest,
            questions=interpretation.questions,
        )

    def _accepted(self, entry: BundleEntry, context: Context) -> AcceptedResource:
        """As it came, digits and instants untouched. A Patient is sealed, for it carries direct identifiers."""
        if entry.type == "Patient":
            return sealed.patient(self._keys, str(entry.id), entry.resource)
        status = entry.resource.get("status")
        return AcceptedResource(
            entry.type,
            str(entry.id),
            fhir.encode(entry.resource).decode(),
            status if isinstance(status, str) else None,
            elements.clinical_time(entry.resource, context.time.zone),
        )


def _require_named(entry: BundleEntry, taken: ResourceSupport | None) -> None:
    if entry.conditional and not (taken and taken.conditional_update):
        place = entry.place.replace(".resource", ".request.url")
        raise refuse(422, "not-supported", place, "Must name the id: this type has no conditional update here.")


def _expected(entry: BundleEntry) -> Iterator[Expected]:
    """The versions that the client has read: its own by If-Match, that of a Task's focus by a versioned reference."""
    if entry.if_match is not None:
        yield Expected(entry.type, str(entry.id), int(entry.if_match) if entry.if_match.isdigit() else 0)
    focus = entry.resource.get("focus") if entry.type == "Task" and entry.method == "PUT" else None
    name, versioned, version = str((focus or {}).get("reference", "")).partition("/_history/")
    if versioned:
        kind, _, identity = name.rpartition("/")
        yield Expected(kind.rpartition("/")[2], identity, int(version) if version.isdigit() else 0)


def _still_wanted(pending: Sequence[PendingSubmission]) -> list["asyncio.Future[Answer]"]:
    """Whoever sent it may have gone meanwhile."""
    return [future for _, future in pending if not future.done()]


def _not_refused(answer: Committed | Incomplete | Stale | Reused | Refused) -> Committed | Incomplete:
    match answer:
        case Committed() | Incomplete():
            return answer
        case Stale(type=kind):
            raise refuse(
                412, "conflict", f"{kind}.meta.versionId", "The resource has changed since this version; read it again."
            )
        case Reused():
            raise admission.used_before()
        case Refused(code=code, reason=reason, expression=expression):
            issue = fault(code, expression, reason)  # type: ignore[arg-type]
            later = {"Retry-After": str(RETRY_SECONDS)} if code == "transient" else {}
            raise HttpRefusal(_STATUS.get(code, 422), (issue,), later)

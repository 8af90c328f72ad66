"""`GET /fhir/Binary/{plan}.html` and `.pdf`: a letter, made when it is read of what stands then, and stored nowhere.

So nothing of what a group alone may tell is in the read model, on a topic or in a log; and a patient who has died, or
whose plan has another in its place, is written no letter.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NoReturn
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.letter import composing, html, pdf
from services.aftercare.letter.composing import Gathered, Letter
from services.aftercare.letter.listed import FORMATS
from services.aftercare.letter_texts import in_language
from services.aftercare.meetings.wishes import LANGUAGE
from services.aftercare.state import State
from shared.edge import fhir, partner_tasks
from shared.edge.clients import Caller, TokenVerifier
from shared.edge.http import WHOLE, answer, prefers_own, presented, require_presentable
from shared.edge.json import Json, MutableJson
from shared.edge.observing import observed
from shared.edge.outcome import refuse
from shared.edge.search import ResourceReader
from shared.path.service import Service
from shared.path.transaction import resources, states
from shared.path.transaction.ordering import Order
from shared.path.transaction.search import Search
from shared.platform.db import Connection
from shared.rules.organization import Organization

_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(html|pdf)")
_WRITTEN: Mapping[str, Callable[[Letter], bytes]] = {"html": html.written, "pdf": pdf.written}
_LIST_STATUS = "preparation"
"""Of the Communication that is a list: of no other."""


@dataclass(frozen=True)
class _Standing:
    """What stands of one plan: its letter's status, the CarePlan, the last list, and the patient's state."""

    patient: str
    status: str
    plan: Json
    listed: Json | None
    state: State

    @property
    def appointments(self) -> Mapping[str, datetime]:
        """By the kind of the referral, which is the code of the activity it is for."""
        given = [each for each in self.state.received if each.step == "scheduled"]
        return {each.kind: each.appointment_at for each in given if each.appointment_at is not None}


@dataclass(frozen=True)
class LetterBinaries:
    """The route of the letters."""

    verifier: TokenVerifier
    reader: ResourceReader
    service: Service
    snapshots: Snapshots
    programs: Mapping[str, Organization]
    publishers: Mapping[str, str]
    """By feed."""
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One is made at a time: they are the processor's work, and clients wait for other answers."""

    def routes(self) -> list[Route]:
        return [Route("/fhir/Binary/{id}", self._handle, methods=["GET"])]

    async def _handle(self, request: Request) -> Response:
        caller = await self.verifier.caller(request.headers.get("authorization"))
        observed(request).client = caller.name
        found = _ID.fullmatch(request.path_params["id"])
        if found is None:
            _unknown()
        plan_id, ending = found.groups()
        is_own = prefers_own(request, FORMATS[ending])
        require_presentable(request.query_params.multi_items(), WHOLE)
        standing = await self._standing(plan_id, caller)
        async with self._alone:
            content = await asyncio.to_thread(self._made, standing, ending, caller.program)
        binary = as_binary(plan_id, ending, content)
        headers = {**html.HEADERS, "ETag": fhir.etag(binary["meta"]["versionId"])}
        if is_own:
            kind = "text/html; charset=utf-8" if ending == "html" else FORMATS[ending]
            return Response(content, headers=headers, media_type=kind)
        return presented(answer(binary, headers=headers), request.query_params.multi_items())

    async def _standing(self, plan_id: str, caller: Caller) -> _Standing:
        """Whoever asks is recorded, also where they may not read it, or where there is nothing to read any more."""
        partner_tasks.as_read({"resourceType": "Binary"}, caller)
        async with self.reader.pool.acquire() as connection:
            standing = await self._stored(connection, plan_id, caller.program)
        may = caller.may("Binary", "r")
        if standing is not None:
            self.reader.record("Binary", "read", {standing.patient}, caller, refused=not may)
        caller.require("Binary", "r")
        if standing is None:
            _unknown()
        if standing.state.is_dead:
            raise refuse(410, "deleted", "", "The patient is reported dead, or was discharged so: there is no letter.")
        if standing.status != "current":
            text = "There is no letter of this plan any more: its DocumentReference is not current."
            raise refuse(410, "deleted", "", text)
        return standing

    async def _stored(self, connection: Connection, plan_id: str, program: str) -> _Standing | None:
        names = [("DocumentReference", plan_id), ("CarePlan", plan_id)]
        found = await resources.stored(connection, program, names)
        if len(found) < len(names):
            return None
        reference, plan = (found[each] for each in names)
        patient = reference["patient"]
        state = await states.of_patient(connection, self.service, program, patient)
        assert isinstance(state, State)
        listed = await _last_list(connection, program, patient)
        return _Standing(patient, reference["status"], msgspec.json.decode(plan["body"]), listed, state)

    def _made(self, standing: _Standing, ending: str, program: str) -> bytes:
        state, organization = standing.state, self.programs[program]
        wanted = frozenset(composing.identifiers(standing.listed))
        slugs = {each.partition("|")[2] for each in wanted}
        current = self.snapshots.current(program) if wanted else ()
        known = Gathered(
            plan=standing.plan,
            appointments=standing.appointments,
            listed=standing.listed,
            meetings={each.id: each for each in current if each.slug in slugs and each.id in wanted},
            publishers=self.publishers,
            program=organization,
            zone=ZoneInfo(state.home.zone or self.reader.settings[program].timezone),
        )
        wished = (each.removeprefix(LANGUAGE) for each in state.wishes if each.startswith(LANGUAGE))
        language, texts = in_language([*wished, state.language], organization.language)
        return _WRITTEN[ending](composing.composed(known, language, texts))


def as_binary(plan_id: str, ending: str, content: bytes) -> MutableJson:
    """As FHIR, with a version of its own for each content."""
    return {
        "resourceType": "Binary",
        "id": f"{plan_id}.{ending}",
        "meta": {"versionId": sha256(content).hexdigest()[:32]},
        "contentType": FORMATS[ending],
        "securityContext": {"reference": f"DocumentReference/{plan_id}"},
        "data": b64encode(content).decode(),
    }


async def _last_list(connection: Connection, program: str, patient: str) -> Json | None:
    """The newest list of this patient's."""
    query = Search(program, "Communication")
    query.patients([patient])
    query.statuses([_LIST_STATUS])
    rows, _ = await query.page(connection, Order("at", descending=True), None, 1)
    return msgspec.json.decode(rows[0]["body"]) if rows else None


def _unknown() -> NoReturn:
    raise refuse(404, "not-found", "", "No resource of this type has this id.")

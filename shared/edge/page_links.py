"""`/e/{token}`: "I have it" from a telephone. A GET changes nothing, for previews of links fetch it; a POST takes the
escalation on, by the same command as an update of its Task.

The token in the path is all that is needed to act, so it is logged nowhere. Three wrong ones that begin as it does end
it, and the deputy is told, for whoever was rung can't say yes any more. Its beginning is as secret as the rest: who
guesses ends nobody's link. Where a channel is several people's, the name is what they state, and its client says that
it was not proved.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.edge import fhir, page_html
from shared.edge.body import read_body
from shared.edge.clients import Caller
from shared.edge.json import MutableJson
from shared.edge.outcome import HttpRefusal
from shared.edge.page_html import Shown
from shared.edge.resolving import Submission
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events.codes import STAFF
from shared.path.outbound import links, pages
from shared.path.outbound.destinations import DEPUTY_LANE
from shared.path.outbound.lane import WakeUp
from shared.path.outbound.pages import Link
from shared.path.transaction import resources
from shared.platform import log
from shared.platform.clients import RegisteredClient
from shared.platform.pagers import Pager

WRONG_MOST = 3
AGAIN_SECONDS = 120.0
"""So long the same button twice, or a lost answer, gets the same answer; after that the token is used up."""
FORM_BYTES_MOST = 4096
PROVED: Final = "on-call-link"
STATED: Final = "on-call-link-stated"
"""Of a channel that several share: who it was is what they said."""
_TASK = ("resourceType", "id", "intent", "code", "for")
_ENDED = "This link is not valid, or no more."


@dataclass(frozen=True)
class Opened:
    """A valid link, with the Task that it is about."""

    link: Link
    pager: Pager
    task: MutableJson

    @property
    def people(self) -> Sequence[str]:
        """Whoever is reached by its channel."""
        return self.pager.sharing(self.link.person)


@dataclass(frozen=True)
class PageLinks:
    """The routes of one service's links."""

    submissions: Submissions
    reader: ResourceReader
    pagers: Mapping[str, Pager]
    wake_up: WakeUp

    def routes(self) -> list[Route]:
        """None where nobody is told of anything."""
        return [Route(f"{links.PATH}{{token}}", self._handle, methods=["GET", "POST"])] if self.pagers else []

    async def _handle(self, request: Request) -> Response:
        now = self.submissions.inbox.clock.now()
        opened = await self._open(request.path_params["token"], now)
        if opened is None:
            return page_html.page(_ENDED, ["Open the escalation in your EHR."], status=404)
        self.reader.record("Task", "read", {_patient_id(opened)}, _caller(opened))
        if request.method != "POST":
            return self._shown(opened)
        form = parse_qs((await read_body(request, FORM_BYTES_MOST)).decode("utf-8", "replace"))
        match form.get("action"):
            case ["acknowledge"]:
                return await self._acknowledge(opened, form.get("person", [""])[0], now)
            case ["decline"] if opened.link.role == "on-call" and opened.link.used_at is None:
                return await self._decline(opened)
            case _:
                return self._shown(opened)

    async def _open(self, token: str, now: datetime) -> Opened | None:
        parts = links.split(token)
        if parts is None:
            return None
        handle, secret = parts
        link = await pages.link(self.reader.pool, handle)
        if link is None or link.program not in self.pagers or link.wrong >= WRONG_MOST or link.valid_until <= now:
            return None
        async with self.reader.pool.acquire() as connection:
            row = await resources.one(connection, link.program, ("Task", link.escalation_id))
        opened = None if row is None else Opened(link, self.pagers[link.program], msgspec.json.decode(row["body"]))
        if not hmac.compare_digest(links.digest(secret), link.digest):
            await self._count_wrong(link, opened)
            return None
        return opened

    async def _count_wrong(self, link: Link, opened: Opened | None) -> None:
        if await pages.count_wrong(self.reader.pool, link.id) != WRONG_MOST:
            return
        log.get().warning("link of a page ended: three tokens were wrong", program=link.program)
        if opened is not None and link.role == "on-call":
            await self._ring_deputy(opened)

    def _shown(self, opened: Opened, *, unnamed: bool = False) -> Response:
        shown, status = _escalation(opened), opened.task["status"]
        if status != "requested":
            return page_html.page(f"This escalation is {status}", shown.lines)
        if opened.link.used_at is not None:
            return page_html.page("It asks anew: use the link of its newest page", shown.lines)
        declinable = opened.link.role == "on-call" and "deputy" in opened.pager.on_call.rotas
        return page_html.asked(shown, opened.people, declinable=declinable, unnamed=unnamed)

    async def _acknowledge(self, opened: Opened, stated: str, now: datetime) -> Response:
        people, used_at = opened.people, opened.link.used_at
        person = people[0] if len(people) == 1 else stated
        if person not in people or (used_at and now - used_at > timedelta(seconds=AGAIN_SECONDS)):
            return self._shown(opened, unnamed=person not in people)
        caller = _caller(opened, person)
        try:
            await self.submissions.submit(_accepted(opened, person), caller)
        except HttpRefusal as refusal:
            return page_html.page("Not taken on", [each.diagnostics for each in refusal.issues], status=refusal.status)
        await pages.use(self.reader.pool, opened.link.id, now)
        shown = _escalation(opened)
        patient = await self._patient(opened, caller)
        return page_html.page("You have it", [*patient, *shown.lines, f"Taken on by {person}."])

    async def _decline(self, opened: Opened) -> Response:
        await self._ring_deputy(opened)
        return page_html.page("The deputy is told", _escalation(opened).lines)

    async def _ring_deputy(self, opened: Opened) -> None:
        pool, failures = self.reader.pool, opened.pager.limits.deputy_after_tries
        await pages.decline(pool, opened.link.id, failures)
        await pages.look_again(pool, DEPUTY_LANE, _patient_id(opened))
        self.wake_up.ring([DEPUTY_LANE])

    async def _patient(self, opened: Opened, caller: Caller) -> list[str]:
        """The patient as the EHR knows them: by the reference it was given and, where they are at hand, its numbers."""
        identity = _patient_id(opened)
        self.reader.record("Patient", "read", {identity}, caller)
        try:
            known = (await self.reader.one("Patient", identity, caller)).get("identifier", [])
        except (HttpRefusal, ValueError):  # unknown here, or sealed for a key that is no more
            known = []
        numbers = [f"{each.get('system', '')} {each.get('value', '')}" for each in known]
        return [f"Patient/{identity}", *numbers]


def _accepted(opened: Opened, person: str) -> Submission:
    """The Task as this person's who takes it on."""
    owner = {"identifier": {"system": STAFF, "value": person}}
    task = {name: value for name, value in opened.task.items() if name in _TASK}
    entry = fhir.single("PUT", "Task", opened.link.escalation_id, {**task, "status": "accepted", "owner": owner}, {})
    return Submission("single", (entry,), uuid4(), False, "")


def _caller(opened: Opened, stated: str = "") -> Caller:
    """Whoever holds the link: the one person whom its channel reaches, else who they state they are."""
    program, people = opened.link.program, opened.people
    name, person = (PROVED, people[0]) if len(people) == 1 else (STATED, stated)
    client = RegisteredClient(programs=(program,), base_url="")
    return Caller(name, client, program, (("Task", "u"),), person, proved=name == PROVED)


def _patient_id(opened: Opened) -> str:
    return str(opened.task["for"]["reference"]).removeprefix("Patient/")


def _escalation(opened: Opened) -> Shown:
    task = opened.task
    inputs = {each["type"]["coding"][0]["code"]: each for each in task["input"]}
    return Shown(
        tier=inputs["tier"]["valueInteger"],
        category=task["code"]["coding"][0]["code"],
        reason=task["reasonCode"]["coding"][0]["code"],
        program=opened.link.program,
        acknowledge_by=datetime.fromisoformat(inputs["acknowledge-by"]["valueInstant"]),
        act_by=datetime.fromisoformat(task["restriction"]["period"]["end"]),
        zone=opened.pager.on_call.rotas["on-call"].zone,
    )

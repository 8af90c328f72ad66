"""`/r/{token}`: a partner without a client answers its referral in a browser. A GET changes nothing, for previews of
links fetch it; a POST is the same command as an update of the Task.

The token is all that is needed, so it is logged nowhere. Three wrong ones that begin as it does end it, and its
beginning is as secret as the rest. The page tells nothing of the patient: who was referred stands in what the partner
was sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.aftercare.answers.closed_loop import WRONG_MOST, Received
from services.aftercare.answers.links import PATH, AnswerLinks
from services.aftercare.messages import CountWrongLink
from services.aftercare.state import State
from shared.edge import fhir, page_html
from shared.edge.admission import OnePatient, Reading
from shared.edge.body import read_body
from shared.edge.clients import Caller
from shared.edge.json import MutableJson
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events import codes
from shared.events import fhir as written
from shared.events.aftercare import ANSWER_STEPS, AnswerStep
from shared.path.transaction import resources, states
from shared.path.transaction.delivery import Commanded
from shared.platform import log
from shared.platform.clients import RegisteredClient
from shared.rules.organization import Organization

FORM_BYTES_MOST = 4096
CLIENT: Final = "partner-link"
"""Who answered, where it was whoever holds the link."""
ASKED: Mapping[AnswerStep, str] = {
    "accepted": "We accept the referral",
    "scheduled": "We gave an appointment",
    "attended": "The patient came",
    "unattended": "The patient did not come",
    "completed": "The referral is completed",
    "declined": "We decline the referral",
}
_FIELD: Final = "%Y-%m-%dT%H:%M"
"""A moment as the page's field gives it; a day alone, or a time of another zone, is none."""
_ENDED = "This link is not valid, or no more."


@dataclass(frozen=True)
class Opened:
    """A valid link: the referral that it is about, and whose."""

    program: str
    patient: str
    referral: Received


@dataclass(frozen=True)
class AnswerPage:
    """The route of the links that partners are sent."""

    submissions: Submissions
    reader: ResourceReader
    links: AnswerLinks
    senders: Mapping[str, Organization]

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}{{token}}", self._handle, methods=["GET", "POST"])]

    async def _handle(self, request: Request) -> Response:
        opened = await self._open(request.path_params["token"])
        if opened is None:
            return page_html.page(_ENDED, ["Ask the program that sent you the referral."], status=404)
        caller = _caller(opened)
        self.reader.record("Task", "read", {opened.patient}, caller)
        if request.method != "POST":
            return self._shown(opened)
        form = parse_qs((await read_body(request, FORM_BYTES_MOST)).decode("utf-8", "replace"))
        return await self._answered(opened, {name: each[0] for name, each in form.items()}, caller)

    async def _open(self, token: str) -> Opened | None:
        task_id = self.links.task_of(token)
        opened = None if task_id is None else await self._referral(task_id)
        if task_id is None or opened is None or opened.referral.wrong >= WRONG_MOST:
            return None
        if not self.links.is_secret_of(token, task_id):
            await self._count_wrong(opened)
            return None
        return opened

    async def _referral(self, task_id: str) -> Opened | None:
        """The referral of this Task that a partner has, in whichever program."""
        async with self.reader.pool.acquire() as connection:
            for program in self.reader.settings:
                row = await resources.one(connection, program, ("Task", task_id))
                if row is None:
                    continue
                state = await states.of_patient(connection, self.submissions.inbox.service, program, row["patient"])
                known = state.received if isinstance(state, State) else ()
                found = next((each for each in known if each.task_id == task_id), None)
                return None if found is None else Opened(program, row["patient"], found)
        return None

    async def _count_wrong(self, opened: Opened) -> None:
        command = CountWrongLink(task_id=opened.referral.task_id)
        cause, now = uuid4(), self.submissions.inbox.clock.now()
        delivery = Commanded(
            id=cause,
            key=opened.patient,
            program=opened.program,
            at=now,
            producer=CLIENT,
            correlation_id=cause,
            commands=(command,),
            repeatable=False,
        )
        await self.submissions.admit(OnePatient(opened.program, opened.patient), [Reading(delivery, ())])
        log.get().warning("a link of a partner was tried with a wrong token", program=opened.program)

    async def _answered(self, opened: Opened, form: Mapping[str, str], caller: Caller) -> Response:
        step = next((each for each in ASKED if each == form.get("step")), None)
        if step is None or opened.referral.step in ("declined", "completed"):
            return self._shown(opened)
        task = _task(opened, step, form, self._zone(opened))
        if task is None:
            return self._shown(opened, "Choose the day and the time of the appointment, then press the button again.")
        if step != opened.referral.step or step == "scheduled":
            try:
                await self.submissions.submit(_submission(task), caller)
            except HttpRefusal as refusal:
                text = [each.diagnostics for each in refusal.issues]
                return page_html.page("Not taken", text, status=refusal.status)
        return page_html.page("Thank you", [f"{ASKED[step]}.", f"Number of the referral: {_number(opened)}"])

    def _shown(self, opened: Opened, unclear: str = "") -> Response:
        referral, zone = opened.referral, self._zone(opened)
        lines = [
            f"{self.senders[opened.program].name} sent you a referral on {referral.sent_at.astimezone(zone):%Y-%m-%d}.",
            f"Your answer: {_standing(referral, zone)}",
        ]
        if referral.step != "sent":
            lines.append(f"Number of the referral: {_number(opened)}")
        if referral.step in ("declined", "completed"):
            return page_html.page("This referral is over", lines)
        notice = [unclear] if unclear else []
        return page_html.page("How far is this referral?", [*notice, *lines], _FORMS, 422 if unclear else 200)

    def _zone(self, opened: Opened) -> ZoneInfo:
        return ZoneInfo(self.reader.settings[opened.program].timezone)


def _task(opened: Opened, step: AnswerStep, form: Mapping[str, str], zone: ZoneInfo) -> MutableJson | None:
    """The Task as the partner's who answers; None where the appointment can't be read."""
    task: MutableJson = {
        "resourceType": "Task",
        "id": opened.referral.task_id,
        "status": ANSWER_STEPS[step][0],
        "businessStatus": written.concept(codes.TASK, step),
        "intent": "order",
    }
    if step == "declined":
        task["statusReason"] = written.concept(codes.REASON, form.get("reason", ""))
    if step == "scheduled":
        try:
            at = datetime.strptime(form.get("at", ""), _FIELD).replace(tzinfo=zone)
        except ValueError:
            return None
        kind = written.concept(codes.INPUT, "appointment")
        task["output"] = [{"type": kind, "valueDateTime": at.isoformat(timespec="seconds")}]
    return task


def _submission(task: MutableJson) -> Submission:
    entry = fhir.single("PUT", "Task", str(task["id"]), fhir.parse(msgspec.json.encode(task)), {})
    return Submission("single", (entry,), uuid4(), False, "")


def _caller(opened: Opened) -> Caller:
    """Whoever holds the link, for its partner."""
    client = RegisteredClient(programs=(opened.program,), base_url="", partner=opened.referral.partner)
    return Caller(CLIENT, client, opened.program, (("Task", "u"),))


def _standing(referral: Received, zone: ZoneInfo) -> str:
    if referral.step == "sent":
        return "none yet"
    at = referral.appointment_at
    when = f", {at.astimezone(zone):%Y-%m-%d %H:%M %Z}" if at is not None else ""
    return f"{ASKED.get(referral.step, referral.step)}{when}"  # type: ignore[call-overload]


def _number(opened: Opened) -> str:
    return opened.referral.referral_id


def _form(step: AnswerStep, fields: str = "") -> str:
    button = f'<button name="step" value="{step}">{escape(ASKED[step])}</button>'
    return f'<form method="post">{fields}{button}</form>'


def _forms() -> str:
    """One for each answer; a time is one of the program's zone."""
    reasons: Sequence[str] = sorted(codes.DECLINE_REASONS)
    options = "".join(f'<option value="{each}">{each.replace("-", " ")}</option>' for each in reasons)
    fields = {
        "scheduled": '<label>When? <input type="datetime-local" name="at" required></label>',
        "declined": f'<label>Why? <select name="reason" required><option value=""></option>{options}</select></label>',
    }
    return "".join(_form(step, fields.get(step, "")) for step in ASKED)


_FORMS = _forms()

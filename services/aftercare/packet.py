"""`POST /fhir/Task/{id}/$packet`: the page of a referral whose partner is sent nothing, for the patient to carry there.

Printing is the disclosure: the gate is asked as it is for a send, and its answer is in the books before the page
leaves. The page is stored nowhere; asked again it is made again, by the consent of that moment, and is in the books
again, as each send is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.aftercare import packet_page
from services.aftercare.decide.referral_events import of
from services.aftercare.messages import ReferralPrepared
from services.aftercare.record import Referral
from services.aftercare.state import State
from shared.edge.clients import Caller, TokenVerifier
from shared.edge.http import named_in
from shared.edge.observing import observed
from shared.edge.outcome import refuse
from shared.edge.search import ResourceReader
from shared.events.envelope import name_id
from shared.path.outbound.accounting import Disclosure
from shared.path.outbound.gate import GatedLane
from shared.path.outbound.lane import WakeUp
from shared.path.transaction import resources, states
from shared.path.transaction.batch import INTERNAL_LANE
from shared.path.transaction.inbox import Inbox
from shared.platform import tracing
from shared.platform.clock import machine_now
from shared.rules.consent import Withheld


@dataclass(frozen=True)
class Packets:
    """The route of the packets."""

    verifier: TokenVerifier
    reader: ResourceReader
    inbox: Inbox
    _gates: Mapping[str, GatedLane] = field(init=False)
    """Of the partners whose referrals are printed, by name."""

    def __post_init__(self) -> None:
        its = self.inbox
        printed = [each for each in its.routes.destinations if each.gate is not None and each.gate.printed]
        gates = {each.name: GatedLane(its.service, each, its.routes, its.pool, its.clock, WakeUp()) for each in printed}
        object.__setattr__(self, "_gates", gates)

    def routes(self) -> list[Route]:
        return [Route("/fhir/Task/{id}/$packet", self._handle, methods=["POST"])]

    async def _handle(self, request: Request) -> Response:
        caller = await self.verifier.caller(request.headers.get("authorization"))
        observed(request).client = caller.name
        if caller.client.partner:
            _unknown()
        patient, referral = await self._referral(named_in(request), caller)
        asked = await self._gates[referral.partner].printed(self._disclosure(patient, referral, caller.program))
        self.inbox.wake([INTERNAL_LANE])
        match asked.answer:
            case None:
                text = "The consents aren't known to be current: nothing is disclosed meanwhile. Try again in a moment."
                raise refuse(503, "transient", "", text, Retry_After="5")
            case Withheld(reason=reason):
                raise refuse(403, "forbidden", "", f"Not printed, for nothing permits it: {reason}.")
            case _, bundle:
                assert not isinstance(bundle, str)  # of this service's form
                return Response(packet_page.written(bundle), headers=packet_page.HEADERS, media_type=packet_page.TYPE)

    async def _referral(self, task_id: str, caller: Caller) -> tuple[str, Referral]:
        """Whoever asks is recorded, also where they may not. Raises HttpRefusal."""
        async with self.reader.pool.acquire() as connection:
            row = await resources.one(connection, caller.program, ("Task", task_id))
            if row is None:
                caller.require("Task", "u")
                _unknown()
            patient = row["patient"]
            state = await states.of_patient(connection, self.inbox.service, caller.program, patient)
        self.reader.record("Task", "read", {patient}, caller, refused=not caller.may("Task", "u"))
        caller.require("Task", "u")
        assert isinstance(state, State)
        if state.is_dead:
            raise refuse(410, "deleted", "", "The patient is reported dead, or was discharged so: nothing is printed.")
        known: list[Referral] = [*state.on_hold, *(each for each in state.received if each.is_open)]
        found = next((each for each in known if name_id(each.referral_id, "task") == task_id), None)
        if found is None or found.partner not in self._gates:
            text = (
                "Only an open referral is printed, to a partner that is `printed` (partners.toml): read the Task again."
            )
            raise refuse(409, "conflict", "", text)
        return patient, found

    def _disclosure(self, patient: str, referral: Referral, program: str) -> Disclosure:
        now, cause = self.inbox.clock.now(), uuid4()
        event = ReferralPrepared(**of(referral, now))
        return Disclosure(
            id=0,
            key=patient,
            program=program,
            cause=cause,
            correlation_id=cause,
            attempts=0,
            sends=0,
            stored_at=machine_now(),
            focus=event.focus,
            attempt=event.attempt,
            event=event,
            traceparent=tracing.present(),
        )


def _unknown() -> NoReturn:
    raise refuse(404, "not-found", "", "No resource of this type has this id.")

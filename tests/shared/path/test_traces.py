"""A batch is one span linked to all its causes; each is decided in its own trace, and what it emits goes on in it."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from services.attendance import decide
from shared.events import wire
from shared.events.envelope import Event
from shared.events.internal import To
from shared.path.inbound.redrive import redrive
from shared.rules.decision import Moment
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, admission, attendance_with
from tests.traced import CALLER, OTHER, RECORDED, TRACE, Traces, linked, trace_of


class Mended:
    """A decision with a bug, until it is mended."""

    def __init__(self) -> None:
        self.broken = False

    def react(self, state: Any, event: Any, moment: Moment[Any]) -> list[Event | To]:
        if self.broken:
            raise ZeroDivisionError
        return list(decide.react(state, event, moment))


@pytest.fixture
def decision() -> Mended:
    return Mended()


@pytest.fixture
async def here(start_service: StartService, decision: Mended) -> ServiceOnPostgres:
    return await start_service(attendance_with(react=decision.react), "attendance", MONDAY_NOON)


async def test_a_batch_is_one_span_linked_to_its_causes_and_each_is_decided_in_its_own_trace(
    here: ServiceOnPostgres, traces: Traces
) -> None:
    contexts = [RECORDED, f"00-{OTHER}-{CALLER}-01", None, f"00-{OTHER[::-1]}-{CALLER}-00"]
    await here.deliver(*(_of_trace(here, number, each) for number, each in enumerate(contexts)))
    (batch,), decided = traces.named("batch"), traces.named("decide")
    assert trace_of(batch) == TRACE
    assert linked(batch) == [OTHER]
    assert [trace_of(each) for each in decided] == [TRACE, OTHER, TRACE]
    rows = await here.select("SELECT headers::json->>'traceparent' FROM outbox WHERE lane LIKE 'topic:iop.att%'")
    emitted = {str(each) for (each,) in rows}
    assert {each[3:35] for each in emitted} == {TRACE, OTHER, OTHER[::-1]}
    assert {each[-2:] for each in emitted if each[3:35] == OTHER[::-1]} == {"00"}


async def test_a_row_of_an_earlier_release_begins_a_trace(here: ServiceOnPostgres, traces: Traces) -> None:
    stored = consumed(admission(here.patient), here.patient)
    assert stored.headers["traceparent"][3:35] == stored.correlation_id.hex
    await here.deliver(stored)
    (batch,), (decided,) = traces.named("batch"), traces.named("decide")
    assert batch.parent is None and trace_of(decided) == trace_of(batch) != stored.correlation_id.hex


async def test_what_is_redriven_begins_a_trace_linked_to_the_one_it_was_parked_in(
    here: ServiceOnPostgres, traces: Traces, decision: Mended
) -> None:
    decision.broken = True
    await here.deliver(_of_trace(here, 0, RECORDED))
    (parked,) = traces.named("decide")
    assert (trace_of(parked), parked.status.is_ok) == (TRACE, False)
    decision.broken = False
    traces.forget()
    assert (await redrive(here.inbox, here.patient, "demo", dry_run=False)).decided == 1
    (decided,) = traces.named("decide")
    assert trace_of(decided) != TRACE
    assert linked(decided) == [TRACE]


async def test_a_context_survives_lane_internal_and_a_record(here: ServiceOnPostgres) -> None:
    delivery = _of_trace(here, 0, RECORDED)
    assert delivery.traceparent == RECORDED
    await here.deliver(delivery)
    rows = await here.select("SELECT headers FROM outbox WHERE lane LIKE 'topic:iop.att%'")
    assert {wire.context(json.loads(each)) for (each,) in rows} == {RECORDED}


def _of_trace(here: ServiceOnPostgres, number: int, context: str | None) -> Any:
    patient = here.patient if number == 0 else f"{number:08d}{here.patient[8:]}"
    delivery = consumed(admission(patient), patient)
    return replace(delivery, traceparent=context, headers={**delivery.headers, "traceparent": context or ""})

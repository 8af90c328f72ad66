"""`iop escalations`: what waits for a person at every service, by when it is due, and their answer, over HTTP alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
import typer

from deploy import work_list
from deploy.commands import escalations
from deploy.commands.asking import Where
from deploy.commands.escalations import ack, left, lines, list_
from deploy.failure import CannotContinueError
from deploy.work_list import Listed, Owners
from shared.edge.app import build
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter, counter, issuer

__all__ = ["counter", "issuer"]
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ID = "5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11"
GRAVE = Listed(
    id=ID,
    tier=4,
    category="safety",
    reason="a-reason-that-nobody-could-ever-want-to-read-to-its-end",
    owner="on-call-clinician",
    status="requested",
    due=NOON,
    acknowledge_by=NOON,
    act_by=NOON + timedelta(hours=1),
    patient="3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11",
    service="intake",
)


@pytest.fixture
async def owners(counter: Counter) -> AsyncIterator[Owners]:
    """Intake behind its HTTP side, a service that is away, and one that refuses."""

    async def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def refusing(request: httpx.Request) -> httpx.Response:
        issue = {"severity": "error", "code": "forbidden", "diagnostics": "The token lacks a scope."}
        return httpx.Response(403, json={"resourceType": "OperationOutcome", "issue": [issue]})

    headers = {"Authorization": f"Bearer {counter.issuer.token()}"}
    ways = {
        "intake": httpx.ASGITransport(build(counter.dependencies)),
        "testing": httpx.MockTransport(gone),
        "aftercare": httpx.MockTransport(refusing),
    }
    async with AsyncExitStack() as stack:
        clients = {
            name: httpx.AsyncClient(transport=each, base_url="http://127.0.0.1/fhir/", headers=headers)
            for name, each in ways.items()
        }
        for each in clients.values():
            await stack.enter_async_context(each)
        yield clients


async def test_the_list_is_of_every_service_and_says_which_one_is_missing(counter: Counter, owners: Owners) -> None:
    for number in range(5):
        counter.intake.set_clock(MONDAY + timedelta(minutes=number))
        await counter.send(bundles.intake(f"000{number}", facts={"c-ssrs-q4": True}))
    found, silent = await work_list.listed(owners, {**work_list.query(only_open=True), "_count": "1"})
    assert silent == ["testing does not answer (ConnectError)", "aftercare: The token lacks a scope."]
    assert [(each.tier, each.category, each.status) for each in found] == [(4, "safety", "requested")] * 5
    dues = [each.due for each in found]
    assert dues == sorted(set(dues)) and len({each.patient for each in found}) == 5
    assert all(each.due == each.acknowledge_by < each.act_by for each in found)
    for asked, count in (
        (work_list.query(tiers=(3,)), 0),
        (work_list.query(tiers=(3, 4)), 5),
        (work_list.query(owner=found[0].owner), 5),
        (work_list.query(owner="nobody"), 0),
    ):
        assert len((await work_list.listed(owners, asked))[0]) == count, asked


async def test_the_second_of_two_persons_reads_who_has_it_since_when(counter: Counter, owners: Owners) -> None:
    await counter.send(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    ((each,), _) = await work_list.listed(owners, work_list.query())
    take = {
        person: escalations.acknowledging(person) for person in ("clinician-1", "staff/clinician-1", "case-manager-1")
    }
    for person in ("clinician-1", "staff/clinician-1"):
        taken = await work_list.take(owners, each.id, take[person])
        assert (taken.status, taken.due) == ("accepted", each.act_by), person
    with pytest.raises(CannotContinueError, match=r"^acknowledged by staff/clinician-1 at \d\d:\d\d$"):
        await work_list.take(owners, each.id, take["case-manager-1"])
    with pytest.raises(CannotContinueError, match="member of the program's staff"):
        await work_list.take(owners, each.id, escalations.acknowledging("nobody"))
    acted = await work_list.take(owners, each.id, escalations.acting("clinician-1", "called"))
    assert (acted.status, acted.acted, acted.is_overdue(each.act_by + timedelta(days=1))) == (
        "accepted",
        "called",
        False,
    )
    assert "called" in lines(acted, each.act_by + timedelta(days=1))[0]
    done = await work_list.take(owners, each.id, escalations.resolving("clinician-1", "safety-plan-made"))
    assert done.status == "completed" and (await work_list.listed(owners, work_list.query(only_open=True)))[0] == []
    assert await work_list.one(owners, each.id) == done


async def test_it_is_handed_over_to_a_person_or_a_role(counter: Counter, owners: Owners) -> None:
    await counter.send(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    ((each,), _) = await work_list.listed(owners, work_list.query())
    with pytest.raises(CannotContinueError, match="acknowledge it first"):
        await work_list.take(owners, each.id, escalations.handing_over("prescriber", "shift-ended"))
    for to, owner in (("staff/prescriber-1", "prescriber-1"), ("case-manager", "case-manager")):
        holder = "clinician-1" if to.startswith("staff/") else "prescriber-1"
        await work_list.take(owners, each.id, escalations.acknowledging(holder))
        handed = await work_list.take(owners, each.id, escalations.handing_over(to, "shift-ended"))
        assert (handed.status, handed.owner, handed.act_by) == ("requested", owner, each.act_by)
    assert (await work_list.listed(owners, work_list.query(owner="case-manager")))[0] == [handed]


async def test_who_did_what_is_told_in_the_order_of_time(counter: Counter, owners: Owners) -> None:
    await counter.send(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    ((found,), _) = await work_list.listed(owners, work_list.query(tiers=[4]))
    steps = (
        escalations.acting("clinician-1", "called"),
        escalations.handing_over("prescriber", "shift-ended"),
        escalations.resolving("prescriber-1", "patient-reached"),
        escalations.reopening("prescriber-1", "not-done"),
    )
    for minute, each in enumerate(steps):
        counter.intake.set_clock(MONDAY + timedelta(minutes=minute))
        await work_list.take(owners, found.id, each)
    printed = [escalations.act_line(each).partition("  ")[2] for each in await work_list.acts(owners, found)]
    assert printed == [
        "acknowledged  by staff/clinician-1 (stated), client ehr",
        "acted-on (called)  by staff/clinician-1 (stated), client ehr",
        "handed-over to prescriber (shift-ended)  by staff/clinician-1 (stated), client ehr",
        "resolved (patient-reached)  by staff/prescriber-1 (stated), client ehr",
        "reopened (not-done)  by staff/prescriber-1 (stated), client ehr",
    ]


async def test_what_is_no_escalation_or_nowhere_is_refused(counter: Counter, owners: Owners) -> None:
    await counter.send(bundles.intake("0001"))
    (review, *_) = await counter.intake.found("Task")
    with pytest.raises(CannotContinueError, match="no escalation"):
        await work_list.one(owners, review["id"])
    with pytest.raises(CannotContinueError, match="testing does not answer"):
        await work_list.one(owners, ID)
    with pytest.raises(CannotContinueError, match="no service has"):
        await work_list.one({"intake": owners["intake"]}, ID)


@pytest.mark.parametrize("status", ["requested", "in-progress", "completed"])
@pytest.mark.parametrize("minutes", [-99_999, -12, 0, 119, 99_999])
def test_a_line_fits_and_never_cuts_off_what_must_be_typed_again(minutes: int, status: str) -> None:
    each = msgspec.structs.replace(GRAVE, due=NOON + timedelta(minutes=minutes), status=status)
    first, second = lines(each, NOON)
    assert max(len(first), len(second)) <= 100 and second == f"    {ID}  patient {GRAVE.patient}"
    assert ("overdue" in first) == (minutes < 0 and status != "completed") == each.is_overdue(NOON)


@pytest.mark.parametrize(("act", "runs_on"), [("message-left", True), ("visited", False)])
def test_after_an_attempt_the_time_to_act_is_shown_and_can_be_over(act: str, runs_on: bool) -> None:
    each = msgspec.structs.replace(GRAVE, status="accepted", acted=act, due=NOON - timedelta(minutes=5))
    assert each.is_overdue(NOON) == runs_on
    assert (act in lines(each, NOON)[0]) == (not runs_on)


def test_how_late_it_is_can_be_read_at_a_glance() -> None:
    spans = {-12: "overdue 12 min", 45: "in 45 min", -300: "overdue 5 h", 3000: "in 2 d"}
    assert {minutes: left(timedelta(minutes=minutes)) for minutes in spans} == spans


@pytest.mark.parametrize("url", ["http://hub.example.org/fhir", "ftp://127.0.0.1", "hub"])
def test_a_token_goes_to_no_address_in_clear(url: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token\n")
    commands: list[Callable[..., None]] = [list_, partial(ack, identity=ID, person="x")]
    for command in commands:
        with pytest.raises(typer.BadParameter, match="https"):
            command(url=[url], token_file=tmp_path / "token", client="", program=None, data=tmp_path)
    with pytest.raises(typer.BadParameter, match="--token-file"):
        Where(tmp_path, ["https://hub.example.org/fhir"], None, "", None, "").ask(
            lambda owners: work_list.one(owners, ID)
        )

"""`iop lab list | show | match | discard`: the work list of laboratories, answered over HTTP alone."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.testing import app
from tests.deploy import reachable as served
from tests.service import StartService
from tests.shared.edge.conftest import Issuer, issuer
from tests.testing.receiving import ADMITTED, ReceivingService, message
from tests.testing.test_finding import known
from tests.testing.test_worklist import COMMENT

__all__ = ["issuer"]
Reachable = served.Reachable[ReceivingService]


@pytest.fixture
async def reachable(start_service: StartService, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Reachable]:
    service = await start_service(app.assemble, "testing", ADMITTED + timedelta(days=9))
    testing = ReceivingService(**{**vars(service), "client": "lab"})
    async with served.made_reachable(testing, issuer, tmp_path) as found:
        yield found


async def test_a_result_for_nobody_known_is_listed_and_matched_once(reachable: Reachable) -> None:
    assert await reachable.service.receives(message() + COMMENT) == "AA"
    patient, other = await known(reachable.service, "OTHER"), await known(reachable.service, "ANOTHER")
    listed = json.loads((await reachable.iop("lab", "list", "--json")).stdout)
    assert sorted((each["kind"], each["about"]) for each in listed) == [
        ("find-patient", "94307-6"),
        ("map-code", "CMT"),
    ]
    (task,) = [each["id"] for each in listed if each["kind"] == "find-patient"]
    matched = await reachable.iop("lab", "match", task, "--patient", patient)
    assert (matched.returncode, "completed" in matched.stdout) == (0, True)
    late = await reachable.iop("lab", "match", task, "--patient", other)
    assert (late.returncode, late.stderr.strip()) == (1, "iop: The Task is completed already.")
    kinds = (await reachable.iop("lab", "list", "--kind", "find-patient")).stdout
    assert kinds.strip() == "nothing waits"


async def test_what_was_received_is_shown_and_who_read_it_is_recorded(reachable: Reachable) -> None:
    assert await reachable.service.receives(message()) == "AA"
    (task,) = json.loads((await reachable.iop("lab", "list", "--json")).stdout)
    shown = await reachable.iop("lab", "show", task["id"])
    assert "why: patient-unknown" in shown.stdout and "PID|1||SEEDED-MRN^^^IOPDEMO^MR" in shown.stdout
    (audit,) = await reachable.service.found("AuditEvent", ("entity", f"Task/{task['id']}"))
    assert (audit["action"], audit["subtype"][0]["code"]) == ("R", "read")


async def test_a_code_is_mapped_by_its_task(reachable: Reachable) -> None:
    await reachable.service.identified()
    assert await reachable.service.receives(message() + COMMENT) == "AA"
    (task,) = json.loads((await reachable.iop("lab", "list", "--json")).stdout)
    assert (task["kind"], task["results"]) == ("map-code", 1)
    refused = await reachable.iop("lab", "map", "answer", task["id"], "--means", "whatever")
    assert refused.returncode == 1 and "Must say in `means`" in refused.stderr
    assert (await reachable.iop("lab", "map", "answer", task["id"], "--means", "comment")).returncode == 0
    assert await reachable.service.count("laboratory_codes") == 1


async def test_a_result_is_discarded_with_its_reason(reachable: Reachable) -> None:
    assert await reachable.service.receives(message()) == "AA"
    (task,) = json.loads((await reachable.iop("lab", "list", "--json")).stdout)
    assert (await reachable.iop("lab", "discard", task["id"], "--reason", "whatever")).returncode == 2
    assert (await reachable.iop("lab", "discard", task["id"], "--reason", "test-message")).returncode == 0
    assert await reachable.service.count("waiting") == 0


async def test_what_is_read_again_says_what_stays_unread(reachable: Reachable) -> None:
    await reachable.service.identified()
    assert await reachable.service.receives(message(value="stark reaktiv")) == "AA"
    (task,) = [each for each in json.loads((await reachable.iop("lab", "list", "--json")).stdout)]
    unread = await reachable.iop("lab", "reread", task["id"])
    assert (unread.returncode, unread.stderr.strip().endswith("stands at OBX^1^5")) == (1, True)
    assert "requested" in unread.stdout
    shown = await reachable.iop("lab", "show", task["id"])
    assert "OBX^1^5" in shown.stdout


async def test_what_is_no_such_work_is_named_as_that(reachable: Reachable) -> None:
    refused = await reachable.iop("lab", "match", str(uuid4()), "--patient", str(uuid4()))
    assert refused.returncode == 1 and refused.stderr.startswith("iop: ")


async def test_what_a_laboratory_wrote_steers_no_terminal(reachable: Reachable) -> None:
    await reachable.service.identified()
    assert (
        await reachable.service.receives(message(value="\x1b[5mstark") + COMMENT.replace(b"CMT", b"C\x1b[2J")) == "AA"
    )
    listed = json.loads((await reachable.iop("lab", "list", "--json")).stdout)
    assert len(listed) == 2
    printed = [(await reachable.iop("lab", "show", each["id"])).stdout for each in listed]
    printed.append((await reachable.iop("lab", "list")).stdout)
    assert [each for each in printed if "\x1b" in each] == []
    assert all("\N{REPLACEMENT CHARACTER}[" in each for each in printed)

"""`iop parked`: what could not be decided, shown without its content unless asked, and decided again."""

import asyncio
import getpass
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from deploy import hubfile
from deploy.commands.parked import redrive_result
from shared.platform import db
from shared.platform.keys import Keys
from tests.deploy import test_cli
from tests.deploy.hubs import Running
from tests.deploy.in_process import iop

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)
ID = UUID("5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
KEYLESS = UUID("5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c22")
PATIENT = "3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11"
ROW = """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
         VALUES ($1, $2, 'demo', 'bug', 'decide', 'event', 'EpisodeAdmitted', '{}', $3, $4)"""

DOCUMENT = """INSERT INTO documents (id, program, client, media_type, content, digest, unmatched, received_at)
         VALUES ($1, 'demo', 'lab', 'application/hl7-v2', $2, '', false, $3)"""
RECEIVED = b"MSH|^~\\&|LIS\rPID|1||\xe9\r"


@pytest.fixture(scope="module")
def running(idle_hub: Running) -> Running:
    asyncio.run(_park(idle_hub.data))
    return idle_hub


async def _execute(running: Running, service: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(hubfile.read(running.data).postgres[service])
    await connection.execute(statement, *values)
    await connection.close()


async def _park(data: Path) -> None:
    for name, dsn in hubfile.read(data).postgres.items():
        await db.migrate(dsn)
        if name == "testing":
            connection = await asyncpg.connect(dsn)
            await connection.execute(ROW, ID, PATIENT, b"what was said", MONDAY)
            content = Keys.load(data / "keys", name).encrypt(RECEIVED)
            await connection.execute(DOCUMENT, ID, content, MONDAY)
            await connection.close()


def test_what_is_parked_is_listed_with_its_service(running: Running) -> None:
    done = test_cli.iop("parked", "list", "--data", str(running.data), COLUMNS="200")

    assert [part in done.stdout for part in ("testing", "bug", "EpisodeAdmitted", PATIENT, str(ID))] == [True] * 5


def test_what_must_be_typed_again_is_never_cut_off(running: Running) -> None:
    done = test_cli.iop("parked", "list", "--data", str(running.data), COLUMNS="40")

    assert done.stdout == (
        f"testing  patient {PATIENT}  demo\n  {ID}  2026-03-02 14:00:00  bug         EpisodeAdmitted: decide\n"
    )


def test_what_it_says_is_shown_only_when_asked_for(running: Running) -> None:
    shown = iop("parked", "show", str(ID), "--data", str(running.data)).stdout
    whole = iop("parked", "show", str(ID), "--content", "--data", str(running.data)).stdout

    assert "decide" in shown and "what was said" not in shown
    assert "what was said" in whole


@pytest.mark.parametrize(("flag", "dry"), [((), "false"), (("--dry-run",), "true")])
def test_its_service_is_asked_to_decide_it_again(running: Running, flag: tuple[str, ...], dry: str) -> None:
    done = iop("parked", "redrive", *flag, "--data", str(running.data))

    assert done.stderr == "" and done.returncode == 0
    assert (
        f"asked /admin/redrive?key={PATIENT}&kind=patient&dry_run={dry}&by={getpass.getuser()} with a Bearer"
        in done.stdout
    )


def test_who_redrove_or_quarantined_is_printed_with_what_came_of_it(running: Running) -> None:
    assert iop("parked", "history", "--data", str(running.data)).stdout == "nobody redrove anything\n"
    row = "INSERT INTO redrives VALUES ($1, 'ops', 'm.okafor', 'patient', $2, 'demo', $3, 2, 0, 1)"
    asyncio.run(_execute(running, "testing", row, MONDAY, PATIENT, ID))
    assert iop("parked", "history", "--data", str(running.data)).stdout == (
        f"2026-03-02 14:00:00  testing  patient {PATIENT}  m.okafor (ops): quarantined {ID}, decided 2, sent 1 again, "
        "0 stayed parked\n"
    )


def test_what_has_no_key_is_redriven_by_its_id(running: Running) -> None:
    asyncio.run(_execute(running, "intake", ROW, KEYLESS, "", b"", MONDAY))
    try:
        for asked in (str(KEYLESS), "unknown"):
            done = iop("parked", "redrive", asked, "--data", str(running.data))
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("intake unknown: 200 asked /admin/redrive?key=&kind=patient&dry_run=false")
            assert done.stdout.count("asked") == 1
    finally:
        asyncio.run(_execute(running, "intake", "DELETE FROM parked"))


def test_a_patient_is_redriven_by_the_id_of_a_delivery_too(running: Running) -> None:
    done = iop("parked", "redrive", str(ID), "--data", str(running.data))
    assert f"asked /admin/redrive?key={PATIENT}&" in done.stdout


@pytest.mark.parametrize(
    ("dry_run", "parked", "line"),
    [
        (False, 0, "decided 3, 0 stay parked"),
        (False, 2, "decided 3, 2 stay parked"),
        (True, 2, "would decide 3, 2 would stay parked"),
    ],
)
def test_a_redrive_is_whole_when_nothing_stays_parked(dry_run: bool, parked: int, line: str) -> None:
    answer = httpx.Response(200, json={"decided": 3, "parked": parked, "sent_again": 0, "dry_run": dry_run})

    assert redrive_result(answer) == (line, parked == 0)


def test_a_refused_redrive_says_what_the_service_said() -> None:
    assert redrive_result(httpx.Response(403, text="forbidden")) == ("403 forbidden", False)


def test_a_key_under_which_nothing_is_parked_is_one_line(running: Running) -> None:
    done = iop("parked", "redrive", "nobody", "--data", str(running.data))

    assert (done.returncode, done.stderr) == (1, "iop: nothing is parked under this key or id\n")


def test_the_bytes_that_a_work_item_names_are_written_as_they_came(running: Running) -> None:
    command = [sys.executable, "-m", "deploy.cli", "document", str(ID), "--data", str(running.data)]
    done = subprocess.run(command, capture_output=True, check=True)

    assert done.stdout == RECEIVED
    assert done.stderr == b"testing  demo  lab  application/hl7-v2  2026-03-02 14:00:00\n"


def test_bytes_that_nobody_stores_are_an_error_of_one_line(running: Running) -> None:
    done = iop("document", str(KEYLESS), "--data", str(running.data))

    assert (done.returncode, done.stdout) == (1, "")
    assert "no service stores a document of this id" in done.stderr

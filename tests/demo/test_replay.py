"""The journal can be replayed: from an empty state each decision of the demo is made again, to the letter."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from deploy import embedded_postgres
from deploy.commands.replay import Journals, ask, lines, merged, require_some, suppose
from deploy.demo.silence import MEMBERS
from deploy.embedded_postgres import RunningPostgres
from deploy.failure import CannotContinueError
from shared.path.transaction.consequences import Change
from shared.path.transaction.replaying import Asked, Replayed
from shared.path.transaction.supposing import Supposed
from shared.platform.build import build
from tests.demo.conftest import Demo
from tests.house.test_rooms import SERVICES
from tests.service import DEPLOY

SILENT_FROM = datetime(2025, 9, 26, 13, 0, tzinfo=UTC)
"""Nine in the morning of the day on which the feed stands still."""
FLIP = """UPDATE journal SET content = overlay(content placing '#' from length(content) / 2 for 1)
    WHERE sequence = (SELECT max(sequence) FROM journal WHERE outcome = 'decided') RETURNING sequence, key"""


@pytest.fixture(scope="module")
def postgres(demo: Demo) -> Iterator[RunningPostgres]:
    """The demo's own PostgreSQL, once more."""
    running = embedded_postgres.start(demo.data)
    yield running
    running.stop()


def replayed(demo: Demo, postgres: RunningPostgres, *services: str, jobs: int = 1) -> list[Replayed]:
    return merged(ask(journals(demo, postgres, *services), Asked(), jobs))


def journals(demo: Demo, postgres: RunningPostgres, *services: str) -> Journals:
    return Journals({name: postgres.dsn(name) for name in services}, demo.data / "keys", DEPLOY)


@pytest.fixture(scope="module")
def whole(demo: Demo, postgres: RunningPostgres) -> list[Replayed]:
    """All that was decided, made again."""
    return replayed(demo, postgres, *SERVICES)


def test_each_decision_of_the_demo_is_made_again_with_the_same_ids_and_bodies(whole: list[Replayed]) -> None:
    assert [each.service for each in whole] == list(SERVICES)
    for each in whole:
        assert (each.differences, each.left_out, each.other_code, each.without_digest) == ([], {}, {}, 0), each.service
        assert each.decisions > 10


def test_of_nobody_nothing_is_right(demo: Demo, postgres: RunningPostgres, whole: list[Replayed]) -> None:
    nobody = Asked(patient="0190a7a0-0000-7000-8000-000000000000")
    of_nobody = merged(ask(journals(demo, postgres, "testing"), nobody, 1))
    with pytest.raises(CannotContinueError, match="nothing was decided of this patient"):
        require_some(of_nobody)
    require_some([*of_nobody, *whole])


async def test_a_flipped_byte_in_one_row_is_found(demo: Demo, postgres: RunningPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn("testing"))
    async with connection.transaction():
        row = await connection.fetchrow("SELECT * FROM journal WHERE outcome = 'decided' ORDER BY sequence DESC")
        sequence, key = (await connection.fetchrow(FLIP)).values()
    (found,) = replayed(demo, postgres, "testing", jobs=2)
    await connection.execute("UPDATE journal SET content = $2 WHERE sequence = $1", sequence, row["content"])
    await connection.close()
    assert [(each.key, each.sequence, each.path) for each in found.differences] == [(key, sequence, "row")]
    assert lines(found)[1] == f"  {key}  row {sequence}, {row['event']}: row"


def other(tmp_path: Path, line: str, instead: str) -> str:
    """The demo's program.toml with one line of it begun otherwise."""
    text = (DEPLOY / "program.toml").read_text()
    assert text.count(f"\n{line}") == 1
    file = tmp_path / "other.toml"
    file.write_text(text.replace(f"\n{line}", f"\n{instead}"))
    return str(file)


async def test_under_one_other_threshold_exactly_what_differs_is_named(
    demo: Demo, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """One patient's cocaine positive in August would count as left over from her first one: nobody would be asked, and
    who took it on would find nothing."""
    program = other(tmp_path, "cocaine = { value = 4,", "cocaine = { value = 400,")
    found = suppose(journals(demo, postgres, *SERVICES), Supposed(Asked(), program), 1)
    assert {each.service: [_named(change) for change in each.changes] for each in found} == {
        "intake": [],
        "attendance": [],
        "testing": ["2025-08-06 14:30 testing/unexpected-positive-presumptive|1 fewer: tier 2 -> "],
        "aftercare": [],
    }
    assert {each.service: each.unfounded for each in found if each.unfounded} == {
        "testing": {"AcknowledgeEscalation": 1}
    }
    assert {each.service: each.left_out for each in found if each.left_out} == {}


async def test_another_time_of_grace_moves_the_one_missed_session_of_its_window(
    demo: Demo, postgres: RunningPostgres, tmp_path: Path
) -> None:
    program = other(tmp_path, "grace_minutes = { value = 15,", "grace_minutes = { value = 30,")
    (found,) = suppose(journals(demo, postgres, "attendance"), Supposed(Asked(), program), 2)
    moved = "2025-08-04 13:16 attendance/missed-session|2026.2 time: 2025-08-04 13:16:00Z -> 2025-08-04 13:30:00Z"
    silent = [change for change in found.changes if change.at >= SILENT_FROM]
    assert [_named(change) for change in found.changes if change not in silent] == [moved]
    (later,) = suppose(journals(demo, postgres, "attendance"), Supposed(Asked(), program, last_days=3), 1)
    assert later.changes == silent
    assert {(change.rule, change.kind) for change in silent} == {("attendance/missed-session|2026.2", "more")}
    assert len(silent) == MEMBERS, "at another time their feed is held to have spoken"


def _named(change: Change) -> str:
    return f"{change.at:%Y-%m-%d %H:%M} {change.rule} {change.kind}: {change.was} -> {change.would_be}"


async def test_a_program_that_is_not_whole_is_refused_as_at_a_start(
    demo: Demo, postgres: RunningPostgres, tmp_path: Path
) -> None:
    program = other(tmp_path, "grace_minutes =", "# grace_minutes =")
    wrong = f"{program}: program.demo (attendance): Object missing required field `grace_minutes`"
    for file, text in ((program, wrong), (str(tmp_path / "none.toml"), "none.toml: can't be read (FileNotFoundError)")):
        with pytest.raises(CannotContinueError, match=re.escape(text)):
            suppose(journals(demo, postgres, "attendance"), Supposed(Asked(), file), 1)


async def test_each_decision_names_the_build_that_decided(demo: Demo, postgres: RunningPostgres) -> None:
    for name in SERVICES:
        connection = await asyncpg.connect(postgres.dsn(name))
        codes = await connection.fetch("SELECT DISTINCT code FROM journal")
        await connection.close()
        assert {row["code"] for row in codes} == {build()}

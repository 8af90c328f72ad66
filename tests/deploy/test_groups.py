"""`iop groups`: an operator reads how many seats of each group are taken, and nothing of anybody."""

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import msgspec

from deploy import hubfile
from deploy.hubfile import Hub
from deploy.paths import SETTINGS
from services.attendance.groups.groups import Group, Member
from services.attendance.groups.plan import GROUP
from shared.rules.packing import pack_id
from tests.deploy.in_process import iop

ANNA, BEN, CARA = (pack_id(str(uuid5(NAMESPACE_URL, name))) for name in ("anna", "ben", "cara"))
STATE = "INSERT INTO state (kind, key, program, version, body) VALUES ($1, 'demo/evening-a', 'demo', 1, $2)"
EVENING_A, DAY_B = (
    f"""
[program.demo.attendance.groups.{name}]
seats = {{ value = {seats}, unit = "seat", source = "test" }}
meetings = {{ value = [[0, "17:30", 180]], unit = "meeting", source = "test" }}
time = {{ value = "evening", unit = "time", source = "test" }}
"""
    for name, seats in (("evening-a", 12), ("day-b", 8))
)


async def test_each_group_is_printed_with_what_is_taken_counted_and_waited_for(database: str, tmp_path: Path) -> None:
    group = Group("evening-a", (Member(ANNA, "a", 0), Member(BEN, "b", 0)), (Member(CARA, "c", 0),))
    connection = await asyncpg.connect(database)
    await connection.execute(STATE, GROUP, msgspec.json.encode(group).decode())
    await connection.close()
    printed = groups(database, tmp_path, EVENING_A + DAY_B)
    rows = [line.split() for line in printed.replace("│", " ").splitlines() if "demo/" in line]
    assert rows == [["demo/day-b", "0", "8", "0"], ["demo/evening-a", "2", "12", "1"]]
    assert not any(each in printed for each in (ANNA, BEN, CARA))


async def test_where_no_group_has_seats_it_says_so(database: str, tmp_path: Path) -> None:
    assert "no group has seats" in groups(database, tmp_path, "")


def groups(database: str, folder: Path, tables: str) -> str:
    hubfile.write(folder, Hub(kafka="", issuer="", services={}, postgres={"attendance": database}))
    whole = (SETTINGS / "program.toml").read_text()
    (folder / "program.toml").write_text(whole + tables)
    done = iop("groups", "--data", str(folder), "--settings", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout

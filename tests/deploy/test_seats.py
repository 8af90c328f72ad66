"""`iop seats`: an operator reads how many seats are taken, and nothing of anybody."""

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import msgspec

from deploy import hubfile
from deploy.hubfile import Hub
from deploy.paths import SETTINGS
from services.intake.seats.capacity import SEATS
from services.intake.seats.seats import Holder, Seats, Waiting
from shared.rules.packing import pack_id
from tests.deploy.in_process import iop

ANNA, BEN, CARA = (pack_id(str(uuid5(NAMESPACE_URL, name))) for name in ("anna", "ben", "cara"))
STATE = "INSERT INTO state (kind, key, program, version, body) VALUES ($1, 'demo/2.1', 'demo', 1, $2)"


async def test_each_place_is_printed_with_what_is_taken_counted_and_waited_for(database: str, tmp_path: Path) -> None:
    place = Seats("2.1", (Holder(ANNA, ANNA), Holder(BEN, BEN)), (Waiting(CARA, CARA, 0, 0),))
    connection = await asyncpg.connect(database)
    await connection.execute(STATE, SEATS, msgspec.json.encode(place).decode())
    await connection.close()
    printed = seats(database, tmp_path, '"2.1" = { value = 24, unit = "seat", source = "test" }\n"2.5" = 8\n')
    rows = [line.split() for line in printed.replace("│", " ").splitlines() if "demo/" in line]
    assert rows == [["demo/2.1", "2", "24", "1"], ["demo/2.5", "0", "8", "0"]]
    assert not any(each in printed for each in (ANNA, BEN, CARA))


async def test_where_none_are_counted_it_says_so(database: str, tmp_path: Path) -> None:
    assert "no seats are counted" in seats(database, tmp_path, "")


def seats(database: str, folder: Path, capacity: str) -> str:
    hubfile.write(folder, Hub(kafka="", issuer="", services={}, postgres={"intake": database}))
    whole = (SETTINGS / "program.toml").read_text()
    head = "[program.demo.intake.capacity]"
    (folder / "program.toml").write_text(whole.replace(head, f"{head}\n{capacity}", 1))
    done = iop("seats", "--data", str(folder), "--settings", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout

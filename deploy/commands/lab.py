"""`iop lab map`: what laboratories' own codes mean, as people of the program reviewed it, by testing's database; and
the work list of laboratories (`lab_work`)."""

import asyncio
import csv
import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from deploy import hubfile, keys, queries
from deploy.commands import lab_work, one_off, simulator
from deploy.commands.common import DEFAULT_DATA, Data, Settings, database, out, settings_of
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from shared.path.transaction import code_maps
from shared.path.transaction.code_maps import EXAMINE, CodeReading, Examination, Examined, MappedCode
from shared.platform.settings import programs

commands = typer.Typer(help="What laboratories send.", no_args_is_help=True)
maps = typer.Typer(help="What laboratories' own codes mean.", no_args_is_help=True)
commands.add_typer(maps, name="map")
commands.command("list", epilog="Example: iop lab list --kind map-code")(lab_work.list_)
commands.command("show", epilog="Example: iop lab show 5f0c9e7e-...")(lab_work.show)
commands.command("match", epilog="Example: iop lab match 5f0c9e7e-... --patient 0b8e...")(lab_work.match)
commands.command("reread", epilog="Example: iop lab reread 5f0c9e7e-...")(lab_work.reread)
commands.command("discard", epilog="Example: iop lab discard 5f0c9e7e-... --reason test-message")(lab_work.discard)
commands.command("simulator", epilog="Example: iop lab simulator --listen 2577 --after 10 --positive fentanyl")(
    simulator.simulator
)
maps.command("answer", epilog="Example: iop lab map answer 5f0c9e7e-... --means 59673-4")(lab_work.answer)
Program = Annotated[str, typer.Option("--program", metavar="NAME", help="Default: the only one of program.toml.")]
COLUMNS = ("laboratory", "code", "meaning", "reviewed_by", "from")
_FORMULA = ("'", "=", "+", "-", "@")
"""How a cell begins that a spreadsheet would compute, or whose apostrophe it would hide."""
BYTES_MOST = 5_000_000


@commands.callback()
def lab() -> None:
    """What laboratories send."""


@maps.command("import", epilog="Example: iop lab map import codes.csv")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=f"CSV with {', '.join(COLUMNS)}.")
    ],
    program: Program = "",
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Store what codes mean, all lines or none. A running hub follows within five seconds, and reads again what came
    under a code. Code 1 where a line can't be."""
    folder, hub = settings_of(data, settings), hubfile.read(data)
    lines = _lines(file, _program(program, folder))
    found = _examine(folder, Examined(program=_program(program, folder), lines=tuple(lines)))
    if found.faults:
        for place, reason in found.faults:
            out.print(f"line {place + 2}: {reason}", markup=False)
        wrong = len({place for place, _ in found.faults})
        raise CannotContinueError(f"{wrong} of {len(lines)} lines can't be: none is stored")
    changed = asyncio.run(_put(hub, found.lines))
    out.print(f"{len(lines)} lines, {changed} of them new or changed")


@maps.command("export", epilog="Example: iop lab map export > codes.csv")
def export(program: Program = "", settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print the lines as the CSV that `import` takes. Before what a spreadsheet would compute stands an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in _known(data, settings, program):
        texts = (each.laboratory, each.code, each.meaning, each.reviewed_by, str(each.valid_from))
        writer.writerow([_as_cell(text) for text in texts])
    typer.echo(written.getvalue(), nl=False)


@maps.command("list", epilog="Example: iop lab map list")
def list_(program: Program = "", settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print the lines as a table."""
    table = Table("laboratory", "code", "meaning", "reviewed by", "from")
    for each in _known(data, settings, program):
        table.add_row(each.laboratory, each.code, each.meaning, each.reviewed_by, str(each.valid_from))
    out.print(table)


@maps.command("test", epilog="Example: iop lab map test T17")
def test(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As it stands in OBX-3 or Observation.code.")],
    program: Program = "",
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print what a row under a code would be read as from each laboratory, its title aside; lines of a later day
    count."""
    folder = settings_of(data, settings)
    lines = tuple(_known(data, settings, program))
    for each in _examine(folder, Examined(program=_program(program, folder), lines=lines, code=code)).readings:
        out.print(f"{each.laboratory}: {_read_as(each)}", markup=False)


def _read_as(reading: CodeReading) -> str:
    match reading.by:
        case "nothing":
            return "read as nothing: a Task map-code asks about it"
        case "map" if not reading.analyte:
            return f"no result ({reading.meaning}), by the map"
        case _:
            method = "definitive" if reading.definitive else "presumptive"
            by = f"by the map ({reading.meaning})" if reading.by == "map" else "by the table of public codes"
            return f"{reading.analyte}, {reading.kind}, {method}, {by}"


def _program(chosen: str, folder: Path) -> str:
    known = list(programs(folder))
    if chosen in known or (not chosen and len(known) == 1):
        return chosen or known[0]
    raise CannotContinueError(f"--program must be one of {', '.join(known)}")


def _lines(file: Path, program: str) -> list[MappedCode]:
    """Raises CannotContinueError naming the line."""
    if file.stat().st_size > BYTES_MOST:
        raise CannotContinueError(f"{file.name} has more than {BYTES_MOST} bytes")
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig")), strict=True))
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise CannotContinueError(f"{file.name} must be a CSV in UTF-8 ({type(wrong).__name__})") from None
    return [_line(row, number, program) for number, row in enumerate(rows, 2)]


def _line(row: dict[str, str], number: int, program: str) -> MappedCode:
    if set(row) != set(COLUMNS) or None in row.values():
        raise CannotContinueError(f"line {number}: must have the columns {', '.join(COLUMNS)}")
    laboratory, code, meaning, reviewed_by, since = (_of_cell(row[each].strip()) for each in COLUMNS)
    try:
        return MappedCode(program, laboratory, code, meaning, reviewed_by, date.fromisoformat(since))
    except ValueError:
        raise CannotContinueError(f"line {number}: from must be a day (YYYY-MM-DD)") from None


def _as_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _of_cell(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _examine(folder: Path, examined: Examined) -> Examination:
    asked = msgspec.json.encode(examined).decode()
    with TemporaryDirectory() as own:
        return one_off.ask("testing", "postgresql:///", keys.make(Path(own)), folder, EXAMINE, asked, Examination)


def _known(data: Path, settings: Path | None, program: str) -> list[MappedCode]:
    chosen, hub = _program(program, settings_of(data, settings)), hubfile.read(data)

    async def asked() -> list[MappedCode]:
        async with database(hub, "testing") as connection:
            return await code_maps.known(connection)

    return [each for each in asyncio.run(asked()) if each.program == chosen]


async def _put(hub: Hub, lines: Sequence[MappedCode]) -> int:
    async with database(hub, "testing", queries.writing) as writable:
        return await code_maps.put(writable, lines)

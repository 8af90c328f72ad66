"""`iop lab map`: whether lines of a code map can be, and what a code would be read as by them. Nothing is stored."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

import msgspec

from services.testing import tables
from services.testing.hl7.senders import Laboratory
from services.testing.reading.measures import meaning_of, plain
from services.testing.settings import MEANINGS, Settings, is_understood
from services.testing.worklist.code_maps import merged
from shared.path.transaction.code_maps import CodeReading, Examination, Examined, MappedCode
from shared.platform.clients import laboratories
from shared.platform.settings import ConfigurationError, Process, load


async def answer(process: Process, asked: str) -> Examination:
    """Raises ConfigurationError where there is no such program."""
    examined = msgspec.json.decode(asked, type=Examined)
    settings = load(process.deploy, "testing", Settings).get(examined.program)
    if settings is None:
        raise ConfigurationError(f"{process.deploy}/program.toml: has no program {examined.program}.")
    own = {name: each for name, each in laboratories(process.deploy).items() if examined.program in each.programs}
    lines = tuple(msgspec.structs.replace(each, code=plain(each.code)) for each in examined.lines)
    return Examination(
        lines=lines,
        faults=tuple(_faults(lines, own)),
        readings=tuple(_readings(examined.code, lines, own, settings)) if examined.code else (),
    )


def _faults(lines: tuple[MappedCode, ...], own: Mapping[str, Laboratory]) -> Iterator[tuple[int, str]]:
    count = Counter((each.laboratory, each.code) for each in lines)
    for place, line in enumerate(lines):
        required = (
            (line.laboratory in own, f"laboratory must be one of clients.toml: {', '.join(own) or 'there is none'}"),
            (line.code != plain(""), "code must be stated"),
            (count[line.laboratory, line.code] == 1, "a laboratory's code must stand once"),
            (line.reviewed_by != "", "reviewed_by must name who reviewed it"),
            (is_understood(line.meaning), f"meaning must be {MEANINGS}"),
        )
        yield from ((place, reason) for met, reason in required if not met)


def _readings(
    code: str, lines: tuple[MappedCode, ...], own: Mapping[str, Laboratory], settings: Settings
) -> Iterator[CodeReading]:
    """As a row under this code would be read from each laboratory, its title aside."""
    mapped = msgspec.structs.replace(settings, local_codes=merged(settings.local_codes, lines, date.max))
    for laboratory in own:
        public, meaning = tables.LOINC.get(code), meaning_of(code, laboratory, mapped) or ""
        measure = public or tables.meant(meaning)
        yield CodeReading(
            laboratory=laboratory,
            by="public-table" if public else "map" if meaning else "nothing",
            meaning="" if public else meaning,
            analyte=measure.analyte if measure else "",
            kind=measure.kind if measure else "",
            definitive=measure is not None and measure.definitive,
        )

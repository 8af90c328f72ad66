"""`iop codes`: what an EHR's codes mean to the hub. It asks no hub but for where its settings are."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer

from deploy import keys
from deploy.commands import one_off
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.edge.rehearsing import Rehearsed, Sample
from shared.process import CODES

commands = typer.Typer(help="What an EHR's codes mean to the hub.", no_args_is_help=True)


@commands.callback()
def codes() -> None:
    """What an EHR's codes mean to the hub."""


@commands.command("check", epilog="Example: iop codes check assessment.json --client ehr")
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A Bundle of any type, or one resource.")
    ],
    client: Annotated[
        str, typer.Option("--client", metavar="NAME", help="Who would send it: with this client's code map.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print what intake would understand of a sample, entry by entry, and what not and why. Nothing is stored,
    and no hub need run.

    Code 1 where something would be refused.
    """
    asked = msgspec.json.encode(Sample(str(file.resolve()), client)).decode()
    with TemporaryDirectory() as folder:
        # No patient is known by them: they are thrown away with the answer.
        own = keys.make(Path(folder))
        found = one_off.ask("intake", "postgresql:///", own, settings_of(data, settings), CODES, asked, list[Rehearsed])
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    for line in [] if as_json else lines(found):
        out.print(line, markup=False)
    if refused := sum(each.refused for each in found):
        raise CannotContinueError(f"{refused} of {len(found)} would be refused, and with it the whole")


def lines(found: Sequence[Rehearsed]) -> Iterator[str]:
    """What a person reads: each entry, and below it what its outcome would say."""
    for each in found:
        yield f"{each.place or 'the whole'} {each.type}".rstrip() + (": refused" if each.refused else "")
        yield from (f"    {line}" for line in each.lines)

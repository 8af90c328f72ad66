"""`iop replay`: every decision of the journals made again from an empty state, and compared. Nothing is written."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.console import RenderableType

from deploy import hubfile
from deploy.commands import one_off, what_if
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.path.transaction.replaying import Asked, Difference, Replayed
from shared.path.transaction.supposing import Supposed, WhatIf
from shared.process import REPLAY, WHAT_IF

T = TypeVar("T")


@dataclass(frozen=True)
class Journals:
    """Where the journals are, and what their services decide with: addresses, keys, the folder of settings."""

    dsns: Mapping[str, str]
    keys: Path
    settings: Path


def replay(
    patient: Annotated[str | None, typer.Argument(help="The hub's id of a patient; or --all.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every patient.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only those about whom something was decided since then.")
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another program.toml: which decisions would have been others under it?"),
    ] = None,
    last: Annotated[
        str | None, typer.Option(metavar="DAYS", help="With --program: it counts from so many days ago on, like 90d.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes side by side.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make every decision of the journals again, from an empty state, and name the first that comes out otherwise; or
    with --program each that would have been another one under that program.toml. Nothing is written.

    Code 1 where one comes out otherwise, or where a row is no longer what was written. What another release decided is
    compared too, but may differ. What would have been is no error.
    """
    if (patient is None) == (not everybody):
        raise CannotContinueError("name a patient by the hub's id, or --all")
    if last is not None and (program is None or since is not None):
        raise CannotContinueError("--last goes with --program, and without --since")
    asked = Asked(patient=patient, since=instant(since))
    journals = Journals(hubfile.read(data).postgres, data / "keys", settings_of(data, settings))
    if program is not None:
        _what_if(journals, Supposed(asked, str(program.resolve()), days(last)), jobs, as_json)
        return
    found = merged(ask(journals, asked, jobs))
    if patient is not None:
        require_some(found)
    _print(found, (line for each in found for line in lines(each)), as_json)
    if any(each.differs for each in found):
        raise CannotContinueError("the journal and its replay differ")


def _what_if(journals: Journals, supposed: Supposed, jobs: int, as_json: bool) -> None:
    answered = what_if.answer(suppose(journals, supposed, jobs))
    if supposed.asked.patient is not None:
        require_some(answered.services)
    _print(answered, what_if.shown(answered), as_json)


def _print(found: object, shown: Iterable[RenderableType], as_json: bool) -> None:
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for each in shown:
        out.print(each, markup=False)


def require_some(found: Iterable[Replayed | WhatIf]) -> None:
    """Raises CannotContinueError: of nobody nothing differs, which must not look as if all were well."""
    if not any(each.keys for each in found):
        raise CannotContinueError(
            "nothing was decided of this patient: is the id the hub's own, --since not too late, and are the months of "
            "the decisions not past their days (iop retention)?"
        )


def instant(text: str | None) -> datetime | None:
    """A time with its offset, UTC without one. Raises CannotContinueError."""
    try:
        found = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CannotContinueError("--since must be a time like 2026-01-05 or 2026-01-05T18:00+00:00") from None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def days(text: str | None) -> int | None:
    """Of a number of days like `90d`. Raises CannotContinueError."""
    if text is None:
        return None
    if re.fullmatch(r"[1-9]\d{0,4}d", text) is None:
        raise CannotContinueError("--last must be a number of days like 90d")
    return int(text[:-1])


def ask(journals: Journals, asked: Asked, jobs: int) -> list[Replayed]:
    """The answer of each process, of each service as many as there are jobs. Raises CannotContinueError."""
    return _side_by_side(journals, REPLAY, _parts(asked, jobs), Replayed, jobs)


def suppose(journals: Journals, supposed: Supposed, jobs: int) -> list[WhatIf]:
    """What would have been, of each service. Raises CannotContinueError."""
    parts = [msgspec.structs.replace(supposed, asked=each) for each in _parts(supposed.asked, jobs)]
    return what_if.merged(_side_by_side(journals, WHAT_IF, parts, WhatIf, jobs))


def _parts(asked: Asked, jobs: int) -> list[Asked]:
    parts = 1 if asked.patient is not None else jobs
    return [msgspec.structs.replace(asked, part=part, parts=parts) for part in range(parts)]


def _side_by_side(journals: Journals, command: str, parts: Sequence[object], type_: type[T], jobs: int) -> list[T]:
    each = [(name, msgspec.json.encode(part).decode()) for name in journals.dsns for part in parts]

    def run(one: tuple[str, str]) -> T:
        service, asked = one
        return one_off.ask(service, journals.dsns[service], journals.keys, journals.settings, command, asked, type_)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(run, each))


def merged(found: Iterable[Replayed]) -> list[Replayed]:
    """One result a service, of all its processes."""
    services: dict[str, Replayed] = {}
    for each in found:
        whole = services.setdefault(each.service, Replayed(service=each.service))
        whole.keys += each.keys
        whole.others = dict(Counter(whole.others) + Counter(each.others))
        whole.decisions += each.decisions
        whole.without_digest += each.without_digest
        whole.differences = sorted([*whole.differences, *each.differences], key=lambda one: one.sequence)
        whole.other_code = dict(Counter(whole.other_code) + Counter(each.other_code))
        whole.left_out = dict(Counter(whole.left_out) + Counter(each.left_out))
    return list(services.values())


def lines(found: Replayed) -> Sequence[str]:
    """What a person reads of one service."""
    count = len([each for each in found.differences if each.code is None])
    who = what_if.named(found.keys, found.others)
    shown = [f"{found.service}: {who}, {found.decisions} decisions made again, {count} differ"]
    shown += [f"  {_named(each)}" for each in found.differences]
    shown += [f"  {rows} decisions are of another release, {code}" for code, rows in found.other_code.items()]
    shown += [f"  {keys} are left out: {reason}" for reason, keys in found.left_out.items()]
    if found.without_digest:
        shown.append(f"  {found.without_digest} rows are older than digests: of them only the ids were compared")
    return shown


def _named(each: Difference) -> str:
    where = f"row {each.sequence}, {each.event}: {each.path}"
    return f"{each.key}  {where}" + (f" (decided by another release, {each.code})" if each.code else "")

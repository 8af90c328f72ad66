"""`iop replay`: every decision of the journals made again from an empty state, and compared. Nothing is written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy import hubfile
from deploy.commands import one_off
from deploy.commands.common import DEFAULT_DATA, Data, out
from deploy.commands.run import Settings
from deploy.failure import CannotContinueError
from deploy.paths import SETTINGS
from shared.path.transaction.replaying import Asked, Difference, Replayed
from shared.process import REPLAY


def replay(
    patient: Annotated[str | None, typer.Argument(help="The hub's id of a patient; or --all.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every patient.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only those about whom something was decided since then.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes side by side.")] = 1,
    settings: Settings = SETTINGS,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make every decision of the journals again, from an empty state, and name the first that comes out otherwise.

    Code 1 where one does, or where a row is no longer what was written. What another release decided is compared too,
    but may differ.
    """
    if (patient is None) == (not everybody):
        raise CannotContinueError("name a patient by the hub's id, or --all")
    asked = Asked(patient=patient, since=instant(since))
    found = merged(ask(hubfile.read(data).postgres, data / "keys", settings, asked, jobs))
    if patient is not None:
        require_some(found)
    for each in found:
        for line in lines(each):
            out.print(line, markup=False)
    if any(each.differs for each in found):
        raise CannotContinueError("the journal and its replay differ")


def require_some(found: Iterable[Replayed]) -> None:
    """Raises CannotContinueError: of nobody nothing differs, which must not look as if all were well."""
    if not any(each.keys for each in found):
        raise CannotContinueError(
            "nothing was decided of this patient: is the id the hub's own, and --since not too late?"
        )


def instant(text: str | None) -> datetime | None:
    """A time with its offset, UTC without one. Raises CannotContinueError."""
    try:
        found = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CannotContinueError("--since must be a time like 2026-01-05 or 2026-01-05T18:00+00:00") from None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def ask(dsns: Mapping[str, str], keys: Path, settings: Path, asked: Asked, jobs: int) -> list[Replayed]:
    """The answer of each process, of each service as many as there are jobs. Raises CannotContinueError."""
    parts = 1 if asked.patient is not None else jobs
    each = [(name, msgspec.structs.replace(asked, part=part, parts=parts)) for name in dsns for part in range(parts)]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda one: _run(one[0], dsns[one[0]], keys, settings, one[1]), each))


def _run(service: str, dsn: str, keys: Path, settings: Path, asked: Asked) -> Replayed:
    return one_off.ask(service, dsn, keys, settings, REPLAY, msgspec.json.encode(asked).decode(), Replayed)


def merged(found: Iterable[Replayed]) -> list[Replayed]:
    """One result a service, of all its processes."""
    services: dict[str, Replayed] = {}
    for each in found:
        whole = services.setdefault(each.service, Replayed(service=each.service))
        whole.keys += each.keys
        whole.decisions += each.decisions
        whole.without_digest += each.without_digest
        whole.differences = sorted([*whole.differences, *each.differences], key=lambda one: one.sequence)
        whole.other_code = dict(Counter(whole.other_code) + Counter(each.other_code))
        whole.left_out = dict(Counter(whole.left_out) + Counter(each.left_out))
    return list(services.values())


def lines(found: Replayed) -> Sequence[str]:
    """What a person reads of one service."""
    count = len([each for each in found.differences if each.code is None])
    shown = [f"{found.service}: {found.keys} patients, {found.decisions} decisions made again, {count} differ"]
    shown += [f"  {_named(each)}" for each in found.differences]
    shown += [f"  {rows} decisions are of another release, {code}" for code, rows in found.other_code.items()]
    shown += [f"  {keys} patients are left out: {reason}" for reason, keys in found.left_out.items()]
    if found.without_digest:
        shown.append(f"  {found.without_digest} rows are older than digests: of them only the ids were compared")
    return shown


def _named(each: Difference) -> str:
    where = f"row {each.sequence}, {each.event}: {each.path}"
    return f"{each.key}  {where}" + (f" (decided by another release, {each.code})" if each.code else "")

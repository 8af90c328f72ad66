"""`iop why`: the decisions about one escalation, recommendation, referral, stay or session, from the journal."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import msgspec
import typer

from deploy import hubfile
from deploy.commands import one_off
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.path.transaction.explaining import Explanation
from shared.path.transaction.narrating import lines
from shared.process import WHY

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def why(
    id: Annotated[str, typer.Argument(help="Of a Task, ServiceRequest, Appointment, ...; as `Type/id` too.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Explain why an escalation, recommendation, referral, stay or session stands as it does: what came when and from
    whom, by which rule and numbers it was decided, what was emitted, and what the consent gate withheld."""
    identity = id.rpartition("/")[2]
    if not ID.fullmatch(identity):
        raise CannotContinueError("the id must be one of the hub's, like 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
    hub, folder = hubfile.read(data), settings_of(data, settings)

    def ask(service: str) -> list[Explanation]:
        dsn = hub.postgres[service]
        return one_off.ask(service, dsn, data / "keys", folder, WHY, identity, list[Explanation])

    with ThreadPoolExecutor(len(hub.postgres)) as pool:
        found = [each for answer in pool.map(ask, hub.postgres) for each in answer]
    if not found:
        raise CannotContinueError("no service has anything with this id")
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for each in found:
        for line in lines(each):
            out.print(line, markup=False)

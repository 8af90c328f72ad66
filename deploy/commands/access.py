"""`iop token`: a bearer token for a client of this hub."""

from typing import Annotated

import typer

from deploy import hubfile
from deploy import token as tokens
from deploy.commands.common import DEFAULT_DATA, Data, out


def token(
    client: Annotated[str, typer.Argument(help="The client's id in clients.toml: ehr, lab or ops in the demo.")],
    program: Annotated[str | None, typer.Option(help="One of the client's programs; default: its first.")] = None,
    scope: Annotated[
        str, typer.Option(help="The scopes to request; default: everything registered.")
    ] = tokens.EVERYTHING,
    person: Annotated[
        str | None, typer.Option("--as", metavar="PERSON", help="For a member of the program's staff: clinician-1.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print a bearer token, valid for an hour, requested as a client does: by a signed assertion."""
    hub = hubfile.read(data)
    out.print(tokens.fetch(hub.issuer, data / "keys", client, program, scope, person), markup=False)

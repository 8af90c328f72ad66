"""`iop rota`: who is on call, as rota.toml says. It asks no hub but for where its settings are."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.platform.rota import FILE, OnCall, rotas
from shared.rules.rota import Role

commands = typer.Typer(help="Who is on call.", no_args_is_help=True)
ROLES: tuple[Role, ...] = ("on-call", "deputy")


@commands.callback()
def rota() -> None:
    """Who is on call."""


@commands.command("who", epilog="Example: iop rota who --at 2026-12-25T03:00")
def who(
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="A time, local without an offset; default: now.")
    ] = None,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print who is on call in each program, who is their deputy, and by which channel they are reached."""
    for program, on_call in _rotas(settings_of(data, settings)).items():
        out.print(_line(program, on_call, _instant(at, on_call)), markup=False)


def _rotas(settings: Path) -> dict[str, OnCall]:
    if not (settings / FILE).exists():
        raise CannotContinueError(f"{settings / FILE} is missing: nobody is on call (docs/on-call.md)")
    return rotas(settings)


def _instant(text: str | None, on_call: OnCall) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CannotContinueError("--at must be a time like 2026-12-25T03:00 or 2026-12-25T03:00-05:00") from None
    return found if found.tzinfo else found.replace(tzinfo=on_call.rotas["on-call"].zone)


def _line(program: str, on_call: OnCall, at: datetime) -> str:
    zone = on_call.rotas["on-call"].zone
    named = [(role, on_call.rotas[role].who(at)) for role in ROLES if role in on_call.rotas]
    people = ", ".join(f"{role} {name} ({on_call.people[name].channel})" for role, name in named)
    return f"{program} at {at.astimezone(zone):%Y-%m-%d %H:%M %Z}: {people}"

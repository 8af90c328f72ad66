"""The `iop` command line. A command that cannot continue prints one line, never a traceback."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from deploy.commands.common import stderr
from deploy.failure import CannotContinueError
from shared.platform.settings import ConfigurationError

COMMANDS = {
    "up": ("run.up", "Example: iop up --data .iop --clock manual"),
    "token": ("access.token", 'Example: curl -H "Authorization: Bearer $(iop token ehr)" ...'),
    "settle": ("run.settle", "Example: iop settle --timeout 30"),
    "demo": ("demo.demo", "Example: iop demo, or: iop demo --samples ../samples"),
    "simulate": ("simulate.simulate", "Example: iop simulate --patients 60 --weeks 4 --seed 1 --log month.jsonl"),
    "tail": ("tail.tail", "Example: iop tail escalations --from-beginning --max 20"),
    "document": ("document.document", "Example: iop document 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 > message.hl7"),
    "doctor": ("doctor.doctor", "Example: iop doctor, or: iop doctor --json"),
    "why": ("why.why", "Example: iop why 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11"),
    "reads": ("reads.reads", "Example: iop reads 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --since 2026-01-05"),
    "disclosures": ("disclosures.disclosures", "Example: iop disclosures 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --print"),
    "meetings": ("meetings.meetings", "Example: iop meetings 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --wish evening"),
    "letter": ("letter.letter", "Example: iop letter 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --pdf for-you.pdf"),
    "roster": ("roster.roster", "Example: iop roster --group evening-a --date 2026-01-05"),
    "week": ("roster.week", "Example: iop week 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11"),
    "short": ("roster.short", "Example: iop short"),
    "measures": ("measures.measures", "Example: iop measures --month 2026-03 --csv"),
    "seats": ("seats.seats", "Example: iop seats"),
    "groups": ("groups.groups", "Example: iop groups"),
    "replay": ("replay.replay", "Example: iop replay --all --since 2026-01-05"),
    "retention": ("retention.retention", "Example: iop retention --dry-run"),
}
"""A command's name -> where it stands below deploy/commands, and its example."""
GROUPS = {
    "client": "clients.commands",
    "clock": "run.clock_commands",
    "codes": "codes.commands",
    "consent": "consent.commands",
    "escalations": "escalations.commands",
    "feeds": "feeds.commands",
    "lab": "lab.commands",
    "parked": "parked.commands",
    "ledger": "ledger.commands",
    "consumer": "consumer.commands",
    "rota": "rota.commands",
    "topics": "topics.commands",
}


class Commands(Mapping[str, Any]):
    """All by name, each imported once it is asked for: with all of them a start takes twice as long."""

    def __getitem__(self, name: str) -> Any:
        alone = typer.Typer()
        if name in GROUPS:
            alone.add_typer(_found(GROUPS[name]), name=name)
        else:
            place, example = COMMANDS[name]
            alone.command(name, epilog=example)(_found(place))
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*COMMANDS, *GROUPS))

    def __len__(self) -> int:
        return len(COMMANDS) + len(GROUPS)


def _found(place: str) -> Any:
    module, _, name = place.partition(".")
    return getattr(import_module(f"deploy.commands.{module}"), name)


class Hub(TyperGroup):
    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "commands": Commands()})


app = typer.Typer(name="iop", cls=Hub, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def iop() -> None:
    """The hub for substance-use Intensive Outpatient Programs, on your own machine."""


def main() -> NoReturn:
    """Run a command: 0 done, 1 it cannot continue, 2 not understood, 130 interrupted.

    With `IOP_DEBUG=1` an unexpected error shows its traceback.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        sys.exit(app(prog_name="iop", standalone_mode=False))
    except (CannotContinueError, ConfigurationError) as failure:
        _stop(str(failure))
    except TyperException as misunderstood:
        _not_understood(misunderstood)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has closed it: nothing more may be flushed there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as failure:
        if os.environ.get("IOP_DEBUG"):
            raise
        _stop(": ".join(str(each) for each in (failure.strerror or type(failure).__name__, failure.filename) if each))
    except Exception as bug:
        if os.environ.get("IOP_DEBUG"):
            raise
        _stop(f"unexpected {type(bug).__name__}: run again with IOP_DEBUG=1 to see its traceback")


def _stop(line: str, code: int = 1) -> NoReturn:
    stderr.print(f"iop: {line}", markup=False)
    sys.exit(code)


def _not_understood(wrong: TyperException) -> NoReturn:
    """One line, and which help to ask for. Without any arguments the help itself was shown instead."""
    line = wrong.format_message().strip().rstrip(".")
    if not line:
        sys.exit(wrong.exit_code)
    context = getattr(wrong, "ctx", None)
    _stop(f"{line}; see `{context.command_path if context else 'iop'} --help`", wrong.exit_code)


if __name__ == "__main__":
    main()

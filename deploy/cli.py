"""The `iop` command line. A command that cannot continue prints one line, never a traceback."""

import logging
import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from deploy.commands import (
    access,
    consumer,
    demo,
    doctor,
    document,
    escalations,
    ledger,
    parked,
    reads,
    replay,
    retention,
    rota,
    run,
    tail,
    topics,
    why,
)
from deploy.commands.common import stderr
from deploy.failure import CannotContinueError
from shared.platform.settings import ConfigurationError

app = typer.Typer(
    name="iop",
    help="The hub for substance-use Intensive Outpatient Programs, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog="Example: iop up --data .iop --clock manual")(run.up)
app.command(epilog='Example: curl -H "Authorization: Bearer $(iop token ehr)" ...')(access.token)
app.command(epilog="Example: iop settle --timeout 30")(run.settle)
app.command(epilog="Example: iop demo, or: iop demo --samples ../samples")(demo.demo)
app.command(epilog="Example: iop tail escalations --from-beginning --max 20")(tail.tail)
app.command(epilog="Example: iop document 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 > message.hl7")(document.document)
app.command(epilog="Example: iop doctor, or: iop doctor --json")(doctor.doctor)
app.command(epilog="Example: iop why 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")(why.why)
app.command(epilog="Example: iop reads 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11 --since 2026-01-05")(reads.reads)
app.command(epilog="Example: iop replay --all --since 2026-01-05")(replay.replay)
app.command(epilog="Example: iop retention --dry-run")(retention.retention)
app.add_typer(run.clock_commands, name="clock", no_args_is_help=True)
app.add_typer(escalations.commands, name="escalations")
app.add_typer(parked.commands, name="parked")
app.add_typer(ledger.commands, name="ledger")
app.add_typer(consumer.commands, name="consumer")
app.add_typer(rota.commands, name="rota")
app.add_typer(topics.commands, name="topics")


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

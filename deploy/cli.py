"""The `iop` command line. Each command says one clear line when it cannot go on, and never shows a traceback."""

import logging
import os
import sys
from typing import NoReturn

import typer

from deploy.commands import access, demo, ledger, parked, run, tail
from deploy.commands.common import aside
from deploy.failure import CannotContinueError

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
app.add_typer(run.clock_commands, name="clock", no_args_is_help=True)
app.add_typer(parked.commands, name="parked")
app.add_typer(ledger.commands, name="ledger")


def main() -> NoReturn:
    """Run a command; `IOP_DEBUG=1` lets an unexpected error show where it came from."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        app()
    except CannotContinueError as failure:
        _stop(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as bug:
        if os.environ.get("IOP_DEBUG"):
            raise
        _stop(f"unexpected {type(bug).__name__}; run again with IOP_DEBUG=1 to see where")
    sys.exit(0)


def _stop(line: str) -> NoReturn:
    aside.print(f"iop: {line}", markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()

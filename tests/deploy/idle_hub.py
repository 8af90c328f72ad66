"""A hub with real servers, the real issuer and idle services: python -m tests.deploy.idle_hub DATA [MODULE]"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from deploy import runner
from deploy.failure import CannotContinueError

IDLE = "tests.deploy.idle_service"
STARTS_AT = datetime(2026, 1, 5, 13, tzinfo=UTC)


def main(data: str, testing: str = IDLE) -> None:
    """Run until told to stop; `testing` is the module to run as the testing service."""
    modules = dict.fromkeys(("intake", "attendance", "aftercare"), IDLE)
    plan = runner.Plan(
        data=Path(data),
        ports=runner.ANY_PORTS,
        modules={"issuer": runner.MODULES["issuer"], **modules, "testing": testing},
        replicas={"intake": 2},
        clock_starts_at=STARTS_AT,
    )
    try:
        runner.up(plan, report=_print, healthy=lambda hub: _print("healthy"))
    except CannotContinueError as failure:
        _print(f"iop: {failure}")
        sys.exit(1)


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

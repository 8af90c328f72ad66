"""Why the hub has decided as it did, by `iop why`."""

import subprocess
import sys
from pathlib import Path

from deploy.paths import REPOSITORY

SECONDS_MOST = 120


def explained(data: Path, identity: str) -> list[str]:
    """Its lines; of nothing the hub has nothing to say."""
    if not identity:
        return ["(nothing at the hub to ask about)"]
    command = (sys.executable, "-m", "deploy.cli", "why", identity, "--data", str(data))
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS_MOST, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"(`iop why {identity}` took longer than {SECONDS_MOST} s)"]
    return (done.stdout + done.stderr).splitlines()

"""Why the hub has decided as it did, by `iop why`."""

import subprocess
import sys
from pathlib import Path

from deploy.paths import REPOSITORY

SECONDS_MOST = 60


def explained(data: Path, identity: str) -> list[str]:
    """Its lines; of nothing the hub has nothing to say."""
    if not identity:
        return ["(nothing at the hub to ask about)"]
    command = (sys.executable, "-m", "deploy.cli", "why", identity, "--data", str(data))
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS_MOST, check=False)
    return (done.stdout + done.stderr).splitlines()

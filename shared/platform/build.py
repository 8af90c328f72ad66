"""Which code decides: the release, and the very build of it."""

import os
import subprocess
from functools import cache
from pathlib import Path

VERSION = "0.1.0"
_ROOT = Path(__file__).parents[2]
_SECONDS_MOST = 5.0


@cache
def build() -> str:
    """The build as the journal names it: `IOP_BUILD`, else the git commit (`+dirty` with uncommitted changes), else the
    release."""
    if named := os.environ.get("IOP_BUILD"):
        return named
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return VERSION
    return f"{commit}+dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*arguments: str) -> str | None:
    """What git answers, or None outside a checkout and without git."""
    try:
        command = ["git", "-C", str(_ROOT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS_MOST)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

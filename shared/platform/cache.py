"""The project's cache: what can be made or downloaded again, and is not, at every start."""

import os
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """The folder for it: `.cache/` of the repository, or `IOP_CACHE`."""
    return Path(os.environ.get("IOP_CACHE") or _REPOSITORY / ".cache").resolve()

"""Asking a service's decisions of its journal: only a service has them, so it is run as a process of its own that
reads its database, prints JSON and ends."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from deploy.failure import CannotContinueError
from deploy.paths import REPOSITORY
from deploy.runner import MODULES

T = TypeVar("T")
UNUSED = {"IOP_KAFKA_BOOTSTRAP": "127.0.0.1:9092", "IOP_ISSUER": "http://127.0.0.1:8100"}
"""What every service wants to know before anything, and this does not need."""


def ask(service: str, dsn: str, keys: Path, settings: Path, command: str, asked: str, type_: type[T]) -> T:
    """The answer of one service. Raises CannotContinueError."""
    given = {"IOP_DATABASE_URL": dsn, "IOP_KEYS": str(keys.resolve()), "IOP_DEPLOY": str(settings.resolve()), **UNUSED}
    done = subprocess.run(
        (sys.executable, "-m", MODULES[service], command, asked),
        env={**os.environ, **given},
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise CannotContinueError(f"{service}: {_last_sentence(done.stderr)}")
    return msgspec.json.decode(done.stdout, type=type_)


def _last_sentence(log: bytes) -> str:
    """Why it ended; its words name no patient."""
    lines = [each for each in log.splitlines() if each.startswith(b"{")]
    return str(msgspec.json.decode(lines[-1])["event"]) if lines else "it ended without a word"

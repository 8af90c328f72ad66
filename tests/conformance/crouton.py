"""The official client of BMLT: croutonjs, in the browser without a window that jsdom is; offline once both are there.

The lock in `node/` pins every module by version and content. No script of a module is run when it is installed, and
nothing is written but in the cache.
"""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.platform.cache import cache

NODE = Path(__file__).with_name("node")
INSTALL_SECONDS, SHOW_SECONDS = 30.0, 25.0
_NEEDED = ("node", "npm")
_PINNED = ("package.json", "package-lock.json")
_INSTALL = (
    "npm", "ci", "--ignore-scripts", "--engine-strict", "--prefer-offline", "--fetch-retries=0",
    "--no-audit", "--no-fund", "--no-update-notifier", "--logs-max=0",
)  # fmt: skip


class NotThereError(Exception):
    """Node or the modules are not on this machine and could not be had; says what is lacking."""


class Shown(NamedTuple):
    """A row that the client shows: the day in English, the time as `HH:MM - HH:MM`."""

    name: str
    day: str
    time: str


def is_node_there() -> bool:
    return all(map(shutil.which, _NEEDED))


def modules() -> Path:
    """The folder in which the modules are, installed where they are not: whole, or not there at all.

    Raises:
        NotThereError: no Node, or none that will do, or no registry.
        AssertionError: a module is not what the lock says.
    """
    if not is_node_there():
        lacking = [each for each in _NEEDED if shutil.which(each) is None]
        raise NotThereError(f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not on the PATH")
    digest = hashlib.sha256(b"".join((NODE / each).read_bytes() for each in _PINNED)).hexdigest()
    folder = cache() / "node" / digest[:16]
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _install(unfinished)
        unfinished.rename(folder)
    return folder


def _install(folder: Path) -> None:
    for each in _PINNED:
        shutil.copy(NODE / each, folder)
    command = (*_INSTALL, f"--cache={cache() / 'npm'}")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotThereError(f"npm did not install the modules within {INSTALL_SECONDS:.0f} s") from None
    assert "EINTEGRITY" not in done.stderr, "a module is not what package-lock.json says"
    if done.returncode:
        code = re.search(r"\bcode (E\w+)", done.stderr)
        raise NotThereError(f"npm did not install the modules ({code[1] if code else done.returncode})")


async def shown(folder: Path, root: str) -> list[Shown]:
    """All that the client shows of a root server."""
    started = await asyncio.create_subprocess_exec(
        "node", str(NODE / "shown.cjs"), str(folder), root.rstrip("/"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    try:
        written, complaint = await asyncio.wait_for(started.communicate(), SHOW_SECONDS)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
    assert started.returncode == 0, complaint.decode()
    return msgspec.json.decode(written, type=list[Shown])

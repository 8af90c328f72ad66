"""What Kafka's own `format` writes into a folder without users, remembered in the project's cache: the next folder is
begun by a copy, without a Java of its own. Nothing in it is one folder's: its ids are of a node that nobody else joins.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from shared.platform.cache import cache

MARKER = "meta.properties"
"""A folder that has it is formatted: it is written last."""


def begun(folder: Path, made_by: str) -> bool:
    """Whether `folder` could be begun by a copy: what is absent, broken or made by another Kafka is not taken.

    Args:
        folder: where the topics will be.
        made_by: the Kafka and the settings that formatted it.
    """
    try:
        digest, _, body = _remembered().read_bytes().partition(b"\n")
    except FileNotFoundError:
        return False
    if digest != _digest(made_by, body):
        return False
    files = msgspec.json.decode(body, type=dict[str, bytes])
    for name in sorted(files, key=lambda name: name == MARKER):
        _write(folder / name, files[name])
    return True


def remember(folder: Path, made_by: str) -> None:
    """Remember what `format` wrote into `folder`, before a Kafka runs there."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    body = msgspec.json.encode(files)
    _write(_remembered(), _digest(made_by, body) + b"\n" + body)


def _remembered() -> Path:
    return cache() / "kafka.formatted"


def _digest(made_by: str, body: bytes) -> bytes:
    return hashlib.sha256(made_by.encode() + body).hexdigest().encode()


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it, whoever else writes it at that moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    half.write_bytes(content)
    half.replace(path)

"""Files that their owner alone may read: keys, passwords, certificates."""

import os
from pathlib import Path


def store(file: Path, content: bytes) -> None:
    """Write the file whole or not at all, mode 0600, in place of what is there."""
    half = file.with_name(f"{file.name}.new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        written.write(content)
    half.rename(file)

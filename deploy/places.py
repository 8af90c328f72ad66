"""Where things are: the repository, its cache, and free ports on loopback."""

import os
import socket
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"


def cache() -> Path:
    """The folder for what was downloaded once: `.cache/` of the repository, or `IOP_CACHE`."""
    return Path(os.environ.get("IOP_CACHE") or REPOSITORY / ".cache").resolve()


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody holds it, else one the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As servers do: a port that only waits out closed connections is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")

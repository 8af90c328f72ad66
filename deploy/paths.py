"""Where things are: the repository, and free ports on loopback."""

import random
import socket
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SETTINGS = REPOSITORY / "deploy"
"""The settings that come with the hub, of a made-up clinic."""
LOOPBACK = "127.0.0.1"


# Below the range from which Linux and macOS give ports to outgoing connections: else one of those takes the port
# between our choice and the bind. Each is handed out once in a process, so that no two choices meet.
_any_ports = iter(random.Random().sample(range(20_000, 32_000), 12_000))


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody holds it, else any that was free when we looked.

    Raises:
        OSError: there is none.
    """
    if preferred and _is_free(preferred):
        return preferred
    for port in _any_ports:
        if _is_free(port):
            return port
    raise OSError("no free port on loopback")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port that only waits out closed connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

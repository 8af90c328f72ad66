"""Several processes of one service: each has its name and its port for operators; clients have one address for all.

Behind that address listens one socket, opened here and inherited by each process of the service: whichever is free
takes the next connection. Where each listened on the port itself (SO_REUSEPORT), connections given to one that was
killed or hangs would be lost; so they go to the others, or wait until one is back.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from deploy.failure import CannotContinueError
from deploy.paths import LOOPBACK
from shared.events.catalogue import PARTITIONS

BACKLOG = 512
"""Connections that wait while no process of the service takes them."""


@dataclass(frozen=True)
class Replica:
    """One process of a service; `number` is its name among them (`IOP_REPLICA`)."""

    service: str
    number: int = 0

    @property
    def name(self) -> str:
        """As a part of the hub, and of its log; a service's only process is called as the service is."""
        return f"{self.service}-{self.number}" if self.number else self.service

    @property
    def admin(self) -> str:
        """The name of its port for operators."""
        return f"{self.name} admin"


def counts(asked: Sequence[str], services: Iterable[str]) -> dict[str, int]:
    """How many processes of each service: `2` is of all, `intake=3` of one.

    Raises:
        CannotContinueError: it is neither, or no number of processes that could each have a partition.
    """
    numbers = dict.fromkeys(services, 1)
    for each in asked:
        service, named, number = each.rpartition("=")
        if (named and service not in numbers) or not number.isdigit() or not 1 <= int(number) <= PARTITIONS:
            known = ", ".join(numbers)
            raise CannotContinueError(f"--replicas must be 1 to {PARTITIONS}, or SERVICE=NUMBER for one of: {known}")
        numbers |= dict.fromkeys([service] if named else numbers, int(number))
    return numbers


@contextmanager
def shared_sockets(ports: Mapping[str, int]) -> Iterator[dict[str, socket.socket]]:
    """By name a socket that listens on each of these ports of loopback, for several processes to inherit."""
    with ExitStack() as opened:
        yield {
            name: opened.enter_context(socket.create_server((LOOPBACK, port), backlog=BACKLOG))
            for name, port in ports.items()
        }

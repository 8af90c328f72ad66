"""How many processes each service has, and the one address that they share."""

import socket
from collections.abc import Sequence

import pytest

from deploy.embedded_postgres import DATABASES
from deploy.failure import CannotContinueError
from deploy.paths import free_port
from deploy.replicas import Replica, counts, shared_sockets
from shared.edge.server import listening
from shared.platform.settings import ConfigurationError


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ([], {"intake": 1, "testing": 1}),
        (["2"], {"intake": 2, "testing": 2}),
        (["intake=3"], {"intake": 3, "testing": 1}),
        (["2", "intake=12"], {"intake": 12, "testing": 2}),
        (["intake=3", "testing=2"], {"intake": 3, "testing": 2}),
    ],
)
def test_a_number_is_of_all_services_or_of_the_one_named(asked: Sequence[str], numbers: dict[str, int]) -> None:
    assert counts(asked, ("intake", "testing")) == numbers


@pytest.mark.parametrize("asked", ["0", "13", "-1", "two", "", "intake=", "issuer=2", "=2", "intake=2=3"])
def test_what_can_be_no_number_of_processes_is_refused_with_the_services(asked: str) -> None:
    with pytest.raises(CannotContinueError, match="--replicas must be 1 to 12, or SERVICE=NUMBER for one of: intake"):
        counts([asked], DATABASES)


def test_a_services_first_process_is_called_as_the_service_is() -> None:
    assert [Replica("intake", each).name for each in range(3)] == ["intake", "intake-1", "intake-2"]


def test_a_connection_waits_until_one_of_those_who_share_the_address_takes_it() -> None:
    port = free_port()
    with shared_sockets({"intake": port}) as sockets:
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        one, other = [
            listening("127.0.0.1", port, "IOP_HTTP_SOCKET", inherited=sockets["intake"].dup().detach())
            for _ in range(2)
        ]
        one.close()  # it was killed, and never took it
        taken, address = other.accept()
        assert address == client.getsockname()
        for each in (client, taken, other):
            each.close()


@pytest.mark.parametrize("descriptor", [3_000])
def test_a_descriptor_that_is_no_socket_is_said_by_its_variable(descriptor: int) -> None:
    with pytest.raises(ConfigurationError, match="IOP_HTTP_SOCKET: can't listen there"):
        listening("127.0.0.1", 0, "IOP_HTTP_SOCKET", inherited=descriptor)

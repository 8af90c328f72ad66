"""Ports for what runs on this machine: the preferred one, else one that nobody takes between choice and use."""

import socket

from deploy.paths import LOOPBACK, free_port

# Linux gives outgoing connections ports from 32768 on, macOS from 49152 on.
OUTGOING_FROM = 32_768


def test_the_preferred_port_is_taken_when_free() -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred


def test_a_preferred_port_that_somebody_holds_gives_another() -> None:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, free_port()))
        holder.listen()
        held = int(holder.getsockname()[1])
        assert free_port(held) != held


def test_any_ports_are_distinct_and_never_those_of_outgoing_connections() -> None:
    chosen = [free_port() for _ in range(100)]
    assert len(set(chosen)) == len(chosen)
    assert max(chosen) < OUTGOING_FROM

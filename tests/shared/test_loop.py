"""Tests run on the loop that services run on: a transport, a TLS handshake and a timer are its own there."""

import asyncio
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
async def test_a_test_runs_on_the_loop_of_a_service() -> None:
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"

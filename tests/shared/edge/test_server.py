"""Whoever has shown nothing yet holds nothing: on a real socket, with limits that run out at once."""

import ast
import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.edge import server
from shared.edge.server import ServerLimits
from shared.platform.settings import ConfigurationError
from tests.house.test_rooms import ROOT, files

LIMITS = ServerLimits(
    head_bytes_most=2_000, head_seconds_most=0.3, body_seconds_most=0.3, connections_most=3, answer_seconds=0.3
)
LONGER = 0.5
HEAD = b"GET /live HTTP/1.1\r\nhost: hub\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


async def live(_: Request) -> Response:
    return PlainTextResponse("live")


async def slow(request: Request) -> Response:
    await asyncio.sleep(LONGER)
    return PlainTextResponse(str(len(await request.body())))


async def large(request: Request) -> Response:
    return PlainTextResponse("x" * int(request.query_params["bytes"]))


APP = Starlette(
    routes=[
        Route("/live", live, methods=["GET", "POST"]),
        Route("/slow", slow, methods=["POST"]),
        Route("/large", large),
    ]
)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what becomes true here rings no bell
            await asyncio.sleep(0.02)


@pytest.fixture
async def running() -> AsyncIterator[uvicorn.Server]:
    """The system holds little of what is written and not taken."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    running = uvicorn.Server(server.config(APP, LIMITS))
    serving = asyncio.create_task(running.serve([listening]))
    await until(lambda: running.started)
    yield running
    running.should_exit = True
    await serving


@pytest.fixture
def connect(running: uvicorn.Server) -> Connect:
    address = running.servers[0].sockets[0].getsockname()
    return lambda: asyncio.open_connection(*address)


@asynccontextmanager
async def sending(connect: Connect, *parts: bytes) -> AsyncIterator[Connection]:
    reader, writer = await connect()
    for part in parts:
        writer.write(part)
        await writer.drain()
    yield reader, writer
    writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that came until the other side closed."""
    return await asyncio.wait_for(reader.read(), 5)


@pytest.mark.parametrize("part", [b"", b"GET /li", HEAD, b"\r\n", HEAD + b"x: "])
async def test_who_never_ends_a_head_is_not_waited_for(connect: Connect, part: bytes) -> None:
    async with sending(connect, part) as (reader, _):
        assert (await ended(reader)).startswith(b"HTTP/1.1 408")


async def test_a_head_without_end_is_refused_at_its_limit(connect: Connect) -> None:
    async with sending(connect, HEAD + b"x: ", b"x" * 3_000) as (reader, _):
        assert (await ended(reader)).startswith(b"HTTP/1.1 431")


async def test_a_whole_head_beyond_the_limit_is_refused(connect: Connect) -> None:
    async with sending(connect, HEAD + b"x: " + b"x" * 3_000 + b"\r\n\r\n") as (reader, _):
        assert (await ended(reader)).startswith(b"HTTP/1.1 400")


async def test_a_body_that_nobody_reads_ends_with_its_connection(connect: Connect) -> None:
    head = b"POST /live HTTP/1.1\r\nhost: hub\r\ncontent-length: 99\r\n\r\n"
    async with sending(connect, head, b"x") as (reader, writer):
        assert b"200 OK" in await reader.readuntil(b"live")
        writer.write(b"x")
        assert await ended(reader) == b""


async def test_lines_between_requests_hold_no_connection(connect: Connect) -> None:
    async with sending(connect, HEAD + b"\r\n") as (reader, writer):
        assert b"200 OK" in await reader.readuntil(b"live")
        writer.write(b"\r\n")
        assert await ended(reader) == b""


async def test_more_connections_than_there_are_places_are_refused(connect: Connect) -> None:
    held = [await connect() for _ in range(LIMITS.connections_most)]
    async with sending(connect, HEAD + b"\r\n") as (reader, _):
        assert (await ended(reader)).startswith(b"HTTP/1.1 503")
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize("size", [40_000, 3_000_000])
@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
async def test_who_takes_nothing_of_an_answer_holds_no_connection(
    running: uvicorn.Server, size: int, more: bytes
) -> None:
    """Of the small one all is written at once, and waits in the connection until that is closed."""
    running.config.timeout_keep_alive = 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(running.servers[0].sockets[0].getsockname())
        client.sendall(b"GET /large?bytes=%d HTTP/1.1\r\nhost: hub\r\n%s\r\n" % (size, more))
        await until(lambda: len(running.server_state.connections) == 1)
        await until(lambda: not running.server_state.connections)


# What must still be answered


async def test_an_answer_that_is_taken_slowly_is_taken_whole(connect: Connect) -> None:
    """In three times the seconds in which some of it must be taken."""
    async with sending(connect, b"GET /large?bytes=2000000 HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n") as (
        reader,
        _,
    ):
        taken = 0
        while chunk := await asyncio.wait_for(reader.read(200_000), 5):
            taken += len(chunk)
            await asyncio.sleep(0.02)
    assert taken > 2_000_000


async def test_an_answer_that_takes_long_and_a_long_body_are_waited_for(connect: Connect) -> None:
    body = b"x" * 50_000
    head = b"POST /slow HTTP/1.1\r\nhost: hub\r\ncontent-length: 50000\r\n\r\n"
    async with sending(connect, head + body) as (reader, _):
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"50000"), 5)


async def test_a_quiet_connection_may_be_used_again(connect: Connect) -> None:
    async with sending(connect, HEAD + b"\r\n") as (reader, writer):
        assert b"200 OK" in await reader.readuntil(b"live")
        await asyncio.sleep(LONGER)
        writer.write(HEAD + b"\r\n" + HEAD + b"\r\n")
        assert b"200 OK" in await reader.readuntil(b"live")
        assert b"200 OK" in await reader.readuntil(b"live")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no such host"])
def test_an_address_where_nobody_can_listen_is_named_by_its_variables(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConfigurationError, match="IOP_HOST, IOP_HTTP_PORT: can't listen there"):
            server.listening(host, port, "IOP_HOST, IOP_HTTP_PORT")


def test_every_process_serves_with_these_limits() -> None:
    makers = {
        str(file.relative_to(ROOT))
        for file in files("shared", "services", "deploy")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("uvicorn.Config", "uvicorn.run")
    }
    assert makers == {"shared/edge/server.py"}

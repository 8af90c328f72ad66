"""A client that costs little: HTTP/1.1 over persistent connections, so that what is measured is the service."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Caller:
    """Asks one address in FHIR JSON, each time on a connection that is free, at most `most` at once."""

    def __init__(self, url: str, token: str, most: int) -> None:
        address = urlsplit(url)
        self._host, self._port, self._path = str(address.hostname), int(address.port or 80), address.path
        self._headers = f" HTTP/1.1\r\nHost: {address.netloc}\r\n"
        if token:
            self._headers += f"Authorization: Bearer {token}\r\n"
        self._headers += "Content-Type: application/fhir+json\r\nContent-Length: "
        self._most = most
        self._free: asyncio.LifoQueue[Stream] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        for _ in range(self._most):
            self._free.put_nowait(await asyncio.open_connection(self._host, self._port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def post(self, body: bytes) -> str:
        """The `Location` of the answer, empty where there is none. Raises AssertionError unless it is a success."""
        headers, _ = await self._answered(f"POST {self._path}", body)
        return headers.get("location", "")

    async def get(self, below: str) -> bytes:
        """What is answered at an address below this one. Raises AssertionError unless it is a success."""
        return (await self._answered(f"GET {self._path}/{below}", b""))[1]

    async def _answered(self, request: str, body: bytes) -> tuple[dict[str, str], bytes]:
        asked = f"{request}{self._headers}{len(body)}\r\n\r\n".encode() + body
        stream = await self._free.get()
        try:
            try:
                status_line = await _ask(stream, asked)
            except (asyncio.IncompleteReadError, ConnectionError):
                # The service closes what was idle for a few seconds; asking again is what a client does then.
                stream = await asyncio.open_connection(self._host, self._port)
                status_line = await _ask(stream, asked)
            status, *lines = status_line.split("\r\n")
            headers = dict(each.lower().split(": ", 1) for each in lines if each)
            answered = await stream[0].readexactly(int(headers.get("content-length", 0)))
        finally:
            self._free.put_nowait(stream)
        if status.split()[1] not in ("200", "201"):
            raise AssertionError(f"answered {status}")
        return headers, answered


async def _ask(stream: Stream, asked: bytes) -> str:
    reader, writer = stream
    writer.write(asked)
    return (await reader.readuntil(b"\r\n\r\n")).decode()

"""The receiver of a page, as far as the hub can see: it stores what comes, and answers as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReceivedPage:
    headers: dict[str, str]
    body: bytes
    whole: bytes
    """Every byte that came."""


@dataclass
class Receiver:
    """`status` answers every page; 0 never answers. `came` is set by each."""

    status: int = 204
    answer_bytes: int = 0
    pages: list[ReceivedPage] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @property
    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.pages]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/page"
        try:
            yield self
        finally:
            server.close()

    async def until(self, count: int, seconds: float = 10.0) -> None:
        """So many pages came."""
        async with asyncio.timeout(seconds):
            while len(self.pages) < count:
                self.came.clear()
                await self.came.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = (line.partition(": ") for line in head.decode().split("\r\n")[1:] if line)
            headers = {name.lower(): value for name, _, value in fields}
            body = await reader.readexactly(int(headers["content-length"]))
            self.pages.append(ReceivedPage(headers, body, head + body))
            self.came.set()
            if self.status:
                answered = f"HTTP/1.1 {self.status} Answered\r\ncontent-length: {self.answer_bytes}\r\n"
                writer.write(f"{answered}connection: close\r\n\r\n".encode() + b" " * self.answer_bytes)
                await writer.drain()
            else:
                await reader.read()
        writer.close()

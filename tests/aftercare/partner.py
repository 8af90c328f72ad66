"""A partner's FHIR server, as far as the hub can see."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

Conduct = Literal["answers", "twice", "late", "never", "cuts"]
LATE_SECONDS = 0.6


class Partner:
    """It keeps what it is sent and answers with its status, so many bytes long and so long after the first of them;
    unless its `conduct` of the moment is another one: twice, late, never, or cutting the line after reading."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        self.conduct: Callable[[], Conduct] = lambda: "answers"
        self.answer_bytes = 0
        self.answer_seconds = 0.0
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Partner"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(headers.partition("content-length: ")[2].partition("\r\n")[0])
            self.received.append(json.loads(await reader.readexactly(length)))
            await self._conduct(self.conduct(), reader, writer)
        writer.close()

    async def _conduct(self, conduct: Conduct, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match conduct:
            case "answers":
                await self._write(writer)
            case "twice":
                await self._write(writer)
                await self._write(writer)
            case "late":
                await asyncio.sleep(LATE_SECONDS)
                await self._write(writer)
            case "never":
                await reader.read()
            case "cuts":
                pass

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {self.status} Answered\r\ncontent-length: {self.answer_bytes}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        await asyncio.sleep(self.answer_seconds)
        writer.write(b" " * self.answer_bytes)
        await writer.drain()

"""A partner's FHIR server, as far as the hub can see."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any


class Partner:
    """It keeps what it is sent and answers with its status, so many bytes long and so long after the first of them."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
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
        headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(headers.partition("content-length: ")[2].partition("\r\n")[0])
        self.received.append(json.loads(await reader.readexactly(length)))
        head = f"HTTP/1.1 {self.status} Answered\r\ncontent-length: {self.answer_bytes}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        await asyncio.sleep(self.answer_seconds)
        with suppress(ConnectionError):
            writer.write(b" " * self.answer_bytes)
            await writer.drain()
        writer.close()

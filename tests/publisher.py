"""A publisher of feeds over real HTTP, as well or as badly behaved as a test wants."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn

Conduct = Literal["answers", "gzip", "slow", "cut", "cut-gzip", "brotli"]
Asgi = Callable[..., Awaitable[Any]]
SLOW_SECONDS = 30.0


@dataclass(frozen=True)
class Document:
    """What is answered at one address. Without an `etag` or `last_modified` no request is conditional."""

    content: bytes = b"[]"
    status: int = 200
    conduct: Conduct = "answers"
    etag: str = ""
    last_modified: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """All that came of one request; `whole` holds every byte of it that an application sees."""

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def whole(self) -> bytes:
        return b"\n".join(
            (self.target.encode(), *(f"{name}: {text}".encode() for name, text in self.headers.items()), self.body)
        )


class Publisher:
    """Answers each target with its document, any other with what `anything` makes of the request: 404."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, Document] = {}
        self.anything: Callable[[Request], Document] = lambda _: Document(b"<html>nothing here</html>", 404)
        self.requests: list[Request] = []

    def publish(self, target: str, content: bytes = b"[]", **more: Any) -> str:
        """Its address."""
        self.documents[target] = Document(content, **more)
        return f"{self.url}{target}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Publisher"]:
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(self._app, log_config=None, lifespan="off", interface="asgi3", timeout_graceful_shutdown=1)
        )
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield self
        finally:
            server.should_exit = True
            await serving

    async def _app(self, scope: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        query = scope["query_string"].decode()
        headers = {name.decode(): text.decode("latin-1") for name, text in scope["headers"]}
        body = (await receive()).get("body", b"")
        request = Request(scope["path"] + (f"?{query}" if query else ""), headers, body)
        self.requests.append(request)
        found = self.documents.get(request.target) or self.anything(request)
        await _Answer(found, request, send).send()


@dataclass(frozen=True)
class _Answer:
    document: Document
    request: Request
    to: Asgi

    async def send(self) -> None:
        if self._is_known():
            await self._begin(304, {})
            await self.to({"type": "http.response.body"})
            return
        if self.document.conduct == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        content, headers = self._packed()
        await self._begin(self.document.status, {**headers, "content-length": str(len(content))})
        is_cut = self.document.conduct == "cut"
        # uvicorn closes the line under an answer that has fewer bytes than it announced.
        await self.to({"type": "http.response.body", "body": content[: len(content) // 2] if is_cut else content})

    def _is_known(self) -> bool:
        """By the stronger validator that came (RFC 9110, 13.2.2)."""
        came = self.request.headers
        if "if-none-match" in came:
            return self.document.etag != "" and came["if-none-match"] == self.document.etag
        return "if-modified-since" in came and came["if-modified-since"] == self.document.last_modified

    def _packed(self) -> tuple[bytes, dict[str, str]]:
        match self.document.conduct:
            case "gzip":
                return gzip.compress(self.document.content), {"content-encoding": "gzip"}
            case "cut-gzip":
                return gzip.compress(self.document.content)[:-20], {"content-encoding": "gzip"}
            case "brotli":
                return self.document.content, {"content-encoding": "br"}
            case _:
                return self.document.content, {}

    async def _begin(self, status: int, more: Mapping[str, str]) -> None:
        validators = {"etag": self.document.etag, "last-modified": self.document.last_modified}
        every = {**{name: text for name, text in validators.items() if text}, **self.document.headers, **more}
        headers = [(name.encode(), text.encode("latin-1")) for name, text in every.items()]
        await self.to({"type": "http.response.start", "status": status, "headers": headers})

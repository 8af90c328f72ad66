"""The HTTP server of every process: uvicorn, with limits on whoever has shown nothing yet.

Bytes and seconds of a request's head, seconds until its body is there, connections at once, and how much of an answer
is taken in how long. What breaks one is answered if there is a request, and its connection is closed.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.platform.settings import ConfigurationError

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep a quiet connection (httpx 5 s, nginx 60 s): who closes first must be they, or a
POST meets a connection that is just being closed and nobody knows what became of it."""
Awaited = Literal["head", "body", "answer"]
"""What of a request is waited for; `answer`: nothing, it is ours to give."""


@dataclass(frozen=True)
class ServerLimits:
    """`body_seconds_most` is above the edge's own limit, which is answered: this one only ends the connection. Of an
    answer that is more than the system's buffers hold at least `answer_bytes_least` are taken each `answer_seconds`:
    2 KB a second, for whoever reads none of it holds a connection and all that is in it."""

    head_bytes_most: int = 32 * 1024
    head_seconds_most: float = 10.0
    body_seconds_most: float = 40.0
    answer_bytes_least: int = 64 * 1024
    answer_seconds: float = 30.0
    connections_most: int = 1_000


LIMITS = ServerLimits()


def listening(host: str, port: int, variables: str, inherited: int | None = None) -> socket.socket:
    """A socket that listens there, or the one that was `inherited` (its descriptor) from whoever started this process.
    Raises ConfigurationError naming the variables that said so."""
    try:
        if inherited is not None:
            return socket.socket(fileno=inherited)
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as failure:
        raise ConfigurationError(f"{variables}: can't listen there ({failure.strerror}).") from failure


def config(app: ASGIApp, limits: ServerLimits = LIMITS) -> uvicorn.Config:
    """What uvicorn serves this application with."""
    return uvicorn.Config(
        app,
        http=type("Limited", (LimitedProtocol,), {"limits": limits}),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )


class LimitedProtocol(HttpToolsProtocol):
    """One connection. A timer runs only while a request is incomplete, so a whole one costs none."""

    limits = LIMITS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._part: Awaited = "head"
        self._began = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timed: Awaited = "answer"
        self._untaken: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections_most:
            self._refuse(b"503 Service Unavailable")
        else:
            self._watch("head")

    def data_received(self, data: bytes) -> None:
        self._began = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._part == "head":
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes_most:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        idle = self.cycle is None or self.cycle.response_complete
        self._watch("head" if self._part == "answer" and idle and not self._began else self._part)

    def on_message_begin(self) -> None:
        self._began, self._part, self._head_bytes = True, "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.head_bytes_most:
            raise ValueError("the head is too long")
        self._part = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._part = "answer"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_closing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_closing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        self._stop_watching_taking()
        super().resume_writing()
        self._watch_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch("answer")
        self._stop_watching_taking()
        super().connection_lost(exc)

    def _watch_closing(self) -> None:
        """A connection that is being closed lasts until what was written is taken."""
        if self.transport.is_closing():
            self._watch_taking()

    def _watch_taking(self) -> None:
        """Nothing is written meanwhile, so what waits becomes less, or its connection ends."""
        waiting = self.transport.get_write_buffer_size()
        if waiting and self._untaken is None:
            self._untaken = self.loop.call_later(self.limits.answer_seconds, self._require_taken, waiting)

    def _require_taken(self, waited: int) -> None:
        self._untaken = None
        if self.transport.get_write_buffer_size() > max(waited - self.limits.answer_bytes_least, 0):
            self.transport.abort()
        else:
            self._watch_taking()

    def _stop_watching_taking(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _watch(self, part: Awaited) -> None:
        """Wait for this part, from now on where something else was waited for; more of the same gives no more time."""
        if part == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed = part
        if part != "answer":
            seconds = self.limits.head_seconds_most if part == "head" else self.limits.body_seconds_most
            self._timer = self.loop.call_later(seconds, self._refuse, b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """Close the connection, with a status where no answer has begun."""
        if self.transport.is_closing():
            return
        if self._part == "head":
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
        self._watch_closing()

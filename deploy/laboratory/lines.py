"""MLLP, both ways: the laboratory listens on loopback, each line in a thread of its own; and sends what it reports."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from deploy.failure import CannotContinueError
from deploy.laboratory.orders import Laboratory
from deploy.paths import LOOPBACK

START, END = b"\x0b", b"\x1c\r"
READ_BYTES = 65_536
MESSAGE_BYTES_MOST = 1_000_000
ANSWER_SECONDS_MOST = 30.0
POLL_SECONDS = 0.05
LINE_SECONDS_MOST = 600.0
"""So long a line may be idle."""

Clock = Callable[[], datetime]
Then = Callable[[bytes, list[bytes]], None]


@dataclass(frozen=True)
class Identity:
    """PEM files: the laboratory's certificate with its key, and the authority whose clients it lets in."""

    pair: Path
    authority: Path

    def server(self) -> ssl.SSLContext:
        """With a client's certificate demanded. Raises CannotContinueError: a file is missing or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(self.pair)
            context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as wrong:
            raise CannotContinueError(
                f"{self.pair}, {self.authority}: must be a certificate with its key, and an authority, as PEM "
                f"({type(wrong).__name__})"
            ) from None
        return context


@dataclass
class _Listener:
    """What each line does: it is secured, then each message on it is answered."""

    laboratory: Laboratory
    now: Clock
    context: ssl.SSLContext | None
    then: Then
    lines: set[socket.socket] = field(default_factory=set)

    def converse(self, plain: socket.socket) -> None:
        plain.settimeout(ANSWER_SECONDS_MOST)
        with suppress(OSError), self._secured(plain) as line:
            self.lines.add(line)
            try:
                line.settimeout(LINE_SECONDS_MOST)
                for message in messages(line):
                    self._answer(line, message)
            finally:
                self.lines.discard(line)

    def _secured(self, plain: socket.socket) -> AbstractContextManager[socket.socket]:
        return nullcontext(plain) if self.context is None else self.context.wrap_socket(plain, server_side=True)

    def _answer(self, line: socket.socket, message: bytes) -> None:
        time.sleep(self.laboratory.answer_seconds)
        answers = self.laboratory.receive(message, self.now())
        for each in answers:
            line.sendall(START + each + END)
        self.then(message, answers)

    def end(self) -> None:
        """Every line that is open."""
        for each in tuple(self.lines):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, listener: _Listener) -> None:
        class Line(BaseRequestHandler):
            def handle(self) -> None:
                listener.converse(self.request)

        super().__init__((LOOPBACK, port), Line)

    def handle_error(self, request: object, client_address: object) -> None:
        """A line that broke is no matter: its sender tries again."""


@contextmanager
def listening(
    laboratory: Laboratory,
    now: Clock,
    port: int = 0,
    identity: Identity | None = None,
    then: Then = lambda message, answers: None,
) -> Iterator[str]:
    """Its address (`mllp://` or `mllps://`), until the block ends. `then` is called with each message and its answers,
    once they are sent.

    Raises:
        CannotContinueError: the port is another's.
    """
    listener = _Listener(laboratory, now, identity.server() if identity else None, then)
    try:
        server = _Server(port, listener)
    except OSError as taken:
        raise CannotContinueError(f"port {port} can't be listened at ({taken.strerror}): choose another one") from None
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="laboratory", daemon=True)
    thread.start()
    try:
        yield f"{'mllps' if identity else 'mllp'}://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        listener.end()


def messages(line: socket.socket) -> Iterator[bytes]:
    """What comes in frames, until the line ends. What stands between frames is no message."""
    buffer = b""
    while len(buffer) <= MESSAGE_BYTES_MOST:
        end = buffer.find(END)
        if end >= 0:
            yield buffer[buffer.find(START) + 1 : end]
            buffer = buffer[end + len(END) :]
        elif chunk := line.recv(READ_BYTES):
            buffer += chunk
        else:
            return


def send(host: str, port: int, message: bytes) -> bytes:
    """One message over a line of its own, and its acknowledgement. Raises OSError: there was none."""
    with socket.create_connection((host, port), ANSWER_SECONDS_MOST) as line:
        line.sendall(START + message + END)
        for answer in messages(line):
            return answer
    raise ConnectionError("the line ended without an answer")

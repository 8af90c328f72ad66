"""The MLLP listener: frames in, answers out, in order. A bad message never drops the connection, or its neighbours.

An answer goes out after `receive` returned, and that is after the commit. Plain MLLP is for loopback only; with mutual
TLS it is `mllp_tls`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Literal, NamedTuple

from shared.edge import server
from shared.platform import log, metrics
from shared.platform.clock import ticks
from shared.platform.settings import ConfigurationError

START, END, RETURN = b"\x0b", b"\x1c", b"\r"
BEGINNING_BYTES = 4_096
"""What remains of a frame beyond the limit: enough for MSH, so that it can be answered."""
READ_BYTES = 65_536
BATCH = (b"FHS", b"BHS")
"""How a frame with a batch begins."""
CLOSE_SECONDS_MOST = 10.0
TOO_MANY: Final = "too-many-lines"
WITHDRAWN: Final = "withdrawn"


@dataclass(frozen=True)
class LineLimits:
    """Lines (connections) at once, in all and of one address; seconds until the first message begins, and until the
    next one is complete or its answer taken; bytes of a frame with a message, and with a batch."""

    lines_most: int = 512
    lines_a_client_most: int = 64
    first_seconds_most: float = 30.0
    idle_seconds_most: float = 300.0
    message_bytes_most: int = 5_242_880
    batch_bytes_most: int = 20_971_520


class Frame(NamedTuple):
    """`whole` is false for one beyond the limit: then only its beginning is there."""

    content: bytes
    whole: bool = True


Receive = Callable[[Frame, str], Awaitable[Sequence[bytes]]]
"""A frame, and the laboratory whose certificate was shown (empty: none was): its answers, which may be none."""


@dataclass(frozen=True)
class Line:
    """A connection; `counts` says whether the certificate that let it in still does."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    laboratory: str = ""
    counts: Callable[[], bool] = lambda: True


class LineRefused(ConnectionError):
    """Nobody is answered: the reason is for whoever runs the hub."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Frames:
    """Frames out of a stream, however it is cut. What stands between frames is no message and is dropped."""

    def __init__(self, limits: LineLimits) -> None:
        self._buffer = bytearray()
        self._limits = limits
        self._inside = False
        self._whole = True
        self._looked_through = 0
        """Bytes of the buffer that hold no end: a long frame is looked through once."""

    @property
    def began(self) -> bool:
        """Whether a message has begun that is not complete."""
        return self._inside and self._buffer[:BEGINNING_BYTES].lstrip().startswith((b"MSH", *BATCH))

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that are complete now."""
        self._buffer += chunk
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if not self._inside and not self._began():
            return None
        end = self._buffer.find(END, self._looked_through)
        self._looked_through = len(self._buffer) if end < 0 else 0
        self._whole = self._whole and (len(self._buffer) if end < 0 else end) <= self._bytes_most()
        if end < 0:
            if not self._whole:
                del self._buffer[BEGINNING_BYTES:]
                self._looked_through = len(self._buffer)
            return None
        frame = Frame(_last_begun(bytes(self._buffer[:end])), self._whole)
        del self._buffer[: end + 1]
        self._inside, self._whole = False, True
        return frame

    def _bytes_most(self) -> int:
        is_batch = self._buffer[:BEGINNING_BYTES].lstrip().startswith(BATCH)
        return self._limits.batch_bytes_most if is_batch else self._limits.message_bytes_most

    def _began(self) -> bool:
        start = self._buffer.find(START)
        self._inside = start >= 0
        del self._buffer[: start + 1 if self._inside else len(self._buffer)]
        return self._inside


def _last_begun(content: bytes) -> bytes:
    """A sender that broke off begins again without an end; a lone start byte inside a message is none."""
    again = max(content.rfind(START + each) for each in (b"MSH", *BATCH))
    return content[again + 1 :] if again >= 0 else content


def require_loopback(host: str) -> None:
    """Raises ConfigurationError for any other address: beyond this machine MLLP needs mutual TLS."""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(
            "IOP_MLLP_HOST: must be a loopback address; from other hosts MLLP has IOP_MLLP_TLS_PORT."
        )


async def serve(host: str, port: int, receive: Receive, limits: LineLimits, inherited: int | None = None) -> None:
    """Listen until cancelled; then finish the messages in hand. Raises ConfigurationError where it can't listen."""
    require_loopback(host)
    listener = Listener(receive, limits)
    listening = server.listening(host, port, "IOP_MLLP_HOST, IOP_MLLP_PORT, IOP_MLLP_SOCKET", inherited)
    lines = await asyncio.start_server(listener.connected, sock=listening, limit=READ_BYTES)
    try:
        await lines.serve_forever()
    finally:
        lines.close()
        await listener.finish()


class Listener:
    def __init__(self, receive: Receive, limits: LineLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._connections: set[asyncio.Task[None]] = set()
        self._clients: Counter[str] = Counter()
        self._closing = asyncio.Event()
        metrics.MLLP_REFUSED.labels(TOO_MANY)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One without TLS."""
        address = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            await self.take(address, lambda: contextlib.nullcontext(Line(reader, writer)))
        finally:
            await closed(writer)

    async def take(self, address: str, open_line: Callable[[], AbstractAsyncContextManager[Line]]) -> None:
        """One connection from this address until it ends, counted before it is opened."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._clients[address] += 1
        try:
            self._require_free(address)
            async with open_line() as line:
                await self._converse(line)
        except LineRefused as refused:
            metrics.MLLP_REFUSED.labels(refused.reason).inc()
            log.seldom(f"mllp connection refused: {refused.reason}")
        except (TimeoutError, OSError) as error:
            log.get().warning("mllp connection ended", error=type(error).__name__)
        finally:
            self._connections.discard(task)
            self._clients -= Counter((address,))

    def _require_free(self, address: str) -> None:
        """Raises LineRefused where there is no line for this connection, which is counted already."""
        limits = self._limits
        if len(self._connections) > limits.lines_most or self._clients[address] > limits.lines_a_client_most:
            raise LineRefused(TOO_MANY)

    async def _converse(self, line: Line) -> None:
        frames, closing = Frames(self._limits), asyncio.create_task(self._closing.wait())
        limits, until = self._limits, ticks() + self._limits.first_seconds_most
        begun, given = False, frozenset[bytes]()
        try:
            while not self._closing.is_set():
                chunk = await _read(line.reader, closing, max(until - ticks(), 0.0))
                if not chunk:
                    return
                complete = frames.feed(chunk)
                for frame in complete:
                    given = await self._answer(frame, line, given)
                if complete or (frames.began and not begun):
                    begun, until = True, ticks() + limits.idle_seconds_most
        finally:
            closing.cancel()

    async def _answer(self, frame: Frame, line: Line, given: frozenset[bytes]) -> frozenset[bytes]:
        """What was answered last, `given` before this frame, by its control ids."""
        if not line.counts():
            raise LineRefused(WITHDRAWN)
        if _acknowledges(frame.content, given):
            log.seldom("mllp: an acknowledgement of our own answer is not answered")
            return given
        answers = await self._receive(frame, line.laboratory)
        for answer in answers:
            line.writer.write(START + answer + END + RETURN)
        async with asyncio.timeout(self._limits.idle_seconds_most):
            await line.writer.drain()
        return frozenset(_field(answer, b"MSH", 9) for answer in answers) - {b""}

    async def finish(self) -> None:
        """No further frame is read; the answers in hand still go out."""
        self._closing.set()
        if self._connections:
            await asyncio.wait(self._connections, timeout=CLOSE_SECONDS_MOST)
        for connection in tuple(self._connections):
            connection.cancel()


def _acknowledges(content: bytes, given: frozenset[bytes]) -> bool:
    """Whether it is an ACK of one of these answers. Nobody acknowledges that (HL7 2.9.2), or two sides that answer
    everything would go on for ever; an ACK of anything else is refused like any message that is sent to nobody."""
    if not given or len(content) > BEGINNING_BYTES:
        return False
    return _field(content, b"MSH", 8)[:3] == b"ACK" and _field(content, b"MSA", 2) in given


def _field(content: bytes, segment: bytes, number: int) -> bytes:
    """Of the first segment of this name, by its place between separators; empty where there is none."""
    separator = content.lstrip()[3:4]
    lines = content.lstrip().replace(b"\n", b"\r").split(b"\r") if separator else []
    fields = next((line.split(separator) for line in lines if line.startswith(segment + separator)), [])
    return fields[number].strip() if number < len(fields) else b""


async def closed(writer: asyncio.StreamWriter) -> None:
    """The connection is over, whatever became of it, and whether or not the other side takes what it was answered."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MOST):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        pass


async def _read(reader: asyncio.StreamReader, closing: "asyncio.Task[Literal[True]]", seconds: float) -> bytes:
    """What comes next, or nothing when the listener closes. Raises TimeoutError when the line is idle too long."""
    reading = asyncio.create_task(reader.read(READ_BYTES))
    waited: set[asyncio.Task[Any]] = {reading, closing}
    done, _ = await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if reading in done:
        return reading.result()
    reading.cancel()
    if not done:
        raise TimeoutError
    return b""

"""HL7 version 2 to a laboratory over MLLP, as a client: one message, one connection, its answer awaited on it.

A connection for each message, for orders are few: what stands unread on one that was held open is never taken for the
next one's answer, one that a firewall dropped is noticed before a byte has left, a certificate that was exchanged is
shown at once. One at a time: a laboratory's listener has one line for its client.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from shared.path.destination import Transport
from shared.path.outbound import hl7_answer, http
from shared.path.outbound.sender import Content, NotSent, Reply, Send, Trouble, WhyNot
from shared.platform.settings import ConfigurationError

SECONDS_MOST = 30.0
"""For connecting, and once more for the answer."""
START, END = b"\x0b", b"\x1c\r"
TLS = "mllps"
NO_ANSWER, BROKEN_OFF, TOO_LONG = "no-answer", "answer-broken-off", "answer-too-long"
_CLOSE_SECONDS_MOST = 1.0
_READ_BYTES = 16_384


class MllpSender:
    """Sends to one laboratory."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._line = asyncio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Send]:
        """Nothing is shared between sends but their turn."""
        yield self._send

    async def _send(self, content: Content, row_id: str, traceparent: str | None, why_not: WhyNot) -> Reply:
        """The row's id stands in the message (MSH-10), which has no place for a trace.

        Raises ValueError for a message that can't be framed, or has no MSH-10.
        """
        frame = _framed(content)
        async with self._line:
            try:
                reader, writer = await self._connect()
            except ConfigurationError:
                return NotSent("credentials-unreadable")
            except (OSError, TimeoutError) as error:
                return NotSent(type(error).__name__)
            try:
                if (reason := await why_not()) is not None:
                    return NotSent(reason)
                return await self._exchange(reader, writer, frame, str(content))
            finally:
                await _close(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError, TimeoutError or ConfigurationError."""
        to = urlsplit(self._transport.url)
        # Reading every authority there is takes 20 ms.
        by_tls = await asyncio.to_thread(http.tls, self._transport.access) if to.scheme == TLS else None
        async with asyncio.timeout(self._transport.seconds_most):
            return await asyncio.open_connection(to.hostname, to.port, ssl=by_tls)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frame: bytes, order: str
    ) -> Reply:
        try:
            async with asyncio.timeout(self._transport.seconds_most):
                writer.write(frame)
                await writer.drain()
                return await self._answered(reader, order)
        except TimeoutError:
            return Trouble(NO_ANSWER)
        except (OSError, ssl.SSLError) as error:
            # Who refuses our certificate says so after the handshake.
            return Trouble(type(error).__name__)

    async def _answered(self, reader: asyncio.StreamReader, order: str) -> Reply:
        """Answers to other messages, and that it was received, are read past."""
        frames = _Frames(reader, self._transport.answer_bytes_most)
        while True:
            answer = await frames.next()
            if isinstance(answer, Trouble):
                return answer
            if (reply := hl7_answer.meaning(answer.decode("utf-8", "replace"), order)) is not None:
                return reply


class _Frames:
    """What comes, frame by frame, up to a limit for all of it; what stands before a frame is no part of it."""

    def __init__(self, reader: asyncio.StreamReader, bytes_most: int) -> None:
        self._reader = reader
        self._left = bytes_most
        self._read = b""

    async def next(self) -> bytes | Trouble:
        while True:
            _, start, content = self._read.partition(START)
            whole, end, rest = content.partition(END)
            if start and end:
                self._read = rest
                return whole
            chunk = await self._reader.read(_READ_BYTES)
            if not chunk:
                return Trouble(BROKEN_OFF if self._read else NO_ANSWER)
            self._left -= len(chunk)
            if self._left < 0:
                return Trouble(TOO_LONG)
            self._read += chunk


def _framed(content: Content) -> bytes:
    """Raises ValueError."""
    if not isinstance(content, str) or "\x0b" in content or "\x1c" in content:
        raise ValueError("not a message that can be framed")
    hl7_answer.control_id(content)
    return START + content.encode() + END


async def _close(writer: asyncio.StreamWriter) -> None:
    """It is closed by us: nothing that would come later is an answer to anything."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSE_SECONDS_MOST):
            await writer.wait_closed()
    except (OSError, ssl.SSLError, TimeoutError):
        writer.transport.abort()

"""The MLLP listener on a real socket: frames cut anywhere, neighbours unharmed, answers after the commit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.testing.hl7 import mllp
from services.testing.hl7.mllp import (
    BEGINNING_BYTES,
    END,
    READ_BYTES,
    RETURN,
    START,
    Frame,
    Frames,
    LineLimits,
    Listener,
    require_loopback,
)
from shared.platform.settings import ConfigurationError

LONG_ANSWER = 10_000_000
"""In bytes, and far more than the system's buffers hold."""
_ONE_READ = 262_144
"""Bytes that the event loop takes from a socket at once."""


def framed(content: bytes) -> bytes:
    return START + content + END + RETURN


async def echo(frame: Frame, laboratory: str = "") -> list[bytes]:
    return [b"ACK " + frame.content]


@asynccontextmanager
async def listening(  # type: ignore[no-untyped-def]
    receive=echo, *, seen: list[asyncio.StreamReader] | None = None, **limits: Any
) -> AsyncIterator[tuple[Listener, int]]:
    """`seen` gets the reader of each line."""
    listener = Listener(receive, replace(LineLimits(), **limits))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seen is not None:
            seen.append(reader)
        await listener.connected(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=READ_BYTES)
    try:
        yield listener, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await listener.finish()


async def answer(reader: asyncio.StreamReader) -> bytes:
    frame = await asyncio.wait_for(reader.readuntil(END + RETURN), 5)
    return frame.removeprefix(START).removesuffix(END + RETURN)


def test_frames_come_out_however_the_stream_is_cut() -> None:
    stream = b"garbage" + framed(b"one") + b"\r\n  " + framed(b"two") + framed(b"three")
    for size in (1, 2, 5, len(stream)):
        frames, found = Frames(LineLimits()), list[Frame]()
        for start in range(0, len(stream), size):
            found += frames.feed(stream[start : start + size])
        assert [each.content for each in found] == [b"one", b"two", b"three"]


def test_a_frame_begun_again_is_the_second_one() -> None:
    assert Frames(LineLimits()).feed(START + b"MSH|broken off" + framed(b"MSH|whole")) == [Frame(b"MSH|whole")]


def test_a_start_byte_inside_a_message_begins_nothing() -> None:
    assert Frames(LineLimits()).feed(framed(b"MSH|a\x0bb")) == [Frame(b"MSH|a\x0bb")]


def test_of_a_frame_beyond_the_limit_only_the_beginning_is_kept_and_the_next_one_is_whole() -> None:
    frames = Frames(LineLimits(message_bytes_most=2 * BEGINNING_BYTES))
    assert frames.feed(START + b"MSH|long" + b"x" * 3 * BEGINNING_BYTES) == []
    assert len(frames._buffer) == BEGINNING_BYTES
    cut, whole = frames.feed(b"x" * 10 + END + RETURN + framed(b"next"))
    assert (cut.content[:8], cut.whole, whole) == (b"MSH|long", False, Frame(b"next"))


def test_without_tls_only_loopback_is_listened_on() -> None:
    require_loopback("127.0.0.1")
    require_loopback("::1")
    require_loopback("localhost")
    with pytest.raises(ConfigurationError, match="loopback"):
        require_loopback("0.0.0.0")
    with pytest.raises(ConfigurationError, match="loopback"):
        require_loopback("10.1.2.3")


async def test_several_messages_on_one_connection_are_answered_in_order() -> None:
    async with listening() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"one") + framed(b"two"))
        assert [await answer(reader), await answer(reader)] == [b"ACK one", b"ACK two"]
        writer.write(framed(b"three")[:3])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(framed(b"three")[3:])
        assert await answer(reader) == b"ACK three"
        writer.close()


async def test_of_a_line_one_message_is_in_hand_and_what_is_sent_ahead_waits_with_its_sender() -> None:
    """Five hundred sent ahead are more than any socket holds: the sender is not let write on until the first one is
    answered, a line holds no more than its buffer and one read, and each gets its answer, in order."""
    in_hand, commit, messages = list[Frame](), asyncio.Event(), [b"%d " % number * 10_000 for number in range(500)]
    lines, waiting = list[asyncio.StreamReader](), list[int]()

    async def slow(frame: Frame, _: str) -> list[bytes]:
        in_hand.append(frame)
        await commit.wait()
        waiting.append(len(lines[0]._buffer))  # type: ignore[attr-defined]
        return [frame.content[:8].split(b" ")[0]]

    async with listening(slow, seen=lines) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.writelines(framed(each) for each in messages)
        sending = asyncio.create_task(writer.drain())
        await asyncio.sleep(0.2)
        assert len(in_hand) == 1 and not sending.done()
        commit.set()
        assert [await answer(reader) for _ in messages] == [b"%d" % number for number in range(len(messages))]
        await sending
        assert len(waiting) == len(messages) and 0 < max(waiting) <= 2 * READ_BYTES + _ONE_READ
        writer.close()


async def test_a_large_message_with_any_bytes_passes() -> None:
    async with listening() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        content = "é".encode() * 300_000
        writer.write(framed(content))
        assert await answer(reader) == b"ACK " + content
        writer.close()


async def test_a_message_beyond_the_limit_is_answered_and_so_is_its_neighbour() -> None:
    async def receive(frame: Frame, _: str) -> list[bytes]:
        return [b"taken" if frame.whole else b"too long"]

    async with listening(receive) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"x" * (LineLimits().message_bytes_most + 1)) + framed(b"next"))
        assert [await answer(reader), await answer(reader)] == [b"too long", b"taken"]
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"garbage", START, START + b"garbage", START + b"MS"])
async def test_a_connection_on_which_no_message_begins_is_closed(sent: bytes) -> None:
    async with listening(first_seconds_most=0.05) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_message_that_drips_is_not_waited_for_and_one_that_began_in_time_is() -> None:
    async with listening(first_seconds_most=0.05, idle_seconds_most=0.4) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(START + b"MSH|")
        await asyncio.sleep(0.1)
        writer.write(b"whole" + END + RETURN)
        assert await answer(reader) == b"ACK MSH|whole"
        writer.write(START)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()


async def test_an_idle_connection_is_closed() -> None:
    async with listening(idle_seconds_most=0.05) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"one"))
        assert await answer(reader) == b"ACK one"
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_who_takes_no_answer_holds_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def long_answer(_: Frame, __: str) -> list[bytes]:
        return [b"x" * LONG_ANSWER]

    monkeypatch.setattr(mllp, "CLOSE_SECONDS_MOST", 0.05)
    async with listening(long_answer, idle_seconds_most=0.1) as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"MSH|one"))
        await asyncio.sleep(0.05)
        if listener._connections:
            await asyncio.wait(listener._connections, timeout=5)
        with contextlib.suppress(ConnectionError):
            assert len(await asyncio.wait_for(reader.read(), 5)) < LONG_ANSWER
        writer.close()


@pytest.mark.parametrize("limits", [{"lines_most": 2}, {"lines_a_client_most": 2}])
async def test_a_line_too_many_is_closed_and_the_others_go_on(limits: dict[str, Any]) -> None:
    async with listening(**limits) as (_, port):
        lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        for reader, writer in lines:
            writer.write(framed(b"one"))
            assert await answer(reader) == b"ACK one"
            writer.close()
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"again"))
        assert await answer(reader) == b"ACK again"
        writer.close()


async def test_the_answer_in_hand_goes_out_when_the_listener_closes() -> None:
    started, commit = asyncio.Event(), asyncio.Event()

    async def slow(frame: Frame, _: str) -> list[bytes]:
        started.set()
        await commit.wait()
        return await echo(frame)

    async with listening(slow) as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"one"))
        await asyncio.wait_for(started.wait(), 5)
        finishing = asyncio.create_task(listener.finish())
        await asyncio.sleep(0.01)
        commit.set()
        assert await answer(reader) == b"ACK one"
        await finishing
        writer.close()


async def test_no_answer_goes_out_before_the_commit() -> None:
    committed = asyncio.Event()

    async def receive(frame: Frame, _: str) -> list[bytes]:
        await committed.wait()
        return [frame.content]

    async with listening(receive) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"one"))
        waiting = asyncio.create_task(answer(reader))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        committed.set()
        assert await waiting == b"one"
        writer.close()


def written_of(kind: bytes, control: bytes, about: bytes) -> bytes:
    """A message of this kind and control id, with an MSA about another one."""
    return b"MSH|^~\\&|LIS|LAB|HUB|DEMO|20250310||" + kind + b"|" + control + b"|P|2.5.1\rMSA|AA|" + about


async def answering(frame: Frame, _: str) -> list[bytes]:
    """As somebody who answers everything."""
    return [written_of(b"ACK^R01^ACK", b"OURS", b"THEIRS")]


async def test_an_acknowledgement_of_our_own_answer_is_not_answered_and_the_line_goes_on() -> None:
    """Else two sides that answer everything would answer one another for ever."""
    async with listening(answering) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(b"MSH|^~\\&|one"))
        assert b"|OURS|" in await answer(reader)
        writer.write(framed(written_of(b"ACK", b"A1", b"OURS")) + framed(written_of(b"ACK^R01", b"A2", b"OURS")))
        writer.write(framed(b"MSH|^~\\&|two"))
        await answer(reader)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()


@pytest.mark.parametrize("content", [written_of(b"ACK", b"A1", b"OTHER"), written_of(b"ORU^R01", b"A1", b"OURS")])
async def test_an_acknowledgement_of_anything_else_is_answered(content: bytes) -> None:
    """Whoever waits for an answer would send it again, and its results behind it would never come."""
    async with listening(answering) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in (b"MSH|^~\\&|one", content):
            writer.write(framed(each))
            assert b"|OURS|" in await answer(reader)
        writer.close()

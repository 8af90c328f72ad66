"""Reading a feed in a process of its own: what a publisher sends is anybody's, and 20,000 meetings would stop every
check for seconds. The process has no secrets, little memory and a minute of the processor.

Started as `python -m services.aftercare.feeds.reading`: on stdin what is read, on stdout a line of counts and the
meetings, packed.
"""

import asyncio
import os
import resource
import signal
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import msgspec

from services.aftercare.meetings import bmlt, document, meeting_guide, table
from services.aftercare.meetings.meeting import Feed, Meeting, Source
from shared.events.wire import Unreadable
from shared.path.transaction.feeds import Counts
from shared.platform import log
from shared.platform.feeds import Kind

CPU_SECONDS_MOST = 60
WAIT_SECONDS_MOST = 300.0
"""In all: everybody else has the processor first."""
MEMORY_BYTES_MOST = 1536 * 1024 * 1024
"""Of address space, twice what 32 MB of JSON take."""
SMALL_BYTES = 128 * 1024
"""What has no more is read right here: a process takes longer to start than to read it."""
NICE = 10
_COMMAND = ("-m", __name__)
_LINES = msgspec.json.Encoder()


def _read_bmlt(source: Source, *documents: bytes) -> Feed:
    return bmlt.read(source, *(document.json_value(source.feed, each) for each in documents))


_READERS: Mapping[Kind, Callable[..., Feed]] = {
    "meeting-guide": meeting_guide.read,
    "bmlt": _read_bmlt,
    "table": table.read,
}
"""Each takes the source and its documents, and raises Unreadable."""


class _Asked(msgspec.Struct, frozen=True):
    kind: Kind
    source: Source
    lengths: tuple[int, ...]


class Reading(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """What was read, and the digest of it."""

    counts: Counts
    digest: str


class _Failed(msgspec.Struct, frozen=True, tag="failed"):
    code: str


class ReadFailed(Exception):
    """It can't be read; `code`: `no-feed`, `too-costly` (time or memory), `reader-failed` (a bug of ours)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read(kind: Kind, source: Source, documents: Sequence[bytes]) -> tuple[Reading, bytes]:
    """The counts, and the meetings packed as `unpacked` takes them. Raises Unreadable."""
    feed = _READERS[kind](source, *documents)
    lines = _LINES.encode_lines(feed.meetings)
    counts = Counts(
        meetings=len(feed.meetings),
        entries=feed.entries,
        merged=feed.merged,
        left_out=feed.left_out,
        lacking=feed.lacking,
        faults=tuple((each.line, each.column, each.reason) for each in feed.faults),
    )
    return Reading(counts=counts, digest=sha256(lines).hexdigest()), zlib.compress(lines)


async def read_apart(kind: Kind, source: Source, documents: Sequence[bytes]) -> tuple[Reading, bytes]:
    """Likewise, in a process of its own. Raises ReadFailed."""
    if sum(map(len, documents)) <= SMALL_BYTES:
        try:
            return await asyncio.to_thread(read, kind, source, documents)
        except Unreadable:
            raise ReadFailed("no-feed") from None
        except Exception as bug:
            log.get().error("a reader of meeting feeds failed", id=source.feed, place=log.place_of(bug))
            raise ReadFailed("reader-failed") from None
    head = msgspec.json.encode(_Asked(kind, source, tuple(map(len, documents))))
    first, _, packed = (await _asked(b"".join((head, b"\n", *documents)))).partition(b"\n")
    if not first:
        raise ReadFailed("reader-failed")
    found = msgspec.json.decode(first, type=Reading | _Failed)
    if isinstance(found, _Failed):
        raise ReadFailed(found.code)
    return found, packed


async def _asked(text: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *_COMMAND),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith(("IOP_", "DATABASE_URL"))},
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS_MOST):
            out, _ = await process.communicate(text)
            if process.returncode == -signal.SIGXCPU:
                raise TimeoutError
    except TimeoutError:
        raise ReadFailed("too-costly") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out


async def unpacked(packed: bytes, at_once: int = 200) -> list[Meeting]:
    """The meetings, so many at a time: others have their turn in between."""
    lines = (await asyncio.to_thread(zlib.decompress, packed)).splitlines()
    decoder, found = msgspec.json.Decoder(Meeting), list[Meeting]()
    for start in range(0, len(lines), at_once):
        found.extend(decoder.decode(line) for line in lines[start : start + at_once])
        await asyncio.sleep(0)
    return found


def _limited() -> None:
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MOST, MEMORY_BYTES_MOST))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MOST, CPU_SECONDS_MOST + 1))


def _main() -> None:
    _limited()
    first, _, rest = sys.stdin.buffer.read().partition(b"\n")
    asked = msgspec.json.decode(first, type=_Asked)
    documents, start = list[bytes](), 0
    for length in asked.lengths:
        documents.append(rest[start : start + length])
        start += length
    del rest
    sys.stdout.buffer.write(_answer(asked, documents))


def _answer(asked: _Asked, documents: Sequence[bytes]) -> bytes:
    try:
        reading, packed = read(asked.kind, asked.source, documents)
    except (Unreadable, MemoryError) as wrong:
        return msgspec.json.encode(_Failed("no-feed" if isinstance(wrong, Unreadable) else "too-costly"))
    return msgspec.json.encode(reading) + b"\n" + packed


if __name__ == "__main__":
    _main()

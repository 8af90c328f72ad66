"""A feed is read in a process of its own: it stops nobody, has none of the hub's secrets, and may fail alone."""

import json
import os

import pytest

from services.aftercare.feeds import reading
from services.aftercare.feeds.reading import SMALL_BYTES, ReadFailed, read_apart, unpacked
from services.aftercare.meetings.meeting import Source
from tests.aftercare.feeds import LINK, entry, of
from tests.stalls import TURN_SECONDS_MOST, longest_turn

WEST = Source(feed="west", zone="America/New_York")
LARGE = 2_000


async def test_a_large_feed_is_read_apart_as_a_small_one_is_right_here() -> None:
    small, large = of(10), of(LARGE)
    assert len(small) < SMALL_BYTES < len(large)
    for document, count in ((small, 10), (large, LARGE)):
        found, packed = await read_apart("meeting-guide", WEST, [document])
        meetings = await unpacked(packed)
        assert (found.counts.meetings, len(meetings), meetings[-1].slug) == (count, count, f"m{count - 1}")
        assert meetings[0].link in (None, LINK)


@pytest.mark.parametrize("size", [0, SMALL_BYTES], ids=["small", "large"])
@pytest.mark.parametrize(
    "content",
    [b"<html>", b"", b"\xff\xfe", b'{"a": 1}', b"[" * 50_000],
    ids=["html", "nothing", "bytes", "object", "deep"],
)
async def test_what_is_no_feed_says_so_whether_small_or_large(content: bytes, size: int) -> None:
    with pytest.raises(ReadFailed, match="no-feed"):
        await read_apart("meeting-guide", WEST, [content + b" " * size])


async def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WAIT_SECONDS_MOST", 0.05)
    with pytest.raises(ReadFailed, match="too-costly"):
        await read_apart("meeting-guide", WEST, [of(LARGE)])


async def test_what_works_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    less = f"from {reading.__name__} import _limited; from services.aftercare.feeds import reading"
    endless = f"{less}; reading.CPU_SECONDS_MOST = 1; _limited()\nwhile True: pass"
    monkeypatch.setattr(reading, "_COMMAND", ("-c", endless))
    with pytest.raises(ReadFailed, match="too-costly"):
        await read_apart("meeting-guide", WEST, [of(LARGE)])


async def test_what_takes_too_much_memory_ends_that_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    large = json.dumps([entry("one", notes=[[]] * 4_000_000)]).encode()
    assert len(large) < 32 * 1024 * 1024
    less = f"from {reading.__name__} import _main; from services.aftercare.feeds import reading"
    monkeypatch.setattr(reading, "_COMMAND", ("-c", f"{less}; reading.MEMORY_BYTES_MOST = 300 << 20; _main()"))
    with pytest.raises(ReadFailed, match="too-costly"):
        await read_apart("meeting-guide", WEST, [large])


async def test_a_bug_of_the_reader_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_COMMAND", ("-c", "raise ArithmeticError"))
    with pytest.raises(ReadFailed, match="reader-failed"):
        await read_apart("meeting-guide", WEST, [of(LARGE)])
    monkeypatch.setattr(reading, "_READERS", {"meeting-guide": lambda *_: 1 // 0})
    with pytest.raises(ReadFailed, match="reader-failed"):
        await read_apart("meeting-guide", WEST, [of(10)])


async def test_the_process_has_none_of_the_hubs_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOP_DATABASE_URL", "postgresql://iop:hunter2@127.0.0.1/iop")
    monkeypatch.setenv("DATABASE_URL", "postgresql://iop:hunter2@127.0.0.1/iop")
    monkeypatch.setattr(reading, "_COMMAND", ("-c", "import os, json; print(json.dumps(dict(os.environ)))"))
    seen = json.loads(await reading._asked(b""))
    assert "hunter2" not in json.dumps(seen) and seen["PATH"] == os.environ["PATH"]


async def test_thousands_of_meetings_stop_nobody_while_they_are_read() -> None:
    document = of(5_000, formatted_address="1 Main St, Riverbend, NY 12345, USA", types=["O", "BE"])

    async def read() -> int:
        _, packed = await read_apart("meeting-guide", WEST, [document])
        return len(await unpacked(packed))

    count, longest = await longest_turn(read)
    assert count == 5_000
    assert longest <= TURN_SECONDS_MOST

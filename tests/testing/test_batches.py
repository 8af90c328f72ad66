"""Batches: each message by itself, each answered, the counts compared; what is sent twice has one effect."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7 import batches
from services.testing.hl7.mllp import BEGINNING_BYTES, END, RETURN, START, Frame, Frames, LineLimits
from tests.laws import examples
from tests.testing.receiving import ADMITTED, ReceivingService, message

FHS = r"FHS|^~\&|LIS|TOXLAB|HUB|demo|20260113120000-0500||||FILE1"
BHS = r"BHS|^~\&|LIS|TOXLAB|HUB|demo|20260113120000-0500||||DAY1"


def batch(*messages: bytes, bts: str | None = None, bhs: str = BHS, end: bytes = b"\r") -> bytes:
    """With the right count, where none is given."""
    trailer = f"BTS|{len(messages)}" if bts is None else bts
    return end.join([bhs.encode(), *messages, *([trailer.encode()] if trailer else [])]) + end


def shape(answer: bytes) -> list[str]:
    """The answer's segments without what is of this moment: MSA as code and control id, ERR as place and number."""
    found = []
    for segment in answer.decode().split("\r"):
        fields = segment.split("|")
        match fields[0]:
            case "MSH" | "":
                pass
            case "MSA":
                found.append(" ".join(fields[1:3]))
            case "ERR":
                found.append(f"ERR {fields[2]} {fields[3].split('^')[0]}")
            case "FHS" | "BHS":
                found.append(f"{fields[0]} {fields[11]}")
            case _:
                found.append(segment)
    return found


async def answered(testing: ReceivingService, content: bytes) -> list[str]:
    (answer,) = await testing.receiver.receive(Frame(content))
    return shape(answer)


# --- taken apart


@given(
    st.lists(st.lists(st.text("ABC|^~&é ", min_size=1, max_size=12), min_size=0, max_size=4), max_size=6),
    st.sampled_from([b"\r", b"\n", b"\r\n"]),
    st.booleans(),
)
@settings(max_examples=examples(100))
def test_what_is_put_into_a_batch_comes_out_of_it(rows: list[list[str]], end: bytes, filed: bool) -> None:
    messages = [
        end.join([b"MSH|^~\\&|" + str(number).encode(), *(b"NTE|" + each.encode() for each in several)]).rstrip()
        for number, several in enumerate(rows)
    ]
    content = batch(*messages, end=end)
    if filed:
        content = end.join([FHS.encode(), content + b"FTS|1"])
    file = batches.take_apart(content)
    assert [each for part in file.batches for each in part.messages] == messages
    assert [each.faults for each in file.batches] == [[]] and file.faults == []


PIECES = (
    FHS,
    BHS,
    "BHS",
    "BHS|",
    "BHSé",
    "FHS^",
    "MSH|^~\\&|",
    "MSH",
    "BTS|1",
    "BTS",
    "FTS|x|",
    "FTS",
    "PID|1",
    "\x00",
    "",
)


@given(
    st.lists(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=8), max_size=12),
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\x0c"]),
)
@settings(max_examples=examples(200))
def test_whatever_comes_is_taken_apart_and_answered(pieces: list[bytes], end: bytes) -> None:
    content = end.join([b"\x0c" + BHS.encode(), *pieces])
    assert batches.is_batch(content)
    file = batches.take_apart(content)
    answer = batches.answer(file, [[b"ACK\r"]] * file.count, ADMITTED)
    assert answer.split(b"\r").count(b"ACK") == file.count
    assert answer.startswith((b"BHS|", b"FHS")) and answer.endswith(b"\r")


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (batch(message()), []),
        (batch(message(), bts="BTS"), []),
        (batch(message(), bts="BTS|"), []),
        (batch(message(), bts="BTS|2"), ["BTS^1^1 207"]),
        (batch(message(), bts="BTS|one"), ["BTS^1^1 207"]),
        (batch(message(), bts=""), ["BTS 207"]),
        (batch(message()) + b"OBX|1|ST|lost\r", ["BTS 100"]),
        (batch(b"PID|1\r" + message()), ["BHS 100"]),
        (FHS.encode() + b"\r" + batch(message()) + b"FTS|1\r", []),
        (FHS.encode() + b"\r" + batch(message()) + b"FTS|2\r", ["FTS^1^1 207"]),
        (FHS.encode() + b"\r" + batch(message()), ["FTS 207"]),
        (batch(message()) + message("M2"), []),
        (b"BHS\r" + message() + b"\rBTS|1", []),
        (BHS.encode(), ["BTS 207"]),
    ],
)
def test_a_batch_whose_trailer_or_rest_does_not_fit_says_so(content: bytes, faults: list[str]) -> None:
    file = batches.take_apart(content)
    found = [*file.faults, *(fault for each in file.batches for fault in each.faults)]
    assert [f"{each.location} {each.number}" for each in found] == faults
    assert all(each == message() for part in file.batches[:1] for each in part.messages)


def test_what_begins_with_a_header_of_a_batch_is_one() -> None:
    assert batches.is_batch(batch(message())) and batches.is_batch(b"\r\n" + FHS.encode())
    assert not batches.is_batch(message()) and not batches.is_batch(b"BHSX|") and not batches.is_batch(b"")


def test_a_frame_with_a_batch_may_be_longer_than_one_with_a_message() -> None:
    limits = LineLimits(message_bytes_most=2 * BEGINNING_BYTES, batch_bytes_most=4 * BEGINNING_BYTES)
    for begins, size, whole in ((b"MSH|", 3, False), (b"BHS|", 3, True), (b"\r\nFHS|", 3, True), (b"BHS|", 5, False)):
        frames, found = Frames(limits), list[Frame]()
        stream = START + begins + b"x" * size * BEGINNING_BYTES + END + RETURN + START + b"MSH|next" + END
        for start in range(0, len(stream), 1_000):
            found += frames.feed(stream[start : start + 1_000])
        assert [each.whole for each in found] == [whole, True]
        assert found[1].content == b"MSH|next"


# --- taken, on a real database


async def test_each_message_of_a_batch_is_taken_and_answered_by_itself(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    content = batch(message("M1"), b"MSH|^~\\&|junk", message("M2", mrn=""), message("M3", filler="F8"))
    first = await answered(testing, content)
    assert first == ["BHS DAY1", "AA M1", "AR", "ERR MSH^1^10 101", "AE M2", "ERR PID^1^3 101", "AA M3", "BTS|4"]
    emitted, documents = await testing.emitted(), await testing.count("documents")
    assert documents == 2
    assert await answered(testing, content) == first, "sent twice, answered the same"
    assert (await testing.emitted(), await testing.count("documents")) == (emitted, documents)


async def test_a_wrong_count_undoes_no_message(testing: ReceivingService) -> None:
    content = FHS.encode() + b"\r" + batch(message("M1"), message("M2", filler="F8"), bts="BTS|3") + b"FTS|1\r"
    trailer = ["AE DAY1", "ERR BTS^1^1 207"]
    assert await answered(testing, content) == ["FHS FILE1", "BHS DAY1", "AA M1", "AA M2", *trailer, "BTS|3", "FTS|1"]
    assert await testing.count("documents") == 2


async def test_a_batch_is_answered_in_the_mode_that_each_message_asks_for(testing: ReceivingService) -> None:
    silent, twice = (
        message(name, filler=name).replace(b"|P|2.5.1\r", b"|P|2.5.1|||" + mode + b"\r")
        for name, mode in (("M1", b"NE|NE"), ("M2", b"AL|AL"))
    )
    assert await answered(testing, batch(silent, twice)) == ["BHS DAY1", "CA M2", "AA M2", "BTS|2"]


async def test_a_batch_too_large_is_refused_whole(testing: ReceivingService) -> None:
    process = testing.running.process.model_copy(update={"hl7_batch_messages": 2, "hl7_message_bytes": 4_096})
    object.__setattr__(testing.running, "process", process)
    three = batch(*(message(f"M{number}") for number in range(3)))
    assert await answered(testing, three) == ["BHS DAY1", "AR DAY1", "ERR BHS 207", "BTS|1"]
    (answer,) = await testing.receiver.receive(Frame(batch(message())[:200], whole=False))
    assert shape(answer) == ["BHS DAY1", "AR DAY1", "ERR BHS 207", "BTS|1"]
    assert await testing.count("documents") == 0
    long = message("M2").replace(b"POSITIVE", b"x" * 5_000)
    assert await answered(testing, batch(message(), long)) == ["BHS DAY1", "AA M1", "AR M2", "ERR  207", "BTS|2"]


async def test_while_the_database_is_away_each_message_is_to_be_sent_again_and_only_one_is_tried(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    @asynccontextmanager
    async def away() -> AsyncIterator[object]:
        tries.append(1)
        raise ConnectionRefusedError
        yield

    silent = message("M2", filler="F8").replace(b"|P|2.5.1\r", b"|P|2.5.1|||NE|NE\r")
    content = batch(message(), silent, message("M3", filler="F9"))
    with monkeypatch.context() as broken:
        broken.setattr(testing.pool, "acquire", away)
        found = await answered(testing, content)
    assert [each for each in found if each.startswith("A")] == ["AE M1", "AE M2", "AE M3"]
    assert [each for each in found if each.startswith("ERR")] == ["ERR  207"] * 3 and len(tries) == 1
    assert await answered(testing, content) == ["BHS DAY1", "AA M1", "AA M3", "BTS|2"], "the repeat works"
    assert await testing.count("documents") == 3


def test_an_answer_names_the_batch_and_changes_the_places_of_sender_and_receiver() -> None:
    answer = batches.answer(batches.take_apart(batch()), [], ADMITTED).decode()
    assert re.fullmatch(
        r"BHS\|\^~\\&\|HUB\|demo\|LIS\|TOXLAB\|20260105170000\+0000\|\|\|\|\w{20}\|DAY1\rBTS\|0\r", answer
    )

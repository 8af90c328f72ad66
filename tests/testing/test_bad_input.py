"""What laboratories send by mistake, and what each is answered: the whole table, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.testing.hl7.mllp import Frame
from shared.edge import submissions
from tests.testing.receiving import ReceivingService, message

WHOLE = message()


def without(segment: bytes) -> bytes:
    return b"\r".join(each for each in WHOLE.split(b"\r") if not each.startswith(segment))


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


def in_charset(name: str, text: bytes) -> bytes:
    """With this MSH-18, and this as the name of the code."""
    return WHOLE.replace(b"|P|2.5.1", b"|P|2.5.1" + b"|" * 6 + name.encode()).replace(b"Benzoylecgonine", text)


PLACED = [
    ("no MSH", b"PID|1||A", "AR", "", 100),
    ("PID missing", without(b"PID"), "AE", "PID", 100),
    ("OBX before OBR", without(b"OBR"), "AE", "OBR", 100),
    ("PID-3 empty", message(mrn=""), "AE", "PID^1^3", 101),
    ("type unknown", replaced(b"ORU^R01", b"ADT^A01"), "AR", "MSH^1^9", 200),
    ("event unknown", replaced(b"ORU^R01", b"ORU^R99"), "AR", "MSH^1^9", 201),
    ("version unknown", replaced(b"|2.5.1", b"|3.0"), "AR", "MSH^1^12", 203),
    ("charset unknown", in_charset("KLINGON", "Ø".encode()), "AR", "MSH^1^18", 103),
    ("charset another than is named", in_charset("UNICODE UTF-8", b"\xd8"), "AR", "MSH^1^18", 103),
    ("charset neither named nor UTF-8 nor Latin-1", in_charset("", b"Kokain\x92"), "AR", "MSH^1^18", 103),
    ("NUL", replaced(b"POSITIVE", b"POSI\x00TIVE"), "AR", "", 102),
    ("a time that is none", replaced(b"20260112083000-0500", b"20261399083000"), "AE", "OBR^1^7", 102),
    ("an unknown status is a person's", message(status="Q"), "AA", "", 0),
    ("half an escape is text", replaced(b"Benzoylecgonine", b"Benzoyl\\F ecgonine"), "AA", "", 0),
    ("Latin-1 that is not named", in_charset("", b"Kokain\xf8"), "AA", "", 0),
    ("Chinese that is named", in_charset("GB 18030-2000", "可卡因".encode("gb18030")), "AA", "", 0),
]
"""What is wrong, the message, MSA-1, ERR-2 and the error of table 0357."""


async def test_each_bad_message_is_answered_with_its_place(testing: ReceivingService) -> None:
    for ordinal, (wrong, content, code, place, number) in enumerate(PLACED):
        (answer,) = await testing.receiver.receive(Frame(content.replace(b"|M1|", f"|M{ordinal}|".encode())))
        segments = answer.decode("utf-8", "replace").split("\r")
        errors = [each.split("|") for each in segments if each.startswith("ERR")]
        found = [(each[2], int(each[3].split("^")[0])) for each in errors]
        assert (wrong, segments[1].split("|")[1]) == (wrong, code)
        assert (wrong, found) == (wrong, [(place, number)] if number else [])
        if number:
            assert b"SEEDED" not in answer and b"Bogus" not in answer, wrong


async def test_a_frame_beyond_the_limit_is_207(testing: ReceivingService) -> None:
    (answer,) = await testing.receiver.receive(Frame(WHOLE[:200], whole=False))
    assert b"MSA|AR|M1\r" in answer and b"|207^" in answer


OBX_OF_250 = [b"OBX|2|ST|14314-9^x^LN||NEGATIVE||||||F"] * 250
TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "rows": lambda: WHOLE + b"\r" + b"\r".join([b"OBX|2|ST|X||1"] * 2_000),
    "results of one patient": lambda: b"\r".join(
        [WHOLE, *[b"OBR|2||F8|94307-6^Drug screen^LN|||20260112|||||||||||||||||||F", *OBX_OF_250] * 4]
    ),
    "results of one drug test": lambda: WHOLE + b"\r" + b"\r".join([b"OBX|2|ST|14314-9^x^LN||NEGATIVE||||||F"] * 300),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_is_too_large_to_be_read_is_stored_and_a_person_is_asked_once(
    testing: ReceivingService, name: str
) -> None:
    await testing.identified()
    content = TOO_LARGE[name]()
    assert [await testing.receives(content), await testing.receives(content)] == ["AA", "AA"]
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == "check-message"
    assert task["reasonCode"]["coding"][0]["code"] == "message-too-large"
    assert (await testing.count("documents"), await testing.emitted()) == (1, [])


async def test_a_database_that_hangs_is_not_waited_for_and_the_repeat_works(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = testing.running.process.model_copy(update={"hl7_answer_seconds": 0.05})
    object.__setattr__(testing.running, "process", process)

    @asynccontextmanager
    async def hangs() -> AsyncIterator[object]:
        """As asyncpg, whoever is cancelled waits for the server."""
        for _ in range(2):
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                continue
        raise ConnectionResetError
        yield

    with monkeypatch.context() as broken:
        broken.setattr(testing.pool, "acquire", hangs)
        assert await asyncio.wait_for(testing.receives(WHOLE), 5) == "AE 207"
    object.__setattr__(testing.running, "process", process.model_copy(update={"hl7_answer_seconds": 10.0}))
    assert await testing.receives(WHOLE) == "AA"
    assert await testing.count("documents") == 1


async def test_a_full_queue_is_207_and_the_repeat_works(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await testing.identified()
    await testing.admitted()
    with monkeypatch.context() as full:
        full.setattr(testing.running.submissions, "_queue", asyncio.Queue(1))
        testing.running.submissions._queue.put_nowait(None)  # type: ignore[arg-type]
        assert await testing.receives(WHOLE) == "AE 207"
    assert submissions.QUEUE_MOST > 1 and await testing.emitted() == []
    assert await testing.receives(WHOLE) == "AA"
    assert await testing.emitted() == ["DrugTestResulted"]

"""Exactly what was asked for: none, one or two answers, by MSH-15 and MSH-16, on a real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.testing.hl7 import Fault, decode
from services.testing.hl7 import receiver as receiving
from services.testing.hl7.acknowledgement import acknowledgements
from services.testing.hl7.mllp import Frame
from tests.testing.receiving import ADMITTED, ReceivingService, message


def asking(content: bytes, accept: str, application: str) -> bytes:
    """The message with these MSH-15 and MSH-16."""
    return content.replace(b"|P|2.5.1\r", f"|P|2.5.1|||{accept}|{application}\r".encode(), 1)


def codes(answers: tuple[bytes, ...]) -> str:
    """MSA-1 of each, with the number in its ERR."""
    found = []
    for answer in answers:
        segments = answer.decode().split("\r")
        numbers = [each.split("|")[3].split("^")[0] for each in segments if each.startswith("ERR")]
        found.append(" ".join([segments[1].split("|")[1], *numbers]))
    return ", ".join(found)


MODES = [
    ("", "", "AA", "AE 101"),
    ('""', '""', "AA", "AE 101"),
    ("AL", "", "CA", "CE 101"),
    ("AL", "NE", "CA", "CE 101"),
    ("ER", "NE", "", "CE 101"),
    ("SU", "NE", "CA", ""),
    ("NE", "NE", "", ""),
    ("NE", "AL", "AA", "AE 101"),
    ("", "AL", "AA", "AE 101"),
    ("NE", "ER", "", "AE 101"),
    ("NE", "SU", "AA", ""),
    ("AL", "AL", "CA, AA", "CE 101, AE 101"),
    ("al", "er", "CA", "CE 101, AE 101"),
    ("SU", "ER", "CA", "AE 101"),
    ("ER", "SU", "AA", "CE 101"),
    ("??", "NE", "CA", "CE 101"),
]
"""MSH-15, MSH-16, the answers to a message that is taken and to one that is refused."""


@pytest.mark.parametrize(("accept", "application", "taken", "refused"), MODES)
def test_a_message_is_answered_in_the_mode_it_asks_for(accept: str, application: str, taken: str, refused: str) -> None:
    header = decode(asking(message(), accept, application)).header
    assert codes(acknowledgements(header, "AA", (), ADMITTED)) == taken
    assert codes(acknowledgements(header, "AE", [Fault("PID^1^3", 101)], ADMITTED)) == refused
    assert codes(acknowledgements(header, "AR", [Fault("", 102)], ADMITTED)) == refused.replace("E 101", "R 102")


async def test_both_answers_come_after_the_commit_and_the_same_again_gets_the_same(testing: ReceivingService) -> None:
    for _ in range(2):
        assert codes(await testing.receiver.receive(Frame(asking(message(), "AL", "AL")))) == "CA, AA"
        assert await testing.count("documents WHERE unmatched") == 1
    refused = asking(message("M2", mrn=""), "AL", "ER")
    assert codes(await testing.receiver.receive(Frame(refused))) == "CE 101, AE 101"


def test_each_of_two_answers_is_a_message_of_its_own() -> None:
    header = decode(asking(message(), "AL", "AL")).header
    accept, application = (each.decode().split("\r") for each in acknowledgements(header, "AA", (), ADMITTED))
    assert (accept[1], application[1]) == ("MSA|CA|M1", "MSA|AA|M1")
    assert accept[0].split("|")[9] != application[0].split("|")[9]


def test_what_is_no_message_is_answered_in_the_original_mode() -> None:
    assert codes(acknowledgements(None, "AR", [Fault("", 100)], ADMITTED)) == "AR 100"


async def test_what_is_refused_without_an_answer_becomes_a_persons(testing: ReceivingService) -> None:
    bad = asking(message(mrn=""), "NE", "NE")
    for _ in range(2):
        assert await testing.receiver.receive(Frame(bad)) == ()
    (task,) = await testing.tasks()
    assert task["code"]["coding"][0]["code"] == "check-message"
    (identity,) = [each["valueString"] for each in task["input"] if each["type"]["coding"][0]["code"] == "document"]
    assert await testing.count(f"documents WHERE id = '{identity}'") == 1
    assert await testing.emitted() == []


async def test_who_is_unknown_is_answered_though_it_asks_for_none(testing: ReceivingService) -> None:
    """There is no program whose people could hear of it."""
    stranger = asking(message(), "NE", "NE").replace(b"|LIS|TOXLAB|", b"|LISO|OTHER|")
    known = {**testing.receiver.known, "second": testing.receiver.known["lab"]}
    receiver = receiving.Hl7Receiver(testing.running, known)
    assert codes(await receiver.receive(Frame(stranger))) == "AR 204"


async def test_an_outage_is_waited_out_where_no_answer_is_asked_for(
    testing: ReceivingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "AGAIN_SECONDS", 0.01)
    tries = []

    @asynccontextmanager
    async def away(connect=testing.pool.acquire) -> AsyncIterator[object]:  # type: ignore[no-untyped-def]
        tries.append(1)
        if len(tries) < 4:
            raise ConnectionRefusedError
        async with connect() as connection:
            yield connection

    monkeypatch.setattr(testing.pool, "acquire", away)
    assert codes(await testing.receiver.receive(Frame(message()))) == "AE 207", "who asks for an answer sends it again"
    assert await testing.receiver.receive(Frame(asking(message("M2"), "NE", "NE"))) == ()
    monkeypatch.undo()
    assert await testing.count("documents WHERE unmatched") == 1

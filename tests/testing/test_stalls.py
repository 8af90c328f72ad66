"""No message stalls testing: the worst of a laboratory's messages are read, and meanwhile the loop has its turns."""

from collections.abc import Sequence
from itertools import count

import pytest

from tests.stalls import TURN_SECONDS_MOST, longest_turn
from tests.testing.receiving import ReceivingService

MSH = r"MSH|^~\&|LIS|TOXLAB|HUB|demo|20260113120000-0500||ORU^R01^ORU_R01|M1|P|2.5.1"
PID = "PID|1||SEEDED-MRN^^^IOPDEMO^MR||Seeded^Bogus"
OBX = "OBX|1|ST|14314-9^Benzoylecgonine^LN||POSITIVE||||||F"


def obr(number: int) -> str:
    day, issued = "20260112083000-0500", "20260113110000-0500"
    return f"OBR|1||F{number}|94307-6^Drug screen^LN|||{day}{'|' * 15}{issued}|||F"


def of_orders(count: int, rows: int = 1) -> list[str]:
    return [MSH, PID, *(segment for number in range(count) for segment in (obr(number), *[OBX] * rows))]


WORST: dict[str, Sequence[str]] = {
    "five hundred orders": of_orders(498),
    "as many orders as are read": of_orders(100),
    "as many results as are decided at one go": of_orders(100, rows=10),
    "twice as many": of_orders(100, rows=20),
    "two thousand rows of one report": [MSH, PID, obr(1), *[OBX] * 2_000],
    "thirty thousand rows": [MSH, PID, obr(1), *[OBX] * 30_000],
    "five million repetitions": [MSH, PID, obr(1), OBX.replace("POSITIVE", "~" * 4_900_000)],
    "five million components": [MSH, PID, obr(1), OBX.replace("POSITIVE", "^" * 4_900_000)],
    "as many repetitions as are read": [MSH, PID, obr(1), OBX.replace("POSITIVE", "~" * 119_000)],
}
"""All are answered AA: what is too large to be read is stored, and a person is asked."""


@pytest.mark.parametrize("name", WORST)
async def test_the_worst_messages_hold_nobody_up(testing: ReceivingService, name: str) -> None:
    await testing.identified()
    await testing.admitted()
    numbers = count()

    async def receives() -> str:
        message = "\r".join(WORST[name]).replace("|M1|", f"|M{next(numbers)}|")
        return await testing.receives(message.encode())

    answered, silence = await longest_turn(receives)
    assert answered == "AA"
    assert silence <= TURN_SECONDS_MOST

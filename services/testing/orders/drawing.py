"""Draws the days of random tests: by a secret that only this service has, so that nobody can foretell them.

No decision reads it: a decision asks whether the day has come, and is answered by an event of the journal.
"""

from services.testing.messages import RandomDayAsked, RandomDayDrawn
from services.testing.orders.schedule import drawn
from shared.platform.keys import Keys

_PURPOSE = b"random drug test"


class Lots:
    """The same patient and ordinal always draw the same lot."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def answer(self, program: str, question: RandomDayAsked) -> RandomDayDrawn:
        lot = self._keys.derive(_PURPOSE, f"{program}|{question.patient}|{question.ordinal}".encode())
        is_due = bool(question.days) and drawn(lot, question.days) <= question.day
        return RandomDayDrawn(ordinal=question.ordinal, day=question.day, is_due=is_due)

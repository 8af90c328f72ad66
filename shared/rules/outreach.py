"""Attempts to reach a patient, as a state remembers them: by whichever service, the same in every order. Pure."""

import msgspec

OUTREACH_MOST = 40
"""Attempts that are remembered at once: those that reached the patient before others, then the newest."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """An attempt to reach the patient, `at` in seconds since 1970; another outcome by the same channel at the same time
    corrects it."""

    at: int
    channel: str
    outcome: str

    @property
    def reached(self) -> bool:
        return self.outcome == "reached"


def attempts_with(known: tuple[Attempt, ...], attempt: Attempt, most: int = OUTREACH_MOST) -> tuple[Attempt, ...]:
    """In order of time, whatever the order in which they were reported."""
    others = [each for each in known if (each.at, each.channel) != (attempt.at, attempt.channel)]
    newest = sorted((*others, attempt), key=lambda each: (each.reached, each.at, each.channel))[-most:]
    return tuple(sorted(newest, key=lambda each: (each.at, each.channel)))

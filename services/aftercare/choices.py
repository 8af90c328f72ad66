"""The patient's choice among partners: whom their consents name, in which order. Pure.

It decides who is asked first, never whether anybody may be told: that is the gate's.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.aftercare.messages import ConsentGiven
from shared.rules.consent import Partner

CHOICES_MOST = 12
CHOICE_CHARACTERS_MOST = 64
"""Of a partner's identifier, as a consent names it."""


class Choice(msgspec.Struct, frozen=True, array_like=True):
    """A partner's identifier, when the patient named it, and at which place of that consent, from 0."""

    partner: str
    given_at: datetime
    rank: int


def with_consent(choices: Sequence[Choice], consent: ConsentGiven) -> tuple[Choice, ...]:
    """With whom this consent names: of two consents the one given last counts first, whichever came first."""
    named = (
        Choice(each, consent.given_at, rank)
        for rank, each in enumerate(consent.recipients)
        if len(each) <= CHOICE_CHARACTERS_MOST
    )
    newest: dict[str, Choice] = {}
    for each in (*choices, *named):
        newest[each.partner] = min(newest.get(each.partner, each), each, key=_order)
    return tuple(sorted(newest.values(), key=_order)[:CHOICES_MOST])


def _order(choice: Choice) -> tuple[float, int, str]:
    return (-choice.given_at.timestamp(), choice.rank, choice.partner)


def rank(choices: Sequence[Choice], partner: Partner) -> int:
    """At which place the patient names this partner; behind all others where they do not."""
    return next((at for at, each in enumerate(choices) if each.partner == partner.identifier), len(choices))

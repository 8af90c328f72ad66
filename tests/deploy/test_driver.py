"""A driver asks for another token before the first one ends: a simulated year is longer than a token lives."""

import time
from itertools import count
from pathlib import Path

import pytest

from deploy import token as tokens
from deploy.driver import TOKEN_SECONDS, Driver
from deploy.hubfile import Hub
from deploy.issuer import TOKEN_SECONDS as VALID_SECONDS


async def test_a_token_is_used_for_half_of_its_life_and_then_another_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    numbers, now = count(1), [100.0]
    monkeypatch.setattr(tokens, "fetch", lambda *_: f"token {next(numbers)}")
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    async with Driver(Hub(kafka="", issuer="", services={}, postgres={}), tmp_path) as driven:
        first = await driven.token("ehr")
        now[0] += TOKEN_SECONDS - 1
        again = await driven.token("ehr")
        now[0] += 1
        another = await driven.token("ehr")
    assert (first, again, another) == ("token 1", "token 1", "token 2")
    assert TOKEN_SECONDS * 2 <= VALID_SECONDS

"""The long form of revocation against release: a thousand random offsets."""

import os
from random import Random

import pytest

from shared.path.outbound import gate
from tests.aftercare.revocations import Revocations
from tests.aftercare.running import Aftercare

pytest_plugins = ["tests.aftercare.conftest"]
SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
OFFSETS = int(os.environ.get("IOP_STORM_OFFSETS", "1000"))


async def test_the_books_are_what_the_socket_saw_at_a_thousand_offsets(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BACK_OFF_SECONDS_FIRST", 0.02)
    revocations = Revocations(aftercare_alone, Random(SEED))
    await revocations.run(OFFSETS)
    revocations.the_books_are_what_the_partners_socket_saw()
    revocations.nothing_began_after_the_revocation()
    revocations.each_referral_ended_once()
    print(f"\n{revocations}, seed {SEED}")  # noqa: T201

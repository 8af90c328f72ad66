"""The long form of the law of mutations: every pair of them over every message, at other places in each round."""

import os
from itertools import product
from random import Random

from tests.testing.mutating import MUTATIONS, OURS, PUBLIC, taken

SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
ROUNDS = int(os.environ.get("IOP_STORM_MUTATIONS", "5"))


def test_every_pair_of_mutations_over_every_message_leaves_no_row_nowhere() -> None:
    chance, rows = Random(SEED), 0
    for _ in range(ROUNDS):
        for content, first, second in product((*OURS, *PUBLIC), MUTATIONS, MUTATIONS):
            place, another = chance.randrange(10_000), chance.randrange(10_000)
            found = taken(second(first(content, place), another))
            found.require_law()
            rows += found.rows
    print(f"\n{rows} rows of mutated messages, seed {SEED}")  # noqa: T201

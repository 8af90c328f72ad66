"""How many examples a law is tried with. A slow machine breaks none: no law has a deadline.

`make test` tries sixty where a law says a hundred: laws took half its time, and it has to stay under eight minutes.
"""

from hypothesis import settings

FEWER = "fewer"
"""The profile of `make fast`."""
MANY = "many"
"""The profile of `make storm`."""
SUITE_EXAMPLES = 60
settings.register_profile("default", max_examples=SUITE_EXAMPLES, deadline=None)
# Hypothesis loads this one by itself where `CI` is set: the same examples in each run.
settings.register_profile("ci", settings.get_profile("ci"), max_examples=SUITE_EXAMPLES)
settings.register_profile(FEWER, max_examples=10, deadline=None)
settings.register_profile(MANY, max_examples=1000, deadline=None)


def examples(count: int) -> int:
    """So many, as the profile of the run has it: 60 of a hundred, 10 (`fewer`), or 1,000 (`many`)."""
    return max(1, count * settings().max_examples // 100)

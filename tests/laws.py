"""How many examples a law is tried with. A slow machine breaks none: no law has a deadline."""

from hypothesis import settings

FEWER = "fewer"
"""The profile of `make fast`: a tenth of the examples."""
MANY = "many"
"""The profile of `make storm`: ten times as many."""
settings.register_profile("default", deadline=None)
settings.register_profile(FEWER, max_examples=10, deadline=None)
settings.register_profile(MANY, max_examples=1000, deadline=None)


def examples(count: int) -> int:
    """So many in the whole suite, a tenth of them under the profile `fewer`, ten times as many under `many`."""
    return max(1, count * settings().max_examples // 100)

"""How many examples a law is tried with."""

from hypothesis import settings

FEWER = "fewer"
"""The profile of `make fast`: a tenth of the examples."""
settings.register_profile(FEWER, max_examples=10)


def examples(count: int) -> int:
    """So many in the whole suite, a tenth of them under the profile `fewer`."""
    return max(1, count * settings().max_examples // 100)

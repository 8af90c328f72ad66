"""What a decision is given: a change that `react` and `evolve` both ask about is computed once."""

from shared.rules.decision import computed_once


def test_the_same_two_values_are_changed_once_and_equal_ones_again() -> None:
    asked: list[tuple[list[int], str]] = []

    @computed_once
    def changed(before: list[int], cause: str) -> int:
        asked.append((before, cause))
        return len(asked)

    first, equal = [1], [1]
    assert [changed(first, "miss"), changed(first, "miss")] == [1, 1]
    assert [changed(equal, "miss"), changed(first, "miss"), changed(first, "positive")] == [2, 3, 4]

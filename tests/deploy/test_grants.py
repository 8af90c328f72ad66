"""What a cluster's rights are short of, or have beyond topics.toml, by its lists alone."""

from dataclasses import replace

import pytest

from deploy.grants import DENY, Grant, RightDifference, differences
from deploy.rights import Right

WRITE = Right("testing", "topic", "iop.testing.events", "Write")
GROUP = Right("compliance", "group", "compliance", "Read", "prefixed")
WANTED = (WRITE, GROUP)
ALL = [Grant.of(each) for each in WANTED]
PREFIXED, LITERAL = 4, 3
ANY_OPERATION, CREATE, DESCRIBE = 2, 5, 8


def denied(right: Right, **changed: object) -> Grant:
    return replace(Grant.of(right), permission=DENY, **changed)  # type: ignore[arg-type]


def test_a_right_from_one_host_only_is_missing() -> None:
    from_one = replace(ALL[0], host="10.0.0.1")
    assert differences(WANTED, [from_one, ALL[1]]) == [RightDifference(ALL[0], "granted")]
    assert differences(WANTED, [from_one, *ALL]) == []


@pytest.mark.parametrize(
    "denial",
    [
        denied(WRITE),
        denied(WRITE, host="10.0.0.1"),
        denied(WRITE, user="User:*"),
        denied(WRITE, name="*"),
        denied(WRITE, name="iop.", pattern=PREFIXED),
        denied(WRITE, operation=ANY_OPERATION),
        denied(WRITE, operation=DESCRIBE),
        denied(GROUP),
        denied(GROUP, name="compliance.one", pattern=LITERAL),
        denied(GROUP, name="comp"),
    ],
    ids=str,
)
def test_what_takes_some_of_a_right_is_reported(denial: Grant) -> None:
    assert differences(WANTED, [*ALL, denial]) == [RightDifference(denial, "reported")]


@pytest.mark.parametrize(
    "denial",
    [
        denied(WRITE, user="User:contractor"),
        denied(WRITE, name="another"),
        denied(WRITE, name="iop.testing.events.old", pattern=PREFIXED),
        denied(WRITE, operation=CREATE),
        denied(GROUP, name="console"),
        denied(GROUP, resource=2),
    ],
    ids=str,
)
def test_a_denial_that_takes_nothing_of_ours_is_not(denial: Grant) -> None:
    assert differences(WANTED, [*ALL, denial]) == []


def test_a_denial_is_named_with_its_host() -> None:
    found = RightDifference(denied(WRITE, host="10.0.0.1"), "reported")
    assert str(found) == "right User:testing Write topic iop.testing.events from 10.0.0.1 is denied (reported)"

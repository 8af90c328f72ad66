"""Two processes of one service under one name: the second waits a while, and ends with a sentence."""

import asyncio

import pytest

from shared.platform.replica import ReplicaName
from shared.platform.settings import ConfigurationError, ordinal_of


async def test_the_second_under_one_name_ends_with_a_sentence(database: str) -> None:
    first, second = (ReplicaName(database, "intake", "0", seconds_most=0.6) for _ in range(2))
    await first.take()
    with pytest.raises(ConfigurationError, match=r"another process of intake runs under the name 0"):
        await second.take()
    first.release()
    await second.take()
    second.release()


async def test_two_names_and_two_services_do_not_meet(database: str) -> None:
    names = [ReplicaName(database, *each, seconds_most=0.1) for each in (("intake", "0"), ("intake", "1"), ("x", "0"))]
    for each in names:
        await each.take()
    for each in names:
        each.release()


async def test_a_process_knows_at_its_next_look_whether_it_is_alone(database: str) -> None:
    first, second = (ReplicaName(database, "intake", each) for each in "01")
    await first.take()
    assert not first.is_alone, "nobody has looked yet"
    await first._look()
    assert first.is_alone

    await second.take()
    for each in (first, second):
        await each._look()
        assert not each.is_alone

    first.release()
    assert not first.is_alone, "without its name it knows nothing"
    async with asyncio.timeout(20):
        while not second.is_alone:  # the server takes a moment to see that its connection is gone
            await second._look()
    second.release()


async def test_a_name_lost_with_its_connection_is_taken_again(database: str) -> None:
    first, second = (ReplicaName(database, "intake", "0", seconds_most=0.6) for _ in range(2))
    await first.take()
    assert first._connection is not None
    first._connection.terminate()
    with pytest.raises(Exception, match="closed"):
        await first._look()
    await first._look()
    with pytest.raises(ConfigurationError):
        await second.take()
    first.release()


@pytest.mark.parametrize(
    ("host", "name"), [("testing-2", "2"), ("iop-intake-10", "10"), ("laptop", "0"), ("node7", "0")]
)
def test_the_default_name_is_the_hosts_ordinal(host: str, name: str) -> None:
    assert ordinal_of(host) == name

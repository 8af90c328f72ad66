"""Arrays on their way to PostgreSQL: every kind a statement may be given, and what an element costs."""

import sys
from types import FrameType

import asyncpg
import pytest

from shared.platform import db


@pytest.mark.parametrize("given", [["a"], ("a",), {"a"}, frozenset({"a"})])
async def test_every_kind_of_array_is_taken(database: str, given: object) -> None:
    connection = await db.connect(database)
    assert await connection.fetchval("SELECT $1::text[]", given) == ["a"]
    assert await connection.fetchval("SELECT $1::text[]", [["a"], ["b"]]) == [["a"], ["b"]]
    with pytest.raises(asyncpg.DataError):
        await connection.fetchval("SELECT $1::text[]", "a")
    await connection.close()


async def test_no_abstract_class_is_asked_of_each_element(database: str) -> None:
    asked = 0

    def count(frame: FrameType, happened: str, _: object) -> None:
        nonlocal asked
        asked += happened == "call" and frame.f_code.co_name == "__instancecheck__"

    connection = await db.connect(database)
    sys.setprofile(count)
    await connection.fetchval("SELECT cardinality($1::text[])", ["a"] * 1000)
    sys.setprofile(None)
    await connection.close()
    assert asked < 100

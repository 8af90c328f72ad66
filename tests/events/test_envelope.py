"""Ids are made without the library's own function, for speed; they are its ids all the same."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as some

from shared.events.envelope import name_id, unique_id


@given(some.uuids(), some.text(some.characters(codec="utf-8")))
def test_an_id_is_the_uuid5_of_its_cause_and_name(cause: UUID, name: str) -> None:
    assert unique_id(cause, name) == uuid5(cause, name)
    assert name_id(cause, name) == name_id(str(cause), name) == str(uuid5(cause, name))

"""What is asked of a publisher: whole feeds, nothing but what feeds.toml says, as few requests as can be."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.aftercare.feeds import publishers
from shared.path.outbound.fetching import NO_VALIDATORS, FetchFailed
from tests.aftercare.bmlt import RootServer, row
from tests.aftercare.feeds import publishing, registered
from tests.publisher import Document, Publisher

HERE = Path("/nowhere")


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    async with publishing() as opened:
        yield opened


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "PAGE_SIZE", 10)


async def fetched(server: RootServer, **more: Any) -> list[str]:
    """Ids of the meetings of a root server."""
    feed = registered(server.root, kind="bmlt", **more)
    published = await publishers.fetch(feed, HERE, NO_VALIDATORS)
    assert published is not None
    info, formats, meetings = (json.loads(each) for each in published.documents)
    assert info[0]["version"] == "3.1.0" and formats[0]["world_id"] == "OPEN"
    return [each["id_bigint"] for each in meetings]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (9, 1), (10, 2), (11, 2), (25, 3)])
async def test_a_root_server_is_read_whole_page_by_page_until_one_is_short(
    publisher: Publisher, count: int, pages: int, wrapped: bool
) -> None:
    server = RootServer(publisher, [row(number) for number in range(count)], wrapped=wrapped).open()
    assert await fetched(server) == [str(number) for number in range(count)]
    assert [each["switcher"][0] for each in server.asked] == [
        "GetServerInfo", "GetFormats", *["GetSearchResults"] * pages
    ]  # fmt: skip


@pytest.mark.parametrize("count", [3, 10, 25])
async def test_a_server_that_knows_no_pages_is_asked_twice_at_most(publisher: Publisher, count: int) -> None:
    server = RootServer(publisher, [row(number) for number in range(count)], pages=False).open()
    assert await fetched(server) == [str(number) for number in range(count)]
    assert len(server.asked) <= 4


async def test_what_is_asked_is_what_feeds_toml_says(publisher: Publisher) -> None:
    server = RootServer(publisher, [row(1)]).open()
    await fetched(server, service_bodies=(3, 4), root_server_ids=(7,))
    assert [each.target.partition("?")[2] for each in publisher.requests] == [
        "switcher=GetServerInfo",
        "switcher=GetFormats&root_server_ids=7",
        "switcher=GetSearchResults&root_server_ids=7&services[]=3&services[]=4&recursive=1&page_size=10&page_num=1",
    ]


async def test_a_server_without_an_end_is_left(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "PAGES_MOST", 4)
    server = RootServer(publisher, [row(number) for number in range(1000)]).open()
    assert len(await fetched(server)) == 40


async def test_all_pages_together_have_no_more_bytes_than_a_feed(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RootServer(publisher, [row(number) for number in range(100)]).open()
    monkeypatch.setattr(publishers, "BYTES_MOST", 20_000)
    with pytest.raises(FetchFailed, match="too-large"):
        await fetched(server)


@pytest.mark.parametrize(
    "content",
    [b"<html>", b'"text"', b"[", b"5", b"[" * 50_000 + b"]" * 50_000],
    ids=["html", "text", "cut", "number", "deep"],
)
async def test_a_page_that_is_none_is_no_feed(publisher: Publisher, content: bytes) -> None:
    server = RootServer(publisher).open()
    answer = server._answer
    publisher.anything = lambda request: Document(content) if "GetSearch" in request.target else answer(request)
    with pytest.raises(FetchFailed, match="no-feed"):
        await fetched(server)

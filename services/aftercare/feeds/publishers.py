"""What a publisher has, as it comes: whole feeds from fixed addresses. No request holds anything but what feeds.toml
says, so none holds anything of a patient."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from shared.path.outbound import fetching
from shared.path.outbound.fetching import BYTES_MOST, NO_VALIDATORS, Fetched, FetchFailed, Limits, Validators
from shared.path.outbound.http import HttpClient
from shared.platform.feeds import RegisteredFeed

PAGE_SIZE = 1000
PAGES_MOST = 50
"""Of a BMLT: more than a feed may have meetings."""


@dataclass(frozen=True, slots=True)
class Published:
    """The documents of a feed, in the order in which its reader takes them."""

    documents: Sequence[bytes]
    validators: Validators = NO_VALIDATORS


async def fetch(feed: RegisteredFeed, deploy: Path, known: Validators) -> Published | None:
    """What is published now; None where that is still the version of `known`. Raises FetchFailed."""
    if feed.file:
        return await _of_file(deploy / feed.file, known)
    async with fetching.client(feed.address) as client:
        if feed.kind == "bmlt":
            return Published(await _of_bmlt(client, feed))
        found = await fetching.get(client, feed.url, known)
        return None if found is None else Published([found.content], found.validators)


async def _of_file(file: Path, known: Validators) -> Published | None:
    """A file has no version but what is in it."""
    try:
        content = await asyncio.to_thread(_bytes_of, file)
    except OSError:
        raise FetchFailed("file-unreadable") from None
    if len(content) > BYTES_MOST:
        raise FetchFailed("too-large")
    validators = Validators(etag=sha256(content).hexdigest())
    return None if validators == known else Published([content], validators)


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(BYTES_MOST + 1)


async def _of_bmlt(client: HttpClient, feed: RegisteredFeed) -> list[bytes]:
    """Its server, its formats and all its meetings, page by page until one is short."""
    server = await _asked(client, feed, "GetServerInfo")
    formats = await _asked(client, feed, "GetFormats", *_of_servers(feed))
    return [server, formats, await _meetings(client, feed)]


async def _meetings(client: HttpClient, feed: RegisteredFeed) -> bytes:
    """One array. A server that knows no pages gives all of it at once, or the same again."""
    rows, left, before = list[msgspec.Raw](), BYTES_MOST, b""
    for number in count(1):
        page = await _asked(client, feed, "GetSearchResults", *_wanted(feed), *_page(number), bytes_most=left)
        found = _rows(page)
        if page != before:
            rows.extend(found)
        if len(found) != PAGE_SIZE or page == before or number == PAGES_MOST:
            return msgspec.json.encode(rows)
        left, before = left - len(page), page
    raise AssertionError("count does not end")


def _page(number: int) -> tuple[tuple[str, str], ...]:
    return ("page_size", str(PAGE_SIZE)), ("page_num", str(number))


def _rows(page: bytes) -> list[msgspec.Raw]:
    """The rows as they came; an empty result is `[]` or an object without any. Raises FetchFailed."""
    try:
        found = msgspec.json.decode(page, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
        if isinstance(found, dict):
            found = msgspec.json.decode(found.get("meetings", b"[]"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise FetchFailed("no-feed") from None
    return found


def _of_servers(feed: RegisteredFeed) -> list[tuple[str, str]]:
    ids = ",".join(map(str, feed.root_server_ids))
    return [("root_server_ids", ids)] if ids else []


def _wanted(feed: RegisteredFeed) -> list[tuple[str, str]]:
    bodies = [("services[]", str(each)) for each in feed.service_bodies]
    return [*_of_servers(feed), *bodies, *([("recursive", "1")] if bodies else [])]


async def _asked(
    client: HttpClient, feed: RegisteredFeed, operation: str, *more: tuple[str, str], bytes_most: int = BYTES_MOST
) -> bytes:
    query = urlencode([("switcher", operation), *more], safe="[],")
    url = f"{feed.root}client_interface/json/?{query}"
    found = await fetching.get(client, url, limits=Limits(bytes=bytes_most))
    assert isinstance(found, Fetched)  # nothing was asked on a condition
    return found.content

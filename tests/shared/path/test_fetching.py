"""A public document over real HTTP: whole, with limits, from no other host, and not again where it has not changed."""

import gzip
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.path.outbound import fetching
from shared.path.outbound.fetching import Fetched, FetchFailed, Limits, Validators
from tests.publisher import Document, Publisher

CONTENT = b'[{"name": "Nooners", "slug": "nooners"}]' * 1000
ETAG, SINCE = 'W/"6c132-941"', "Sun, 06 Nov 1994 08:49:37 GMT"
FEW = Limits(bytes=1_000_000)


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    async with Publisher().open() as opened:
        yield opened


async def get(url: str, validators: Validators = fetching.NO_VALIDATORS, limits: Limits = FEW) -> Fetched | None:
    async with fetching.client(url) as opened:
        return await fetching.get(opened, url, validators, limits)


async def why_not(url: str, limits: Limits = FEW) -> str:
    with pytest.raises(FetchFailed) as failed:
        await get(url, limits=limits)
    return failed.value.code


@pytest.mark.parametrize("conduct", ["answers", "gzip"])
async def test_a_document_is_fetched_whole_with_what_names_its_version(publisher: Publisher, conduct: str) -> None:
    url = publisher.publish("/feed.json", CONTENT, conduct=conduct, etag=ETAG, last_modified=SINCE)
    assert await get(url) == Fetched(CONTENT, Validators(ETAG, SINCE))


@pytest.mark.parametrize(
    "validators", [Validators(etag=ETAG), Validators(last_modified=SINCE), Validators(ETAG, SINCE)]
)
async def test_what_has_not_changed_is_not_sent_again(publisher: Publisher, validators: Validators) -> None:
    url = publisher.publish("/feed.json", CONTENT, etag=ETAG, last_modified=SINCE)
    assert await get(url, validators) is None
    came = publisher.requests[0].headers
    assert (came.get("if-none-match", ""), came.get("if-modified-since", "")) == (
        validators.etag,
        validators.last_modified,
    )


async def test_a_304_that_nobody_asked_for_is_no_document(publisher: Publisher) -> None:
    assert await why_not(publisher.publish("/feed.json", status=304)) == "http-304"


async def test_a_validator_that_cannot_stand_in_a_header_again_is_none(publisher: Publisher) -> None:
    url = publisher.publish("/feed.json", CONTENT, etag='"caf\xe9"', last_modified="x" * 600)
    assert await get(url) == Fetched(CONTENT)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (Document(status=404), "http-404"),
        (Document(status=500), "http-500"),
        (Document(status=206), "http-206"),
        (Document(CONTENT, conduct="cut"), "cut-off"),
        (Document(CONTENT, conduct="cut-gzip"), "cut-off"),
        (Document(CONTENT, conduct="brotli"), "encoding"),
        (Document(CONTENT, headers={"content-encoding": "gzip"}), "encoding"),
        (Document(b"x" * (FEW.bytes + 1)), "too-large"),
        (Document(b"x" * (FEW.bytes + 1), conduct="gzip"), "too-large"),
        (Document(status=302, headers={"location": "https://elsewhere.example/feed.json"}), "redirected-elsewhere"),
        (Document(status=302, headers={"location": "//127.0.0.1:9/feed.json"}), "redirected-elsewhere"),
        (Document(status=302, headers={"location": "file:///etc/passwd"}), "redirected-elsewhere"),
        (Document(status=302, headers={"location": "/feed.json"}), "redirected-too-often"),
        (Document(status=302), "http-302"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_what_cannot_be_had_whole_has_a_reason(publisher: Publisher, document: Document, code: str) -> None:
    publisher.documents["/feed.json"] = document
    assert await why_not(f"{publisher.url}/feed.json") == code


async def test_whoever_takes_too_long_is_slow(publisher: Publisher) -> None:
    url = publisher.publish("/feed.json", conduct="slow")
    assert await why_not(url, Limits(seconds=0.3)) == "slow"


async def test_nobody_listens() -> None:
    assert await why_not("http://127.0.0.1:1/feed.json") == "unreachable"


async def test_a_redirect_on_the_same_host_is_followed(publisher: Publisher) -> None:
    publisher.publish("/old.json", status=301, headers={"location": "/new.json"})
    publisher.publish("/new.json", CONTENT)
    assert await get(f"{publisher.url}/old.json") == Fetched(CONTENT)


async def test_exactly_as_many_bytes_as_are_allowed_are_read(publisher: Publisher) -> None:
    url = publisher.publish("/feed.json", b"x" * FEW.bytes, conduct="gzip")
    assert await get(url, limits=Limits(5.0, FEW.bytes)) == Fetched(b"x" * FEW.bytes)


async def test_members_of_gzip_one_after_the_other_are_one_document(publisher: Publisher) -> None:
    packed = gzip.compress(CONTENT) + gzip.compress(CONTENT)
    assert await get(publisher.publish("/feed.json", packed, headers={"content-encoding": "gzip"})) == Fetched(
        CONTENT * 2
    )


async def test_a_bomb_is_cut_while_it_is_unpacked(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    url = publisher.publish("/feed.json", b"\0" * 400_000_000, conduct="gzip")
    unpacked = list[int]()
    step = fetching._Gzip.step

    def counted(self: fetching._Gzip, packed: bytes) -> tuple[bytes, bytes]:
        part, left = step(self, packed)
        unpacked.append(len(part))
        return part, left

    monkeypatch.setattr(fetching._Gzip, "step", counted)
    with pytest.raises(FetchFailed, match="too-large"):
        await get(url, limits=Limits(20.0, 8_000_000))
    assert sum(unpacked) <= 8_000_000 + fetching._UNPACKED_AT_ONCE and max(unpacked) <= fetching._UNPACKED_AT_ONCE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("999999999", 86_400), ("-5", 0), ("soon", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("", 0)],
)
async def test_a_publisher_that_asks_to_be_left_alone_is(publisher: Publisher, text: str, seconds: int) -> None:
    url = publisher.publish("/feed.json", status=429, headers={"retry-after": text})
    with pytest.raises(FetchFailed) as failed:
        await get(url)
    assert failed.value.retry_after == timedelta(seconds=seconds)


async def test_who_asks_names_itself_and_brings_nothing_else(publisher: Publisher) -> None:
    await get(publisher.publish("/feed.json", CONTENT))
    came = dict(publisher.requests[0].headers)
    assert came.pop("host") == publisher.url.removeprefix("http://") and came.pop("connection") == "keep-alive"
    assert came == {
        "user-agent": fetching.USER_AGENT,
        "accept": "application/json, text/csv;q=0.9, */*;q=0.1",
        "accept-encoding": "gzip",
    }

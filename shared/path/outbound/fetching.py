"""A public document over HTTP, whole: from a fixed address and no other host, with limits in seconds and bytes.

What a publisher sends is anybody's: it is unpacked step by step, so that a small answer which would fill the memory is
cut while it is unpacked. Validators (RFC 9110, 8.8) go back as they came, both of them; a 304 means that what was
fetched with them stands.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from shared.path.outbound.http import HttpClient, public_authorities
from shared.platform.build import VERSION
from shared.platform.clock import machine_now

SECONDS_MOST = 20.0
BYTES_MOST = 32 * 1024 * 1024
"""Of a document, unpacked."""
REDIRECTS_MOST = 3
USER_AGENT = f"iop-hub/{VERSION} (reads whole public feeds, on a schedule)"
_UNPACKED_AT_ONCE = 512 * 1024
"""Bytes; others have their turn in between."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_VALIDATOR_CHARACTERS_MOST = 512
_RETRY_MOST = timedelta(days=1)


class Validators(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a publisher names a version of its document by; empty where it names none."""

    etag: str = ""
    last_modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}


NO_VALIDATORS = Validators()


@dataclass(frozen=True, slots=True)
class Fetched:
    content: bytes
    validators: Validators = NO_VALIDATORS


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one document: seconds in all, redirects among them, and bytes unpacked."""

    seconds: float = SECONDS_MOST
    bytes: int = BYTES_MOST


LIMITS = Limits()


class FetchFailed(Exception):
    """The document can't be had; `code` says why, `retry_after` how long its publisher asks to be left alone."""

    def __init__(self, code: str, retry_after: timedelta = timedelta()) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


@asynccontextmanager
async def client(url: str) -> AsyncIterator[HttpClient]:
    """For documents of one publisher. On loopback no proxy and no certificate is asked for."""
    secure = url.startswith("https:")
    verify = await asyncio.to_thread(public_authorities) if secure else False
    async with httpx.AsyncClient(timeout=None, follow_redirects=False, verify=verify, trust_env=secure) as opened:
        yield opened


async def get(
    opened: HttpClient, url: str, validators: Validators = NO_VALIDATORS, limits: Limits = LIMITS
) -> Fetched | None:
    """The document at this address; None where it is still the one with these validators. Raises FetchFailed."""
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json, text/csv;q=0.9, */*;q=0.1",
        "Accept-Encoding": "gzip",
        **validators.headers,
    }
    try:
        async with asyncio.timeout(limits.seconds):
            return await _followed(opened, url, headers, limits)
    except TimeoutError:
        raise FetchFailed("slow") from None
    except httpx.RemoteProtocolError:
        raise FetchFailed("cut-off") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        raise FetchFailed("unreachable") from None


async def _followed(opened: HttpClient, url: str, headers: Mapping[str, str], limits: Limits) -> Fetched | None:
    for _ in range(REDIRECTS_MOST + 1):
        async with opened.stream("GET", url, headers=dict(headers)) as answer:
            if not answer.has_redirect_location:
                return await _answered(answer, "If-None-Match" in headers or "If-Modified-Since" in headers, limits)
            url = _next(url, answer.headers["location"])
    raise FetchFailed("redirected-too-often")


def _next(url: str, location: str) -> str:
    """Where a redirect leads. Raises FetchFailed where that is another host: nobody decided to trust it."""
    found = urljoin(url, location)
    if urlsplit(found)[:2] != urlsplit(url)[:2]:
        raise FetchFailed("redirected-elsewhere")
    return found


async def _answered(answer: httpx.Response, asked_for_news: bool, limits: Limits) -> Fetched | None:
    if answer.status_code == httpx.codes.NOT_MODIFIED and asked_for_news:
        return None
    if answer.status_code != httpx.codes.OK:
        raise FetchFailed(f"http-{answer.status_code}", _retry_after(answer.headers.get("retry-after", "")))
    content = await _content(answer, limits.bytes)
    named = [_validator(answer.headers.get(name, "")) for name in ("etag", "last-modified")]
    return Fetched(content, Validators(*named))


def _validator(text: str) -> str:
    """As it came, or none: what can't stand in a header again is sent to nobody."""
    return text if len(text) <= _VALIDATOR_CHARACTERS_MOST and text.isascii() and text.isprintable() else ""


def _retry_after(text: str) -> timedelta:
    """Seconds, or an instant (RFC 9110, 10.2.3)."""
    try:
        wanted = timedelta(seconds=int(text)) if text.isdecimal() else parsedate_to_datetime(text) - machine_now()
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    return min(max(wanted, timedelta()), _RETRY_MOST)


async def _content(answer: httpx.Response, bytes_most: int) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise FetchFailed("encoding")
    unpack = _Gzip() if encoding not in ("identity", "") else None
    content = bytearray()
    async for chunk in answer.aiter_raw():
        async for part in _parts(chunk, unpack):
            content += part
            if len(content) > bytes_most:
                raise FetchFailed("too-large")
    if unpack is not None and not unpack.is_whole:
        raise FetchFailed("cut-off")
    return bytes(content)


async def _parts(chunk: bytes, unpack: "_Gzip | None") -> AsyncIterator[bytes]:
    if unpack is None:
        yield chunk
        return
    while chunk:
        part, chunk = unpack.step(chunk)
        yield part
        await asyncio.sleep(0)


class _Gzip:
    """Unpacks so much at a time; of several members one after the other, as one document (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self.is_whole = False

    def step(self, packed: bytes) -> tuple[bytes, bytes]:
        """The next part, and what is still packed. Raises FetchFailed."""
        if self.is_whole:
            self._member, self.is_whole = zlib.decompressobj(_GZIP_OR_ZLIB), False
        try:
            part = self._member.decompress(packed, _UNPACKED_AT_ONCE)
        except zlib.error:
            raise FetchFailed("encoding") from None
        self.is_whole = self._member.eof
        return part, self._member.unused_data if self._member.eof else self._member.unconsumed_tail

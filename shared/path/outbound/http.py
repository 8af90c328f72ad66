"""HTTP out of a service: what it posts, and small JSON. What is answered is read to a limit, in time and in bytes."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import httpx

from shared.path.destination import Transport
from shared.path.outbound.sender import Delivered, NotSent, RefusedForGood, Reply, Trouble, WhyNot
from shared.platform.settings import ConfigurationError, configuration
from shared.rules.partner_access import NO_ACCESS, Access

HttpClient = httpx.AsyncClient
FETCH_SECONDS_MOST = 5.0
FETCH_BYTES_MOST = 256 * 1024
_PASSING = frozenset({408, 409, 425, 429})
"""Client errors that may pass; every other 4xx is a permanent refusal."""
_FIRST_BYTE = "http11.send_request_headers.started"
"""The step of httpcore's `trace` extension at which the connection is open and nothing of the request was written."""


@asynccontextmanager
async def client(access: Access = NO_ACCESS) -> AsyncIterator[HttpClient]:
    """Raises ConfigurationError."""
    async with httpx.AsyncClient(timeout=None, follow_redirects=False, verify=tls(access)) as opened:
        yield opened


def tls(access: Access = NO_ACCESS) -> ssl.SSLContext:
    """Which authority must have signed for whom we reach, and the certificate by which they know us. Raises
    ConfigurationError."""
    if not access.ca_file and not access.cert_file:
        return public_authorities()
    with _pem(access.ca_file, "a certificate in PEM"):
        context = ssl.create_default_context(cafile=access.ca_file) if access.ca_file else httpx.create_ssl_context()
    if access.cert_file:
        with _pem(access.cert_file, f"a certificate in PEM, and {access.key_file} its key without a password"):
            # Without a password one that is encrypted is refused; OpenSSL would ask the terminal.
            context.load_cert_chain(access.cert_file, access.key_file, password=lambda: b"")
    return context


@cache
def public_authorities() -> ssl.SSLContext:
    """The one of all who are reached without a certificate of ours: reading every authority takes 20 ms or more."""
    return httpx.create_ssl_context()


@contextmanager
def _pem(file: str, what: str) -> Iterator[None]:
    with configuration(file):
        try:
            yield
        except (ssl.SSLError, ValueError):
            raise ConfigurationError(f"{file}: must be {what}.") from None


async def post(
    opened: HttpClient, transport: Transport, body: bytes, headers: Mapping[str, str], why_not: WhyNot
) -> Reply:
    """Send once. An answer that takes too long counts as trouble; of a long one only its status counts.

    Raises httpx.UnsupportedProtocol or httpx.InvalidURL for an address that is none.
    """
    send = _Send(why_not, transport.seconds_most)
    try:
        async with (
            send.limit,
            opened.stream(
                "POST", transport.url, content=body, headers=dict(headers), extensions={"trace": send.step}
            ) as answer,
        ):
            await _drain(answer, transport.answer_bytes_most)
    except httpx.UnsupportedProtocol:
        raise
    except _StoppedError as stopped:
        return NotSent(stopped.reason)
    except (httpx.TransportError, httpx.DecodingError, ssl.SSLError, TimeoutError) as error:
        # Who refuses our certificate says so after the handshake, and httpx passes that on as it is.
        return (Trouble if send.began else NotSent)(type(error).__name__)
    if answer.is_success:
        return Delivered()
    reason = f"http-{answer.status_code}"
    permanent = answer.is_client_error and answer.status_code not in _PASSING
    return RefusedForGood(reason) if permanent else Trouble(reason)


class _StoppedError(Exception):
    """The request was stopped before its first byte."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Send:
    """One request: whether it began, and how long connecting and answering may take in all. What is asked between them
    takes its own time."""

    def __init__(self, why_not: WhyNot, seconds_most: float) -> None:
        self._why_not = why_not
        self.limit = asyncio.timeout(seconds_most)
        self.began = False

    async def step(self, name: str, _: Mapping[str, object]) -> None:
        if name != _FIRST_BYTE:
            return
        loop = asyncio.get_running_loop()
        left = (self.limit.when() or loop.time()) - loop.time()
        # What is committed here must not be cut off half-way.
        self.limit.reschedule(None)
        if (reason := await self._why_not()) is not None:
            raise _StoppedError(reason)
        self.began = True
        self.limit.reschedule(loop.time() + left)


async def post_form(opened: HttpClient, url: str, form: Mapping[str, str]) -> bytes:
    """What is answered to a form. Raises OSError when nothing is, no success, or more bytes than any such answer."""
    content = bytearray()
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS_MOST),
            opened.stream("POST", url, data=dict(form), headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > FETCH_BYTES_MOST:
                    raise OSError("too long")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(type(error).__name__) from None
    return bytes(content)


async def _drain(answer: httpx.Response, most: int) -> None:
    """Read the answer, for the connection's sake, up to the limit; what follows is cut off with the connection."""
    length = 0
    async for chunk in answer.aiter_raw():
        length += len(chunk)
        if length > most:
            return


async def fetch_json(url: str) -> Any:
    """A JSON document over HTTP. Raises OSError when it can't be had, or has more bytes than any such document."""
    content = bytearray()
    try:
        # Reading them stops the loop, and plain HTTP needs none.
        verify = public_authorities() if url.startswith("https:") else False
        async with (
            asyncio.timeout(FETCH_SECONDS_MOST),
            httpx.AsyncClient(timeout=None, verify=verify) as opened,
            opened.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > FETCH_BYTES_MOST:
                    raise OSError("too long")
        return json.loads(content)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(type(error).__name__) from error

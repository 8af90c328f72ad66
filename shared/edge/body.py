"""The body of a request, read up to a limit of bytes and seconds."""

import asyncio

from starlette.requests import Request

from shared.edge.outcome import Code, HttpRefusal, refuse

BODY_SECONDS_MOST = 30.0
"""How long a body may take to arrive: a sender that drips must not hold its place for ever."""


async def read_body(
    request: Request, bytes_max: int, seconds_most: float = BODY_SECONDS_MOST, code: Code = "too-long"
) -> bytes:
    """The body, stopped at the limits: a sender without a Content-Length is counted as it sends. Raises HttpRefusal."""
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > bytes_max:
        raise _too_long(bytes_max, code)
    chunks, length = [], 0
    try:
        async with asyncio.timeout(seconds_most):
            async for chunk in request.stream():
                length += len(chunk)
                if length > bytes_max:
                    raise _too_long(bytes_max, code)
                chunks.append(chunk)
    except TimeoutError:
        raise refuse(
            408, "timeout", "", f"The body must arrive within {seconds_most:.0f} seconds.", Connection="close"
        ) from None
    return b"".join(chunks)


def _too_long(bytes_max: int, code: Code) -> HttpRefusal:
    return refuse(413, code, "", f"The body must be at most {bytes_max} bytes.")

"""Standard Webhooks (standardwebhooks.com): the receiver can check who sent a page, and that nobody changed it."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)


def secret(text: str) -> bytes:
    """A secret as it is written, `whsec_` and base64. Raises ValueError, never with what stands there."""
    try:
        found = b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except ValueError:
        found = b""
    if len(found) not in SECRET_BYTES:
        raise ValueError(f"must hold {PREFIX} and base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes")
    return found


def headers(id: str, at: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (s, machine time) and a `webhook-signature` for each secret."""
    seconds = str(int(at.timestamp()))
    signed = f"{id}.{seconds}.".encode() + body
    digests = (hmac.new(each, signed, hashlib.sha256).digest() for each in secrets)
    signatures = " ".join(f"v1,{b64encode(digest).decode()}" for digest in digests)
    identified = {"webhook-id": id, "webhook-timestamp": seconds}
    return {**identified, "webhook-signature": signatures} if signatures else identified

"""Small forms of large things, so that a state stays small: ids as 22 characters, instants as seconds."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

DAY = 86_400
"""In seconds."""


def pack_id(identity: str) -> str:
    return urlsafe_b64encode(UUID(identity).bytes).decode().rstrip("=")


def unpack_id(packed: str) -> str:
    return str(UUID(bytes=urlsafe_b64decode(packed + "==")))


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def instant(count: int) -> datetime:
    return datetime.fromtimestamp(count, UTC)

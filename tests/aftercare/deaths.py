"""The points at which a lane's holder may die: around what it commits before the first byte and after the answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from shared.path.outbound.accounting import Accounts

WRITTEN = "the partner has read it"
POINTS = ("before the attempt", "after the attempt", WRITTEN, "before the end", "after the end")
Die = Callable[[str], Awaitable[None]]
"""Called at each point; does not return where the holder dies there."""


def dying(die: Die) -> dict[str, Callable[..., Awaitable[Any]]]:
    """The writers of the books by name, as they are written by somebody who may die around each commit."""
    attempted, sent = Accounts.attempted, Accounts.sent

    async def attempts(*about: Any) -> bool:
        await die(POINTS[0])
        answer = await attempted(*about)
        await die(POINTS[1])
        return answer

    async def ends(*about: Any) -> None:
        await die(POINTS[3])
        await sent(*about)
        await die(POINTS[4])

    return {"attempted": attempts, "sent": ends}

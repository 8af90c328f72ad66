"""Waiting for an answer, but not for ever: what hangs is named, and hangs nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

import httpx
from aiokafka.errors import KafkaError

from deploy.doctor.facts import NoAnswer
from deploy.failure import CannotContinueError
from deploy.queries import DATABASE_ERRORS
from shared.platform.settings import ConfigurationError

T = TypeVar("T")
SECONDS_MOST = 3.0
SILENCE = (KafkaError, httpx.HTTPError, *DATABASE_ERRORS)
UNUSABLE = (CannotContinueError, ConfigurationError)
"""Their text is made for a person, and holds no patient's data."""


async def answered(asking: Awaitable[T], seconds: float) -> T | NoAnswer:
    """The answer, or why there is none: whatever happens, it is no end of the other questions."""
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        return NoAnswer(f"no answer within {seconds:g} s")
    except UNUSABLE as wrong:
        return NoAnswer(str(wrong))
    except SILENCE as silence:
        return NoAnswer(f"does not answer ({type(silence).__name__})")
    except Exception as unforeseen:
        return NoAnswer(f"could not be asked ({type(unforeseen).__name__})")


def in_thread(look: Callable[[], T]) -> Awaitable[T]:
    """What may block, in a thread that nobody waits for at the end: a file system may hang for ever."""
    done: Future[T] = Future()

    def run() -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(look())
        except Exception as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(done)

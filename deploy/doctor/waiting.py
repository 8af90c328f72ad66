"""Waiting for an answer, but not for ever: what hangs is named, and hangs nobody else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

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
    """The answer, or why there is none: whatever happens, it is no end of the other questions. What is late is left
    alone and not waited for: it may not even end once it is cancelled."""
    question = asyncio.ensure_future(asking)
    if not (await asyncio.wait([question], timeout=seconds))[0]:
        question.cancel()
        return NoAnswer(f"did not answer in {seconds:g} s")
    try:
        return question.result()
    except UNUSABLE as wrong:
        return NoAnswer(str(wrong))
    except SILENCE as silence:
        return NoAnswer(f"does not answer ({type(silence).__name__})")
    except Exception as unforeseen:
        return NoAnswer(f"could not be asked ({type(unforeseen).__name__})")


def in_thread(look: Callable[[], T]) -> Awaitable[T]:
    """What may block, in a thread that nobody waits for at the end: a file system may hang for ever."""
    return asyncio.wrap_future(_begun(lambda done: done.set_result(look())))


def run(asking: Coroutine[Any, Any, T]) -> T:
    """What it answers, on a loop that nobody waits for at the end either: a question that hangs, or the resolver it is
    hung by, ends with the command."""

    async def ask(done: "Future[T]") -> None:
        done.set_result(await asking)

    def look(done: "Future[T]") -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(ask(done))

    return _begun(look).result()


class _Loop(asyncio.SelectorEventLoop):
    """asyncio resolves names in threads that the process waits for at its end."""

    async def getaddrinfo(self, *asked: Any, **more: Any) -> Any:
        return await in_thread(lambda: socket.getaddrinfo(*asked, **more))


def _begun(look: "Callable[[Future[T]], None]") -> "Future[T]":
    """What a thread will say that ends with the process."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def begin() -> None:
        try:
            look(done)
        except Exception as error:
            if not done.done():
                done.set_exception(error)

    Thread(target=begin, daemon=True).start()
    return done

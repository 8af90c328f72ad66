"""Logging: one JSON object a line on stderr, fields from an allow-list, so that no identifier can slip in."""

import errno
import logging
import sys
from typing import Any

import structlog

from shared.platform import tracing
from shared.platform.clock import ticks
from shared.platform.settings import LogLevel

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "service", "lane", "topic", "partition", "offset", "delivery", "count", "class",
        "place", "error", "sqlstate", "seconds", "attempt", "status", "method", "route", "client", "code", "id", "port",
        "partner", "program", "replica", "trace_id",
    }
)  # fmt: skip
"""What may be logged: technical names, counts and the hub's own opaque ids. Anything else is dropped, not masked."""


def _only_allowed(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name in ALLOWED}


def _with_trace(_: object, __: str, line: dict[str, object]) -> dict[str, object]:
    """The trace that is open where the line is written: it leads from a log to the spans."""
    trace_id = tracing.trace_id()
    return line if trace_id is None else {**line, "trace_id": trace_id}


def configure(service: str, level: LogLevel = "info") -> None:
    """Route structlog and the standard library's loggers through the same allow-list. Called at start."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
        _only_allowed,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


KAFKA_TROUBLE = "Kafka can't be reached or answers late: its client tries again"
_SENTENCES = {
    "aiokafka": KAFKA_TROUBLE,
    "faststream": KAFKA_TROUBLE,
    "uvicorn": "the HTTP server was sent what is no HTTP, or lost a connection",
    "opentelemetry": "the collector of traces can't be reached, or refuses: spans are dropped",
    "asyncio": "a task of the event loop took long, or ended unseen",
    "py": "a library warns of what it will no longer do",
}
"""What a library's warnings mean, by its logger's first name."""


class _Foreign(logging.Handler):
    """Libraries may put values into their messages: only what is known of them, their place and the error's kind are
    stored. Trouble with Kafka comes by the thousand, and is written once a minute."""

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else record.msg
        fields = {"error": _kind(raised)} if isinstance(raised, BaseException) else {}
        sentence = _SENTENCES.get(record.name.partition(".")[0], f"{record.name} reports trouble")
        if sentence == KAFKA_TROUBLE:
            seldom(sentence, place=f"{record.module}:{record.lineno}", **fields)
        else:
            get().log(record.levelno, sentence, place=f"{record.module}:{record.lineno}", **fields)


def _kind(error: BaseException) -> str:
    """The error's type and, from the system, which error it is: `OSError EADDRINUSE`."""
    name = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{type(error).__name__} {name}" if name else type(error).__name__


def get() -> Any:
    return structlog.get_logger()


SELDOM_SECONDS = 60.0
_warned_at: dict[str, float] = {}


def seldom(sentence: str, **fields: object) -> None:
    """A warning that repeats as long as the trouble lasts: at most once a minute."""
    now = ticks()
    if now - _warned_at.get(sentence, -SELDOM_SECONDS) >= SELDOM_SECONDS:
        _warned_at[sentence] = now
        get().warning(sentence, **fields)


def place_of(error: BaseException) -> str:
    """Where an error was raised: its type, file and line. Never its message, which may hold a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = trace.tb_frame.f_code.co_filename.rsplit("/", 1)[-1]
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"

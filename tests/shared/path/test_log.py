"""What a library logs: its name, the place and the kind of error; never its events."""

import ast
import errno
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.platform import log, tracing
from tests.house.test_rooms import ROOT, files
from tests.traced import RECORDED, TRACE


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process writes on stderr once logging is configured."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    log.configure("intake")
    yield stderr
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def last(written: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(written.getvalue().splitlines()[-1])
    return line


def test_a_line_that_is_written_in_a_trace_leads_to_it(written: io.StringIO) -> None:
    with tracing.span("edge", RECORDED):
        log.get().info("answered")
    assert last(written)["trace_id"] == TRACE
    log.get().info("afterwards")
    assert "trace_id" not in last(written)


def test_a_librarys_events_are_dropped(written: io.StringIO) -> None:
    logging.getLogger("library").error("patient %s", "Jane Doe")
    assert last(written)["event"] == "library reports trouble"
    assert "error" not in last(written)
    assert "Doe" not in written.getvalue()


def test_an_error_keeps_its_kind_however_it_was_logged(written: io.StringIO) -> None:
    taken = OSError(errno.EADDRINUSE, "address of Jane Doe already in use")
    logging.getLogger("uvicorn.error").error(taken)
    assert last(written)["error"] == "OSError EADDRINUSE"
    try:
        raise taken
    except OSError:
        logging.getLogger("library").exception("Jane Doe")
    assert last(written)["error"] == "OSError EADDRINUSE"
    assert "Doe" not in written.getvalue()


def test_an_error_without_a_number_is_its_type(written: io.StringIO) -> None:
    logging.getLogger("library").error(ValueError("Jane Doe"))
    assert last(written)["error"] == "ValueError"


def test_kafka_trouble_is_one_sentence_a_minute(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(log, "ticks", lambda: now)
    for _ in range(2000):
        logging.getLogger("aiokafka.conn").error("Unable to connect to %s", "10.0.0.1")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == [log.KAFKA_TROUBLE]
    now += 61.0
    logging.getLogger("aiokafka.cluster").warning("Topic not found")
    assert len(written.getvalue().splitlines()) == 2


def test_no_line_of_the_log_has_a_field_that_is_dropped() -> None:
    """What is not allowed is dropped without a word: the line would say less than its writer meant."""
    dropped = {
        f"{file.relative_to(ROOT)}: {each.arg}"
        for file in files("shared", "services")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("log.get().", "log.seldom"))
        for each in node.keywords
        if each.arg is not None and each.arg not in log.ALLOWED
    }
    assert dropped == set()

"""`iop` run in this process: the command, its one line, its code, without the second in which a process imports it."""

import io
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from deploy.cli import main


def iop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `test_cli.iop` runs it. In a thread: a command begins an event loop of its own."""
    printed, wrong = io.StringIO(), io.StringIO()
    logs = logging.getLogger("aiokafka")
    with (
        mock.patch.object(sys, "argv", ["iop", *arguments]),
        mock.patch.dict(os.environ, environment),
        redirect_stdout(printed),
        redirect_stderr(wrong),
        ThreadPoolExecutor(1) as thread,
    ):
        level = logs.level
        code = thread.submit(_code).result()
        logs.setLevel(level)
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), wrong.getvalue())


def _code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)

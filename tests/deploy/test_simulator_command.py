"""`iop lab simulator`: it takes an order, reports on it by itself, and leaves nothing running."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import clock
from deploy.laboratory import lines
from deploy.laboratory.orders import Laboratory
from deploy.laboratory.panel import ANALYTES, analyte
from deploy.paths import LOOPBACK, REPOSITORY
from tests.deploy.in_process import iop
from tests.deploy.test_laboratory import NOW, code, fields, order

SECONDS_MOST = 20.0


@contextmanager
def simulator(data: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """As a person starts it, until Ctrl-C: code 130."""
    command = (sys.executable, "-u", "-m", "deploy.cli", "lab", "simulator", "--listen", "0", "--data", str(data))
    begun = subprocess.Popen((*command, *options), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield begun
    finally:
        begun.send_signal(signal.SIGINT)
        assert begun.wait(SECONDS_MOST) == 130
        assert begun.stdout is not None
        begun.stdout.close()


def line(begun: "subprocess.Popen[str]") -> str:
    assert begun.stdout is not None
    return begun.stdout.readline().rstrip("\n")


@pytest.mark.processes
def test_an_order_is_answered_and_reported_at_the_hubs_time_and_nothing_is_left_running(tmp_path: Path) -> None:
    clock.begin(tmp_path, NOW)
    hub = Laboratory()
    reported = list[bytes]()
    with lines.listening(hub, lambda: NOW, then=lambda message, _: reported.append(message)) as address:
        place = address.removeprefix("mllp://")
        with simulator(tmp_path, "--report-to", place, "--after", "0", "--positive", "59673-4") as begun:
            listens = re.fullmatch(rf"listening at mllp://{LOOPBACK}:(\d+), reporting to {place}", line(begun))
            assert listens is not None
            port = int(listens[1])
            assert code(lines.send(LOOPBACK, port, order("M1"))) == "AA OK"
            printed = sorted((line(begun), line(begun)))
    # What stands in for the hub here is no hub: it reads orders alone.
    assert printed == ["order ORD-7: NW, answered AA OK", "order ORD-7: reported, found fentanyl, answered AR"]
    assert fields(reported[0], "OBR")[7] == "20260105150000+0000"
    with pytest.raises(OSError, match="refused"):
        lines.send(LOOPBACK, port, order("M2"))


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--positive", "aspirin"), "must be one of: amphetamines"),
        (("--answer", "perhaps"), "must be one of: accept"),
        (("--report-to", "2575"), "must be HOST:PORT"),
        (("--pair", __file__), "--pair and --authority go together"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, options: tuple[str, ...], wrong: str) -> None:
    done = iop("lab", "simulator", "--data", str(tmp_path), *options)
    assert done.returncode in (1, 2)
    assert wrong in done.stderr


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("benzoylecgonine", "benzoylecgonine"),
        ("14314-9", "benzoylecgonine"),
        ("cocaine", "benzoylecgonine"),
        ("THC", "cannabinoids"),
        ("marijuana", "cannabinoids"),
        ("pcp", "phencyclidine"),
    ],
)
def test_an_analyte_is_called_as_people_call_it(called: str, name: str) -> None:
    found = analyte(called)
    assert found is not None and found.name == name


def test_no_two_analytes_are_called_the_same() -> None:
    names = [name for each in ANALYTES for name in (each.name, each.loinc, *each.known_as)]
    assert sorted({name.lower() for name in names}) == sorted(names)

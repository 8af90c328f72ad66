"""`iop lab simulator`: a laboratory that stands in for yours, to try orders and results with."""

import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy import clock, hubfile
from deploy.commands.common import DEFAULT_DATA, Data, out
from deploy.failure import CannotContinueError
from deploy.laboratory import lines
from deploy.laboratory.messages import Fault, Segment, read
from deploy.laboratory.orders import ANSWERING, Answering, Laboratory, Order, bare
from deploy.laboratory.panel import ANALYTES, analyte
from deploy.laboratory.reports import report

PORT = 2577
TRIES_MOST, SECONDS_BETWEEN = 60, 1.0


def _analyte(name: str) -> str:
    if (found := analyte(name)) is None:
        names = ", ".join(" or ".join((each.name, *each.known_as)) for each in ANALYTES)
        raise typer.BadParameter(f"must be one of: {names}; or its LOINC code")
    return found.name


def _answering(text: str) -> Answering:
    for each in ANSWERING:
        if each == text:
            return each
    raise typer.BadParameter(f"must be one of: {', '.join(ANSWERING)}")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise CannotContinueError("--report-to: must be HOST:PORT, like 127.0.0.1:2575")
    return host, int(port)


def simulator(
    listen: Annotated[int, typer.Option(metavar="PORT", help="On loopback.", min=0, max=65_535)] = PORT,
    report_to: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="MLLP without TLS; default: the hub of --data.")
    ] = None,
    after: Annotated[float, typer.Option(metavar="SECONDS", help="From the order to its report.", min=0)] = 5.0,
    positive: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", parser=_analyte, help="An analyte or its LOINC code; several. Default: none."),
    ] = None,
    answer: Annotated[
        Answering, typer.Option(metavar="HOW", parser=_answering, help=f"{', '.join(ANSWERING)}.")
    ] = "accept",
    answer_after: Annotated[float, typer.Option(metavar="SECONDS", help="How long it takes.", min=0)] = 0.0,
    pair: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="With TLS: its certificate and key, as PEM."),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="With TLS: who signs its clients', as PEM."),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Take orders over MLLP and report on each, until Ctrl-C. Its time is that of the hub of --data."""
    if (pair is None) != (authority is None):
        raise CannotContinueError("--pair and --authority go together: with TLS both sides show a certificate")
    simulated = Simulated(
        Laboratory(answering=answer, answer_seconds=answer_after),
        _address(report_to) if report_to else _hubs(data),
        data,
        after,
        tuple(positive or ()),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    identity = lines.Identity(pair, authority) if pair and authority else None
    with lines.listening(simulated.laboratory, simulated.now, listen, identity, simulated.answered) as address:
        out.print(f"listening at {address}, reporting to {':'.join(map(str, simulated.report_to))}", markup=False)
        threading.Event().wait()


def _hubs(data: Path) -> tuple[str, int]:
    testing = hubfile.read(data).services.get("testing")
    if testing is None or not testing.mllp:
        raise CannotContinueError("--report-to: must be stated: the hub of --data listens at no MLLP port")
    return _address(str(testing.mllp).rpartition("/")[2])


class Simulated:
    """One that prints what it does, by numbers alone, and reports by itself."""

    def __init__(
        self,
        laboratory: Laboratory,
        report_to: tuple[str, int],
        data: Path,
        after: float,
        positive: Sequence[str],
    ) -> None:
        self.laboratory, self.report_to = laboratory, report_to
        self._data, self._after, self._positive = data, after, positive
        self._waiting: set[str] = set()

    def now(self) -> datetime:
        return clock.now(self._data)

    def answered(self, message: bytes, answers: Sequence[bytes]) -> None:
        coded = " and ".join(_code(each) for each in answers) or "nothing"
        for each in _controls(message):
            out.print(f"order {bare(each.field(2))}: {each.field(1)}, answered {coded}", markup=False)
        for order in tuple(self.laboratory.orders.values()):
            if order.status == "ordered" and order.number not in self._waiting:
                self._waiting.add(order.number)
                timer = threading.Timer(self._after, self._report, (order,))
                timer.daemon = True
                timer.start()

    def _report(self, order: Order) -> None:
        self._waiting.discard(order.number)
        standing = self.laboratory.order(order.number)
        if standing is None or standing.status != "ordered":
            return
        at = self.now()
        message = report(self.laboratory.reported(standing), at, at, self._positive)
        for _ in range(TRIES_MOST):
            try:
                answer = _code(lines.send(*self.report_to, message))
            except OSError as failure:
                answer = type(failure).__name__
            found = ", ".join(self._positive) or "nothing"
            out.print(f"order {bare(order.number)}: reported, found {found}, answered {answer}", markup=False)
            if answer in ("AA", "AR", "AE"):
                return
            threading.Event().wait(SECONDS_BETWEEN)


def _controls(message: bytes) -> list[Segment]:
    try:
        return [each for each in read(message) if each.name == "ORC"]
    except Fault:
        return []


def _code(answer: bytes) -> str:
    """MSA-1, and what each ORC-1 says."""
    segments = read(answer)
    controls = [each.field(1) for each in segments if each.name == "ORC"]
    return " ".join([next(each.field(1) for each in segments if each.name == "MSA"), *controls])

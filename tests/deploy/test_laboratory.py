"""The laboratory that stands in for yours: orders are taken, changed, cancelled and answered once, and what it reports
is read by testing as it is meant."""

import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.certificates import Authority
from deploy.failure import CannotContinueError
from deploy.laboratory import lines
from deploy.laboratory.lines import END, START, Identity
from deploy.laboratory.messages import read
from deploy.laboratory.orders import Laboratory
from deploy.laboratory.panel import ANALYTES
from deploy.laboratory.reports import report
from deploy.paths import LOOPBACK
from services.testing.hl7 import decode, parse
from services.testing.messages import Observed
from services.testing.reading.interpretation import interpret
from shared.edge.moments import ProgramTime
from tests.testing.given import SETTINGS

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
NUMBER = "ORD-7^IOPHUB"


def order(control: str, action: str = "NW", number: str = NUMBER, opens: str = "20260105080000-0500") -> bytes:
    """As the hub writes it: the laboratory's own panel, and the window."""
    rows = (
        rf"MSH|^~\&|IOPHUB|demo|LIS|lab|20260105090000-0500||OML^O21^OML_O21|{control}|P|2.5.1||||||UNICODE UTF-8",
        "PID|1||MRN-1^^^IOPDEMO^MR||Synthetic^Ana||19880412|F",
        f"ORC|{action}|{number}",
        f"TQ1|1||||||{opens}|20260106080000-0500",
        f"OBR|1|{number}||12PAN^Drug screen 12 panel^L",
        "NTE|1||42 CFR part 2 prohibits unauthorized use or disclosure of these records.",
    )
    return "".join(f"{each}\r" for each in rows).encode()


def fields(answer: bytes, name: str) -> Sequence[str]:
    return next(each for each in read(answer) if each.name == name).fields


def code(answer: bytes) -> str:
    """MSA-1 and ORC-1."""
    return " ".join(each.field(1) for each in read(answer) if each.name in ("MSA", "ORC"))


def test_an_order_is_accepted_changed_and_cancelled() -> None:
    laboratory = Laboratory()
    answers = [laboratory.receive(order(f"M{place}", action), NOW) for place, action in enumerate(("NW", "XO", "CA"))]
    assert [[code(each) for each in answer] for answer in answers] == [["AA OK"], ["AA XR"], ["AA CR"]]
    assert fields(answers[0][0], "MSA")[2] == "M0"
    assert fields(answers[0][0], "ORC")[2] == NUMBER
    standing = laboratory.order("ORD-7")
    assert standing is not None and (standing.status, standing.actions) == ("cancelled", ("NW", "XO", "CA"))


def test_the_same_message_again_is_done_once_and_answered_as_before() -> None:
    laboratory = Laboratory()
    first = laboratory.receive(order("M1"), NOW)
    laboratory.receive(order("M2", "CA"), NOW)
    assert laboratory.receive(order("M1"), NOW + timedelta(hours=1)) == first
    standing = laboratory.order("ORD-7")
    assert standing is not None and standing.status == "cancelled"
    assert laboratory.received == ["M1", "M2", "M1"]


def test_of_what_it_has_no_order_it_says_that_it_is_unable() -> None:
    laboratory = Laboratory()
    assert [code(laboratory.receive(order(action, action), NOW)[0]) for action in ("XO", "CA")] == ["AA UX", "AA UC"]


@pytest.mark.parametrize(
    ("content", "answer", "number"),
    [
        (b"no message", "AR", "100"),
        (b"MSH|^~\\&|\xff", "AR", "102"),
        (order("M1").replace(b"OML^O21", b"ORM^O01"), "AR", "200"),
        (order("M1").replace(b"ORC|NW", b"ORC|ZZ"), "AE", "102"),
        (order("M1").replace(b"ORC|NW", b"ORC|"), "AE", "101"),
        (order("M1").replace(NUMBER.encode(), b""), "AE", "101"),
        (order("M1").replace(b"12PAN^Drug screen 12 panel^L", b""), "AE", "101"),
        (order("M1").replace(b"PID|", b"ZID|"), "AE", "100"),
        (order("M1").replace(b"ORC|", b"ZRC|"), "AE", "100"),
    ],
)
def test_what_it_cannot_read_is_refused_with_the_code_of_table_0357(content: bytes, answer: str, number: str) -> None:
    laboratory = Laboratory()
    (refused,) = laboratory.receive(content, NOW)
    assert (fields(refused, "MSA")[1], fields(refused, "ERR")[3].partition("^")[0]) == (answer, number)
    assert laboratory.orders == {}


def test_it_can_be_made_to_answer_otherwise() -> None:
    laboratory = Laboratory(answering="busy")
    assert code(laboratory.receive(order("M1"), NOW)[0]) == "AR"
    laboratory.answering = "silent"
    assert laboratory.receive(order("M1"), NOW) == [], "what is not answered was done all the same"
    laboratory.answering = "commit"
    assert [code(each) for each in laboratory.receive(order("M1"), NOW)] == ["CA"]
    laboratory.answering = "accept"
    assert [code(each) for each in laboratory.receive(order("M1"), NOW)] == ["AA OK"]
    laboratory.answering = "unable"
    assert code(laboratory.receive(order("M2", number="ORD-8"), NOW)[0]) == "AA UA"
    laboratory.answering = "refuse"
    assert code(laboratory.receive(order("M3", number="ORD-9"), NOW)[0]) == "AE"
    assert list(laboratory.orders) == [NUMBER]


def test_whoever_asks_for_the_commits_answer_gets_both_in_their_order() -> None:
    asked = order("M1").replace(b"|P|2.5.1|||", b"|P|2.5.1|||AL")
    assert [code(each) for each in Laboratory().receive(asked, NOW)] == ["CA", "AA OK"]


def found(message: bytes) -> tuple[Observed, ...]:
    """As testing reads it."""
    (group,) = parse(decode(message), ProgramTime(ZoneInfo("America/New_York"), NOW, timedelta(hours=1))).groups
    (read_as,) = group.reports
    assert [(each.kind, each.value) for each in read_as.numbers][1] == ("PLAC", "ORD-7")
    assert read_as.collected_at == NOW - timedelta(hours=2)
    command = interpret(read_as, "demo", "lab", SETTINGS, [read_as])
    assert command is not None
    return command.results


def test_testing_reads_twelve_analytes_and_a_valid_specimen_under_the_number_of_the_order() -> None:
    laboratory = Laboratory()
    laboratory.receive(order("M1"), NOW)
    done = laboratory.reported(laboratory.orders[NUMBER])
    negative = found(report(done, NOW - timedelta(hours=2), NOW))
    screened = [each for each in negative if not each.check]
    assert [each.analyte for each in screened] == [each.name for each in ANALYTES]
    assert {each.finding for each in screened} == {"negative"}
    assert [(each.analyte, each.check) for each in negative if each.check] == [
        ("creatinine", "valid"),
        ("specific-gravity", "valid"),
        ("ph", "valid"),
    ]
    positive = found(report(done, NOW - timedelta(hours=2), NOW, ("fentanyl", "14314-9")))
    graded = {each.analyte for each in positive if each.finding == "positive"}
    assert graded == {"fentanyl", "benzoylecgonine"}


def test_a_second_report_of_an_order_corrects_the_first_under_a_number_of_its_own() -> None:
    laboratory = Laboratory()
    laboratory.receive(order("M1"), NOW)
    reports = [report(laboratory.reported(laboratory.orders[NUMBER]), NOW, NOW) for _ in range(2)]
    assert [fields(each, "OBR")[25] for each in reports] == ["F", "C"]
    assert len({fields(each, "MSH")[10] for each in reports}) == 2
    assert len({fields(each, "OBR")[3] for each in reports}) == 1


def test_over_one_line_several_messages_are_answered_in_their_order_however_they_are_cut() -> None:
    laboratory = Laboratory()
    sent = b"".join(START + order(f"M{place}", action) + END for place, action in enumerate(("NW", "CA")))
    with lines.listening(laboratory, lambda: NOW) as address, socket.create_connection(_place(address), 5) as line:
        for start in range(0, len(sent), 100):
            line.sendall(sent[start : start + 100])
        answers = lines.messages(line)
        assert [code(next(answers)), code(next(answers))] == ["AA OK", "AA CR"]


def test_what_it_reports_is_sent_and_its_acknowledgement_read() -> None:
    with lines.listening(Laboratory(), lambda: NOW) as address:
        assert code(lines.send(*_place(address), order("M1"))) == "AA OK"
    with pytest.raises(OSError, match=r"refused"):
        lines.send(*_place(address), order("M1"))
    with lines.listening(Laboratory(answering="silent"), lambda: NOW) as silent, pytest.raises(TimeoutError):
        _asked(silent, order("M1"), seconds=0.2)


def test_a_port_that_another_has_is_named() -> None:
    with lines.listening(Laboratory(), lambda: NOW) as address:
        port = _place(address)[1]
        again = lines.listening(Laboratory(), lambda: NOW, port)
        with pytest.raises(CannotContinueError, match=f"port {port} can't be listened at"), again:
            pytest.fail("two listen at one port")


def test_with_tls_a_client_shows_a_certificate_of_the_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.make("authority")
    for name in ("laboratory", "hub"):
        made = authority.sign(name)
        (tmp_path / f"{name}.pem").write_bytes(made.certificate + made.key)
    identity = Identity(tmp_path / "laboratory.pem", authority.certificate)
    laboratory = Laboratory()
    with lines.listening(laboratory, lambda: NOW, identity=identity) as address:
        assert address.startswith("mllps://")
        client = ssl.create_default_context(cafile=authority.certificate)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _asked(address, order("M1"), client)
        assert laboratory.received == []
        client.load_cert_chain(tmp_path / "hub.pem")
        assert code(_asked(address, order("M1"), client)) == "AA OK"
    with pytest.raises(CannotContinueError, match="must be a certificate with its key"):
        Identity(authority.certificate, authority.certificate).server()


def test_nothing_of_it_runs_on() -> None:
    before = threading.active_count()
    with lines.listening(Laboratory(), lambda: NOW) as address:
        _asked(address, order("M1"))
    for each in threading.enumerate():
        if each is not threading.current_thread() and each.daemon and "Thread" in each.name:
            each.join(5)
    assert threading.active_count() <= before


def _place(address: str) -> tuple[str, int]:
    return LOOPBACK, int(address.rpartition(":")[2])


def _asked(address: str, message: bytes, context: ssl.SSLContext | None = None, seconds: float = 5.0) -> bytes:
    with socket.create_connection(_place(address), seconds) as plain:
        line = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        with line:
            line.sendall(START + message + END)
            return next(lines.messages(line))

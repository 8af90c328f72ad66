"""HL7 to a laboratory over real sockets: what it answers, doesn't answer, and answers too much of."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.certificates import Authority
from shared.path.destination import Transport
from shared.path.outbound.mllp import END, START, MllpSender
from shared.path.outbound.sender import Content, Delivered, NotSent, RefusedForGood, Reply, Trouble
from shared.rules.partner_access import Access
from tests.shared.path.test_hl7_answer import answer, order

ROW = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@dataclass
class Listener:
    """A laboratory that writes what it is set to, piece by piece, once it has read a frame."""

    writes: Sequence[bytes] = (START + answer("AA").encode() + END,)
    pause_seconds: float = 0.0
    hangs: bool = False
    received: list[bytes] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened.set()
        try:
            self.received.append(await reader.readuntil(END))
            self.steps.append("received")
            for each in self.writes:
                await asyncio.sleep(self.pause_seconds)
                writer.write(each)
                self.steps.append("answers")
                await writer.drain()
            if self.hangs:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(listener: Listener, context: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    server = await asyncio.start_server(listener.converse, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    listener.url = f"{'mllps' if context else 'mllp'}://127.0.0.1:{port}"
    try:
        yield listener
    finally:
        server.close()


async def yes() -> str | None:
    return None


async def sent(
    listener: Listener,
    content: Content | None = None,
    seconds: float = 5.0,
    access: Access | None = None,
    why_not: Callable[[], Awaitable[str | None]] = yes,
) -> Reply:
    transport = Transport(listener.url, seconds, access=access or Access())
    async with MllpSender(transport).opened() as send:
        return await send(order() if content is None else content, ROW, None, why_not)


def frame(*answers: str) -> bytes:
    return b"".join(START + each.encode() + END for each in answers)


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([frame(answer("AA"))], Delivered()),
        ([frame(answer("AA", "ORC|UA|N1"))], RefusedForGood("hl7-unable")),
        ([frame(answer("AE", "ERR|||207|E"))], Trouble("hl7-207")),
        ([frame(answer("AA", control="OLD"), answer("AE"))], RefusedForGood("hl7-ae")),
        ([frame(answer("CA")), frame(answer("AA"))], Delivered()),
        ([b"\r\njunk" + frame(answer("AA"))], Delivered()),
        ([bytes([each]) for each in frame(answer("AA"))], Delivered()),
        ([frame("nothing to be read")], Trouble("answer-unreadable")),
        ([frame(answer("AA"))[:-1]], Trouble("answer-broken-off")),
        ([frame(answer("CA"))], Trouble("no-answer")),
        ([b""], Trouble("no-answer")),
        ([START + b"x" * 1_000_000 + END], Trouble("answer-too-long")),
        ([b"x" * 1_000_000 + frame(answer("AA"))], Trouble("answer-too-long")),
    ],
    ids=[
        *("accepted", "unable", "error", "another-first", "received-then-done", "junk-first", "byte-by-byte"),
        *("unreadable", "half", "received-alone", "closed", "a-megabyte", "a-megabyte-of-junk"),
    ],
)
async def test_what_is_answered_is_read_frame_by_frame_up_to_a_limit(writes: Sequence[bytes], expected: Reply) -> None:
    async with listening(Listener(writes)) as laboratory:
        assert await sent(laboratory) == expected
        assert laboratory.received == [START + order().encode() + END]


@pytest.mark.parametrize("writes", [[], [frame(answer("AA", control="OLD"))], [frame(answer("AA"))[:-3]]])
async def test_who_says_nothing_that_is_an_answer_is_not_waited_for_for_ever(writes: Sequence[bytes]) -> None:
    async with listening(Listener(writes, hangs=True)) as laboratory:
        assert await sent(laboratory, seconds=0.3) == Trouble("no-answer")


async def test_drops_of_an_answer_are_waited_for_no_longer() -> None:
    drops = [bytes([each]) for each in frame(answer("AA"))]
    async with listening(Listener(drops, pause_seconds=0.05)) as laboratory:
        assert await sent(laboratory, seconds=0.3) == Trouble("no-answer")


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with listening(Listener()) as laboratory:
        pass
    assert await sent(laboratory) == NotSent("ConnectionRefusedError")


async def test_without_a_yes_no_byte_leaves_and_it_is_asked_once_the_connection_is_open() -> None:
    async with listening(Listener()) as laboratory:

        async def no() -> str | None:
            await laboratory.opened.wait()
            return "another-answer"

        assert await sent(laboratory, why_not=no) == NotSent("another-answer")
        assert laboratory.received == []


async def test_what_is_asked_before_the_first_byte_takes_nothing_of_the_answers_time() -> None:
    async with listening(Listener()) as laboratory:

        async def slowly() -> str | None:
            await asyncio.sleep(0.4)
            return None

        assert await sent(laboratory, seconds=0.3, why_not=slowly) == Delivered()


async def test_one_line_at_a_time_leads_to_a_laboratory() -> None:
    async with listening(Listener(pause_seconds=0.02)) as laboratory:
        async with MllpSender(Transport(laboratory.url)).opened() as send:
            replies = await asyncio.gather(*(send(order(), ROW, None, yes) for _ in range(4)))
        assert replies == [Delivered()] * 4
        assert laboratory.steps == ["received", "answers"] * 4


@pytest.mark.parametrize("content", [{"resourceType": "Bundle"}, order() + "\x1c\r", "\x0b" + order(), "PID|1"])
async def test_what_is_no_message_is_a_bug_before_anything_is_opened(content: Content) -> None:
    async with listening(Listener()) as laboratory:
        with pytest.raises(ValueError, match=r"framed|MSH-10"):
            await sent(laboratory, content)
        assert not laboratory.opened.is_set()


@dataclass(frozen=True)
class Files:
    """One authority, and what it has signed for the laboratory and for the hub."""

    authority: Path
    laboratory: Path
    hub: Path
    hub_key: Path

    def server(self) -> ssl.SSLContext:
        """A laboratory that lets in only whom the authority has signed."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.laboratory)
        return context

    def access(self) -> Access:
        return Access(ca_file=str(self.authority), cert_file=str(self.hub), key_file=str(self.hub_key))


def made(folder: Path) -> Files:
    authority = Authority(folder)
    authority.make("laboratory-authority")
    laboratory, hub = authority.sign("laboratory"), authority.sign("hub")
    files = {
        "laboratory.pem": laboratory.certificate + laboratory.key,
        "hub.pem": hub.certificate,
        "hub.key": hub.key,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return Files(authority.certificate, folder / "laboratory.pem", folder / "hub.pem", folder / "hub.key")


async def test_over_tls_each_knows_the_other_by_its_certificate(tmp_path: Path) -> None:
    files = made(tmp_path)
    async with listening(Listener(), files.server()) as laboratory:
        assert await sent(laboratory, access=files.access()) == Delivered()


async def test_a_laboratory_of_another_authority_is_sent_nothing(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files, other = made(tmp_path), made(tmp_path / "other")
    async with listening(Listener(), files.server()) as laboratory:
        assert await sent(laboratory, access=other.access()) == NotSent("SSLCertVerificationError")
        assert await sent(laboratory, access=Access()) == NotSent("SSLCertVerificationError")
        assert laboratory.received == []


async def test_without_the_certificate_that_it_demands_nothing_is_taken(tmp_path: Path) -> None:
    """Its refusal comes after the handshake: a byte may have left by then."""
    files = made(tmp_path)
    async with listening(Listener(), files.server()) as laboratory:
        nameless = Access(ca_file=str(files.authority))
        assert isinstance(await sent(laboratory, access=nameless), Trouble)
        assert laboratory.received == []


async def test_while_a_file_is_away_nothing_is_sent_and_the_next_one_there_is_read(tmp_path: Path) -> None:
    files = made(tmp_path)
    async with listening(Listener(), files.server()) as laboratory:
        key = files.hub_key.read_bytes()
        files.hub_key.unlink()
        assert await sent(laboratory, access=files.access()) == NotSent("credentials-unreadable")
        files.hub_key.write_bytes(key)
        assert await sent(laboratory, access=files.access()) == Delivered()


async def test_a_laboratory_without_tls_behind_an_address_with_it_is_sent_nothing() -> None:
    async with listening(Listener()) as laboratory:
        laboratory.url = laboratory.url.replace("mllp://", "mllps://")
        reply = await sent(laboratory, seconds=0.5)
        assert isinstance(reply, NotSent) and laboratory.received == []

"""MLLP with mutual TLS on real sockets: who gets in, who does not and why, and who is put out while connected."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import uvloop

from deploy.certificates import Authority, Pair
from services.testing.hl7 import Nak, decode, mllp_tls
from services.testing.hl7.mllp import END, RETURN, START, Frame, LineLimits, Listener
from services.testing.hl7.mllp_tls import ServerFiles, TlsListener, Trust
from services.testing.hl7.senders import Laboratory, sender_of
from shared.edge import server
from shared.platform import certificates, metrics
from shared.platform.clients import laboratories
from shared.platform.clock import machine_now
from shared.platform.settings import ConfigurationError
from tests.service import DEPLOY

LABORATORIES = ("lab", "other")
LIMITS = LineLimits(first_seconds_most=2.0)


@dataclass(frozen=True)
class KeysFolder:
    """A folder of keys with an authority that signs the server's certificate and the laboratories'."""

    path: Path
    authority: Authority

    @property
    def files(self) -> ServerFiles:
        return ServerFiles(self.path / "server.pem", self.path / "server.key")

    def pair(self, name: str, days: float = 10) -> Path:
        """A laboratory's own file: certificate and key."""
        made = self.authority.sign(name, days)
        return self._written(f"{name}.pair", made.certificate + made.key)

    def renew_server(self) -> None:
        made = self.authority.sign("server")
        self._written("server.pem", made.certificate)
        self._written("server.key", made.key)

    def bind(self, client: str, *pairs: Path) -> None:
        found = [each for pair in pairs for each in certificates.in_pem(pair.read_bytes())]
        certificates.store(self.path, client, found)

    def _written(self, name: str, content: bytes) -> Path:
        (self.path / name).write_bytes(content)
        return self.path / name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeysFolder:
    monkeypatch.setattr(mllp_tls, "LOOK_SECONDS", 0.0)
    made = KeysFolder(tmp_path, Authority(tmp_path))
    made.authority.make("authority")
    made.renew_server()
    return made


async def echo(frame: Frame, laboratory: str) -> list[bytes]:
    return [f"{laboratory} ".encode() + frame.content]


@asynccontextmanager
async def listening(folder: KeysFolder, limits: LineLimits = LIMITS) -> AsyncIterator[int]:
    trust = Trust(folder.files, folder.path, LABORATORIES)
    opened = server.listening("127.0.0.1", 0, "")
    port: int = opened.getsockname()[1]
    running = asyncio.create_task(TlsListener(Listener(echo, limits), trust, limits.first_seconds_most).run(opened))
    try:
        yield port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def showing(folder: KeysFolder, pair: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder.authority.certificate))
    if pair is not None:
        context.load_cert_chain(pair)
    return context


class Connected:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def sends(self, content: bytes) -> bytes:
        """The answer; nothing where the line is over."""
        try:
            self.writer.write(START + content + END + RETURN)
            frame = await asyncio.wait_for(self.reader.readuntil(END + RETURN), 5)
        except (asyncio.IncompleteReadError, OSError):
            return b""
        return frame.removeprefix(START).removesuffix(END + RETURN)


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext) -> AsyncIterator[Connected]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=2**20)
    try:
        yield Connected(reader, writer)
    finally:
        writer.transport.abort()


async def sends(port: int, context: ssl.SSLContext, content: bytes = b"one") -> bytes:
    """What a connection of its own is answered; nothing where it does not get in."""
    try:
        async with connected(port, context) as line:
            return await line.sends(content)
    except OSError:
        return b""


@pytest.fixture
def refused() -> Iterator[dict[str, float]]:
    """How often for which reason, since the test began: only those that happened."""
    counts = _Counts()
    yield counts


class _Counts(dict[str, float]):
    def __init__(self) -> None:
        super().__init__()
        self._before = {each: self._count(each) for each in mllp_tls.REASONS}

    def _count(self, reason: str) -> float:
        return float(metrics.MLLP_REFUSED.labels(reason)._value.get())

    async def become(self, **expected: int) -> None:
        """What the client sees may come before the server has counted it."""
        wanted = {name.replace("_", "-"): number for name, number in expected.items()}
        for _ in range(200):
            found = {each: self._count(each) - self._before[each] for each in mllp_tls.REASONS}
            if {name: number for name, number in found.items() if number} == wanted:
                return
            await asyncio.sleep(0.01)
        assert {name: number for name, number in found.items() if number} == wanted


async def test_a_known_certificate_gets_in_and_names_its_laboratory(folder: KeysFolder) -> None:
    first, second = folder.pair("first"), folder.pair("second")
    folder.bind("lab", first)
    folder.bind("other", second)
    async with listening(folder) as port:
        assert await sends(port, showing(folder, first)) == b"lab one"
        assert await sends(port, showing(folder, second)) == b"other one"


async def test_two_messages_on_one_line_are_answered_in_order(folder: KeysFolder) -> None:
    folder.bind("lab", pair := folder.pair("first"))
    async with listening(folder) as port, connected(port, showing(folder, pair)) as line:
        assert [await line.sends(b"one"), await line.sends(b"two" * 100_000)] == [
            b"lab one",
            b"lab " + b"two" * 100_000,
        ]


async def test_who_does_not_get_in_is_counted_by_the_reason(folder: KeysFolder, refused: _Counts) -> None:
    folder.bind("lab", folder.pair("known"), expired := folder.pair("expired", days=-0.5))
    stranger = folder.pair("stranger")
    async with listening(folder) as port:
        assert await sends(port, showing(folder, stranger)) == b""
        await refused.become(unknown=1)
        assert await sends(port, showing(folder, expired)) == b""
        await refused.become(unknown=1, expired=1)
        assert await sends(port, showing(folder, None)) == b""
        await refused.become(unknown=1, expired=1, no_certificate=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(START + b"MSH|^~\\&|" + END + RETURN)
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await refused.become(unknown=1, expired=1, no_certificate=1, no_tls=1)


async def test_what_a_known_certificate_has_signed_is_nobodys(folder: KeysFolder, refused: _Counts) -> None:
    """OpenSSL would take it: the authority itself is bound here, as a self-signed one of a laboratory is."""
    folder.bind("lab", folder.authority.certificate)
    async with listening(folder) as port:
        assert await sends(port, showing(folder, folder.pair("signed"))) == b""
        await refused.become(unknown=1)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_what_is_older_than_tls_1_2_is_refused(folder: KeysFolder, refused: _Counts) -> None:
    folder.bind("lab", pair := folder.pair("first"))
    old, still = showing(folder, pair), showing(folder, pair)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    still.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(folder) as port:
        assert await sends(port, old) == b""
        await refused.become(old_tls=1)
        assert await sends(port, still) == b"lab one"


async def test_a_certificate_is_rotated_without_a_pause(folder: KeysFolder, refused: _Counts) -> None:
    old, new = folder.pair("old"), folder.pair("new")
    folder.bind("lab", old)
    async with listening(folder) as port, connected(port, showing(folder, old)) as line:
        assert await sends(port, showing(folder, new)) == b""
        folder.bind("lab", old, new)
        assert await sends(port, showing(folder, new)) == b"lab one"
        assert await line.sends(b"two") == b"lab two"
        folder.bind("lab", new)
        assert await line.sends(b"three") == b""
        await refused.become(unknown=1, withdrawn=1)
        assert await sends(port, showing(folder, old)) == b""
        assert await sends(port, showing(folder, new)) == b"lab one"


async def test_a_line_ends_when_its_certificate_expires(folder: KeysFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.bind("lab", pair := folder.pair("first"))
    async with listening(folder) as port, connected(port, showing(folder, pair)) as line:
        assert await line.sends(b"one") == b"lab one"
        later = machine_now().replace(year=2100)
        monkeypatch.setattr(mllp_tls, "machine_now", lambda: later)
        assert await line.sends(b"two") == b""


async def test_the_servers_own_certificate_is_read_again(folder: KeysFolder) -> None:
    folder.bind("lab", pair := folder.pair("first"))

    async def shown(port: int) -> bytes:
        async with connected(port, showing(folder, pair)) as line:
            assert await line.sends(b"one") == b"lab one"
            der: bytes = line.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return der

    async with listening(folder) as port:
        before = await shown(port)
        (folder.path / "server.pem").write_bytes(b"half")
        assert await shown(port) == before
        folder.renew_server()
        assert await shown(port) not in (b"", before)


async def test_a_file_that_cannot_be_read_stops_no_other_laboratory(folder: KeysFolder) -> None:
    folder.bind("other", pair := folder.pair("second"))
    folder.bind("lab", first := folder.pair("first"))
    certificates.file_of(folder.path, "lab").write_text("no certificate")
    async with listening(folder) as port:
        assert await sends(port, showing(folder, pair)) == b"other one"
        assert await sends(port, showing(folder, first)) == b""


async def test_a_certificate_of_two_laboratories_is_nobodys(folder: KeysFolder) -> None:
    shared, own = folder.pair("shared"), folder.pair("own")
    folder.bind("lab", shared)
    folder.bind("other", shared, own)
    async with listening(folder) as port:
        assert await sends(port, showing(folder, shared)) == b""
        assert await sends(port, showing(folder, own)) == b"other one"


async def test_a_handshake_that_never_comes_is_not_waited_for(folder: KeysFolder, refused: _Counts) -> None:
    async with listening(folder, replace(LIMITS, first_seconds_most=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await refused.become(broken_off=1)


async def test_a_line_too_many_is_refused_before_its_handshake(folder: KeysFolder, refused: _Counts) -> None:
    folder.bind("lab", pair := folder.pair("first"))
    async with listening(folder, replace(LIMITS, lines_most=1)) as port:
        async with connected(port, showing(folder, pair)) as line:
            assert await line.sends(b"one") == b"lab one"
            assert await sends(port, showing(folder, pair)) == b""
            await refused.become(too_many_lines=1)
        await asyncio.sleep(0.1)
        assert await sends(port, showing(folder, pair)) == b"lab one"


def test_it_is_the_same_on_uvloop_where_a_service_runs(folder: KeysFolder, refused: _Counts) -> None:
    """Its TLS is another one than asyncio's."""
    first, new, expired = folder.pair("first"), folder.pair("new"), folder.pair("expired", days=-0.5)
    folder.bind("lab", first, expired)

    async def lives() -> None:
        async with listening(folder) as port, connected(port, showing(folder, first)) as line:
            assert await line.sends(b"one") == b"lab one"
            for pair in (new, expired, None):
                assert await sends(port, showing(folder, pair)) == b""
            await refused.become(unknown=1, expired=1, no_certificate=1)
            folder.bind("lab", new)
            assert await line.sends(b"two") == b""
            assert await sends(port, showing(folder, new)) == b"lab one"
            await refused.become(unknown=1, expired=1, no_certificate=1, withdrawn=1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(lives())


def test_the_servers_files_must_be_right_before_anything_listens(folder: KeysFolder) -> None:
    other: Pair = folder.authority.sign("another")
    (folder.path / "server.key").write_bytes(other.key)
    with pytest.raises(ConfigurationError, match=r"IOP_MLLP_TLS_CERT_FILE: .* must be a certificate in PEM, and"):
        folder.files.context()
    with pytest.raises(ConfigurationError, match="can't be read"):
        ServerFiles(folder.path / "nowhere", folder.path / "nowhere").context()


# --- what MSH says beside the certificate

LAB = laboratories(DEPLOY)["lab"]


def sent(application: str, facility: str, senders: tuple[str, ...] = (), others: tuple[str, ...] = ("LISO",)) -> str:
    """Whose a message is that came with the certificate of `lab`, or how it is refused."""
    known: dict[str, Laboratory] = {
        "lab": msgspec.structs.replace(LAB, hl7_senders=senders),
        "other": msgspec.structs.replace(LAB, hl7_senders=others),
    }
    header = decode(rf"MSH|^~\&|{application}|{facility}|HUB|demo|20260105||ORU^R01|1|P|2.5.1".encode()).header
    try:
        return sender_of(header, known, "lab").name
    except Nak as refusal:
        return f"{refusal.code} {refusal.fault.number} {refusal.fault.location}"


def test_the_certificate_says_whose_message_it_is_and_msh_must_not_contradict_it() -> None:
    contradiction = "AR 204 MSH^1^4"
    assert sent("", "") == sent("", "", ("LIS",)) == "lab"
    assert sent("LIS", "TOXLAB") == "lab", "nothing is registered, so nothing contradicts"
    assert sent("lis", "TOXLAB", ("LIS",)) == sent("X", "LAB", ("LIS",)) == "lab"
    assert sent("X", "TOXLAB", ("LIS",)) == contradiction
    assert sent("LISO", "TOXLAB") == sent("LIS", "OTHER", ("LIS",)) == contradiction
    assert sent("LIS", "", ("LIS",), ("LIS",)) == "lab", "a name that two have contradicts neither"


@pytest.mark.parametrize(
    ("facility", "programs"),
    [("DEMO", ("demo",)), ("", ("demo", "south")), ("A ward", ("demo", "south")), ("west", "AR 204 MSH^1^6")],
)
def test_a_program_of_another_laboratory_is_not_taken_for_any_of_its_own(
    facility: str, programs: tuple[str, ...] | str
) -> None:
    known = {
        "lab": msgspec.structs.replace(LAB, programs=("demo", "south")),
        "other": msgspec.structs.replace(LAB, programs=("west",)),
    }
    header = decode(rf"MSH|^~\&|||HUB|{facility}|20260105||ORU^R01|1|P|2.5.1".encode()).header
    try:
        assert sender_of(header, known, "lab").programs == programs
    except Nak as refusal:
        assert f"{refusal.code} {refusal.fault.number} {refusal.fault.location}" == programs

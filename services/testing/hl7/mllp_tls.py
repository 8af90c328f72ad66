"""MLLP with mutual TLS: who connects is known by its certificate before it sends anything.

The certificates of the laboratories are themselves what is trusted, not who signed them: an unknown or expired one
ends in the handshake, and is counted by its reason. They are read again while the service runs, and a line whose
certificate was withdrawn or has expired ends before its next message.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.testing.hl7.mllp import (
    READ_BYTES,
    TOO_MANY,
    WITHDRAWN,
    Line,
    LineLimits,
    LineRefused,
    Listener,
    Receive,
    closed,
)
from shared.edge import server
from shared.platform import certificates, log, metrics
from shared.platform.certificates import fingerprint_of
from shared.platform.clock import machine_now, ticks
from shared.platform.settings import ConfigurationError, Process

LOOK_SECONDS = 1.0
"""So soon a certificate that is added or withdrawn counts."""
PAUSE_SECONDS = 1.0
"""Until the next connection is taken where the system has no descriptor left for one."""
SHUTDOWN_SECONDS_MOST = 2.0
"""For the other side to say goodbye, too."""
UNKNOWN: Final = "unknown"
BROKEN_OFF: Final = "broken-off"
HANDSHAKE: Final = "handshake"
_OF_CERTIFICATE: Mapping[int, str] = {9: "not-yet-valid", 10: "expired", 26: "not-for-clients"}
"""OpenSSL's X509_V_ERR_..."""
_OF_HANDSHAKE: Mapping[str, str] = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-certificate",
    "UNSUPPORTED_PROTOCOL": "old-tls",
    "WRONG_VERSION_NUMBER": "no-tls",
    "HTTP_REQUEST": "no-tls",
}
REASONS = (
    *_OF_CERTIFICATE.values(),
    *dict.fromkeys(_OF_HANDSHAKE.values()),
    UNKNOWN,
    WITHDRAWN,
    BROKEN_OFF,
    HANDSHAKE,
    TOO_MANY,
)


@dataclass(frozen=True)
class ServerFiles:
    """The server's own certificate with those that lead to whom laboratories trust, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, process: Process) -> "ServerFiles | None":
        """None where there are none. Raises ConfigurationError where they are missing or wrong."""
        certificate, key = process.mllp_tls_cert_file, process.mllp_tls_key_file
        if certificate is not None and key is not None:
            found = cls(certificate, key)
            found.context()
            return found
        if certificate is not None:
            raise ConfigurationError("IOP_MLLP_TLS_CERT_FILE: needs IOP_MLLP_TLS_KEY_FILE.")
        if key is not None:
            raise ConfigurationError("IOP_MLLP_TLS_KEY_FILE: needs IOP_MLLP_TLS_CERT_FILE.")
        if process.mllp_tls_port is not None:
            raise ConfigurationError("IOP_MLLP_TLS_PORT: needs IOP_MLLP_TLS_CERT_FILE and IOP_MLLP_TLS_KEY_FILE.")
        return None

    def context(self) -> ssl.SSLContext:
        """For whom nobody is known yet. Raises ConfigurationError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # Who comes back shows its certificate again: it may have been withdrawn meanwhile.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            # Without a password one that is encrypted is refused; OpenSSL would ask the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (ssl.SSLError, ValueError) as wrong:
            raise ConfigurationError(
                f"IOP_MLLP_TLS_CERT_FILE: {self.certificate} must be a certificate in PEM, and"
                " IOP_MLLP_TLS_KEY_FILE its key."
            ) from wrong
        except OSError as unread:
            raise ConfigurationError(
                f"IOP_MLLP_TLS_CERT_FILE, IOP_MLLP_TLS_KEY_FILE: can't be read ({type(unread).__name__})."
            ) from unread
        return context


@dataclass(frozen=True)
class Trusted:
    """Whose certificates count now, by fingerprint, and how a connection is opened to them."""

    context: ssl.SSLContext
    clients: Mapping[str, str]


class Trust:
    """What the files say, looked at again when somebody connects or sends, once a second at most."""

    def __init__(self, files: ServerFiles, keys: Path, laboratories: Iterable[str]) -> None:
        """Raises ConfigurationError for the server's own files; those of a laboratory are its own matter."""
        self._files, self._keys, self._laboratories = files, keys, sorted(laboratories)
        self._stamps, self._looked_at = self._seen(), ticks()
        self._trusted = self._read()

    def current(self) -> Trusted:
        if ticks() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = ticks()
            if (stamps := self._seen()) != self._stamps:
                self._stamps = stamps
                self._read_again()
        return self._trusted

    def _seen(self) -> list[tuple[int, int, int] | None]:
        of_laboratories = (certificates.file_of(self._keys, each) for each in self._laboratories)
        return [_stamp(each) for each in (self._files.certificate, self._files.key, *of_laboratories)]

    def _read_again(self) -> None:
        """The server's own files as they were where the new ones can't be used; laboratories' count as they stand."""
        try:
            self._trusted = self._read()
        except ConfigurationError as wrong:
            log.get().error(f"mllp goes on with the certificate it had: {wrong}")
            self._trusted = self._with_laboratories(self._trusted.context)

    def _read(self) -> Trusted:
        return self._with_laboratories(self._files.context())

    def _with_laboratories(self, context: ssl.SSLContext) -> Trusted:
        found, unusable = certificates.bound(self._keys, self._laboratories)
        for each in unusable:
            log.get().error("a laboratory's certificates count for nobody", place=each.file.name, error=each.reason)
        if found:
            context.load_verify_locations(cadata="".join(each.certificate.pem for each in found))
        return Trusted(context, {each.certificate.fingerprint: each.client for each in found})


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


async def serve(
    host: str, port: int, receive: Receive, limits: LineLimits, trust: Trust, inherited: int | None = None
) -> None:
    """Listen until cancelled; then finish the messages in hand. Raises ConfigurationError where it can't listen."""
    listening = server.listening(host, port, "IOP_MLLP_TLS_HOST, IOP_MLLP_TLS_PORT, IOP_MLLP_TLS_SOCKET", inherited)
    await TlsListener(Listener(receive, limits), trust, limits.first_seconds_most).run(listening)


class TlsListener:
    """Takes connections itself: so a handshake's end is known here, and a line is counted before it."""

    def __init__(self, lines: Listener, trust: Trust, handshake_seconds_most: float) -> None:
        self._lines = lines
        self._trust = trust
        self._handshake_seconds_most = handshake_seconds_most
        for reason in REASONS:
            metrics.MLLP_REFUSED.labels(reason)

    async def run(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        try:
            while True:
                try:
                    opened, address = await loop.sock_accept(listening)
                except OSError as error:
                    log.get().warning("mllp takes no connection", error=type(error).__name__)
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                tasks.add(task := loop.create_task(self._take(opened, str(address[0]))))
                task.add_done_callback(tasks.discard)
        finally:
            listening.close()
            await self._lines.finish()

    async def _take(self, opened: socket.socket, address: str) -> None:
        with opened:
            await self._lines.take(address, lambda: self._line(opened))

    @asynccontextmanager
    async def _line(self, opened: socket.socket) -> AsyncIterator[Line]:
        try:
            reader, writer = await self._shaken(opened)
        except OSError as failure:
            raise LineRefused(reason_of(failure)) from failure
        try:
            client, counts = self._client(writer)
            yield Line(reader, writer, client, counts)
        finally:
            await closed(writer)

    async def _shaken(self, opened: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            opened,
            ssl=self._trust.current().context,
            ssl_handshake_timeout=self._handshake_seconds_most,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS_MOST,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def _client(self, writer: asyncio.StreamWriter) -> tuple[str, Callable[[], bool]]:
        """The laboratory whose certificate this is, and whether that still counts. OpenSSL trusts what a known one has
        signed, too: only the known one itself is anybody's."""
        shown = writer.get_extra_info("ssl_object")
        fingerprint = fingerprint_of(shown.getpeercert(binary_form=True))
        until = ssl.cert_time_to_seconds(shown.getpeercert()["notAfter"])
        client = self._trust.current().clients.get(fingerprint)
        if client is None:
            raise LineRefused(UNKNOWN)

        def counts() -> bool:
            return self._trust.current().clients.get(fingerprint) == client and machine_now().timestamp() <= until

        return client, counts


def reason_of(failure: OSError) -> str:
    """Why a handshake failed: one of REASONS."""
    match failure:
        case ssl.SSLCertVerificationError():
            return _OF_CERTIFICATE.get(failure.verify_code, UNKNOWN)
        case ssl.SSLError():
            return _OF_HANDSHAKE.get(failure.reason or "", HANDSHAKE)
        case _:
            return BROKEN_OFF

"""The hub proves to a partner who it is: over real sockets, and what is wrong in the files is refused at start-up."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from deploy import secure_kafka
from deploy.demo.serving import Taking
from shared.path.destination import Transport
from shared.path.outbound.proving import PartnerSender, require_readable
from shared.path.outbound.sender import Delivered, NotSent, RefusedForGood, Reply, Trouble
from shared.platform.client_assertion import ASSERTION_TYPE
from shared.platform.settings import ConfigurationError
from shared.rules.partner_access import Access

SECRET = "seeded-bearer-7f3a"  # noqa: S105


@dataclass
class ProvingPartner:
    """A partner with a token server beside; `accepts` are the proofs that it takes, None whatever comes."""

    accepts: set[str] | None = None
    life_seconds: Any = 300.0
    gives: bool = True
    seen: list[str | None] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.asked.append(form)
        if not self.gives:
            return 400, {"error": SECRET}
        return 200, {"access_token": f"token-{len(self.asked)}", "expires_in": self.life_seconds}

    def post(self, proof: str | None) -> int:
        self.seen.append(proof)
        return 200 if self.accepts is None or proof in self.accepts else 401


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Who shows no certificate is refused without a word on the terminal."""


@contextmanager
def serving(partner: ProvingPartner, context: ssl.SSLContext | None = None) -> Iterator[ProvingPartner]:
    class Handler(Taking):
        def do_POST(self) -> None:
            stated: dict[str, object] = {}
            body = self.body()
            if self.path == "/token":
                status, stated = partner.token({name: each[0] for name, each in parse_qs(body.decode()).items()})
            else:
                status = partner.post(self.headers.get("Authorization"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(stated).encode())

    server = QuietServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    partner.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield partner
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def partner() -> Iterator[ProvingPartner]:
    with serving(ProvingPartner()) as answering:
        yield answering


def own(file: Path, content: str) -> str:
    file.write_text(content)
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def key(tmp_path: Path) -> ECKey:
    made = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    own(tmp_path / "signing.json", json.dumps(made.as_dict(private=True)))
    return made


def by_tokens(partner: ProvingPartner, folder: Path) -> Access:
    file = str(folder / "signing.json")
    return Access(token_url=f"{partner.url}/token", client_id="iop-hub", scope="system/*.c", signing_key_file=file)


async def sent(partner: ProvingPartner, access: Access, times: int = 1, sender: PartnerSender | None = None) -> Reply:
    """What came of the last of so many sends."""

    async def yes() -> str | None:
        return None

    sender = sender or PartnerSender(Transport(f"{partner.url}/fhir", seconds_most=5.0, access=access))
    async with sender.client() as client:
        for _ in range(times):
            reply = await sender.post(client, b"{}", {}, yes)
    return reply


async def test_a_partner_without_credentials_is_sent_none(partner: ProvingPartner) -> None:
    assert await sent(partner, Access()) == Delivered()
    assert partner.seen == [None]


async def test_the_token_of_a_file_is_sent_and_one_that_was_exchanged_meanwhile_is_the_next(
    partner: ProvingPartner, tmp_path: Path
) -> None:
    access = Access(bearer_file=own(tmp_path / "bearer", f"{SECRET}\n"))
    sender = PartnerSender(Transport(f"{partner.url}/fhir", access=access))
    assert await sent(partner, access, sender=sender) == Delivered()
    (tmp_path / "bearer").write_text("another")
    assert await sent(partner, access, sender=sender) == Delivered()
    assert partner.seen == [f"Bearer {SECRET}", "Bearer another"]


async def test_nothing_is_sent_while_the_file_is_away(partner: ProvingPartner, tmp_path: Path) -> None:
    assert await sent(partner, Access(bearer_file=str(tmp_path / "none"))) == NotSent("credentials-unreadable")
    assert partner.seen == []


async def test_a_refused_token_of_a_file_is_refused_for_good(partner: ProvingPartner, tmp_path: Path) -> None:
    partner.accepts = set()
    assert await sent(partner, Access(bearer_file=own(tmp_path / "b", SECRET))) == RefusedForGood("http-401")


async def test_one_token_serves_until_it_ends(partner: ProvingPartner, tmp_path: Path, key: ECKey) -> None:
    assert await sent(partner, by_tokens(partner, tmp_path), times=3) == Delivered()
    assert partner.seen == ["Bearer token-1"] * 3
    partner.life_seconds = 1e-9
    assert await sent(partner, by_tokens(partner, tmp_path), times=2) == Delivered()
    assert partner.seen[3:] == ["Bearer token-2", "Bearer token-3"]


async def test_the_token_server_is_asked_by_an_assertion_that_the_hubs_key_signed(
    partner: ProvingPartner, tmp_path: Path, key: ECKey
) -> None:
    await sent(partner, by_tokens(partner, tmp_path))
    (form,) = partner.asked
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "scope": "system/*.c",
        "client_assertion_type": ASSERTION_TYPE,
    }
    read = jwt.decode(assertion, ECKey.import_key(key.as_dict(private=False)), algorithms=["ES384"])
    assert read.header == {"alg": "ES384", "kid": key.kid, "typ": "JWT"}
    assert (read.claims["iss"], read.claims["sub"], read.claims["aud"]) == (
        "iop-hub",
        "iop-hub",
        f"{partner.url}/token",
    )


async def test_a_token_that_is_refused_later_is_exchanged_once(
    partner: ProvingPartner, tmp_path: Path, key: ECKey
) -> None:
    """Each send stands in the books, so that the one which was refused is tried again as any other."""
    access = by_tokens(partner, tmp_path)
    sender = PartnerSender(Transport(f"{partner.url}/fhir", access=access))
    await sent(partner, access, sender=sender)
    partner.accepts = {"Bearer token-2"}
    assert await sent(partner, access, sender=sender) == Trouble("http-401")
    assert await sent(partner, access, sender=sender) == Delivered()
    partner.accepts = set()
    assert await sent(partner, access, sender=sender) == Trouble("http-401")
    assert await sent(partner, access, sender=sender) == RefusedForGood("http-401")
    assert partner.seen == [f"Bearer token-{number}" for number in (1, 1, 2, 2, 3)]


@pytest.mark.parametrize("life_seconds", [None, "300"])
async def test_a_server_that_states_no_life_or_states_it_as_text_is_understood(
    partner: ProvingPartner, tmp_path: Path, key: ECKey, life_seconds: Any
) -> None:
    partner.life_seconds = life_seconds
    assert await sent(partner, by_tokens(partner, tmp_path), times=2) == Delivered()
    assert len(partner.asked) == 1


async def test_nothing_is_sent_where_the_token_server_gives_no_token(
    partner: ProvingPartner, tmp_path: Path, key: ECKey
) -> None:
    partner.gives = False
    assert await sent(partner, by_tokens(partner, tmp_path)) == NotSent("no-token")
    assert partner.seen == []


async def test_no_secret_stands_in_what_can_be_printed(partner: ProvingPartner, tmp_path: Path, key: ECKey) -> None:
    access = msgspec.structs.replace(by_tokens(partner, tmp_path), ca_file="")
    transport = Transport(f"{partner.url}/fhir", access=access)
    sender = PartnerSender(transport)
    await sent(partner, access, sender=sender)
    printed = f"{transport!r} {sender!r} {access!r}"
    assert "token-1" not in printed and str(key.as_dict(private=True)["d"]) not in printed


@pytest.fixture
def shut(tmp_path: Path) -> Iterator[tuple[ProvingPartner, Access]]:
    """A partner that lets in only whom its authority has signed, and how the hub reaches it."""
    made = secure_kafka.make(tmp_path, ())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(made.authority))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(made.broker)
    files = {"ca_file": str(made.authority), "cert_file": str(made.broker), "key_file": str(made.broker)}
    with serving(ProvingPartner(), context) as answering:
        yield answering, Access(**files)


async def test_the_hub_shows_its_certificate_and_trusts_the_partners_authority(
    shut: tuple[ProvingPartner, Access],
) -> None:
    partner, access = shut
    assert await sent(partner, require_readable(access)) == Delivered()
    nameless = msgspec.structs.replace(access, cert_file="", key_file="")
    # Its refusal comes after the handshake, as an alert or as a closed line: a byte may have left by then.
    assert isinstance(await sent(partner, nameless), Trouble)
    trusting_nobody = msgspec.structs.replace(access, ca_file="")
    assert await sent(partner, trusting_nobody) == NotSent("ConnectError")
    assert len(partner.seen) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bearer_file", f"{SECRET} {SECRET}", "must hold one token"),
        ("bearer_file", "", "must hold one token"),
        ("signing_key_file", SECRET, "as JWK"),
        ("ca_file", SECRET, "must be a certificate"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_without_what_stands_in_it(
    tmp_path: Path, name: str, content: str, why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        require_readable(Access(**{name: own(tmp_path / "file", content)}))
    assert SECRET not in str(refused.value) and str(tmp_path / "file") in str(refused.value)


@pytest.mark.parametrize("name", ["bearer_file", "signing_key_file", "ca_file", "cert_file"])
def test_a_file_that_is_missing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        require_readable(Access(**{name: str(tmp_path / "none")}))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_may_read_is_refused_and_a_certificate_is_not(
    tmp_path: Path, key: ECKey, mode: int
) -> None:
    authority = secure_kafka.make(tmp_path, ()).authority
    authority.chmod(0o644)
    good = Access(signing_key_file=str(tmp_path / "signing.json"), ca_file=str(authority))
    assert require_readable(good) == good
    (tmp_path / "signing.json").chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        require_readable(good)


def test_a_key_of_another_curve_is_refused(tmp_path: Path) -> None:
    other = ECKey.generate_key("P-256", auto_kid=True)
    file = own(tmp_path / "other.json", json.dumps(other.as_dict(private=True)))
    with pytest.raises(ConfigurationError, match="curve P-384"):
        require_readable(Access(signing_key_file=file))

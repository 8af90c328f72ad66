"""The laboratory of the journeys' second program: drug tests are ordered of it over MLLP with mutual TLS."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy import clock
from deploy.certificates import Authority
from deploy.laboratory import lines
from deploy.laboratory.lines import Identity
from deploy.laboratory.orders import Laboratory
from deploy.paths import LOOPBACK, free_port
from shared.platform.private_files import store
from tests.journey.programs import THEIRS

NAME = f"{THEIRS}-laboratory"
FOLDER = "laboratory-tls"
PARTNER = f"""
[partner.{NAME}]
identifier = "{NAME}"
kind = "laboratory"
agreement = "qso"
programs = ["{THEIRS}"]
purpose = "TREAT"
fields = ["name", "identifier"]
required = ["name"]
form = "hl7-mllp"
url = "mllps://{LOOPBACK}:{{port}}"
application = "LIS"
facility = "{THEIRS}-lab"
panels = {{{{ drug-test = "12PAN^Drug screen 12 panel^L" }}}}
assigning_authorities = {{{{ IOPDEMO = "https://clinic.demo.iop-hub.org/mrn" }}}}

[partner.{NAME}.access]
cert_file = "{FOLDER}/hub.crt"
key_file = "{FOLDER}/hub.key"
ca_file = "{FOLDER}/ca.pem"
"""


class JourneyLaboratory(Laboratory):
    """At one port as long as it is there. It is no other program's."""

    def ordered_of(self, settings: Path, data: Path) -> None:
        """Into a folder of settings, for the hub of this folder; with certificates of an authority of its own."""
        self._folder, self._data = settings / FOLDER, data
        self._folder.mkdir()
        authority = Authority(self._folder)
        authority.make("laboratory-authority")
        for name in ("hub", "laboratory"):
            made = authority.sign(name)
            pem = {"crt": made.certificate, "key": made.key, "pem": made.certificate + made.key}
            for kind, content in pem.items():
                store(self._folder / f"{name}.{kind}", content)
        self._port = free_port()
        partners = settings / "partners.toml"
        partners.write_text(partners.read_text() + PARTNER.format(port=self._port))
        self._open = ExitStack()
        self._listen()

    def _listen(self) -> None:
        identity = Identity(self._folder / "laboratory.pem", self._folder / "ca.pem")
        self._open.enter_context(lines.listening(self, lambda: clock.now(self._data), self._port, identity))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens, until the block ends."""
        self._open.close()
        try:
            yield
        finally:
            self._listen()

    def close(self) -> None:
        self._open.close()

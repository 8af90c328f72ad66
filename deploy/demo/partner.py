"""A stand-in for every partner of partners.toml: it takes transaction Bundles on loopback and stores them."""

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.demo.serving import Taking, serving
from deploy.paths import SETTINGS

Resource = dict[str, Any]


@dataclass
class Partners:
    """The Bundles each partner received, by its name. A repetition under the same key is answered and stored once."""

    names: tuple[str, ...]
    bundles: dict[str, dict[str, Resource]] = field(default_factory=dict)
    address: str = ""
    open: bool = True
    """While it is not, every partner answers 503."""
    seconds: float = 0.0
    """How long each takes to answer."""

    def received(self, name: str) -> list[Resource]:
        return list(self.bundles.get(name, {}).values())

    def environment(self) -> dict[str, str]:
        """Points the hub here instead of to the addresses of partners.toml."""
        return {
            f"IOP_PARTNER_URL_{name.upper().replace('-', '_')}": f"{self.address}/{name}/fhir" for name in self.names
        }

    def receive(self, path: str, key: str, bundle: Resource) -> Resource:
        """A transaction-response, one entry for each that was sent."""
        self.bundles.setdefault(path.split("/")[1], {}).setdefault(key, bundle)
        created = [{"response": {"status": "201 Created"}} for _ in bundle.get("entry", ())]
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": created}


@contextmanager
def running(deploy: Path = SETTINGS) -> Iterator[Partners]:
    """All partners behind one server on loopback, until the block ends."""
    listed: Mapping[str, Any] = tomllib.loads((deploy / "partners.toml").read_text())["partner"]
    partners = Partners(tuple(listed))

    class PartnerHandler(Taking):
        def do_POST(self) -> None:
            body = self.body()
            time.sleep(partners.seconds)
            if not partners.open:
                self.send_error(503)
                return
            answer = json.dumps(partners.receive(self.path, self.headers.get("Idempotency-Key", ""), json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Type", "application/fhir+json")
            self.end_headers()
            self.wfile.write(answer.encode())

    with serving(PartnerHandler) as address:
        partners.address = address
        yield partners

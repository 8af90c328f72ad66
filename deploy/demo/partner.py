"""A stand-in for every partner of partners.toml: it takes Bundles on loopback, and answers a referral by its link."""

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.demo.serving import Taking, serving
from deploy.paths import SETTINGS
from shared.events import fhir

Resource = dict[str, Any]
ANSWER_SECONDS_MOST = 30.0


@dataclass
class Partners:
    """The Bundles each partner received, by its name. A repetition under the same key is answered and stored once."""

    names: tuple[str, ...]
    bundles: dict[str, dict[str, Resource]] = field(default_factory=dict)
    address: str = ""
    open: bool = True
    """While it is not, every partner answers 503."""
    turned_away: list[Resource] = field(default_factory=list)
    """What was answered 503, each time that it came."""
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


async def answer(bundle: Resource, step: str) -> str:
    """Whoever is at the partner opens the link of a referral and presses the button of this step; what it showed
    before."""
    inputs = (each for entry in bundle["entry"] for each in entry["resource"].get("input", ()))
    link = next(each["valueUrl"] for each in inputs if fhir.code_of(each["type"]) == "answer-link")
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MOST, trust_env=False) as browser:
        shown = await browser.get(link)
        (await browser.post(link, data={"step": step})).raise_for_status()
        return shown.text


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
                partners.turned_away.append(json.loads(body))
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

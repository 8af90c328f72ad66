"""A client that drives a running hub through its public edges only: FHIR with tokens, HL7 over MLLP and HTTP.

async with Driver.of(data) as driver:
    answer = await driver.post("intake", bundle)
    await driver.clock_set(moment)
    await driver.settle()
"""

import asyncio
import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from deploy import clock, hubfile
from deploy import token as tokens
from deploy.evidence import Databases, Record, Topics
from deploy.hubfile import Hub
from deploy.queries import Count
from deploy.quiescence import Quiescence

START, END = b"\x0b", b"\x1c\r"
ANSWER_SECONDS_MOST = 30.0
TOKEN_SECONDS = 1_800.0
"""So long one is used: half of what the issuer's are valid."""
FHIR_JSON = "application/fhir+json"
HL7_V2 = "application/hl7-v2"
Resource = dict[str, Any]


class Driver:
    """`data` is the hub's folder: its clients' keys and its manual clock lie there.

    Further headers of a request are keywords: `If_Match='W/"1"'`.
    """

    def __init__(self, hub: Hub, data: Path) -> None:
        self.hub = hub
        self.data = data
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS_MOST, trust_env=False)
        self._quiescence = Quiescence(hub)
        self._quiet = asyncio.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    @classmethod
    def of(cls, data: Path) -> Self:
        """The driver of the hub that runs in this folder."""
        return cls(hubfile.read(data), data)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._quiescence.close()
        await self._http.aclose()

    async def token(self, client: str) -> str:
        """A bearer token with everything the client is registered for; another one in time, as a simulation is long."""
        token, until = self._tokens.get(client, ("", 0.0))
        if until <= time.monotonic():
            token = await asyncio.to_thread(tokens.fetch, self.hub.issuer, self.data / "keys", client)
            self._tokens[client] = (token, time.monotonic() + TOKEN_SECONDS)
        return token

    async def post(self, service: str, resource: Resource, client: str = "ehr", **headers: str) -> httpx.Response:
        """Create: a transaction or message Bundle goes where it belongs, anything else to its resource type."""
        match resource:
            case {"resourceType": "Bundle", "type": "transaction"}:
                path = ""
            case {"resourceType": "Bundle", "type": "message"}:
                path = "/$process-message"
            case _:
                path = f"/{resource['resourceType']}"
        return await self._ask("POST", service, path, client, resource, **headers)

    async def put(self, service: str, resource: Resource, client: str = "ehr", **headers: str) -> httpx.Response:
        """Update the resource of this type and id."""
        path = f"/{resource['resourceType']}/{resource['id']}"
        return await self._ask("PUT", service, path, client, resource, **headers)

    async def get(self, service: str, path: str, client: str = "ehr") -> httpx.Response:
        """Read `Type/id`, or any other path below the FHIR base."""
        return await self._ask("GET", service, f"/{path}", client)

    async def search(self, service: str, query: str, client: str = "ehr") -> list[Resource]:
        """All matches of `Type?name=value`, page after page. Raises httpx.HTTPStatusError where it is refused."""
        found: list[Resource] = []
        answer = await self._ask("GET", service, f"/{query}", client)
        while True:
            page: Resource = answer.raise_for_status().json()
            found += [entry["resource"] for entry in page.get("entry", ())]
            following = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
            if following is None:
                return found
            answer = await self._http.get(following, headers={"Authorization": f"Bearer {await self.token(client)}"})

    async def send_mllp(self, message: bytes) -> bytes:
        """One HL7 v2 message over MLLP, and its acknowledgement, both without the frame."""
        host, _, port = str(self.hub.services["testing"].mllp).rpartition(":")
        async with asyncio.timeout(ANSWER_SECONDS_MOST):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(START + message + END)
                return (await reader.readuntil(END)).removeprefix(START).removesuffix(END)
            finally:
                writer.close()

    async def post_hl7(self, message: bytes, client: str = "lab") -> httpx.Response:
        """One HL7 v2 message over HTTP; the acknowledgement is the body of the answer."""
        headers = {"Authorization": f"Bearer {await self.token(client)}", "Content-Type": HL7_V2}
        return await self._http.post(str(self.hub.services["testing"].hl7), content=message, headers=headers)

    async def redrive(
        self, service: str, patient: str, dry_run: bool = False, client: str = "ops", **more: str
    ) -> httpx.Response:
        """Decide a patient's parked deliveries again, as `iop parked redrive` does."""
        return await self._http.post(
            f"{self.hub.services[service].admin}/redrive",
            params={"key": patient, "dry_run": str(dry_run).lower(), **more},
            headers={"Authorization": f"Bearer {await self.token(client)}"},
        )

    @property
    def now(self) -> datetime:
        """The clinic's time."""
        return clock.now(self.data)

    def clock_set(self, moment: datetime) -> None:
        """Move the clinic's manual clock forward."""
        clock.advance(self.data, moment)

    async def settle(self, seconds_max: float = 60.0, consumers: Collection[str] | None = None) -> None:
        """Return when every event is sent and consumed (by these `consumers`, where they are named) and no deadline has
        passed. Raises CannotContinueError."""
        async with self._quiet:
            await self._quiescence.settle(self.now, seconds_max, consumers)

    async def decided(self, service: str, seconds_max: float = 60.0) -> None:
        """Return when this service has decided all that fell due. Raises CannotContinueError."""
        async with self._quiet:
            await self._quiescence.decided(service, self.now, seconds_max)

    async def heartbeat(self, service: str, seconds_max: float = 60.0) -> None:
        """Return when this service has stored a heartbeat of the clinic's time now. Raises CannotContinueError."""
        async with self._quiet:
            await self._quiescence.heartbeat(service, self.now, seconds_max)

    def pid(self, service: str) -> int:
        """The service's process, as of now: the runner writes it anew when it starts one again."""
        return hubfile.read(self.data).services[service].pid

    async def records(self, *names: str) -> list[Record]:
        """All records of these topics (all topics when none is named), from their beginning."""
        async with Topics(self.hub.cluster, names) as topics:
            return await topics.more()

    async def counts(self) -> dict[str, Count]:
        """Per service: decided, emitted, withheld, unsent, parked."""
        async with Databases(self.hub) as databases:
            return await databases.count()

    async def _ask(
        self, method: str, service: str, path: str, client: str, resource: Resource | None = None, **headers: str
    ) -> httpx.Response:
        own = {"Authorization": f"Bearer {await self.token(client)}", "Accept": FHIR_JSON}
        if resource is not None:
            own["Content-Type"] = FHIR_JSON
        return await self._http.request(
            method,
            f"{self.hub.services[service].fhir}{path}",
            json=resource,
            headers=own | {name.replace("_", "-"): value for name, value in headers.items()},
        )

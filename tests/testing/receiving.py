"""Testing as a laboratory meets it: HL7 messages received as over MLLP, FHIR submitted, the work list read."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.testing.hl7.mllp import Frame
from services.testing.hl7.receiver import Hl7Receiver
from services.testing.messages import EpisodeAdmitted, PatientIdentified
from shared.edge.paging import Asked
from shared.platform import traits
from shared.platform.clients import laboratories
from shared.platform.keys import Identifier
from shared.platform.traits import NOBODY, Person
from tests.service import DEPLOY, ServiceOnPostgres, caller, consumed

ADMITTED = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
AUTHORITY = "https://clinic.demo.iop-hub.org/mrn"
MRN = Identifier(AUTHORITY, "SEEDED-MRN")
EPISODE_ID = str(uuid4())


def message(
    control: str = "M1",
    value: str = "POSITIVE",
    filler: str = "F7",
    status: str = "F",
    mrn: str = "SEEDED-MRN",
    sent: str = "20260113120000-0500",
    mode: str = "P",
) -> bytes:
    return "\r".join(
        (
            rf"MSH|^~\&|LIS|TOXLAB|HUB|demo|{sent}||ORU^R01^ORU_R01|{control}|{mode}|2.5.1",
            f"PID|1||{mrn}^^^IOPDEMO^MR||Seeded^Bogus",
            f"OBR|1||{filler}|94307-6^Drug screen^LN|||20260112083000-0500{'|' * 15}20260113110000-0500|||{status}",
            f"OBX|1|ST|14314-9^Benzoylecgonine^LN||{value}||||||{status}",
        )
    ).encode()


@dataclass
class ReceivingService(ServiceOnPostgres):
    """Messages are received as over MLLP; a laboratory submits, the EHR reads and completes."""

    client: str = "lab"
    episode_id: str = EPISODE_ID

    async def identified(self, mrn: str = MRN.value, program: str = "demo", person: Person = NOBODY) -> None:
        digests = self.keys.digests(program, [Identifier(AUTHORITY, mrn)])
        known = traits.digested(self.keys, program, person)
        sealed = (self.keys.seal("testing", {"patient": {}, "traits": known}),) if known else ()
        event = PatientIdentified(digests=digests, sealed=sealed, identified_at=ADMITTED)
        await self.deliver(consumed(event, self.patient, program=program, at=self.running.clock.now()))

    async def admitted(self) -> None:
        await self.consume(
            EpisodeAdmitted(
                episode_id=self.episode_id,
                plan_id=str(uuid4()),
                referral_id=str(uuid4()),
                level="2.1",
                track="standard",
                flags=(),
                template=(),
                admitted_at=ADMITTED,
            )
        )

    async def receives(self, content: bytes) -> str:
        """MSA-1 and, where there is an ERR, its code."""
        answer = (await self.receiver.receive(Frame(content)))[0].decode().split("\r")
        errors = [each.split("|")[3].split("^")[0] for each in answer if each.startswith("ERR")]
        return " ".join([answer[1].split("|")[1], *errors])

    async def numbers(self, kind: str, identifier: str, program: str = "demo") -> list[str]:
        """Ids of the resources that a search by identifier finds."""
        who = replace(caller("ehr"), program=program)
        page = await self.reader.search(kind, Asked([("identifier", identifier)]), who)
        return sorted(each["id"] for each in page.resources)

    @property
    def receiver(self) -> Hl7Receiver:
        return Hl7Receiver(self.running, laboratories(DEPLOY))

    async def sent(self, *contents: bytes) -> list[str]:
        """Several messages at once, each over a connection of its own."""
        return sorted(await asyncio.gather(*map(self.receives, contents)))

    async def tasks(self, status: str = "requested") -> list[dict[str, Any]]:
        """The work list, as it is read."""
        return await self.found("Task", ("status", status))

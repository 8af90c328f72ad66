"""What people did is replayed too: parked and redriven, signed, answered, taken on by a page's link, read."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

from deploy.commands.replay import Journals, ask
from shared.path.transaction.replaying import Asked
from tests.house.test_rooms import SERVICES
from tests.intake.bundles import answered
from tests.journey.clinic import Clinic, Person
from tests.journey.pager import Pager
from tests.journey.test_on_call import next_page
from tests.journey.test_promises import mend, produce_again, redrive


async def test_what_was_parked_and_redriven_signed_answered_and_read_is_replayed_without_difference(
    clinic: Clinic,
) -> None:
    person = await clinic.admit()
    await clinic.miss(person)
    (missed,) = await clinic.tasks("attendance", person, "requested", "attendance")
    for status in ("accepted", "completed"):
        assert (await clinic.driver.put("attendance", answered(missed, status))).status_code == 200
    await park(clinic, person, "attendance")
    await clinic.driver.get("intake", f"Patient/{person.id}")
    await clinic.driver.get("attendance", f"Task/{missed['id']}/$why")

    await replayed(clinic, person, SERVICES)
    assert {"SignPlacement"} <= await decided(clinic, person, "intake")
    assert {"AcknowledgeEscalation", "ResolveEscalation", "EpisodeDischarged"} <= await decided(
        clinic, person, "attendance"
    )


async def park(clinic: Clinic, person: Person, service: str) -> None:
    """A record that can't be read parks the patient; what follows waits, is mended and redriven."""
    (good,) = [each for each in await clinic.records(person, "iop.intake.events") if each.event == "EpisodeAdmitted"]
    await produce_again(clinic, good, value=b'{"entry": [{}, {"resource": {}}]}', ce_id=str(uuid4()))
    await clinic.discharge(person)
    await mend(clinic, service, person, good)
    assert (await redrive(clinic, service, person))["parked"] == 0
    await clinic.driver.settle()
    for other in {"attendance", "testing", "aftercare"} - {service}:
        await mend(clinic, other, person, good)
        await redrive(clinic, other, person)
    await clinic.driver.settle()


async def test_who_took_on_a_page_by_its_link_is_replayed_without_difference(clinic: Clinic, pager: Pager) -> None:
    pager.forget()
    person = await clinic.refer(facts={"c-ssrs-q4": True})
    async with httpx.AsyncClient() as telephone:
        await telephone.post(next_page(pager, "suicide-risk")["data"]["link"], data={"action": "acknowledge"})
    assert len(await clinic.tasks("intake", person, "accepted", "safety")) == 1

    await replayed(clinic, person, ("intake",))
    assert {"AcknowledgeEscalation"} <= await decided(clinic, person, "intake")


async def replayed(clinic: Clinic, person: Person, services: Sequence[str]) -> None:
    """Each service's journal of this patient made again, as `iop replay` does; nothing in it differs."""
    hub = clinic.driver.hub
    dsns = {name: hub.postgres[name] for name in services}
    journals = Journals(dsns, clinic.driver.data / "keys", Path(hub.settings))
    found = await asyncio.to_thread(ask, journals, Asked(patient=person.id), 1)
    whole = [(each.differences, each.left_out, each.other_code, each.without_digest) for each in found]
    assert whole == [([], {}, {}, 0)] * len(services)


async def decided(clinic: Clinic, person: Person, service: str) -> set[str]:
    """What was decided about this patient, by the names of its events and commands."""
    connection = await asyncpg.connect(clinic.driver.hub.postgres[service])
    rows = await connection.fetch("SELECT event FROM journal WHERE key = $1 AND outcome = 'decided'", person.id)
    await connection.close()
    return {row["event"] for row in rows}

"""The whole hub on a Kafka that is shut: each service does its part with no more than its own rights."""

from pathlib import Path

from deploy.demo.partner import Partners
from deploy.evidence import Topics
from deploy.secure_kafka import Secrets
from shared.platform.kafka import Cluster
from tests.journey.asking_doctor import until_nothing_is_wrong
from tests.journey.clinic import Clinic, Person
from tests.journey.conftest import clinic_in

INTAKE, AFTERCARE, DISCLOSURES = "iop.intake.events", "iop.aftercare.events", "iop.disclosures"
CONSOLE_READS = {"iop.attendance.events", "iop.testing.events", AFTERCARE, "iop.escalations.open"}


async def test_an_intake_becomes_an_aftercare_and_each_reader_sees_its_own_topics(
    shut_hub: Path, partners: Partners
) -> None:
    async with clinic_in(shut_hub, partners) as clinic:
        person = await clinic.admit()
        await clinic.discharge(person)

        assert "EpisodeAdmitted" in await seen(clinic, person, "operations", INTAKE)
        assert {"AftercarePlanned", "ReferralWithheld"} <= await seen(clinic, person, "console", AFTERCARE)
        assert await seen(clinic, person, "compliance", DISCLOSURES)
        assert await visible(clinic, "console") == CONSOLE_READS
    until_nothing_is_wrong(("--data", str(shut_hub)))


async def seen(clinic: Clinic, person: Person, user: str, topic: str) -> set[str]:
    """What of this person comes to a reader of this topic."""
    async with Topics(by(clinic, user), (topic,)) as topics:
        return {each.event for each in await topics.more() if each.patient == person.id}


async def visible(clinic: Clinic, user: str) -> set[str]:
    """The topics that Kafka lets this reader see."""
    async with by(clinic, user).consumer() as consumer:
        return set(await consumer.topics())


def by(clinic: Clinic, user: str) -> Cluster:
    """As a reader connects who proves by its own password who it is."""
    secrets = Secrets(clinic.driver.data / "keys" / "kafka", (user,))
    return Cluster(clinic.driver.hub.kafka, f"iop.{user}.0", secrets.security(user))

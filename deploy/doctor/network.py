"""Asking what answers over the network: ports, services, issuer, Kafka, partners."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3

from deploy import comparing, topics
from deploy.doctor.facts import Group, KafkaFacts, NoAnswer, Ready
from deploy.doctor.waiting import answered, in_thread
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.own_kafka import unusable
from deploy.processes import last_sentence
from deploy.quiescence import behind
from shared.events.catalogue import CONSUMES
from shared.path.outbound.destinations import address
from shared.path.outbound.http import tls
from shared.platform.issuers import issuers as others
from shared.platform.issuers import key_set
from shared.platform.kafka import Cluster
from shared.platform.pagers import pagers
from shared.platform.settings import ConfigurationError, partners
from shared.rules.partner_access import NO_ACCESS, Access

BY_TLS = ("https:", "mllps:")
PORT_SECONDS_MOST = 1.0
DAY_SECONDS = 86_400.0
GROUP_PREFIX = "iop."
# aiokafka reads the answer of this version as if it were the one before, and breaks the connection.
DescribeGroupsRequest_v3.RESPONSE_TYPE = DescribeGroupsResponse_v3


async def listening(hub: Hub) -> dict[str, bool]:
    """Of each address of hub.json whether somebody listens."""
    addresses = dict(_addresses(hub))
    found = await asyncio.gather(*(_listens(each) for each in addresses.values()))
    return {f"{name} at {addresses[name]}": each for name, each in zip(addresses, found, strict=True)}


def _addresses(hub: Hub) -> Iterator[tuple[str, str]]:
    yield "kafka", hub.kafka.split(",")[0].strip()
    yield "issuer", urlsplit(hub.issuer).netloc
    for name, dsn in hub.postgres.items():
        parts = urlsplit(dsn)
        yield f"the database of {name}", f"{parts.hostname}:{parts.port or 5432}"
    for name, service in hub.services.items():
        yield name, urlsplit(service.fhir).netloc
        for number, admin in enumerate((service.admin, *(each.admin for each in service.replicas))):
            yield f"operators of {name}{f'-{number}' if number else ''}", urlsplit(admin).netloc
        if service.mllp:
            yield "MLLP", service.mllp
        if service.mllp_tls:
            yield "MLLP with TLS", service.mllp_tls


async def _listens(at: str) -> bool:
    host, _, port = at.rpartition(":")
    try:
        async with asyncio.timeout(PORT_SECONDS_MOST):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError):
        return False
    writer.close()
    return True


async def ready(name: str, base: str, data: Path) -> Ready:
    """What a process says of itself. Raises CannotContinueError with the last sentence of its log."""
    try:
        async with httpx.AsyncClient(timeout=None, trust_env=False) as http:
            answer = await http.get(f"{base}/health/ready")
        return msgspec.json.decode(answer.content, type=Ready)
    except (httpx.HTTPError, httpx.InvalidURL) as silence:
        ends = await in_thread(lambda: _log_ends(data / "logs" / f"{name}.log"))
        raise CannotContinueError(f"does not answer ({type(silence).__name__}){ends}") from None
    except msgspec.MsgspecError:
        raise CannotContinueError("answers, but not as a service of this release") from None


def _log_ends(log: Path) -> str:
    return f"; its log: {last_sentence(log)}" if log.exists() else ""


async def issuer(at: str) -> list[str]:
    """The ids of the keys that it publishes."""
    return await _published(f"{at}/jwks.json")


async def issuers(settings: Path, seconds: float) -> dict[str, list[str] | NoAnswer] | NoAnswer:
    """The same of each that clients.toml names; a file that can't be read is named elsewhere."""
    try:
        named = await in_thread(lambda: others(settings))
    except ConfigurationError as wrong:
        return NoAnswer(str(wrong), asked=False)
    found = await asyncio.gather(*(answered(_published(each.jwks), seconds) for each in named.values()))
    return dict(zip(named, found, strict=True))


async def _published(at: str) -> list[str]:
    """The ids of the keys that stand there: at an address, or in a file. Raises CannotContinueError."""
    try:
        if "://" in at:
            async with httpx.AsyncClient(timeout=None, trust_env=False) as http:
                content = (await http.get(at)).content
        else:
            content = await in_thread(Path(at).read_bytes)
        return [each.kid or "" for each in key_set(msgspec.json.decode(content)).keys]
    except ValueError:
        raise CannotContinueError(f"{at} answers, but publishes no keys") from None


async def kafka(cluster: Cluster, settings: Path) -> KafkaFacts:
    """The topics beside topics.toml, and each service's group. Raises CannotContinueError with what keeps us out."""
    wanted = await in_thread(lambda: topics.load(settings))
    admin = cluster.admin()
    try:
        await admin.start()
        present, brokers = await comparing.present_topics(admin, wanted)
        differences = comparing.differences(wanted, present, brokers)
        partitions = {
            service: [TopicPartition(topic, number) for number in range(present[topic].partitions)]
            for service, topic in CONSUMES.items()
            if topic in present
        }
        return KafkaFacts(differences, await _groups_or_why(cluster, admin, partitions))
    except (KafkaError, OSError) as failure:
        raise await unusable(cluster, failure) from None
    finally:
        await admin.close()


async def _groups_or_why(
    cluster: Cluster, admin: AIOKafkaAdminClient, partitions: Mapping[str, list[TopicPartition]]
) -> dict[str, Group] | NoAnswer:
    """A user may see the topics, and not the groups."""
    try:
        return await _groups(cluster, admin, partitions)
    except (KafkaError, OSError) as failure:
        return NoAnswer(str(await unusable(cluster, failure)))


async def _groups(
    cluster: Cluster, admin: AIOKafkaAdminClient, partitions: Mapping[str, list[TopicPartition]]
) -> dict[str, Group]:
    described = await admin.describe_consumer_groups([f"{GROUP_PREFIX}{service}" for service in partitions])
    known_groups = {group[1].removeprefix(GROUP_PREFIX): group for answer in described for group in answer.groups}
    consumer = cluster.consumer()
    try:
        await consumer.start()
        ends = await consumer.end_offsets([each for every in partitions.values() for each in every])
        found = {}
        for service, own in partitions.items():
            committed = await admin.list_consumer_group_offsets(f"{GROUP_PREFIX}{service}", partitions=own)
            offsets = {each: at.offset for each, at in committed.items()}
            found[service] = group_of(known_groups.get(service), await behind(consumer, offsets, own, ends))
        return found
    finally:
        await consumer.stop()


def group_of(described: Sequence[Any] | None, lag: int) -> Group:
    """From what the coordinator says of it: error code, name, state, two of its protocol, members."""
    if described is None:
        return Group(0, lag)
    error, members = described[0], described[5]
    return Group(len(members), lag, for_code(error).__name__ if error else "")


async def certificates(settings: Path, seconds: float) -> dict[str, float | NoAnswer]:
    """Days that the certificate of each partner and channel reached by TLS is still valid; unread files are named
    elsewhere."""
    outside = [each for each in await in_thread(lambda: list(_outside(settings))) if each[1].startswith(BY_TLS)]
    found = await asyncio.gather(*(answered(_days(url, access), seconds) for _, url, access in outside))
    return {name: each for (name, _, _), each in zip(outside, found, strict=True)}


def _outside(settings: Path) -> Iterator[tuple[str, str, Access]]:
    try:
        for name, partner in partners(settings).items():
            if partner.url:
                yield f"partner {name}", address(partner), partner.access
        for program, pager in pagers(settings).items():
            yield from ((f"channel {name} of {program}", each.url, NO_ACCESS) for name, each in pager.channels.items())
    except ConfigurationError:
        return


async def _days(url: str, access: Access) -> float:
    """With the authorities that the lanes trust. Raises CannotContinueError."""
    parts = urlsplit(url)
    try:
        trusting = tls(access)
    except ConfigurationError as wrong:
        raise CannotContinueError(str(wrong)) from None
    try:
        _, writer = await asyncio.open_connection(
            parts.hostname, parts.port or 443, ssl=trusting, server_hostname=parts.hostname
        )
    except ssl.SSLCertVerificationError as refused:
        raise CannotContinueError(f"its certificate is refused: {refused.verify_message}") from None
    try:
        certificate = writer.get_extra_info("peercert")
        return (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / DAY_SECONDS
    finally:
        writer.close()

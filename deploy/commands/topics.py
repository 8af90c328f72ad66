"""`iop topics`: the topics of the cluster beside topics.toml, and who may read and write them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy import comparing, grants, hubfile, own_kafka, rights, topics
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.comparing import Difference, PresentTopic
from deploy.grants import RightDifference
from deploy.own_kafka import unusable
from deploy.rights import Right
from deploy.topics import Topics
from shared.platform.kafka import Cluster

commands = typer.Typer(help="The topics of the cluster, and who may use them.", no_args_is_help=True)
SHOWN = ("cleanup.policy", "retention.ms", "min.insync.replicas")
Answer = TypeVar("Answer")
WithRights = Annotated[bool, typer.Option("--acl", help="Rights too: who may read and write each topic.")]


@commands.command(epilog="Example: iop topics show")
def show(with_rights: WithRights = False, settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print each topic as the cluster has it, and what is otherwise in topics.toml: then the exit code is 1. With
    `--acl` rights are compared too."""
    wanted = topics.load(settings_of(data, settings))
    present, found = _asked(data, lambda admin, _: _compared(admin, wanted))
    for name, topic in sorted(present.items()):
        out.print(_line(name, topic), markup=False)
    of_rights = _asked_of_rights(data, wanted, grants.compared) if with_rights else []
    _print([*found, *of_rights], applied=False)
    if found or of_rights:
        raise typer.Exit(1)


@commands.command(epilog="Example: iop topics apply --dry-run")
def apply(
    with_rights: WithRights = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Create the topics that are absent, and change retention and compaction to what topics.toml has. The number of
    partitions is never changed; copies are reported only. With `--acl` missing rights are granted; what topics.toml
    does not have is reported, and never taken."""
    wanted = topics.load(settings_of(data, settings))
    if dry_run:
        found: list[object] = [*_asked(data, lambda admin, _: _compared(admin, wanted))[1]]
    else:
        found = [*_asked(data, lambda admin, kafka: comparing.apply(admin, kafka, wanted))]
    if with_rights:
        found += _asked_of_rights(data, wanted, grants.compared if dry_run else grants.apply)
    _print(found, applied=not dry_run)


@commands.command(epilog="Example: iop topics acl --format strimzi --cluster clinic")
def acl(
    format_: Annotated[
        Literal["kafka", "strimzi"], typer.Option("--format", help="Calls of kafka-acls.sh, or Strimzi's KafkaUsers.")
    ] = "kafka",
    cluster: Annotated[str, typer.Option(help="The name of Strimzi's cluster.")] = "kafka",
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print who may write and read each topic, as text that the cluster's owner applies. It asks no cluster."""
    granted = rights.rights(topics.load(settings_of(data, settings)))
    text = rights.as_commands(granted) if format_ == "kafka" else rights.as_strimzi(granted, cluster)
    out.print(text, markup=False, end="")


def _asked_of_rights(
    data: Path, wanted: Topics, ask: Callable[[Cluster, list[Right]], Awaitable[list[RightDifference]]]
) -> list[RightDifference]:
    return _asked(data, lambda _, kafka: ask(kafka, rights.rights(wanted)))


def _asked(data: Path, ask: Callable[[AIOKafkaAdminClient, Cluster], Awaitable[Answer]]) -> Answer:
    """Of the Kafka of the environment, else of the running hub."""
    return asyncio.run(_with_admin(own_kafka.chosen(lambda: hubfile.read(data).cluster), ask))


async def _with_admin(kafka: Cluster, ask: Callable[[AIOKafkaAdminClient, Cluster], Awaitable[Answer]]) -> Answer:
    admin = kafka.admin()
    try:
        await admin.start()
        return await ask(admin, kafka)
    except (KafkaError, OSError) as failure:
        raise await unusable(kafka, failure) from None
    finally:
        await admin.close()


async def _compared(admin: AIOKafkaAdminClient, wanted: Topics) -> tuple[dict[str, PresentTopic], list[Difference]]:
    present, brokers = await comparing.present_topics(admin, wanted)
    return present, comparing.differences(wanted, present, brokers)


def _line(name: str, topic: PresentTopic) -> str:
    held = ", ".join(f"{each}={topic.settings[each]}" for each in SHOWN if each in topic.settings)
    return f"{name:<24} partitions={topic.partitions} replication={topic.replication} {held}"


def _print(found: Sequence[object], *, applied: bool) -> None:
    """What is otherwise; in brackets what became of it, or would by `iop topics apply`."""
    for each in found:
        out.print(str(each), markup=False)
    if found and not applied:
        out.print("nothing was changed: what stands in brackets is what `iop topics apply` does", markup=False)
    if not found:
        out.print("all is as in topics.toml", markup=False)

"""The Kafka of the environment, and what a command says when a Kafka can't be used."""

import os
from collections.abc import Callable

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from deploy.failure import CannotContinueError
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import Security
from shared.platform.kafka_trouble import trouble
from shared.platform.settings import KafkaEnvironment, environment

VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
CLIENT = "iop.commands"
WITHOUT_RIGHT = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)


def named() -> Cluster | None:
    """The one named in the environment, if any. Raises ConfigurationError."""
    bootstrap = os.environ.get(VARIABLE)
    if not bootstrap:
        return None
    return Cluster.of(bootstrap, CLIENT, Security.of(environment(KafkaEnvironment)))


def chosen(of_hub: Callable[[], Cluster]) -> Cluster:
    """Which cluster a command asks: the one named in the environment, else the running hub's. Raises
    ConfigurationError, and what `of_hub` raises."""
    return named() or of_hub()


async def unusable(kafka: Cluster, failure: Exception) -> CannotContinueError:
    """Why it can't be used: what is wrong with reaching it, or what it refused."""
    if isinstance(failure, WITHOUT_RIGHT):
        user = kafka.security.username or kafka.security.client_id or "this client"
        return CannotContinueError(
            f"Kafka at {kafka.bootstrap}: {user} has no right to do this ({type(failure).__name__}); "
            "use a user who administers the cluster, or have its owner grant what `iop topics acl` prints"
        )
    why = f"Kafka at {kafka.bootstrap} can't be used: {type(failure).__name__} {failure}"
    return CannotContinueError(await unreached(kafka) or why)


async def unreached(kafka: Cluster) -> str | None:
    """`trouble`, naming the variable that commands read."""
    wrong = await trouble(kafka)
    return wrong and wrong.replace("IOP_KAFKA_BOOTSTRAP", VARIABLE)

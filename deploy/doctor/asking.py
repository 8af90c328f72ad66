"""Asking everything that the checks look at, side by side; each answer has three seconds."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from deploy import clock, hubfile, own_kafka
from deploy.doctor import databases, files, network
from deploy.doctor.facts import Database, Facts, NoAnswer, NotAskedError, known
from deploy.doctor.waiting import SECONDS_MOST, answered, in_thread
from deploy.embedded_postgres import DATABASES
from deploy.hubfile import Hub
from shared.platform.kafka import Cluster
from shared.platform.settings import ConfigurationError

A = TypeVar("A")
T = TypeVar("T")
BY_URL = NoAnswer("asked by --url", asked=False)


@dataclass(frozen=True)
class Place:
    """Whom to ask: a hub's folder, or the addresses of services; besides the folder of settings, how many bytes must be
    free, and for how many seconds an answer is waited for."""

    data: Path
    settings: Path
    urls: tuple[str, ...] = ()
    free_bytes_least: int = 0
    seconds_most: float = SECONDS_MOST


async def ask(place: Place) -> Facts:
    """All of it; it takes as long as the slowest answer."""
    data, settings, keys, seconds = place.data, place.settings, _keys(place), place.seconds_most

    def local(look: Callable[[], T]) -> Awaitable[T | NoAnswer]:
        return answered(in_thread(look), seconds)

    async def database(name: str, dsn: str) -> Database:
        now, discloses = await in_thread(lambda: (clock.now(data), files.discloses(name, settings)))
        return await databases.ask(name, dsn, now, discloses)

    hub = BY_URL if place.urls else await local(lambda: hubfile.read(data))
    asked: Mapping[str, Awaitable[Any]] = {
        "ports": _of(hub, lambda it: answered(network.listening(it), seconds)),
        "free_bytes": local(lambda: files.free_bytes(data)),
        "java": local(files.java),
        "broken_jars": local(files.broken_jars),
        "readable_by_others": local(lambda: files.readable_by_others(data, keys, settings)),
        "settings": local(lambda: files.settings(settings)),
        "keys": local(lambda: _keys_of(place, keys)),
        "issuer": _of(hub, lambda it: answered(network.issuer(it.issuer), seconds)),
        "issuer_key": local(lambda: files.issuer_key(keys)),
        "other_issuers": network.issuers(settings, seconds),
        "pagers": local(lambda: files.pagers(settings)),
        "rota": local(lambda: files.rota(settings, clock.now(data).date())),
        "certificates": answered(network.certificates(settings, seconds), 2 * seconds),
        "laboratories": local(lambda: files.laboratories(keys, settings)),
        "databases": _each(_dsns(hub), database, seconds),
        "kafka": _of(_cluster(hub), lambda it: answered(network.kafka(it, settings), seconds)),
        "services": _each(_services(place, hub), lambda name, url: network.ready(name, url, data), seconds),
    }
    answers = await asyncio.gather(*asked.values())
    is_embedded = not place.urls and not os.environ.get(own_kafka.VARIABLE)
    given = dict(zip(asked, answers, strict=True))
    return Facts(hub=hub, is_embedded=is_embedded, free_bytes_least=place.free_bytes_least, **given)


async def _of(whom: A | NoAnswer, ask: Callable[[A], Awaitable[T]]) -> T | NoAnswer:
    """What hangs on something that itself may not be known."""
    return whom if isinstance(whom, NoAnswer) else await ask(whom)


async def _each(
    whom: Mapping[str, str | NoAnswer], ask: Callable[[str, str], Awaitable[T]], seconds: float
) -> dict[str, T | NoAnswer]:
    """The answer of each, by its name."""
    asking = [_of(at, lambda it, name=name: answered(ask(name, it), seconds)) for name, at in whom.items()]  # type: ignore[misc]
    return dict(zip(whom, await asyncio.gather(*asking), strict=True))


def _keys(place: Place) -> Path:
    """The folder that the environment names, else the hub's."""
    return Path(os.environ.get("IOP_KEYS") or place.data / "keys")


def _keys_of(place: Place, keys: Path) -> Sequence[str] | NoAnswer:
    """The keys of services elsewhere may be elsewhere too."""
    is_named = bool(os.environ.get("IOP_KEYS"))
    return BY_URL if place.urls and not is_named and not keys.exists() else files.keys(keys)


def _cluster(hub: Hub | NoAnswer) -> Cluster | NoAnswer:
    """As every command chooses it."""
    try:
        return own_kafka.chosen(lambda: known(hub).cluster)
    except NotAskedError:
        return NoAnswer(f"no hub is running, and {own_kafka.VARIABLE} names no Kafka", asked=False)
    except ConfigurationError as wrong:
        return NoAnswer(str(wrong))


def _dsns(hub: Hub | NoAnswer) -> Mapping[str, str | NoAnswer]:
    """The hub's; without one those of the environment."""
    if isinstance(hub, Hub):
        return dict(hub.postgres)
    own = os.environ.get("DATABASE_URL")
    if not own:
        return dict.fromkeys(DATABASES, NoAnswer("no hub is running, and DATABASE_URL names no database", asked=False))
    try:
        parts = urlsplit(own)
        _ = parts.port  # only a look at it finds it malformed
    except ValueError:
        return dict.fromkeys(DATABASES, NoAnswer("DATABASE_URL is no address"))
    return {name: urlunsplit(parts._replace(path=f"/iop_{name}")) for name in DATABASES}


def _services(place: Place, hub: Hub | NoAnswer) -> Mapping[str, str | NoAnswer]:
    """The address of each process, where its health is."""
    if isinstance(hub, NoAnswer):
        return {url: url.rstrip("/") for url in place.urls}
    found: dict[str, str | NoAnswer] = {}
    for name, service in hub.services.items():
        processes = (service.admin, *(each.admin for each in service.replicas))
        for number, admin in enumerate(processes):
            found[f"{name}-{number}" if number else name] = admin.removesuffix("/admin")
    return found

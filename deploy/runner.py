"""`iop up`: the whole hub on one machine, in the foreground, with nothing left running afterwards.

Order: key material, Kafka and PostgreSQL, topics, then issuer and services side by side. When all are healthy,
hub.json names their addresses.
"""

import asyncio
import http.client
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from deploy import clock, grants, hubfile, keys, mllp_authority, rights, servers, topics
from deploy.embedded_postgres import DATABASES
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub, Service
from deploy.paths import LOOPBACK, SETTINGS, free_port
from deploy.processes import HubPart
from deploy.replicas import Replica, shared_sockets
from deploy.servers import Servers
from deploy.supervisor import StoppedError, Supervisor
from shared.platform.clients import registered

AUDIENCE = "iop-hub"
MODULES: Mapping[str, str] = {
    "issuer": "deploy.issuer",
    "intake": "services.intake.app",
    "attendance": "services.attendance.app",
    "testing": "services.testing.app",
    "aftercare": "services.aftercare.app",
}
LINES = {"mllp": "IOP_MLLP_SOCKET", "mllp_tls": "IOP_MLLP_TLS_SOCKET"}
"""The ports of testing besides its own, and where it finds the socket of one that several processes share."""
ADMIN_ABOVE = 100
"""The port for operators is so far above a service's own, and that of each further replica above the one before."""


@dataclass(frozen=True)
class Ports:
    """Where to answer when the port is free; 0, or one in use, means any."""

    kafka: int = 9092
    postgres: int = 5432
    issuer: int = 8100
    intake: int = 8101
    attendance: int = 8102
    testing: int = 8103
    aftercare: int = 8104
    mllp: int = 2575
    mllp_tls: int = 2576

    def choose(self, replicas: Iterable[Replica], lines: Iterable[str]) -> dict[str, int]:
        """A free port for issuer and each service, and for each kind of MLLP; of each process of a service one for
        operators."""
        chosen = {name: free_port(getattr(self, name)) for name in (*MODULES, *lines)}
        for each in replicas:
            preferred = getattr(self, each.service)
            chosen[each.admin] = free_port(preferred and preferred + ADMIN_ABOVE * (each.number + 1))
        return chosen


ANY_PORTS = Ports(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run: `modules` names the Python module of issuer and services, `replicas` how many processes each service
    has, `deploy` is the folder of settings, `clock_starts_at` makes the clock manual, `secure` shuts the embedded
    Kafka, `mllp_tls` has MLLP with mutual TLS too."""

    data: Path
    ports: Ports = Ports()
    modules: Mapping[str, str] = field(default_factory=lambda: MODULES)
    replicas: Mapping[str, int] = field(default_factory=dict)
    deploy: Path = SETTINGS
    clock_starts_at: datetime | None = None
    secure: bool = False
    mllp_tls: bool = False

    @property
    def lines(self) -> list[str]:
        """The kinds of MLLP there are."""
        return [each for each in LINES if each == "mllp" or self.mllp_tls]

    def of(self, service: str) -> list[Replica]:
        """The processes of a service."""
        return [Replica(service, number) for number in range(self.replicas.get(service, 1))]


def up(plan: Plan, report: Callable[[str], None], healthy: Callable[[Hub], None]) -> None:
    """Run the hub until SIGINT or SIGTERM.

    Args:
        plan: what to run and where.
        report: called with one line whenever something happens to a part.
        healthy: called once, when all answer and hub.json is written.

    Raises:
        CannotContinueError: it cannot start, or a part ends again and again. Everything was stopped.
        ConfigurationError: a file of its settings says what can't be.
    """
    wanted, clients = topics.load(plan.deploy), registered(plan.deploy)
    with hubfile.owned(plan.data):
        hubfile.remove(plan.data)
        _set_clock(plan)
        ours = [name for name, each in clients.items() if each.key == keys.of(name)]
        folder = keys.make(plan.data, ours)
        if plan.mllp_tls:
            mllp_authority.make(folder, [name for name in ours if clients[name].reports])
        users = wanted.users if plan.secure else ()
        backing = servers.prepare(plan.data, plan.ports.kafka, plan.ports.postgres, users)
        supervisor = Supervisor(report)
        supervisor.listen()
        try:
            supervisor.start(backing.parts)
            asyncio.run(topics.create(backing.cluster, wanted))
            if plan.secure:
                asyncio.run(grants.apply(backing.cluster, rights.rights(wanted)))
            _run(plan, folder, backing, supervisor, healthy)
        except StoppedError:
            pass
        finally:
            hubfile.remove(plan.data)
            report("stopping")
            supervisor.stop()


def _run(plan: Plan, folder: Path, backing: Servers, supervisor: Supervisor, healthy: Callable[[Hub], None]) -> None:
    replicas = [each for service in DATABASES for each in plan.of(service)]
    chosen = plan.ports.choose(replicas, plan.lines)
    shared = {name: chosen[name] for name in (*DATABASES, *plan.lines) if len(plan.of(_service_at(name))) > 1}
    with shared_sockets(shared) as sockets:
        places = {name: opened.fileno() for name, opened in sockets.items()}
        processes = [each for name in plan.modules for each in plan.of(name)]
        supervisor.start([process(plan, each, folder, backing, chosen, places) for each in processes])

        def publish() -> Hub:
            hub = describe(plan, backing, chosen, supervisor.pids)
            hubfile.write(plan.data, hub)
            return hub

        healthy(publish())
        supervisor.watch(changed=publish)


def _service_at(name: str) -> str:
    """The service that answers at the port of this name."""
    return "testing" if name in LINES else name


def process(
    plan: Plan, replica: Replica, folder: Path, backing: Servers, chosen: Mapping[str, int], sockets: Mapping[str, int]
) -> HubPart:
    """The part that is one of our own Python processes: the issuer or a service. `sockets` are the descriptors, by the
    name of their port, of what several processes share."""
    name = replica.service
    environment = {
        "IOP_KAFKA_BOOTSTRAP": backing.kafka,
        "IOP_HOST": LOOPBACK,
        "IOP_HTTP_PORT": str(chosen[name]),
        "IOP_DEPLOY": str(plan.deploy.resolve()),
        "IOP_KEYS": str(folder),
        "IOP_ISSUER": _url(chosen["issuer"]),
        "IOP_AUDIENCE": AUDIENCE,
        "IOP_REPLICA": str(replica.number),
    }
    port = chosen[replica.admin if name in backing.postgres else name]
    if name in backing.postgres:
        environment["IOP_DATABASE_URL"] = backing.postgres[name]
        environment["IOP_ADMIN_HOST"], environment["IOP_ADMIN_PORT"] = LOOPBACK, str(port)
        environment |= backing.services[name].environment()
    if name == "testing":
        environment |= _lines(plan, folder, chosen)
    inherited = {
        LINES.get(each, "IOP_HTTP_SOCKET"): place for each, place in sockets.items() if _service_at(each) == name
    }
    if plan.clock_starts_at is not None:
        environment["IOP_CLOCK_FILE"] = str((plan.data / clock.NAME).resolve())
    ready = answers_ok if name == "issuer" else started
    return HubPart(
        name=replica.name,
        command=(sys.executable, "-m", plan.modules[name]),
        log=plan.data / "logs" / f"{replica.name}.log",
        ready=lambda: ready(port, "/health/live" if name == "issuer" else "/health/ready"),
        live=lambda: answers_ok(port, "/health/live"),
        environment=environment | {variable: str(place) for variable, place in inherited.items()},
        sockets=tuple(inherited.values()),
    )


def _lines(plan: Plan, keys_folder: Path, chosen: Mapping[str, int]) -> dict[str, str]:
    """Where HL7 v2 comes in."""
    found = {f"IOP_{each.upper()}_PORT": str(chosen[each]) for each in plan.lines}
    if plan.mllp_tls:
        server = str(keys_folder / mllp_authority.FOLDER / mllp_authority.SERVER)
        found |= {"IOP_MLLP_TLS_CERT_FILE": server, "IOP_MLLP_TLS_KEY_FILE": server}
    return found


def answers_ok(port: int, path: str) -> bool:
    """Whether GET of this path on loopback answers 200."""
    return _answer(port, path)[0] == 200


def started(port: int, path: str) -> bool:
    """Whether a service is ready, or what is wrong won't pass by itself: then starting it again would mend nothing."""
    status, retry_after = _answer(port, path)
    return status == 200 or (status == 503 and retry_after is None)


def _answer(port: int, path: str) -> tuple[int, str | None]:
    """Status (0 for none) and Retry-After."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def describe(plan: Plan, backing: Servers, chosen: Mapping[str, int], pids: Mapping[str, int]) -> Hub:
    """The content of hub.json."""
    services = {}
    for name in backing.postgres:
        base, replicas = _url(chosen[name]), plan.of(name)
        each = [hubfile.Replica(f"{_url(chosen[each.admin])}/admin", pids[each.name]) for each in replicas]
        service = Service(fhir=f"{base}/fhir", admin=each[0].admin, pid=each[0].pid, replicas=tuple(each[1:]))
        if name == "testing":
            lines = {each: f"{LOOPBACK}:{chosen[each]}" for each in plan.lines}
            service = msgspec.structs.replace(service, hl7=f"{base}/hl7", **lines)
        services[name] = service
    return Hub(
        kafka=backing.kafka,
        issuer=_url(chosen["issuer"]),
        services=services,
        postgres=backing.postgres,
        settings=str(plan.deploy.resolve()),
        kafka_security=backing.cluster.security,
    )


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _set_clock(plan: Plan) -> None:
    if plan.clock_starts_at is not None:
        clock.begin(plan.data, plan.clock_starts_at)
    elif clock.is_manual(plan.data):
        raise CannotContinueError(
            f"the hub in {plan.data} runs on a manual clock: add --clock manual, or choose another folder with --data"
        )

"""Composition root: `python -m services.testing.app`."""

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

import msgspec
from starlette.routing import Route

from services.testing.decide import decide, react
from services.testing.edge import edge
from services.testing.guidance import GUIDANCE
from services.testing.hl7 import mllp, mllp_tls
from services.testing.hl7.mllp_tls import ServerFiles
from services.testing.hl7.receiver import Hl7Receiver
from services.testing.hl7.routes import routes
from services.testing.messages import (
    REPORTS,
    Commands,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    Internal,
    RandomDayAsked,
)
from services.testing.orders import requisition
from services.testing.orders.drawing import Lots
from services.testing.settings import Settings
from services.testing.state import UPCAST, VERSION, State, due, evolve, lives
from services.testing.worklist import ageing, examining, unsettled
from services.testing.worklist.code_maps import LOOK_SECONDS, CodeMaps
from services.testing.worklist.received_messages import ReceivedMessages
from services.testing.worklist.reread_requests import RereadRequests
from services.testing.worklist.rereading import Rereading
from shared.path.service import PATIENT, Decider, Service
from shared.path.transaction.code_maps import EXAMINE
from shared.platform import db
from shared.platform.clients import laboratories, registered
from shared.platform.keys import Keys
from shared.platform.settings import Process, load, organizations, partners, zones
from shared.process import Running, ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="testing",
        deciders={
            PATIENT: Decider(
                state_type=State,
                version=VERSION,
                react=react,
                decide=decide,
                evolve=evolve,
                due=due,
                lives=lives,
                urgent=(ConsentGiven, ConsentDenied, ConsentRevoked),
                upcast=UPCAST,
                reports=REPORTS,
            )
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
        lookups={RandomDayAsked: Lots(keys).answer},
        unsettled=unsettled,
        ready_without_consents=True,
        guidance=GUIDANCE,
    )
    return ServiceAssembly(
        service=service,
        edge=edge(keys),
        settings=_settings,
        elsewhere=("laboratory",),
        form=lambda process: requisition.of(organizations(process.deploy), zones(process.deploy)),
        routes=_routes,
        tasks=_tasks,
        answers={EXAMINE: examining.answer},
    )


def _routes(running: Running) -> list[Route]:
    receiver = _receiver(running)
    rereading = Rereading(receiver, registered(running.process.deploy))
    return [*routes(receiver), *ReceivedMessages(running).routes(), *RereadRequests(running, rereading).routes()]


def _settings(process: Process) -> dict[str, Settings]:
    """Each program's numbers with its laboratory; the files of MLLP must be right before anything is opened. Raises
    ConfigurationError."""
    ServerFiles.of(process)
    numbers, known = load(process.deploy, "testing", Settings), partners(process.deploy).values()
    laboratories = {program: each.name for each in known if each.kind == "laboratory" for program in each.programs}
    return {
        program: msgspec.structs.replace(each, laboratory=laboratories.get(program, ""))
        for program, each in numbers.items()
    }


def _tasks(running: Running) -> list[Coroutine[Any, Any, None]]:
    receiver, clients = _receiver(running), registered(running.process.deploy)
    maps = CodeMaps(running, Rereading(receiver, clients))
    age = partial(ageing.look, running, clients)
    return [
        *_mllp(running.process, receiver),
        db.every(LOOK_SECONDS, maps.look, name="code maps"),
        db.every(ageing.LOOK_SECONDS, age, name="work list"),
    ]


def _mllp(process: Process, receiver: Hl7Receiver) -> Iterator[Coroutine[Any, Any, None]]:
    """Plain on an address of its own, on loopback; with mutual TLS on another one. Without a port there is none."""
    limits = mllp.LineLimits(
        process.mllp_lines,
        process.mllp_lines_a_client,
        process.mllp_first_seconds,
        process.mllp_idle_seconds,
        process.hl7_message_bytes,
        process.hl7_batch_bytes,
    )
    if (port := process.mllp_port) is not None:
        yield mllp.serve(process.mllp_host, port, receiver.receive, limits, process.mllp_socket)
    if (port := process.mllp_tls_port) is not None and (files := ServerFiles.of(process)) is not None:
        trust = mllp_tls.Trust(files, process.keys, receiver.known)
        yield mllp_tls.serve(process.mllp_tls_host, port, receiver.receive, limits, trust, process.mllp_tls_socket)


def _receiver(running: Running) -> Hl7Receiver:
    return Hl7Receiver(running, laboratories(running.process.deploy))


if __name__ == "__main__":
    main(assemble, "testing")

"""Composition root: `python -m services.testing.app`."""

from collections.abc import Coroutine
from typing import Any

from services.testing import examining, mllp
from services.testing.code_maps import LOOK_SECONDS, CodeMaps
from services.testing.decide import decide, react
from services.testing.edge import EDGE
from services.testing.hl7.receiver import Hl7Receiver, routes
from services.testing.messages import Commands, Internal
from services.testing.rereading import Rereading
from services.testing.senders import laboratories
from services.testing.settings import Settings
from services.testing.state import UPCAST, VERSION, State, due, evolve, lives
from shared.path.service import PATIENT, Decider, Service
from shared.path.transaction.code_maps import EXAMINE
from shared.platform import db
from shared.platform.clients import registered
from shared.platform.keys import Keys
from shared.platform.settings import load
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
                upcast=UPCAST,
            )
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
    )
    return ServiceAssembly(
        service=service,
        edge=EDGE,
        settings=lambda process: load(process.deploy, "testing", Settings),
        routes=lambda running: routes(_receiver(running)),
        tasks=_tasks,
        answers={EXAMINE: examining.answer},
    )


def _tasks(running: Running) -> list[Coroutine[Any, Any, None]]:
    rereading = Rereading(_receiver(running), registered(running.process.deploy))
    maps = CodeMaps(running, rereading)
    return [*_mllp(running), db.every(LOOK_SECONDS, maps.look, name="code maps")]


def _mllp(running: Running) -> list[Coroutine[Any, Any, None]]:
    """On an address of its own, for it has no TLS; without a port there is no MLLP."""
    process = running.process
    if process.mllp_port is None:
        return []
    limits = mllp.LineLimits(
        process.mllp_lines, process.mllp_lines_a_client, process.mllp_first_seconds, process.mllp_idle_seconds
    )
    receive = _receiver(running).receive
    return [mllp.serve(process.mllp_host, process.mllp_port, receive, limits, process.mllp_socket)]


def _receiver(running: Running) -> Hl7Receiver:
    return Hl7Receiver(running, laboratories(running.process.deploy))


if __name__ == "__main__":
    main(assemble, "testing")

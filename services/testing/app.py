"""Composition root: `python -m services.testing.app`."""

from services.testing import mllp
from services.testing.decide import hear, tell
from services.testing.edge import EDGE
from services.testing.reception import Reception, routes
from services.testing.senders import laboratories
from services.testing.settings import Settings
from services.testing.state import VERSION, State, due, evolve
from services.testing.words import Commands
from shared.edge.process import Parts, Running, main
from shared.path.identity import Keys
from shared.path.service import Service
from shared.path.settings import load
from shared.words.catalogue import TESTING_EVENTS


def parts(keys: Keys) -> Parts:
    service = Service(
        name="testing",
        state_type=State,
        version=VERSION,
        hear=hear,
        tell=tell,
        evolve=evolve,
        due=due,
        commands=Commands,
        keys=keys,
    )
    return Parts(
        service=service,
        edge=EDGE,
        topic=TESTING_EVENTS,
        settings=lambda process: load(process.deploy, "testing", Settings),
        routes=lambda running: routes(_reception(running)),
        tasks=lambda running: [
            mllp.serve(running.process.host, running.process.mllp_port, _reception(running).receive)
        ],
    )


def _reception(running: Running) -> Reception:
    return Reception(running, laboratories(running.process.deploy))


if __name__ == "__main__":
    main(parts, "testing")

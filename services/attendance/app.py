"""Composition root: `python -m services.attendance.app`."""

from services.attendance.decide import hear, tell
from services.attendance.edge import EDGE
from services.attendance.settings import Settings
from services.attendance.state import UPCAST, VERSION, State, due, evolve
from services.attendance.words import Commands
from shared.edge.process import Parts, main
from shared.path.identity import Keys
from shared.path.service import Service
from shared.path.settings import load
from shared.words.catalogue import ATTENDANCE_EVENTS


def parts(keys: Keys) -> Parts:
    service = Service(
        name="attendance",
        state_type=State,
        version=VERSION,
        hear=hear,
        tell=tell,
        evolve=evolve,
        due=due,
        commands=Commands,
        keys=keys,
        upcast=UPCAST,
    )
    return Parts(
        service=service,
        edge=EDGE,
        topic=ATTENDANCE_EVENTS,
        settings=lambda process: load(process.deploy, "attendance", Settings),
    )


if __name__ == "__main__":
    main(parts, "attendance")

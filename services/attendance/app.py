"""Composition root: `python -m services.attendance.app`."""

from services.attendance.decide import decide, react
from services.attendance.edge import EDGE
from services.attendance.messages import Commands
from services.attendance.settings import Settings
from services.attendance.state import UPCAST, VERSION, State, due, evolve
from shared.events.catalogue import ATTENDANCE_EVENTS
from shared.path.service import Service
from shared.path.transaction.aliases import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="attendance",
        state_type=State,
        version=VERSION,
        react=react,
        decide=decide,
        evolve=evolve,
        due=due,
        commands=Commands,
        keys=keys,
        upcast=UPCAST,
    )
    return ServiceAssembly(
        service=service,
        edge=EDGE,
        topic=ATTENDANCE_EVENTS,
        settings=lambda process: load(process.deploy, "attendance", Settings),
    )


if __name__ == "__main__":
    main(assemble, "attendance")

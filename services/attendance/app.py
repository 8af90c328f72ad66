"""Composition root: `python -m services.attendance.app`."""

from services.attendance import groups
from services.attendance.decide import decide, react
from services.attendance.edge import EDGE
from services.attendance.group_plan import GROUP
from services.attendance.messages import Commands, Internal
from services.attendance.settings import Settings
from services.attendance.state import UPCAST, VERSION, State, due, evolve, lives
from shared.path.service import PATIENT, Decider, Service
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="attendance",
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
            ),
            GROUP: Decider(
                state_type=groups.Group,
                version=groups.VERSION,
                react=groups.react,
                decide=groups.decide,
                evolve=groups.evolve,
                due=groups.due,
            ),
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
    )
    return ServiceAssembly(
        service=service,
        edge=EDGE,
        settings=lambda process: load(process.deploy, "attendance", Settings),
    )


if __name__ == "__main__":
    main(assemble, "attendance")

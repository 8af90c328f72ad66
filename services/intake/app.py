"""Composition root: `python -m services.intake.app`."""

from services.intake.decide import decide, react
from services.intake.edge import edge
from services.intake.messages import Commands, RecordConsent, ReportFindings, RevokeConsent
from services.intake.settings import Settings
from services.intake.state import UPCAST, VERSION, State, due, evolve
from shared.events.catalogue import INTAKE_EVENTS
from shared.path.service import Service
from shared.path.transaction.aliases import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="intake",
        state_type=State,
        version=VERSION,
        react=react,
        decide=decide,
        evolve=evolve,
        due=due,
        urgent=(RecordConsent, RevokeConsent, ReportFindings),
        commands=Commands,
        keys=keys,
        upcast=UPCAST,
    )
    return ServiceAssembly(
        service=service,
        edge=edge(keys),
        topic=INTAKE_EVENTS,
        settings=lambda process: load(process.deploy, "intake", Settings),
    )


if __name__ == "__main__":
    main(assemble, "intake")

"""Composition root: `python -m services.intake.app`."""

from services.intake.decide import decide, react
from services.intake.edge import edge
from services.intake.messages import Commands, Internal, RecordConsent, ReportFindings, RevokeConsent
from services.intake.settings import Settings
from services.intake.state import UPCAST, VERSION, State, due, evolve
from shared.path.service import PATIENT, Decider, Service
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="intake",
        deciders={
            PATIENT: Decider(
                state_type=State,
                version=VERSION,
                react=react,
                decide=decide,
                evolve=evolve,
                due=due,
                urgent=(RecordConsent, RevokeConsent, ReportFindings),
                upcast=UPCAST,
            )
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
    )
    return ServiceAssembly(
        service=service,
        edge=edge(keys),
        settings=lambda process: load(process.deploy, "intake", Settings),
    )


if __name__ == "__main__":
    main(assemble, "intake")

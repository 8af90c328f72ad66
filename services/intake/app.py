"""Composition root: `python -m services.intake.app`."""

from services.intake.decide import hear, tell
from services.intake.edge import edge
from services.intake.settings import Settings
from services.intake.state import VERSION, State, due, evolve
from services.intake.words import Commands, RecordConsent, ReportFindings, RevokeConsent
from shared.edge.process import Parts, main
from shared.path.identity import Keys
from shared.path.service import Service
from shared.path.settings import load
from shared.words.catalogue import INTAKE_EVENTS


def parts(keys: Keys) -> Parts:
    service = Service(
        name="intake",
        state_type=State,
        version=VERSION,
        hear=hear,
        tell=tell,
        evolve=evolve,
        due=due,
        urgent=(RecordConsent, RevokeConsent, ReportFindings),
        commands=Commands,
        keys=keys,
    )
    return Parts(
        service=service,
        edge=edge(keys),
        topic=INTAKE_EVENTS,
        settings=lambda process: load(process.deploy, "intake", Settings),
    )


if __name__ == "__main__":
    main(parts, "intake")

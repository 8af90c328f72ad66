"""Composition root: `python -m services.intake.app`."""

from collections.abc import Mapping

import msgspec

from services.intake.decide import decide, react
from services.intake.edge import edge
from services.intake.edge.own_codes import require_known
from services.intake.messages import Commands, DenyConsent, Internal, RecordConsent, ReportFindings, RevokeConsent
from services.intake.placement.levels import LEVELS
from services.intake.seats import seats
from services.intake.seats.capacity import SEATS
from services.intake.settings import Settings
from services.intake.state import UPCAST, VERSION, State, due, evolve, lives
from shared.path.service import PATIENT, Decider, Service
from shared.platform.keys import Keys
from shared.platform.settings import ConfigurationError, Process, load, organizations, partners
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
                lives=lives,
                urgent=(RecordConsent, DenyConsent, RevokeConsent, ReportFindings),
                upcast=UPCAST,
            ),
            SEATS: Decider(
                state_type=seats.Seats,
                version=seats.VERSION,
                react=seats.react,
                decide=seats.decide,
                evolve=seats.evolve,
                due=seats.due,
            ),
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
    )
    return ServiceAssembly(
        service=service,
        edge=edge(keys),
        settings=settings,
        elsewhere=("partners",),
    )


def settings(process: Process) -> Mapping[str, Settings]:
    """Each program's numbers, with its identifiers and its partners. Raises ConfigurationError, also of a code map."""
    require_known(process.deploy)
    known, own = partners(process.deploy).values(), organizations(process.deploy)
    for each in known:
        if not set(each.offers) <= set(LEVELS):
            place = f"{process.deploy / 'partners.toml'}: partner.{each.name}.offers"
            raise ConfigurationError(f"{place}: must be codes of levels of care, such as 3.7.")
    return {
        program: msgspec.structs.replace(
            each,
            identifiers=own[program].identifiers,
            partners=tuple(one for one in known if program in one.programs),
        )
        for program, each in load(process.deploy, "intake", Settings).items()
    }


if __name__ == "__main__":
    main(assemble, "intake")

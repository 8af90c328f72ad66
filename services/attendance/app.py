"""Composition root: `python -m services.attendance.app`."""

from collections.abc import Mapping
from typing import Any

from services.attendance import feed
from services.attendance.decide import decide, react
from services.attendance.edge import EDGE
from services.attendance.feed_events import FEED, Feed
from services.attendance.groups import groups
from services.attendance.groups import sessions as group_sessions
from services.attendance.groups.plan import GROUP
from services.attendance.messages import REPORTS, Commands, CommandsOfFeeds, CommandsOfGroups, Internal
from services.attendance.settings import Settings
from services.attendance.state import UPCAST, VERSION, State, due, evolve, lives
from shared.path.service import PATIENT, Decider, Service
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.process import ServiceAssembly, main

DECIDERS: Mapping[str, Decider[Any]] = {
    PATIENT: Decider(
        state_type=State,
        version=VERSION,
        react=react,
        decide=decide,
        evolve=evolve,
        due=due,
        lives=lives,
        upcast=UPCAST,
        reports=REPORTS,
    ),
    GROUP: Decider(
        state_type=groups.Group,
        version=groups.VERSION,
        react=group_sessions.react,
        decide=group_sessions.decide,
        evolve=groups.evolve,
        due=groups.due,
        upcast=groups.UPCAST,
    ),
    FEED: Decider(
        state_type=Feed,
        version=feed.VERSION,
        react=feed.react,
        decide=feed.decide,
        evolve=feed.evolve,
        due=feed.due,
        reports=REPORTS,
    ),
}
"""Of each kind of key."""


def assemble(keys: Keys) -> ServiceAssembly:
    service = Service(
        name="attendance",
        deciders=DECIDERS,
        commands=Commands | CommandsOfGroups | CommandsOfFeeds,
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

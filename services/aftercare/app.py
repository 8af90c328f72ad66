"""Composition root: `python -m services.aftercare.app`."""

from collections.abc import Mapping
from functools import partial

import msgspec
from starlette.routing import Route

from services.aftercare import form, whereabouts
from services.aftercare.answers.links import AnswerLinks
from services.aftercare.answers.page import AnswerPage
from services.aftercare.decide import decide, react
from services.aftercare.edge import EDGE
from services.aftercare.feeds import trial
from services.aftercare.feeds.running import MeetingFeeds
from services.aftercare.letter.binary import LetterBinaries
from services.aftercare.letter_texts import require_language
from services.aftercare.matcher import Matcher
from services.aftercare.meeting_lists import MeetingsAsked
from services.aftercare.messages import Commands, ConsentDenied, ConsentGiven, ConsentRevoked, Internal
from services.aftercare.packet import Packets
from services.aftercare.settings import Settings
from services.aftercare.state import UPCAST, VERSION, State, due, evolve, lives
from shared.edge.search import ResourceReader
from shared.path.service import PATIENT, Decider, Service
from shared.platform.feeds import TRY, registered_feeds
from shared.platform.keys import Keys
from shared.platform.settings import Process, load, organizations, partners, zones
from shared.process import Running, ServiceAssembly, main


def assemble(keys: Keys) -> ServiceAssembly:
    feeds = MeetingFeeds()
    service = Service(
        name="aftercare",
        deciders={
            PATIENT: Decider(
                state_type=State,
                version=VERSION,
                react=react,
                decide=decide,
                evolve=evolve,
                due=due,
                lives=lives,
                urgent=(ConsentGiven, ConsentDenied, ConsentRevoked),
                upcast=UPCAST,
            )
        },
        commands=Commands,
        internal=Internal,
        keys=keys,
        contact=whereabouts.known,
        lookups={MeetingsAsked: Matcher(feeds.snapshots).answer},
    )
    return ServiceAssembly(
        service=service,
        edge=EDGE,
        settings=settings,
        elsewhere=("partners",),
        form=lambda process: form.of(
            organizations(process.deploy), zones(process.deploy), keys.open, AnswerLinks(process.link_base, keys)
        ),
        routes=partial(_routes, feeds),
        prepare=feeds.prepare,
        answers={TRY: trial.answer},
        tasks=feeds.tasks,
    )


def _routes(feeds: MeetingFeeds, running: Running) -> list[Route]:
    inbox, process = running.inbox, running.process
    reader = ResourceReader(inbox.pool, running.keys, inbox.settings, running.reads, inbox.service.name)
    links, programs = AnswerLinks(process.link_base, running.keys), organizations(process.deploy)
    publishers = {name: each.attribution for name, each in registered_feeds(process.deploy).items()}
    letters = LetterBinaries(running.token_verifier, reader, inbox.service, feeds.snapshots, programs, publishers)
    packets = Packets(running.token_verifier, reader, inbox)
    return [
        *AnswerPage(running.submissions, reader, links, programs).routes(),
        *letters.routes(),
        *packets.routes(),
    ]


def settings(process: Process) -> Mapping[str, Settings]:
    """Each program's numbers with its partners. What is wrong in feeds.toml, or a language without a letter, is refused
    here, too."""
    numbers, known = load(process.deploy, "aftercare", Settings), partners(process.deploy).values()
    registered_feeds(process.deploy)
    for program, organization in organizations(process.deploy).items():
        require_language(organization.language, f"program.{program}.organization.language")
    return {
        program: msgspec.structs.replace(
            each,
            partners=tuple(partner for partner in known if program in partner.programs),
        )
        for program, each in numbers.items()
    }


if __name__ == "__main__":
    main(assemble, "aftercare")

"""The demo from nothing to its summary: a hub is started, the story runs, everything is counted, everything stops."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from deploy import clock
from deploy.demo import hub, laboratory, ordering, pager, pages, partner, report, samples, story, summary
from deploy.demo.agenda import Agenda, Promises
from deploy.demo.chart import Chart
from deploy.demo.courses import COURSES
from deploy.demo.display import Board, Seen
from deploy.demo.fold import fold
from deploy.demo.laboratory import DemoLaboratory
from deploy.demo.pager import Pager
from deploy.demo.partner import Partners
from deploy.demo.stay import ZONE, Clinic, Stay
from deploy.driver import Driver
from deploy.evidence import Databases, Record, Topics

FIRST_MONDAY = datetime(2025, 7, 7, tzinfo=ZONE)
LOOKS_BETWEEN_LOST = 20
SETTINGS_FOLDER = "settings"
PRINTED = "A"
"""Whose pages are printed at the end: of this patient referrals were sent and withheld."""
LABELS = {course.letter: course.label for course in COURSES}


@dataclass(frozen=True)
class Show:
    """What a person requested: the console, the report's file, a folder that stays, samples to send."""

    console: Console
    report: Path
    data: Path | None = None
    samples: Path | None = None


@dataclass(frozen=True)
class Outside:
    """Who stands in for whom the hub talks to."""

    partners: Partners
    pager: Pager
    laboratory: DemoLaboratory


@contextmanager
def folder(data: Path | None) -> Iterator[Path]:
    """The hub's folder: the one named, or a fresh one that is gone afterwards."""
    if data is not None:
        yield data.resolve()
        return
    fresh = Path(tempfile.mkdtemp(prefix="iop-demo-"))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def monday_for(data: Path) -> datetime:
    """The Monday the twelve weeks begin on: a fixed one, or the next one of a clinic whose clock has moved on."""
    if not clock.is_manual(data):
        return FIRST_MONDAY
    now = clock.now(data).astimezone(ZONE)
    ahead = (now + timedelta(days=7 - now.weekday())).date()
    return datetime(ahead.year, ahead.month, ahead.day, tzinfo=ZONE)


async def run(show: Show, data: Path, outside: Outside, monday: datetime) -> None:
    """Drive the hub that runs in this folder. Raises Broken when something expected does not happen."""
    console = show.console
    async with Driver.of(data) as driver, Topics(driver.hub.cluster) as topics, Databases(driver.hub) as databases:
        promises = Promises()
        if show.samples is not None:
            await samples.show(driver, console, promises, show.samples)
        clinic = Clinic(driver, outside.partners, outside.pager, outside.laboratory, Agenda(), promises, monday)
        watch = Watch(clinic, topics, databases, {})
        began = time.monotonic()
        with Board(console) as board:
            watch.stays = story.begin(clinic, uuid4().hex[:6])
            await clinic.agenda.run(driver, lambda: watch.look(board))
        found = await watch.tally()
        charts = watch.charts()
        summary.verify(found, charts, promises)
        printed = await pages.of(data, watch.stays[PRINTED].patient, monday)
        printed.verify(promises)
        console.print(summary.shown(found, promises, len(outside.pager.pages), time.monotonic() - began))
        console.print(pager.table(outside.pager.rows))
        console.print(ordering.table(outside.laboratory.rows))
        console.print(*printed.lines(), sep="\n", markup=False, highlight=False)
        months = await databases.months("demo", monday, driver.now, ZONE)
        report.write(show.report, charts, LABELS, found, monday, months)
        console.print(f"report: {show.report}", markup=False)


@dataclass
class Watch:
    """Looks at Kafka and the databases after each event."""

    clinic: Clinic
    topics: Topics
    databases: Databases
    stays: dict[str, Stay]
    records: list[Record] = field(default_factory=list)
    folded: dict[str, Chart] = field(default_factory=dict)
    looks: int = 0
    lost: int = 0

    async def look(self, board: Board) -> None:
        await self._read()
        if self.looks % LOOKS_BETWEEN_LOST == 0:
            self.lost = len(await self.databases.lost(self.records))
        self.looks += 1
        now = self.clinic.driver.now
        week = (now.astimezone(ZONE) - self.clinic.monday).days // 7 + 1
        board.show(Seen(now, week, await self.databases.count(), self.lost, self.charts(), LABELS))

    async def tally(self) -> summary.Tally:
        await self._read()
        return summary.tally(self.records, await self.databases.count(), await self.databases.lost(self.records))

    def charts(self) -> dict[str, Chart]:
        """By letter, of the patients the hub knows so far."""
        known = ((letter, stay.patient) for letter, stay in self.stays.items())
        return {letter: self.folded[patient] for letter, patient in known if patient in self.folded}

    async def _read(self) -> None:
        seen = {each.id for each in self.records}
        more = await self.topics.more()
        self.records += more
        fresh = {each.id: each for each in more if each.id not in seen}
        fold(self.folded, sorted(fresh.values(), key=lambda each: each.headers["ce_time"]))


def begin(show: Show) -> None:
    """Start everything, show it, stop everything; also when asked to stop in the middle."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        folder(show.data) as data,
        partner.running() as partners,
        pager.running() as ringing,
        laboratory.running(data) as ordered,
    ):
        monday = monday_for(data)
        show.console.print(f"starting a hub in {data}", markup=False)
        settings = ringing.settings(data / SETTINGS_FOLDER, partners=ordered.partners())
        with hub.running(data, monday + timedelta(hours=8), partners.environment(), settings):
            asyncio.run(run(show, data, Outside(partners, ringing, ordered), monday))
